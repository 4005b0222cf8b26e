"""Addresses of test sets and strata."""

from django.urls import URLPattern, path

from hardcases.testsets import api as rest

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
pages: list[URLPattern] = []
