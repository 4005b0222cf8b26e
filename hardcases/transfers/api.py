"""REST: imports and exports. Each view reads the request, makes one call into the domain and writes the answer."""

from typing import Any, ClassVar
from uuid import UUID

from django.http import QueryDict, StreamingHttpResponse
from django.http.response import HttpResponse, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from hardcases.cases.api import refuse_longer
from hardcases.errors import BadRequest, Invalid
from hardcases.projects.doors import ProjectAPI
from hardcases.projects.permissions import Can
from hardcases.testsets.access import version_for
from hardcases.transfers import actions, queries
from hardcases.transfers import serializers as shapes
from hardcases.transfers.access import export_for, import_for
from hardcases.transfers.files import report_response
from hardcases.transfers.models import Import
from hardcases.web.idempotency import content_hash, idempotent
from hardcases.web.json_edge import json_part
from hardcases.web.negotiation import AnyFormat
from hardcases.web.pages import file_response
from hardcases.web.pagination import keyset_page
from hardcases.web.queries import ListParameters, Parameters, read_parameters
from hardcases.work.models import Job

REQUEST_LIMIT = actions.FILE_LIMIT + 1_100_000  # the file, the JSON part and the multipart frame around them
PARTS = ("file", "format", "mapping", "dry_run")
NEWEST = ["-created_at", "pk"]


class ImportList(ProjectAPI):
    """All imports of a project."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW, "POST": Can.IMPORT}
    parser_classes = (MultiPartParser,)

    @extend_schema(operation_id="import_list", parameters=[ListParameters], responses={200: dict})
    def get(self, request: Request, project: str) -> Response:
        """Newest first."""
        asked = read_parameters(request, ListParameters)
        page = keyset_page(
            queries.imports_of(self.project).select_related("project"), order=NEWEST, cursor=asked.get("cursor"), limit=asked["limit"]
        )
        return Response(page.envelope(shapes.shown_import))

    @extend_schema(
        operation_id="import_start",
        request={
            "multipart/form-data": {
                "type": "object",
                "properties": {
                    "file": {"type": "string", "format": "binary"},
                    "format": {"type": "string"},
                    "mapping": {"type": "object"},
                    "dry_run": {"type": "boolean"},
                },
                "required": ["file"],
            }
        },
        responses={202: dict},
    )
    def post(self, request: Request, project: str) -> Response:
        """Import a file, or with `dry_run` only say what importing it would do."""
        read_parameters(request, Parameters)
        refuse_longer(request, REQUEST_LIMIT)
        file, format_name, mapping, dry_run = _read_upload(request)
        uploaded = actions.take_file(file, file.name or "", format_name=format_name)
        said = {"format": format_name, "mapping": mapping, "dry_run": dry_run, "name": uploaded.name}
        hashed = content_hash(json=said, files={"file": uploaded.sha256})
        with idempotent(request, owner=self.actor.owner, content_hash=hashed) as slot:
            if not slot.replayed:
                row = actions.create_import(actor=self.actor, project=self.project, uploaded=uploaded)
                job = self._start(row, mapping, dry_run=dry_run)
                slot.reply(202, self._accepted(row, job), headers={"Location": shapes.job_address(job)})
        return slot.response()

    def _start(self, row: Import, mapping: dict[str, Any], *, dry_run: bool) -> Job:
        start = actions.start_check if dry_run else actions.start_import
        return start(actor=self.actor, row=row, mapping=mapping)

    def _accepted(self, row: Import, job: Job) -> dict[str, Any]:
        return shapes.accepted(shapes.shown_import(import_for(self.project, row.pk)), job)


def _read_upload(request: Request) -> tuple[Any, str | None, dict[str, Any], bool]:
    """(the file, the format or None, the mapping, whether it is a dry run)."""
    data = request.data if isinstance(request.data, QueryDict) else QueryDict()
    names = {*data, *request.FILES}
    if unknown := sorted(names - set(PARTS)):
        raise BadRequest(f"There is no part “{unknown[0][:64]}” here. Nothing was stored. Send the parts {', '.join(PARTS)}.")
    files = request.FILES.getlist("file")
    if len(files) != 1:
        raise BadRequest("Send one part “file” with a file name. Nothing was stored.")
    if stray := sorted(set(request.FILES) - {"file", "mapping"}):
        raise BadRequest(f"The part “{stray[0]}” is a short text without a file name. Nothing was stored.")
    mapping = json_part(data, request.FILES, "mapping") if "mapping" in names else {}
    if not isinstance(mapping, dict):
        raise Invalid("The part “mapping” is not a JSON object. Nothing was stored.")
    dry_run = _text(data, "dry_run") or "false"
    if dry_run not in {"true", "false"}:
        raise BadRequest("The part “dry_run” is true or false. Nothing was stored.")
    return files[0], _text(data, "format"), mapping, dry_run == "true"


def _text(data: QueryDict, name: str) -> str | None:
    """A part that is a short text. Raises BadRequest."""
    said = data.getlist(name)
    if not said:
        return None
    if len(said) != 1 or len(said[0]) > 40:
        raise BadRequest(f"The part “{name}” is one short text. Nothing was stored.")
    return said[0]


class ImportDetail(ProjectAPI):
    """One import."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    @extend_schema(operation_id="import_read", responses={200: dict})
    def get(self, request: Request, project: str, import_id: UUID) -> Response:
        """The file, its check, its import."""
        read_parameters(request, Parameters)
        return Response(shapes.shown_import(import_for(self.project, import_id)))


