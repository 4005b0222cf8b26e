"""REST: groups. Each view reads the request, makes one call into the domain and writes the answer."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from hardcases.errors import Invalid
from hardcases.groups import actions
from hardcases.groups import serializers as shapes
from hardcases.groups.access import cases_for, group_for
from hardcases.groups.models import BY_URGENCY, Group, GroupAct
from hardcases.projects.doors import ProjectAPI
from hardcases.projects.permissions import Can
from hardcases.web.idempotency import content_hash, idempotent
from hardcases.web.pagination import keyset_page
from hardcases.web.queries import Parameters, read_parameters


class GroupList(ProjectAPI):
    """The groups of a project."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW_CASES}

    @extend_schema(parameters=[shapes.GroupParameters], responses={200: dict})
    def get(self, request: Request, project: str) -> Response:
        """Those that wait in the order of the inbox, most urgent first; all of them by their newest case."""
        asked = read_parameters(request, shapes.GroupParameters)
        rows = Group.objects.filter(project=self.project, count__gt=0).select_related("project", "merged_into")
        waiting = asked["waiting"]
        if waiting is not None:
            rows = rows.filter(waiting__gt=0) if waiting else rows.filter(waiting=0)
        order = [*BY_URGENCY] if waiting else ["-last_seen_at", "-id"]
        page = keyset_page(rows, order=order, cursor=asked.get("cursor"), limit=asked["limit"])
        return Response({"results": shapes.show(page.rows), "next": page.next})


class GroupDetail(ProjectAPI):
    """One group."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW_CASES}

    @extend_schema(responses={200: dict})
    def get(self, request: Request, project: str, group: str) -> Response:
        """Everything about it; its cases are found by `?q=group:G-204`."""
        read_parameters(request, Parameters)
        return Response(shapes.show([group_for(self.project, group)])[0])


class GroupMerge(ProjectAPI):
    """Merging."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.TRIAGE}

    @extend_schema(request=shapes.MergeBody, responses={200: dict})
    def post(self, request: Request, project: str, group: str) -> Response:
        """Put all cases of this group into another one."""
        body = _body(request, shapes.MergeBody())
        with idempotent(request, owner=self.actor.owner, content_hash=content_hash(json=request.data)) as slot:
            if not slot.replayed:
                found, into = group_for(self.project, group), group_for(self.project, body["into"])
                slot.reply(200, shapes.show_act(actions.merge_groups(actor=self.actor, group=found, into=into)))
        return slot.response()


class GroupSplit(ProjectAPI):
    """Splitting, and moving."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.TRIAGE}

    @extend_schema(request=shapes.SplitBody, responses={200: dict})
    def post(self, request: Request, project: str, group: str) -> Response:
        """Take cases out of the group, into a new one or into one that exists. What was taken apart stays apart."""
        body = _body(request, shapes.SplitBody())
        with idempotent(request, owner=self.actor.owner, content_hash=content_hash(json=request.data)) as slot:
            if not slot.replayed:
                slot.reply(200, shapes.show_act(self._act(group, body)))
        return slot.response()

    def _act(self, group: str, body: dict[str, Any]) -> GroupAct:
        found = group_for(self.project, group)
        cases = cases_for(self.project, body["cases"])
        if "into" in body:
            return actions.move_cases(actor=self.actor, group=found, cases=cases, into=group_for(self.project, body["into"]))
        return actions.split_group(actor=self.actor, group=found, cases=cases)


def _body(request: Request, shape: Any) -> dict[str, Any]:
    read_parameters(request, Parameters)
    if not isinstance(request.data, dict):
        raise Invalid("The body is not a JSON object. Nothing was changed.")
    checked: dict[str, Any] = shape.run_validation(request.data)
    return checked
