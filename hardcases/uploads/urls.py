"""Addresses of large uploads."""

from django.urls import URLPattern, path

from hardcases.uploads import api as rest

_UPLOADS = "projects/<slug:project>/uploads/"
api: list[URLPattern] = [
    path(_UPLOADS, rest.UploadList.as_view(), name="api-upload-list"),
    path(f"{_UPLOADS}<uuid:upload>/", rest.UploadDetail.as_view(), name="api-upload"),
    path(f"{_UPLOADS}<uuid:upload>/parts/<int:number>/", rest.UploadPart.as_view(), name="api-upload-part"),
    path(f"{_UPLOADS}<uuid:upload>/confirm/", rest.UploadConfirm.as_view(), name="api-upload-confirm"),
]
