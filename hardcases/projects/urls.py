"""Addresses of this room."""

from django.urls import path

from hardcases.projects import api as rest

api = [
    path("whoami/", rest.WhoAmI.as_view(), name="api-whoami"),
    path("projects/", rest.ProjectList.as_view(), name="api-project-list"),
    path("projects/<slug:project>/", rest.ProjectDetail.as_view(), name="api-project"),
    path("projects/<slug:project>/members/", rest.MemberList.as_view(), name="api-member-list"),
    path("jobs/<uuid:job>/", rest.JobDetail.as_view(), name="api-job"),
]
pages = []
