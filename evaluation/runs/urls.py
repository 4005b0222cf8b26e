"""Addresses of runs."""

from django.urls import URLPattern, path

from evaluation.runs import api as rest

_RUNS = "projects/<slug:project>/runs/"
api: list[URLPattern] = [
    path(_RUNS, rest.RunList.as_view(), name="api-run-list"),
    path(f"{_RUNS}<int:number>/", rest.RunDetail.as_view(), name="api-run"),
    path(f"{_RUNS}<int:number>/cancel/", rest.RunCancel.as_view(), name="api-run-cancel"),
    path(f"{_RUNS}<int:number>/retry/", rest.RunRetry.as_view(), name="api-run-retry"),
    path(f"{_RUNS}<int:number>/predictions/", rest.RunPredictions.as_view(), name="api-run-predictions"),
    path(f"{_RUNS}<int:number>/report/", rest.RunReport.as_view(), name="api-run-report"),
    path(f"{_RUNS}<int:number>/cases/", rest.RunCases.as_view(), name="api-run-cases"),
]
pages: list[URLPattern] = []
