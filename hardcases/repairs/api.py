"""REST: what was set aside, and its repair."""

from collections.abc import Mapping
from typing import ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from hardcases.errors import Invalid
from hardcases.projects.doors import ProjectAPI
from hardcases.projects.permissions import Can
from hardcases.repairs import actions, queries
from hardcases.repairs import serializers as shapes
from hardcases.repairs.rules import read_rule
from hardcases.web.idempotency import content_hash, idempotent
from hardcases.web.queries import Parameters, read_parameters

EXAMPLE = OpenApiExample(
    "Map a value",
    request_only=True,
    value={"rule": {"action": "map", "field": "attributes.site", "value": "Clinic 7", "to": "clinic-7"}, "dry_run": True},
)


class Quarantine(ProjectAPI):
    """What did not fit the project."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW_CASES}

    @extend_schema(parameters=[shapes.QuarantineParameters], responses={200: dict})
    def get(self, request: Request, project: str) -> Response:
        """What is of a kind makes one finding; the largest first."""
        asked = read_parameters(request, shapes.QuarantineParameters)
        return Response(shapes.shown_findings(self.project, queries.findings(self.project), reviewed=asked["reviewed"]))


class Repairs(ProjectAPI):
    """Repairs by rule."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW_CASES, "POST": Can.TRIAGE}

    @extend_schema(responses={200: dict})
    def get(self, request: Request, project: str) -> Response:
        """The repairs with which reports to come are read, in order."""
        read_parameters(request, Parameters)
        return Response({"results": [shapes.shown_rule(row) for row in queries.standing_rules(self.project)]})

    @extend_schema(request=shapes.RepairBody, examples=[EXAMPLE], responses={200: dict, 202: dict})
    def post(self, request: Request, project: str) -> Response:
        """With `dry_run` what would become of the cases, else a job; `remember` reads reports to come with it as well."""
        read_parameters(request, Parameters)
        if not isinstance(request.data, Mapping):
            raise Invalid("The body is not a JSON object. Nothing was changed. Send an object with “rule”.")
        body = shapes.RepairBody().run_validation(request.data)
        rule = read_rule(body["rule"])
        actions.check(self.project, rule)
        if body.get("dry_run"):
            return Response(shapes.shown_preview(queries.preview(self.project, rule)))
        with idempotent(request, owner=self.actor.owner, content_hash=content_hash(json=request.data)) as slot:
            if not slot.replayed:
                job = actions.start_repair(actor=self.actor, project=self.project, rule=rule, remember=bool(body.get("remember")))
                address = f"/api/v1/jobs/{job.pk}/"
                slot.reply(202, {"id": str(job.pk), "state": job.state, "url": address}, headers={"Location": address})
        return slot.response()


class RepairRetire(ProjectAPI):
    """A repair that is kept for reports to come."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.TRIAGE}

    @extend_schema(request=None, responses={200: dict})
    def post(self, request: Request, project: str, number: int) -> Response:
        """Stop it. What it repaired stays."""
        read_parameters(request, Parameters)
        return Response(shapes.shown_rule(actions.retire_rule(actor=self.actor, project=self.project, number=number)))
