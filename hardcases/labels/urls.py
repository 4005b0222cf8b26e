"""Addresses of labels."""

from django.urls import URLPattern, path

from hardcases.labels import api as rest
from hardcases.labels import views

api: list[URLPattern] = [
    path("projects/<slug:project>/labels/", rest.LabelList.as_view(), name="api-label-list"),
    path("projects/<slug:project>/cases/<str:key>/labels/", rest.CaseLabels.as_view(), name="api-case-labels"),
]
pages: list[URLPattern] = [
    path("p/<slug:project>/cases/<str:key>/", views.CasePage.as_view(), name="case-page"),
    path("p/<slug:project>/cases/<str:key>/label/", views.LabelPage.as_view(), name="case-label"),
]
