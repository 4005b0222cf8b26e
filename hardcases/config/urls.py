"""Every address of the product. Rooms bring their own; this page only says where each hangs."""

from django.urls import URLPattern, URLResolver, include, path

from evaluation.registry import urls as registry
from evaluation.runs import urls as runs
from hardcases.cases import urls as cases

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include([*cases.api, *registry.api, *runs.api])),
    *cases.pages,
    *registry.pages,
    *runs.pages,
]
