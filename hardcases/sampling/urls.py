"""Addresses of sampling."""

from django.urls import URLPattern, path

from hardcases.sampling import api as rest
from hardcases.sampling import views

api: list[URLPattern] = [
    path("projects/<slug:project>/sampling/", rest.Sampling.as_view(), name="api-sampling"),
    path("projects/<slug:project>/sampling/forget/", rest.ForgetLeftOut.as_view(), name="api-sampling-forget"),
]
pages: list[URLPattern] = [path("p/<slug:project>/sampling/", views.SamplingPage.as_view(), name="sampling")]
