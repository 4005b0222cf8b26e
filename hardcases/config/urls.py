"""Every address of the product. Rooms bring their own; this page only says where each hangs."""

from django.urls import URLPattern, URLResolver, include, path

from hardcases.cases import urls as cases
from hardcases.testsets import urls as testsets

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include([*cases.api, *testsets.api])),
    *cases.pages,
    *testsets.pages,
]
