"""Addresses of the room."""

from django.urls import path

from evaluation.releases import api as rest
from evaluation.releases import views

api = [
    path("projects/<slug:project>/policies/", rest.PolicyListAPI.as_view(), name="api-policies"),
    path("projects/<slug:project>/policies/<str:policy>/", rest.PolicyAPI.as_view(), name="api-policy"),
    path("projects/<slug:project>/releases/", rest.ReleaseListAPI.as_view(), name="api-releases"),
    path("projects/<slug:project>/releases/<int:number>/", rest.ReleaseAPI.as_view(), name="api-release"),
]
pages = [
    path("p/<slug:project>/policies/", views.PolicyListPage.as_view(), name="policy-list"),
    path("p/<slug:project>/policies/new/", views.ProposePolicyPage.as_view(), name="policy-propose"),
    path("p/<slug:project>/policies/<str:policy>/", views.PolicyPage.as_view(), name="policy-page"),
    path("p/<slug:project>/releases/", views.ReleaseListPage.as_view(), name="release-list"),
    path("p/<slug:project>/releases/new/", views.OpenReleasePage.as_view(), name="release-open"),
    path("p/<slug:project>/releases/<int:number>/", views.ReleasePage.as_view(), name="release-page"),
    path("p/<slug:project>/releases/<int:number>/sign/", views.SignPage.as_view(), name="release-sign"),
    path("p/<slug:project>/releases/<int:number>/accept/", views.AcceptPage.as_view(), name="release-accept"),
]
