"""Addresses of this room."""

from allauth.account import views as allauth
from django.urls import path
from django.views.generic import TemplateView

from hardcases.projects import api as rest
from hardcases.projects import audit_log, entrance, team_pages, upload, views

api = [
    path("whoami/", rest.WhoAmI.as_view(), name="api-whoami"),
    path("projects/", rest.ProjectList.as_view(), name="api-project-list"),
    path("projects/<slug:project>/", rest.ProjectDetail.as_view(), name="api-project"),
    path("projects/<slug:project>/members/", rest.MemberList.as_view(), name="api-member-list"),
    path("jobs/<uuid:job>/", rest.JobDetail.as_view(), name="api-job"),
]
pages = [
    path("", views.Home.as_view(), name="home"),
    # allauth looks its own pages up under these names.
    path("login/", allauth.login, name="account_login"),
    path("login/again/", allauth.reauthenticate, name="account_reauthenticate"),
    path("login/inactive/", allauth.account_inactive, name="account_inactive"),
    path("logout/", allauth.logout, name="sign_out"),
    path("invite/<str:code>/", entrance.Invite.as_view(), name="invite"),
    path("account/", entrance.Account.as_view(), name="account"),
    path("help/", TemplateView.as_view(template_name="help.html"), name="help"),
    path("projects/", views.ProjectList.as_view(), name="project-list"),
    path("projects/new/", views.ProjectNew.as_view(), name="project-new"),
    path("teams/", team_pages.TeamList.as_view(), name="team-list"),
    path("teams/new/", team_pages.TeamNew.as_view(), name="team-new"),
    path("teams/<slug:team>/", team_pages.TeamDetail.as_view(), name="team"),
    path("teams/<slug:team>/members/", team_pages.TeamInvite.as_view(), name="team-invite"),
    path("teams/<slug:team>/members/<str:username>/", team_pages.TeamMember.as_view(), name="team-member"),
    path("p/<slug:project>/", views.Overview.as_view(), name="project-overview"),
    path("p/<slug:project>/upload/", upload.Upload.as_view(), name="project-upload"),
    path("p/<slug:project>/tokens/<uuid:token>/revoke/", upload.TokenRevoke.as_view(), name="token-revoke"),
    path("p/<slug:project>/tokens/<uuid:token>/replace/", upload.TokenReplace.as_view(), name="token-replace"),
    path("p/<slug:project>/settings/", views.Settings.as_view(), name="project-settings"),
    path("p/<slug:project>/members/", views.MemberInvite.as_view(), name="member-invite"),
    path("p/<slug:project>/members/<str:username>/", views.MemberRoles.as_view(), name="member-roles"),
    path("p/<slug:project>/audit/", audit_log.AuditLog.as_view(), name="audit-log"),
]
