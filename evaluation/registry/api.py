"""REST: models, their versions, what serves."""

from collections.abc import Mapping
from typing import IO, Any, ClassVar

from django.core.files.uploadedfile import UploadedFile
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from evaluation.registry import actions, queries
from evaluation.registry import serializers as shapes
from evaluation.registry.access import in_production, model_for, version_for
from evaluation.registry.documents import read_digests, read_version
from hardcases.errors import BadRequest, Invalid, TooLarge
from hardcases.projects.doors import ProjectAPI
from hardcases.projects.permissions import Can
from hardcases.web.idempotency import content_hash, idempotent
from hardcases.web.json_edge import StrictJSONParser, json_part
from hardcases.web.pagination import keyset_page
from hardcases.web.queries import ListParameters, Parameters, read_parameters

PARTS = ("version", "model", "training.txt")
MAX_TRAINING = 200_000_000


class ModelList(ProjectAPI):
    """All models of a project."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW, "POST": Can.RUN}

    @extend_schema(operation_id="model_list", parameters=[ListParameters], responses={200: shapes.ModelAnswer(many=True)})
    def get(self, request: Request, project: str) -> Response:
        """By slug."""
        asked = read_parameters(request, ListParameters)
        page = keyset_page(queries.models_with_versions(self.project), order=["slug"], cursor=asked.get("cursor"), limit=asked["limit"])
        rows = [shapes.show_model(row, production=row.production, newest=row.newest) for row in page.rows]  # type: ignore[attr-defined]
        return Response({"results": rows, "next": page.next})

    @extend_schema(operation_id="model_create", request=shapes.ModelBody, responses={201: shapes.ModelAnswer, 200: shapes.ModelAnswer})
    def post(self, request: Request, project: str) -> Response:
        """A new model; the same again answers 200."""
        read_parameters(request, Parameters)
        body = shapes.ModelBody(data=request.data)
        body.is_valid(raise_exception=True)
        slug = body.validated_data["slug"]
        name = body.validated_data.get("name", slug)
        with idempotent(request, owner=self.actor.owner, content_hash=content_hash(json=request.data)) as slot:
            if not slot.replayed:
                model, created = actions.register_model(actor=self.actor, project=self.project, slug=slug, name=name)
                answer = shapes.show_model(model, production=None, newest=None)
                location = f"/api/v1/projects/{self.project.slug}/models/{slug}/"
                slot.reply(201 if created else 200, answer, headers={"Location": location} if created else {})
        return slot.response()


class ModelDetail(ProjectAPI):
    """One model."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    @extend_schema(operation_id="model_read", responses={200: shapes.ModelAnswer})
    def get(self, request: Request, project: str, model: str) -> Response:
        """What serves and what is newest."""
        read_parameters(request, Parameters)
        model_for(self.project, model)
        row = queries.models_with_versions(self.project).get(slug=model)
        return Response(shapes.show_model(row, production=row.production, newest=row.newest))


class VersionList(ProjectAPI):
    """The versions of a model."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW, "POST": Can.RUN}
    parser_classes = (StrictJSONParser, MultiPartParser)

    @extend_schema(operation_id="model_version_list", parameters=[ListParameters], responses={200: shapes.VersionAnswer(many=True)})
    def get(self, request: Request, project: str, model: str) -> Response:
        """Newest first."""
        asked = read_parameters(request, ListParameters)
        row = model_for(self.project, model)
        serving = in_production(row)
        page = keyset_page(queries.versions_with_replicates(row), order=["-id"], cursor=asked.get("cursor"), limit=asked["limit"])
        return Response(page.envelope(lambda version: shapes.show_version(version, in_production=version == serving)))

    @extend_schema(operation_id="model_version_register", request=shapes.VersionBody, responses={201: shapes.VersionAnswer})
    def post(self, request: Request, project: str, model: str) -> Response:
        """Register a replicate: JSON, or multipart with the parts `version` (JSON), `model` (file) and `training.txt`."""
        read_parameters(request, Parameters)
        row = model_for(self.project, model)
        said, artefact = _read_body(request)
        document = read_version(said)
        files = actions.store_files(document, artefact)
        hashed = content_hash(json=said, files={"model": files.artefact_sha256 or ""})
        with idempotent(request, owner=self.actor.owner, content_hash=hashed) as slot:
            if not slot.replayed:
                done = actions.register_version(actor=self.actor, model=row, document=document, files=files)
                version = queries.versions_with_replicates(row).get(pk=done.replicate.model_version_id)
                location = f"/api/v1/projects/{self.project.slug}/models/{row.slug}/versions/{version.version}/"
                answer = shapes.show_version(version, in_production=version == in_production(row))
                slot.reply(201 if done.created else 200, answer, headers={"Location": location} if done.created else {})
        return slot.response()


def _read_body(request: Request) -> tuple[Any, IO[bytes] | None]:
    """The document as sent (training digests of a part included) and the model file."""
    if not request.content_type.startswith("multipart/"):
        if not isinstance(request.data, Mapping):
            raise Invalid("The body is not a JSON object. Nothing was stored. Send the document of a model version.")
        return request.data, None
    parts = {*request.data, *request.FILES}
    if unknown := sorted(parts - set(PARTS)):
        raise BadRequest(f"There is no part “{unknown[0][:64]}” here. Nothing was stored. Send the parts {', '.join(PARTS)}.")
    document = json_part(request.data, request.FILES, "version")
    training = request.FILES.get("training.txt")
    if training is not None and isinstance(document, dict):
        document = document | {"training_digests": read_digests(_text_of(training))}
    return document, request.FILES.get("model")


def _text_of(file: UploadedFile) -> str:
    if (file.size or 0) > MAX_TRAINING:
        raise TooLarge(f"The part training.txt is larger than the limit of {MAX_TRAINING:,} bytes. Nothing was stored.")
    return file.read().decode("utf-8", "replace")


class VersionDetail(ProjectAPI):
    """One version; `production` names the one that serves."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    @extend_schema(operation_id="model_version_read", responses={200: shapes.VersionAnswer})
    def get(self, request: Request, project: str, model: str, version: str) -> Response:
        """With everything registered."""
        read_parameters(request, Parameters)
        row = model_for(self.project, model)
        found = version_for(row, version)
        whole = queries.versions_with_replicates(row).get(pk=found.pk)
        return Response(shapes.show_version(whole, in_production=found == in_production(row)))


class Production(ProjectAPI):
    """What serves."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.MARK_PRODUCTION}

    @extend_schema(operation_id="model_version_production", request=None, responses={200: dict})
    def post(self, request: Request, project: str, model: str, version: str) -> Response:
        """From now on this version serves."""
        read_parameters(request, Parameters)
        found = version_for(model_for(self.project, model), version)
        with idempotent(request, owner=self.actor.owner, content_hash=content_hash(json=None)) as slot:
            if not slot.replayed:
                mark = actions.mark_production(actor=self.actor, model_version=found)
                slot.reply(200, {"model": str(mark.model_version), "at": mark.at, "by": mark.by_name})
        return slot.response()
