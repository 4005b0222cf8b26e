"""REST: the sampling rules of a project."""

from collections.abc import Mapping
from typing import ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from hardcases.errors import Invalid
from hardcases.projects.doors import ProjectAPI
from hardcases.projects.permissions import Can
from hardcases.sampling import actions, queries
from hardcases.sampling import serializers as shapes
from hardcases.sampling.rules import read_rules
from hardcases.web.queries import Parameters, read_parameters

EXAMPLE = OpenApiExample(
    "A tenth of the random samples",
    request_only=True,
    value={
        "rules": [{"when": {"reason": "random_sample"}, "keep": 0.1}, {"when": {}, "quota": {"per": "day", "limit": 50, "by": ["site"]}}]
    },
)


class Sampling(ProjectAPI):
    """Which arrivals are kept."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW, "PUT": Can.MANAGE}

    @extend_schema(responses={200: dict})
    def get(self, request: Request, project: str) -> Response:
        """The rules in their order, with what they did in the last 14 days."""
        read_parameters(request, Parameters)
        return Response(shapes.shown_rules(queries.in_force(self.project)))

    @extend_schema(request=shapes.RulesBody, examples=[EXAMPLE], responses={200: dict})
    def put(self, request: Request, project: str) -> Response:
        """All rules at once. An unchanged one keeps its id; with `dry_run` nothing is changed, and each is tried on the last seven days."""
        read_parameters(request, Parameters)
        if not isinstance(request.data, Mapping):
            raise Invalid("The body is not a JSON object. Nothing was changed. Send an object with the list “rules”.")
        body = shapes.RulesBody().run_validation(request.data)
        if body.get("dry_run"):
            documents = read_rules(body["rules"], {attribute.name for attribute in self.project.attributes.all()})
            return Response(shapes.shown_trial(documents, [queries.try_rule(self.project, document) for document in documents]))
        if not isinstance(body["rules"], list):
            raise Invalid("“rules” is not a list. Nothing was changed. Send all rules in their order.")
        seen = [int(one) if one.isascii() and one.isdigit() else 0 for one in body["seen"]] if "seen" in body else None
        actions.set_rules(actor=self.actor, project=self.project, documents=body["rules"], seen=seen)
        return Response(shapes.shown_rules(queries.in_force(self.project)))


class ForgetLeftOut(ProjectAPI):
    """What was said about contents that were left out."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.ERASE}

    @extend_schema(request=shapes.ForgetBody, responses={200: dict})
    def post(self, request: Request, project: str) -> Response:
        """Erase it for good; the digest stays."""
        read_parameters(request, Parameters)
        if not isinstance(request.data, Mapping):
            raise Invalid("The body is not a JSON object. Nothing was erased. Send an object with “sha256” and “reason”.")
        body = shapes.ForgetBody().run_validation(request.data)
        row = actions.forget_left_out(actor=self.actor, project=self.project, digest=body["sha256"], reason=body["reason"])
        return Response({"sha256": row.digest, "state": "sampled_out", "forgotten": True})
