"""Addresses of repairs."""

from django.urls import URLPattern, path

from hardcases.repairs import api as rest
from hardcases.repairs import views

_API = "projects/<slug:project>/quarantine/"
api: list[URLPattern] = [
    path(_API, rest.Quarantine.as_view(), name="api-quarantine"),
    path(f"{_API}repairs/", rest.Repairs.as_view(), name="api-repairs"),
    path(f"{_API}repairs/<int:number>/retire/", rest.RepairRetire.as_view(), name="api-repair-retire"),
]
_PAGES = "p/<slug:project>/quarantine/"
pages: list[URLPattern] = [
    path(_PAGES, views.QuarantinePage.as_view(), name="quarantine"),
    path(f"{_PAGES}rules/<int:number>/retire/", views.RetirePage.as_view(), name="repair-retire"),
    path(f"{_PAGES}<slug:finding>/", views.FindingPage.as_view(), name="quarantine-finding"),
]
