"""Addresses of models."""

from django.urls import URLPattern, path

from evaluation.registry import api as rest
from evaluation.registry import views

_MODELS = "projects/<slug:project>/models/"
_VERSIONS = f"{_MODELS}<slug:model>/versions/"
api: list[URLPattern] = [
    path(_MODELS, rest.ModelList.as_view(), name="api-model-list"),
    path(f"{_MODELS}<slug:model>/", rest.ModelDetail.as_view(), name="api-model"),
    path(_VERSIONS, rest.VersionList.as_view(), name="api-model-version-list"),
    path(f"{_VERSIONS}<str:version>/", rest.VersionDetail.as_view(), name="api-model-version"),
    path(f"{_VERSIONS}<str:version>/production/", rest.Production.as_view(), name="api-model-version-production"),
]
_PAGES = "p/<slug:project>/models/"
pages: list[URLPattern] = [
    path(_PAGES, views.ModelListPage.as_view(), name="model-list-page"),
    path(f"{_PAGES}<slug:model>/", views.ModelPage.as_view(), name="model-page"),
    path(f"{_PAGES}<slug:model>/<str:version>/", views.VersionPage.as_view(), name="model-version-page"),
    path(f"{_PAGES}<slug:model>/<str:version>/production/", views.MarkPage.as_view(), name="model-version-mark"),
]
