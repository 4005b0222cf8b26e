"""Addresses of cases."""

from django.urls import URLPattern, path

from hardcases.cases import api as rest
from hardcases.cases import views

_PROJECT = "projects/<slug:project>/cases/"
api: list[URLPattern] = [
    path(_PROJECT, rest.CaseList.as_view(), name="api-case-list"),
    path(f"{_PROJECT}batch/", rest.CaseBatch.as_view(), name="api-case-batch"),
    path(f"{_PROJECT}<str:key>/", rest.CaseDetail.as_view(), name="api-case"),
    path(f"{_PROJECT}<str:key>/media/", rest.CaseMedia.as_view(), name="api-case-media"),
]
pages: list[URLPattern] = [path("p/<slug:project>/cases/<str:key>/", views.CasePage.as_view(), name="case-page")]
