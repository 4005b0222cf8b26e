"""REST: groups. Each view reads the request, makes one call into the domain and writes the answer."""

from collections.abc import Callable
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from hardcases.errors import Invalid
from hardcases.groups import actions, queries
from hardcases.groups import serializers as shapes
from hardcases.groups.access import act_for, cases_for, group_for
from hardcases.groups.models import BY_URGENCY, Group, GroupAct
from hardcases.projects.doors import ProjectAPI
from hardcases.projects.permissions import Can
from hardcases.web.idempotency import content_hash, idempotent
from hardcases.web.pagination import keyset_page
from hardcases.web.queries import Parameters, read_parameters

DECLINE = OpenApiExample(
    "Decline what was seen",
    request_only=True,
    value={"state": "declined", "decline_reason": "test_upload", "upto": "XR-1063"},
)


class GroupList(ProjectAPI):
    """The groups of a project."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW_CASES}

    @extend_schema(operation_id="group_list", parameters=[shapes.GroupParameters], responses={200: shapes.GroupListAnswer})
    def get(self, request: Request, project: str) -> Response:
        """Those that wait in the order of the inbox, most urgent first; all of them by their newest case."""
        asked = read_parameters(request, shapes.GroupParameters)
        rows = Group.objects.filter(project=self.project, count__gt=0).select_related("project", "merged_into")
        waiting = asked["waiting"]
        if waiting is not None:
            rows = rows.filter(waiting__gt=0) if waiting else rows.filter(waiting=0)
        if asked["q"]:
            rows = queries.found_by(rows, self.project, asked["q"], **({"state": "inbox"} if waiting else {}))
        order = [*BY_URGENCY] if waiting else ["-last_seen_at", "-id"]
        page = keyset_page(rows, order=order, cursor=asked.get("cursor"), limit=asked["limit"])
        return Response({"results": shapes.show(page.rows), "next": page.next})


class GroupDetail(ProjectAPI):
    """One group."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW_CASES}

    @extend_schema(operation_id="group_read", responses={200: shapes.GroupDetailAnswer})
    def get(self, request: Request, project: str, group: str) -> Response:
        """Everything about it; its cases are found by `?q=group:G-204`."""
        read_parameters(request, Parameters)
        return Response(shapes.show_one(group_for(self.project, group)))


class _Acting(ProjectAPI):
    """What changes groups: one effect and one answer to each Idempotency-Key, and a job where there is much to do."""

    can: ClassVar[dict[str, Can]] = {}

    def once(self, request: Request, said: Any, act: Callable[[], GroupAct]) -> Response:
        """200 with what was done; 202 with the same while a job is at it. `said` is the body."""
        with idempotent(request, owner=self.actor.owner, content_hash=content_hash(json=said)) as slot:
            if not slot.replayed:
                done = act()
                job = actions.job_of(done)
                headers = {"Location": f"/api/v1/jobs/{job.pk}/"} if job else {}
                slot.reply(202 if job else 200, shapes.show_act(done), headers=headers)
        return slot.response()


_ANSWERS = {200: shapes.ActAnswer, 202: shapes.ActAnswer}


class GroupDecide(_Acting):
    """Deciding."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.TRIAGE}

    @extend_schema(operation_id="group_decide", request=shapes.DecideBody, responses=_ANSWERS, examples=[DECLINE])
    def post(self, request: Request, project: str, group: str) -> Response:
        """Accept, decline or snooze the cases of this group that wait; with `upto` those that came later go on waiting."""
        body = _body(request, shapes.DecideBody())
        decision, upto = shapes.DecideBody.decision(body), shapes.DecideBody.upto_in(self.project, body)
        return self.once(
            request,
            request.data,
            lambda: actions.decide_group(actor=self.actor, group=group_for(self.project, group), decision=decision, upto=upto),
        )


class GroupMerge(_Acting):
    """Merging."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.TRIAGE}

    @extend_schema(operation_id="group_merge", request=shapes.MergeBody, responses=_ANSWERS)
    def post(self, request: Request, project: str, group: str) -> Response:
        """Put all cases of this group into another one."""
        into = _body(request, shapes.MergeBody())["into"]
        return self.once(
            request,
            request.data,
            lambda: actions.merge_groups(actor=self.actor, group=group_for(self.project, group), into=group_for(self.project, into)),
        )


class GroupSplit(_Acting):
    """Splitting, and moving."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.TRIAGE}

    @extend_schema(operation_id="group_split", request=shapes.SplitBody, responses=_ANSWERS)
    def post(self, request: Request, project: str, group: str) -> Response:
        """Take cases out of the group, into a new one or into one that exists. What was taken apart stays apart."""
        body = _body(request, shapes.SplitBody())
        return self.once(request, request.data, lambda: self._act(group, body))

    def _act(self, group: str, body: dict[str, Any]) -> GroupAct:
        found = group_for(self.project, group)
        cases = cases_for(self.project, body["cases"])
        if "into" in body:
            return actions.move_cases(actor=self.actor, group=found, cases=cases, into=group_for(self.project, body["into"]))
        return actions.split_group(actor=self.actor, group=found, cases=cases)


class GroupActUndo(_Acting):
    """Taking back what was done with a group."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.TRIAGE}

    @extend_schema(operation_id="group_undo", request=None, responses=_ANSWERS)
    def post(self, request: Request, project: str, group: str, act: int) -> Response:
        """Its cases return to where they were, but for those that somebody decided or moved since. Undoing twice changes nothing."""
        read_parameters(request, Parameters)
        return self.once(request, None, lambda: actions.undo(actor=self.actor, act=act_for(group_for(self.project, group), act)))


def _body(request: Request, shape: Any) -> dict[str, Any]:
    read_parameters(request, Parameters)
    if not isinstance(request.data, dict):
        raise Invalid("The body is not a JSON object. Nothing was changed.")
    checked: dict[str, Any] = shape.run_validation(request.data)
    return checked
