"""REST: large files in parts. Each view reads the request, makes one call into the domain and writes the answer."""

from collections.abc import Mapping
from typing import ClassVar
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from hardcases.cases import serializers as case_shapes
from hardcases.cases.doors import SendingAPI
from hardcases.errors import NotFound, Refusal
from hardcases.projects.doors import ProjectAPI
from hardcases.projects.permissions import Can
from hardcases.uploads import actions, steps
from hardcases.uploads import serializers as shapes
from hardcases.uploads.access import upload_for
from hardcases.uploads.models import Upload
from hardcases.uploads.places import Incomplete
from hardcases.web.idempotency import answered_before, content_hash, idempotent
from hardcases.web.queries import Parameters, read_parameters
from hardcases.web.uploads import RawBody


class LengthRequired(Refusal):
    status, code, title = 411, "length_required", "The length of the part is missing"


class UploadList(SendingAPI):
    """Files that come in parts."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.REPORT}

    @extend_schema(operation_id="upload_announce", request=shapes.UploadBody, responses={201: dict})
    def post(self, request: Request, project: str) -> Response:
        """Announce a file that is too large, or a line that is too weak, for one request; answers how to cut it."""
        read_parameters(request, Parameters)
        self.said = request.data
        announced = shapes.announced(self.said)
        with idempotent(request, owner=self.actor.owner, content_hash=content_hash(json=self.said)) as slot:
            if not slot.replayed:
                upload = actions.announce(actor=self.actor, project=self.project, announced=announced)
                slot.reply(201, {"id": str(upload.pk)})
        answer = slot.response()
        # Addresses are signed for an hour and belong to nobody's stored reply, so the rest of the answer is made anew.
        upload = upload_for(self.actor, self.project, UUID(answer.data["id"]))
        actions.begin(upload)
        answer.data = shapes.show(upload)
        return answer


class UploadDetail(ProjectAPI):
    """One file on its way."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.REPORT, "DELETE": Can.REPORT}

    @extend_schema(operation_id="upload_state", responses={200: dict})
    def get(self, request: Request, project: str, upload: UUID) -> Response:
        """Which parts are there, and fresh addresses for the others."""
        read_parameters(request, Parameters)
        found = upload_for(self.actor, self.project, upload)
        actions.begin(found)
        actions.touch(found)
        return Response(shapes.show(found))

    @extend_schema(operation_id="upload_cancel", responses={204: None})
    def delete(self, request: Request, project: str, upload: UUID) -> Response:
        """Forget the file and its parts."""
        read_parameters(request, Parameters)
        steps.cancel(upload=upload_for(self.actor, self.project, upload))
        return Response(status=204)


class UploadPart(SendingAPI):
    """One part of a file."""

    can: ClassVar[dict[str, Can]] = {"PUT": Can.REPORT}
    parser_classes = (RawBody,)

    @extend_schema(operation_id="upload_part", request={"application/octet-stream": OpenApiTypes.BINARY}, responses={204: None})
    def put(self, request: Request, project: str, upload: UUID, number: int) -> Response:
        """The bytes of this part and no others; sending it again does no harm. `Content-Digest: sha-256=:…:` is compared where it is sent."""
        read_parameters(request, Parameters)
        found = upload_for(self.actor, self.project, upload)
        length = request.META.get("CONTENT_LENGTH") or ""
        if not length.isdecimal() or request.stream is None:
            raise LengthRequired("The request does not say how long it is. Nothing was changed. Send a Content-Length.")
        actions.put_part(
            upload=found, number=number, stream=request.stream, length=int(length), content_digest=request.headers.get("Content-Digest")
        )
        return Response(status=204)


class _OfUpload:
    """The confirmation of an upload as a request that has its id for a key, so that its answer is stored like that of any other."""

    def __init__(self, request: Request, upload: UUID) -> None:
        self.method: str | None = "POST"
        self.path = request.path
        self.headers: Mapping[str, str] = {"Idempotency-Key": f"upload {upload}"}


class UploadConfirm(SendingAPI):
    """The end of an upload."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.REPORT}

    @extend_schema(operation_id="upload_confirm", request=shapes.NoBody, responses={201: dict, 200: dict})
    def post(self, request: Request, project: str, upload: UUID) -> Response:
        """All parts are there: compare the whole with its digest and file the case. Answers as `cases/` does; asking again gives the same answer."""
        read_parameters(request, Parameters)
        shapes.NoBody().run_validation(request.data or {})
        keyed, hashed = _OfUpload(request, upload), content_hash(json=str(upload))
        if replay := answered_before(keyed, owner=self.actor.owner, content_hash=hashed):
            return replay
        try:
            found = upload_for(self.actor, self.project, upload)
            if found.purpose == "import":
                return Response(shapes.show(actions.finish_import(upload=found)))
            return self._file(keyed, hashed, found)
        except (NotFound, Incomplete):
            # Another confirmation may have been quicker between our two looks.
            if replay := answered_before(keyed, owner=self.actor.owner, content_hash=hashed):
                return replay
            raise

    def _file(self, keyed: _OfUpload, hashed: str, upload: Upload) -> Response:
        self.said = upload.said
        taken = actions.take_in(upload=upload)
        self.charge(0 if taken.known else taken.size)
        fields = case_shapes.fields_of(shapes.fields_said(upload))
        with idempotent(keyed, owner=self.actor.owner, content_hash=hashed) as slot:
            if not slot.replayed:
                outcome = actions.file_case(actor=self.actor, upload=upload, taken=taken, fields=fields)
                status, answer = case_shapes.answered(outcome)
                slot.reply(status, answer, headers={"Location": answer["url"]} if status == 201 else {})
        steps.discard(upload)
        return slot.response()
