"""REST: test sets, drafts, versions, strata. Each view reads the request, makes one call into the domain and writes the answer."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import StreamingHttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from hardcases.errors import Invalid
from hardcases.projects.doors import ProjectAPI
from hardcases.projects.permissions import Can
from hardcases.testsets import actions, queries
from hardcases.testsets import serializers as shapes
from hardcases.testsets.access import numbered_version, test_set_for
from hardcases.testsets.manifests import manifest_response
from hardcases.testsets.models import Stratum, TestSet, Version
from hardcases.web.idempotency import content_hash, idempotent
from hardcases.web.pagination import keyset_page
from hardcases.web.queries import ListParameters, Parameters, read_parameters


def _body(shape: type[Serializer[Any]], request: Request) -> dict[str, Any]:
    if not isinstance(request.data, Mapping):
        raise Invalid("The body is not a JSON object. Nothing was changed. Send an object.")
    checked: dict[str, Any] = shape().run_validation(request.data)
    return checked


class TestSetList(ProjectAPI):
    """The project's test sets."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW, "POST": Can.CURATE}

    @extend_schema(parameters=[ListParameters], responses={200: dict})
    def get(self, request: Request, project: str) -> Response:
        """By slug, each with its newest version."""
        asked = read_parameters(request, ListParameters)
        page = keyset_page(TestSet.objects.filter(project=self.project), order=["slug"], cursor=asked.get("cursor"), limit=asked["limit"])
        newest = queries.newest_of(page.rows)
        return Response(page.envelope(lambda test_set: shapes.shown_test_set(test_set, newest.get(test_set.pk))))

    @extend_schema(request=shapes.TestSetBody, responses={201: dict})
    def post(self, request: Request, project: str) -> Response:
        """Create one, empty."""
        read_parameters(request, Parameters)
        body = _body(shapes.TestSetBody, request)
        with idempotent(request, owner=self.actor.owner, content_hash=content_hash(json=request.data)) as slot:
            if not slot.replayed:
                test_set = actions.create_test_set(actor=self.actor, project=self.project, **body)
                test_set.refresh_from_db()
                slot.reply(201, shapes.shown_test_set(test_set, None))
        return slot.response()


class TestSetDetail(ProjectAPI):
    """One test set."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    @extend_schema(responses={200: dict})
    def get(self, request: Request, project: str, test_set: str) -> Response:
        """With its newest version."""
        read_parameters(request, Parameters)
        found = test_set_for(self.project, test_set)
        return Response(shapes.shown_test_set(found, queries.newest(found)))


class Draft(ProjectAPI):
    """What the next version is going to be."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW, "POST": Can.CURATE}

    @extend_schema(responses={200: dict})
    def get(self, request: Request, project: str, test_set: str) -> Response:
        """Readiness."""
        read_parameters(request, Parameters)
        return Response(shapes.shown_readiness(queries.readiness(test_set_for(self.project, test_set))))

    @extend_schema(request=shapes.DraftBody, responses={200: dict})
    def post(self, request: Request, project: str, test_set: str) -> Response:
        """Add and remove cases by keys or by a query."""
        read_parameters(request, Parameters)
        body = _body(shapes.DraftBody, request)
        changed = actions.change_draft(actor=self.actor, test_set=test_set_for(self.project, test_set), **body)
        return Response(shapes.shown_change(changed))


class VersionList(ProjectAPI):
    """The frozen versions of a test set."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW, "POST": Can.CURATE}

    @extend_schema(parameters=[ListParameters], responses={200: dict})
    def get(self, request: Request, project: str, test_set: str) -> Response:
        """Newest first."""
        asked = read_parameters(request, ListParameters)
        versions = Version.objects.filter(test_set=test_set_for(self.project, test_set)).select_related("test_set")
        page = keyset_page(versions, order=["-number"], cursor=asked.get("cursor"), limit=asked["limit"])
        return Response(page.envelope(shapes.shown_version))

    @extend_schema(request=shapes.FreezeBody, responses={201: dict, 202: dict})
    def post(self, request: Request, project: str, test_set: str) -> Response:
        """Freeze the draft; a large one is frozen by a job."""
        read_parameters(request, Parameters)
        body, found, version = _body(shapes.FreezeBody, request), test_set_for(self.project, test_set), None
        with idempotent(request, owner=self.actor.owner, content_hash=content_hash(json=request.data)) as slot:
            if not slot.replayed and queries.is_large(found):
                job = actions.stage(actor=self.actor, test_set=found, reason=body["reason"])
                address = f"/api/v1/jobs/{job.pk}/"
                slot.reply(202, {"id": str(job.pk), "state": job.state, "url": address}, headers={"Location": address})
            elif not slot.replayed:
                version = actions.freeze_rows(actor=self.actor, test_set=found, reason=body["reason"])
                version.refresh_from_db(fields=["frozen_at"])
                slot.reply(201, shapes.shown_version(version))
        if version is not None:
            actions.publish(version)
        return slot.response()


class VersionDetail(ProjectAPI):
    """One frozen version."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    @extend_schema(responses={200: dict})
    def get(self, request: Request, project: str, test_set: str, number: int) -> Response:
        """With the header that its digest is taken over."""
        read_parameters(request, Parameters)
        return Response(shapes.version_detail(numbered_version(test_set_for(self.project, test_set), number)))


class Manifest(ProjectAPI):
    """Every line that a version's digest covers."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    @extend_schema(responses={(200, "application/x-ndjson"): str})
    def get(self, request: Request, project: str, test_set: str, number: int) -> StreamingHttpResponse:
        """JSONL: the header, then a line a member."""
        read_parameters(request, Parameters)
        return manifest_response(numbered_version(test_set_for(self.project, test_set), number))


class VersionDiff(ProjectAPI):
    """What one version has that another has not."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    @extend_schema(responses={200: dict})
    def get(self, request: Request, project: str, test_set: str, a: int, b: int) -> Response:
        """From `a` to `b`."""
        read_parameters(request, Parameters)
        found = test_set_for(self.project, test_set)
        older, newer = numbered_version(found, a), numbered_version(found, b)
        return Response({"a": a, "b": b} | shapes.shown_diff(queries.diff(older, newer), self.project.key_prefix))


class StratumList(ProjectAPI):
    """The named strata; classes and attribute values are strata by themselves."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW, "POST": Can.CURATE}

    @extend_schema(parameters=[ListParameters], responses={200: dict})
    def get(self, request: Request, project: str) -> Response:
        """By slug."""
        asked = read_parameters(request, ListParameters)
        page = keyset_page(Stratum.objects.filter(project=self.project), order=["slug"], cursor=asked.get("cursor"), limit=asked["limit"])
        return Response(page.envelope(shapes.shown_stratum))

    @extend_schema(request=shapes.StratumBody, responses={201: dict})
    def post(self, request: Request, project: str) -> Response:
        """Name one by a query."""
        read_parameters(request, Parameters)
        body = _body(shapes.StratumBody, request)
        with idempotent(request, owner=self.actor.owner, content_hash=content_hash(json=request.data)) as slot:
            if not slot.replayed:
                slot.reply(201, shapes.shown_stratum(actions.create_stratum(actor=self.actor, project=self.project, **body)))
        return slot.response()