class ImportStart(ProjectAPI):
    """An uploaded file again: another check, or after a check the import."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.IMPORT}

    @extend_schema(operation_id="import_go_on", request=shapes.StartBody, responses={202: dict})
    def post(self, request: Request, project: str, import_id: UUID) -> Response:
        """Without uploading it again. An import that failed goes on where it was."""
        read_parameters(request, Parameters)
        body = shapes.StartBody().run_validation(request.data)
        row = import_for(self.project, import_id)
        with idempotent(request, owner=self.actor.owner, content_hash=content_hash(json=request.data)) as slot:
            if not slot.replayed:
                if body["dry_run"]:
                    job = actions.start_check(actor=self.actor, row=row, mapping=body.get("mapping", row.mapping))
                else:
                    job = actions.start_import(actor=self.actor, row=row, mapping=body.get("mapping"))
                shown = shapes.shown_import(import_for(self.project, import_id))
                slot.reply(202, shapes.accepted(shown, job), headers={"Location": shapes.job_address(job)})
        return slot.response()


class ImportReport(ProjectAPI):
    """What became of each row."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}
    content_negotiation_class = AnyFormat

    @extend_schema(operation_id="import_report", parameters=[shapes.ReportParameters], responses={(200, "application/x-ndjson"): str})
    def get(self, request: Request, project: str, import_id: UUID) -> StreamingHttpResponse:
        """Of the import, or before it of the last check; all rows, or those of one status."""
        asked = read_parameters(request, shapes.ReportParameters)
        return report_response(import_for(self.project, import_id), asked.get("status"), asked["format"])


class ExportList(ProjectAPI):
    """All exports of a project."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW, "POST": Can.EXPORT}

    @extend_schema(operation_id="export_list", parameters=[ListParameters], responses={200: dict})
    def get(self, request: Request, project: str) -> Response:
        """Newest first."""
        asked = read_parameters(request, ListParameters)
        page = keyset_page(
            queries.exports_of(self.project).select_related("project"), order=NEWEST, cursor=asked.get("cursor"), limit=asked["limit"]
        )
        return Response(page.envelope(shapes.shown_export))

    @extend_schema(operation_id="export_start", request=shapes.ExportBody, responses={202: dict})
    def post(self, request: Request, project: str) -> Response:
        """Have a file made of a frozen version or of a search."""
        read_parameters(request, Parameters)
        body = shapes.ExportBody().run_validation(request.data)
        version = version_for(self.project, body["test_set"]) if "test_set" in body else None
        with idempotent(request, owner=self.actor.owner, content_hash=content_hash(json=request.data)) as slot:
            if not slot.replayed:
                export = actions.start_export(
                    actor=self.actor,
                    project=self.project,
                    version=version,
                    q=body.get("q"),
                    format_name=body["format"],
                    media=body["media"],
                    licence=body["license"],
                )
                shown = shapes.shown_export(export_for(self.project, export.pk))
                slot.reply(202, shown, headers={"Location": shapes.job_address(export.job)})
        return slot.response()


class ExportDetail(ProjectAPI):
    """One export."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    @extend_schema(operation_id="export_read", responses={200: dict})
    def get(self, request: Request, project: str, export_id: UUID) -> Response:
        """State, size, digest, and where its file is."""
        read_parameters(request, Parameters)
        return Response(shapes.shown_export(export_for(self.project, export_id)))


class ExportDownload(ProjectAPI):
    """The file of an export."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    @extend_schema(operation_id="export_download", responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request, project: str, export_id: UUID) -> HttpResponseBase:
        """409 until it is made, and when it is kept no longer."""
        read_parameters(request, Parameters)
        found = actions.download(actor=self.actor, export=export_for(self.project, export_id))
        return file_response(found.file, media_type=found.media_type, name=found.name, digest=found.sha256)


class ExportDigest(ProjectAPI):
    """The digest file of an export."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    @extend_schema(operation_id="export_digest", responses={(200, "text/plain"): str})
    def get(self, request: Request, project: str, export_id: UUID) -> HttpResponse:
        """A line for `sha256sum --check`."""
        read_parameters(request, Parameters)
        export = export_for(self.project, export_id)
        actions.require_made(export)
        return HttpResponse(f"{export.sha256}  {export.file_name}\n", content_type="text/plain; charset=utf-8")
