"""Addresses of imports and exports."""

from django.urls import URLPattern, path

from hardcases.transfers import api as rest
from hardcases.transfers import views

_IMPORTS, _EXPORTS = "projects/<slug:project>/imports/", "projects/<slug:project>/exports/"
api: list[URLPattern] = [
    path(_IMPORTS, rest.ImportList.as_view(), name="api-import-list"),
    path(f"{_IMPORTS}<uuid:import_id>/", rest.ImportDetail.as_view(), name="api-import"),
    path(f"{_IMPORTS}<uuid:import_id>/start/", rest.ImportStart.as_view(), name="api-import-start"),
    path(f"{_IMPORTS}<uuid:import_id>/report/", rest.ImportReport.as_view(), name="api-import-report"),
    path(_EXPORTS, rest.ExportList.as_view(), name="api-export-list"),
    path(f"{_EXPORTS}<uuid:export_id>/", rest.ExportDetail.as_view(), name="api-export"),
    path(f"{_EXPORTS}<uuid:export_id>/download/", rest.ExportDownload.as_view(), name="api-export-download"),
    path(f"{_EXPORTS}<uuid:export_id>/digest/", rest.ExportDigest.as_view(), name="api-export-digest"),
]
_PAGES = "p/<slug:project>/transfers/"
pages: list[URLPattern] = [
    path(_PAGES, views.TransferListPage.as_view(), name="transfer-list"),
    path(f"{_PAGES}import/", views.ImportNewPage.as_view(), name="import-new"),
    path(f"{_PAGES}export/", views.ExportNewPage.as_view(), name="export-new"),
    path(f"{_PAGES}imports/<uuid:import_id>/", views.ImportPage.as_view(), name="import-page"),
]
