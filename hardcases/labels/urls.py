"""Addresses of labels."""

from django.urls import URLPattern, path

from hardcases.labels import api as rest

api: list[URLPattern] = [
    path("projects/<slug:project>/labels/", rest.LabelList.as_view(), name="api-label-list"),
    path("projects/<slug:project>/cases/<str:key>/labels/", rest.CaseLabels.as_view(), name="api-case-labels"),
]
pages: list[URLPattern] = []
