"""REST: who am I, projects, members, jobs."""

from typing import Any
from uuid import UUID

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from hardcases.errors import Forbidden
from hardcases.projects import actions
from hardcases.projects.access import job_for, people_in, projects_of
from hardcases.projects.authentication import actor_of
from hardcases.projects.documents import document_of
from hardcases.projects.doors import ProjectAPI
from hardcases.projects.models import ApiToken, Project, User
from hardcases.projects.permissions import Can
from hardcases.projects.serializers import (
    JobSerializer,
    MemberListSerializer,
    ProjectListSerializer,
    ProjectSerializer,
    WhoAmISerializer,
)
from hardcases.web.idempotency import content_hash, idempotent
from hardcases.web.pagination import keyset_page
from hardcases.web.queries import ListParameters, Parameters, read_parameters

PROJECT = OpenApiParameter("project", OpenApiTypes.STR, OpenApiParameter.PATH, description="Slug of the project")

EXAMPLE = OpenApiExample(
    "Chest X-ray",
    request_only=True,
    value={
        "slug": "chest-xray",
        "name": "Chest X-ray",
        "team": "radiology",
        "task": "classification",
        "key_prefix": "XR",
        "classes": ["normal", "nodule"],
        "positive_class": "nodule",
        "attributes": [{"name": "site", "type": "category"}, {"name": "age", "type": "number", "bins": [0, 18, 65]}],
        "cluster_attribute": "patient",
    },
)
RENAME = OpenApiExample("Another name", request_only=True, value={"name": "Chest X-ray, adults"})


def represent(project: Project) -> dict[str, Any]:
    """The project document with its address."""
    return document_of(project).as_json() | {"url": f"{settings.PUBLIC_URL}/p/{project.slug}/"}


class WhoAmI(APIView):
    """Whom the server takes you for."""

    @extend_schema(operation_id="whoami", responses=WhoAmISerializer)
    def get(self, request: Request) -> Response:
        """Kind, person, and for a token its project, scopes and expiry."""
        read_parameters(request, Parameters)
        token = request.auth if isinstance(request.auth, ApiToken) else None
        body = {
            "kind": "token" if token else "person",
            "user": request.user.get_username(),
            "project": token.project.slug if token else None,
            "scopes": token.scopes if token else None,
            "expires_at": token.expires_at if token else None,
        }
        return Response(WhoAmISerializer(body).data)


class ProjectList(APIView):
    """The projects you belong to."""

    @extend_schema(operation_id="project_list", parameters=[ListParameters], responses=ProjectListSerializer)
    def get(self, request: Request) -> Response:
        """All of them, by slug."""
        asked = read_parameters(request, ListParameters)
        found = projects_of(actor_of(request)).prefetch_related("attributes")
        page = keyset_page(found, order=["slug"], cursor=asked.get("cursor"), limit=asked["limit"])
        return Response(page.envelope(represent))

    @extend_schema(operation_id="project_create", request=ProjectSerializer, responses={201: ProjectSerializer}, examples=[EXAMPLE])
    def post(self, request: Request) -> Response:
        """A new project; you become its admin. Only a signed-in person may."""
        actor = actor_of(request)
        if actor.kind != "person" or not isinstance(request.user, User):
            raise Forbidden("A token belongs to one project and makes no others. Nothing was stored. Sign in and create the project there.")
        document = ProjectSerializer(data=request.data).document()
        with idempotent(request, owner=actor.owner, content_hash=content_hash(json=request.data)) as slot:
            if not slot.replayed:
                project = actions.create_project(actor=actor, document=document, owner=request.user)
                slot.reply(201, represent(project), headers={"Location": f"/api/v1/projects/{project.slug}/"})
        return slot.response()


class ProjectDetail(ProjectAPI):
    """One project as its document."""

    can = {"GET": Can.VIEW, "PATCH": Can.MANAGE}

    @extend_schema(operation_id="project_read", parameters=[PROJECT], responses=ProjectSerializer)
    def get(self, request: Request, project: str) -> Response:
        """The document."""
        read_parameters(request, Parameters)
        return Response(represent(self.project))

    @extend_schema(
        operation_id="project_change", parameters=[PROJECT], request=ProjectSerializer(partial=True), responses=ProjectSerializer
    )
    def patch(self, request: Request, project: str) -> Response:
        """Change some fields; what stored cases refer to may only grow."""
        document = ProjectSerializer.document_over(document_of(self.project), request.data)
        return Response(represent(actions.update_project(actor=self.actor, project=self.project, document=document)))


class MemberList(ProjectAPI):
    """The people of a project."""

    can = {"GET": Can.VIEW}

    @extend_schema(operation_id="member_list", parameters=[PROJECT], responses=MemberListSerializer)
    def get(self, request: Request, project: str) -> Response:
        """Everybody with their roles, by name."""
        read_parameters(request, Parameters)
        return Response(MemberListSerializer({"results": people_in(self.project), "next": None}).data)


class JobDetail(APIView):
    """Long work, while it is done and afterwards."""

    @extend_schema(operation_id="job_read", responses=JobSerializer)
    def get(self, request: Request, job: UUID) -> Response:
        """State, counts, result and findings."""
        read_parameters(request, Parameters)
        return Response(JobSerializer(job_for(actor_of(request), job)).data)
