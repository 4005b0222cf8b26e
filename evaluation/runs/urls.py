"""Addresses of runs."""

from django.urls import URLPattern, path

from evaluation.runs import api as rest
from evaluation.runs import views

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
_PAGES = "p/<slug:project>/runs/"
pages: list[URLPattern] = [
    path(_PAGES, views.RunListPage.as_view(), name="run-list-page"),
    path(f"{_PAGES}new/", views.RunNewPage.as_view(), name="run-new"),
    path(f"{_PAGES}<int:number>/", views.RunPage.as_view(), name="run-page"),
    path(f"{_PAGES}<int:number>/cancel/", views.RunCancelPage.as_view(), name="run-cancel"),
    path(f"{_PAGES}<int:number>/retry/", views.RunRetryPage.as_view(), name="run-retry"),
    path(f"{_PAGES}<int:number>/flips/", views.FlipsPage.as_view(), name="run-flips"),
    path("p/<slug:project>/cases/<str:key>/answers/", views.CaseAnswersFragment.as_view(), name="case-answers"),
]
