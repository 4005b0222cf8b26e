"""Addresses of test sets and strata."""

from django.urls import URLPattern, path

from hardcases.testsets import api as rest
from hardcases.testsets import views

_SETS = "projects/<slug:project>/test-sets/"
_SET = f"{_SETS}<slug:test_set>/"
api: list[URLPattern] = [
    path(_SETS, rest.TestSetList.as_view(), name="api-test-set-list"),
    path(_SET, rest.TestSetDetail.as_view(), name="api-test-set"),
    path(f"{_SET}draft/", rest.Draft.as_view(), name="api-draft"),
    path(f"{_SET}versions/", rest.VersionList.as_view(), name="api-version-list"),
    path(f"{_SET}versions/<int:number>/", rest.VersionDetail.as_view(), name="api-version"),
    path(f"{_SET}versions/<int:number>/manifest/", rest.Manifest.as_view(), name="api-manifest"),
    path(f"{_SET}diff/<int:a>..<int:b>/", rest.VersionDiff.as_view(), name="api-version-diff"),
    path("projects/<slug:project>/strata/", rest.StratumList.as_view(), name="api-stratum-list"),
]
_PAGES = "p/<slug:project>/sets/"
_PAGE = f"{_PAGES}<slug:test_set>/"
pages: list[URLPattern] = [
    path(_PAGES, views.TestSetListPage.as_view(), name="test-set-list-page"),
    path(f"{_PAGES}new/", views.TestSetNewPage.as_view(), name="test-set-new"),
    path(_PAGE, views.TestSetPage.as_view(), name="test-set-page"),
    path(f"{_PAGE}draft/", views.DraftPage.as_view(), name="draft-page"),
    path(f"{_PAGE}draft/freeze/", views.FreezePage.as_view(), name="freeze-page"),
    path(f"{_PAGE}v/<int:number>/", views.VersionPage.as_view(), name="version-page"),
    path(f"{_PAGE}v/<int:number>/manifest/", views.VersionManifestPage.as_view(), name="version-manifest"),
    path(f"{_PAGE}diff/<int:a>..<int:b>/", views.VersionDiffPage.as_view(), name="version-diff-page"),
    path("p/<slug:project>/strata/", views.StratumListPage.as_view(), name="stratum-list-page"),
]
