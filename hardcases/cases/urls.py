"""Addresses of cases."""

from django.urls import URLPattern, path

from hardcases.cases import api as rest
from hardcases.cases import bulk_api as bulk_rest
from hardcases.cases import views

_PROJECT = "projects/<slug:project>/cases/"
api: list[URLPattern] = [
    path(_PROJECT, rest.CaseList.as_view(), name="api-case-list"),
    path(f"{_PROJECT}batch/", rest.CaseBatch.as_view(), name="api-case-batch"),
    path(f"{_PROJECT}digests/", rest.CaseDigests.as_view(), name="api-case-digests"),
    path(f"{_PROJECT}bulk/", bulk_rest.CaseBulk.as_view(), name="api-case-bulk"),
    path(f"{_PROJECT}bulk/<uuid:job>/undo/", bulk_rest.CaseBulkUndo.as_view(), name="api-case-bulk-undo"),
    path(f"{_PROJECT}<str:key>/", rest.CaseDetail.as_view(), name="api-case"),
    path(f"{_PROJECT}<str:key>/media/", rest.CaseMedia.as_view(), name="api-case-media"),
]
_PAGES = "p/<slug:project>/cases/"
pages: list[URLPattern] = [
    path("p/<slug:project>/upload/test/", views.TestCasePage.as_view(), name="upload-test"),
    path(_PAGES, views.CaseListPage.as_view(), name="case-list"),
    path(f"{_PAGES}<str:key>/light/", views.LightFragment.as_view(), name="case-light"),
    path(f"{_PAGES}<str:key>/decide/", views.DecidePage.as_view(), name="case-decide"),
    path(f"{_PAGES}<str:key>/undo/", views.UndoPage.as_view(), name="case-undo"),
    path(f"{_PAGES}<str:key>/erase/", views.ErasePage.as_view(), name="case-erase"),
]
