"""Addresses of the inbox and of groups."""

from django.urls import URLPattern, path

from hardcases.groups import api as rest
from hardcases.groups import views

_PROJECT = "projects/<slug:project>/groups/"
api: list[URLPattern] = [
    path(_PROJECT, rest.GroupList.as_view(), name="api-group-list"),
    path(f"{_PROJECT}<str:group>/", rest.GroupDetail.as_view(), name="api-group"),
    path(f"{_PROJECT}<str:group>/decide/", rest.GroupDecide.as_view(), name="api-group-decide"),
    path(f"{_PROJECT}<str:group>/merge/", rest.GroupMerge.as_view(), name="api-group-merge"),
    path(f"{_PROJECT}<str:group>/split/", rest.GroupSplit.as_view(), name="api-group-split"),
    path(f"{_PROJECT}<str:group>/acts/<int:act>/undo/", rest.GroupActUndo.as_view(), name="api-group-undo"),
]
_INBOX = "p/<slug:project>/inbox/"
pages: list[URLPattern] = [
    path(_INBOX, views.InboxPage.as_view(), name="inbox"),
    path(f"{_INBOX}placing/", views.PlacingNote.as_view(), name="inbox-placing"),
    path(f"{_INBOX}<str:group>/", views.GroupPage.as_view(), name="group-page"),
    path(f"{_INBOX}<str:group>/decide/", views.DecideGroupPage.as_view(), name="group-decide"),
    path(f"{_INBOX}<str:group>/merge/", views.MergePage.as_view(), name="group-merge"),
    path(f"{_INBOX}<str:group>/split/", views.SplitPage.as_view(), name="group-split"),
    path(f"{_INBOX}<str:group>/undo/<int:act>/", views.UndoActPage.as_view(), name="group-undo"),
]
