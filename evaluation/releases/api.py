"""REST: policies and releases. Signing is not here: it happens in the browser only."""

from typing import ClassVar

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from evaluation.registry.access import model_version_for
from evaluation.releases import actions
from evaluation.releases.access import policies_of, policy_version_for, release_for, releases_of
from evaluation.releases.serializers import ReleaseRequest, policy_json, release_json, release_line
from evaluation.runs.access import run_for
from hardcases.errors import Invalid
from hardcases.projects.doors import ProjectAPI
from hardcases.projects.permissions import Can
from hardcases.testsets.access import version_for
from hardcases.web.idempotency import answered_before, content_hash, idempotent
from hardcases.web.json_edge import StrictJSONParser
from hardcases.web.pagination import keyset_page
from hardcases.web.queries import ListParameters, Parameters, read_parameters
from hardcases.web.yaml_edge import YAMLParser


class PolicyListAPI(ProjectAPI):
    """The project's policies."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW, "POST": Can.PROPOSE_POLICY}
    parser_classes = [StrictJSONParser, YAMLParser]

    @extend_schema(parameters=[ListParameters], responses={200: dict})
    def get(self, request: Request, project: str) -> Response:
        """Every policy version, newest first."""
        given = read_parameters(request, ListParameters)
        page = keyset_page(policies_of(self.project).order_by("-id"), order=["-id"], cursor=given.get("cursor"), limit=given["limit"])
        return Response(page.envelope(policy_json))

    @extend_schema(request=dict, responses={201: dict, 200: dict})
    def post(self, request: Request, project: str) -> Response:
        """Propose a policy document (JSON or YAML). Equal content again answers 200 and makes no new version."""
        read_parameters(request, Parameters)
        with idempotent(request, owner=self.actor.owner, content_hash=content_hash(json=request.data)) as slot:
            if not slot.replayed:
                version, made = actions.propose_policy(actor=self.actor, project=self.project, document=request.data)
                slot.reply(201 if made else 200, policy_json(version))
        return slot.response()


class PolicyAPI(ProjectAPI):
    """One policy version."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    @extend_schema(responses={200: dict})
    def get(self, request: Request, project: str, policy: str) -> Response:
        """By `slug@number`, or `slug` for the newest."""
        read_parameters(request, Parameters)
        return Response(policy_json(policy_version_for(self.project, policy)))


class ReleaseListAPI(ProjectAPI):
    """The project's releases."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW, "POST": Can.OPEN_RELEASE}

    @extend_schema(parameters=[ListParameters], responses={200: dict})
    def get(self, request: Request, project: str) -> Response:
        """Newest first."""
        given = read_parameters(request, ListParameters)
        page = keyset_page(releases_of(self.project).order_by("-id"), order=["-id"], cursor=given.get("cursor"), limit=given["limit"])
        return Response(page.envelope(release_line))

    @extend_schema(request=ReleaseRequest, responses={201: dict})
    def post(self, request: Request, project: str) -> Response:
        """Put a model version forward."""
        read_parameters(request, Parameters)
        wanted = ReleaseRequest(data=request.data)
        wanted.is_valid(raise_exception=True)
        names = wanted.validated_data
        hashed = content_hash(json=request.data)
        if (before := answered_before(request, owner=self.actor.owner, content_hash=hashed)) is not None:
            return before
        judged = actions.judged_release(
            actor=self.actor,
            project=self.project,
            candidate=model_version_for(self.project, names["candidate"]),
            baseline=model_version_for(self.project, names["baseline"]),
            version=version_for(self.project, names["test_set"]),
            policy=policy_version_for(self.project, names["policy"]),
            run=run_for(self.project, _number(names["runs"][0])) if names.get("runs") else None,
        )
        with idempotent(request, owner=self.actor.owner, content_hash=hashed) as slot:
            if not slot.replayed:
                release = actions.store_release(actor=self.actor, release=judged)
                url = reverse("api-release", args=[self.project.slug, release.number])
                slot.reply(201, release_json(release, request.build_absolute_uri(url)), headers={"Location": url})
        return slot.response()


class ReleaseAPI(ProjectAPI):
    """One release."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    @extend_schema(responses={200: dict})
    def get(self, request: Request, project: str, number: int) -> Response:
        """Verdict, checks with their sentences, and what is missing before it can be signed."""
        read_parameters(request, Parameters)
        release = release_for(self.project, number)
        return Response(release_json(release, request.build_absolute_uri(reverse("release-page", args=[self.project.slug, number]))))


def _number(name: str) -> int:
    if not name.isdecimal() or len(name) > 9:
        raise Invalid(f"{name!r} is not the number of a run.")
    return int(name)
