"""Shapes of what is sent about groups, and how a group is shown."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from rest_framework import serializers

from hardcases.cases.access import number_in
from hardcases.cases.actions import DECISIONS, Decision
from hardcases.cases.models import DECLINE_REASONS
from hardcases.errors import Detail, Invalid
from hardcases.groups import presenting, queries
from hardcases.groups.models import Group, GroupAct
from hardcases.projects.models import Project
from hardcases.web.queries import SearchParameters
from hardcases.web.serializers import StrictSerializer, Text

MOST_CASES = 200


class GroupParameters(SearchParameters):
    """`?waiting=true` lists only groups with cases in the inbox, `false` only the others; `q` those with a case that it finds."""

    waiting = serializers.BooleanField(required=False, allow_null=True, default=None)


class DecideBody(StrictSerializer):
    """What becomes of the cases of a group that wait. With `upto`, a case's key, those that came after it go on waiting."""

    state = serializers.ChoiceField(choices=DECISIONS)
    decline_reason = serializers.ChoiceField(choices=DECLINE_REASONS, required=False, allow_null=True)
    snoozed_until = serializers.DateTimeField(required=False, allow_null=True)
    upto = Text(max_length=64, required=False, allow_null=True)

    @staticmethod
    def decision(body: Mapping[str, Any]) -> Decision:
        """The checked body as the action takes it."""
        return Decision(state=body["state"], decline_reason=body.get("decline_reason"), snoozed_until=body.get("snoozed_until"))

    @staticmethod
    def upto_in(project: Project, body: Mapping[str, Any]) -> int | None:
        """The number of the newest case to decide, None for all of them. Raises Invalid for what is no key of the project."""
        key = body.get("upto")
        number = None if key is None else number_in(project, key)
        if key is not None and number is None:
            sentence = f"This is no key of a case of the project, such as {project.key_prefix}-1061."
            raise Invalid(f"upto: {sentence} Nothing was changed.", errors=[Detail(pointer="/upto", detail=sentence)])
        return number


class MergeBody(StrictSerializer):
    """The group that takes the cases."""

    into = Text(max_length=24)


class SplitBody(StrictSerializer):
    """The cases that become a group of their own or, with `into`, go to a group that exists."""

    cases = serializers.ListField(child=Text(max_length=64), min_length=1, max_length=MOST_CASES)
    into = Text(max_length=24, required=False)


class ActAnswer(serializers.Serializer[Any]):
    """What was done with a group."""

    id = serializers.CharField()
    act = serializers.CharField(help_text="accepted, declined, snoozed, merged, split or moved")
    group = serializers.CharField()
    into = serializers.CharField(allow_null=True, help_text="Where the cases went, for merged, split and moved.")
    cases = serializers.IntegerField()
    working = serializers.BooleanField(help_text="A job is still carrying it out.")
    by = serializers.CharField()
    at = serializers.DateTimeField()
    undone_at = serializers.DateTimeField(allow_null=True)
    undone_by = serializers.CharField(allow_null=True)


class GroupAnswer(serializers.Serializer[Any]):
    """A group. `newest_waiting` is what a decision takes as `upto`; `days` are the cases received on each of the last fourteen days (UTC), oldest first."""

    key = serializers.CharField()
    url = serializers.CharField()
    state = serializers.CharField(help_text="came_back, growing or new while cases wait; then snoozed, decided, merged or empty")
    title = serializers.CharField(allow_blank=True)
    kind = serializers.CharField(help_text="Of the case that founded it: image, text or record.")
    reason = serializers.CharField(allow_blank=True)
    sites = serializers.ListField(child=serializers.CharField())
    explanation = serializers.CharField(help_text="Why these cases are together, in one sentence.")
    least_alike = serializers.FloatField(allow_null=True)
    made_by = serializers.CharField(allow_null=True, help_text="Who split it off; null where the product made it.")
    count = serializers.IntegerField()
    waiting = serializers.IntegerField()
    snoozed = serializers.IntegerField()
    first_seen_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField()
    waiting_since = serializers.DateTimeField(allow_null=True)
    newest_waiting = serializers.CharField(allow_null=True)
    days = serializers.ListField(child=serializers.IntegerField(), min_length=queries.SPARK_DAYS, max_length=queries.SPARK_DAYS)
    merged_into = serializers.CharField(allow_null=True)


class GroupListAnswer(serializers.Serializer[Any]):
    """A page of groups."""

    results = GroupAnswer(many=True)
    next = serializers.CharField(allow_null=True)


class GroupDetailAnswer(GroupAnswer):
    """A group with what people said about it."""

    kept_apart_from = serializers.ListField(
        child=serializers.CharField(), help_text="Groups that a person said are another problem, at most twenty."
    )
    acts = ActAnswer(many=True, help_text="What people did with it, the newest first, at most twenty.")


_PLAIN = (
    *("key", "state", "title", "kind", "reason", "sites", "least_alike", "count", "waiting", "snoozed"),
    *("first_seen_at", "last_seen_at"),
)


def show(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """Groups as the API shows them (GroupAnswer); two queries. Needs `project` and `merged_into` loaded."""
    days = queries.days_of(groups, until=timezone.now().date())
    newest = queries.newest_waiting(groups)
    return [
        {name: getattr(group, name) for name in _PLAIN}
        | {
            "url": f"{settings.PUBLIC_URL}{reverse('group-page', args=[group.project.slug, group.key])}",
            "explanation": presenting.rule(group),
            "made_by": group.made_by or None,
            "waiting_since": group.waiting_since if group.waiting else None,
            "newest_waiting": f"{group.project.key_prefix}-{newest[group.pk]}" if group.pk in newest else None,
            "days": days[group.pk],
            "merged_into": group.merged_into.key if group.merged_into else None,
        }
        for group in groups
    ]


def show_one(group: Group) -> dict[str, Any]:
    """A group with what people said about it (GroupDetailAnswer)."""
    (shown,) = show([group])
    acts = [show_act(act) for act in queries.acts_of(group)]
    return shown | {"kept_apart_from": [other.key for other in queries.kept_apart(group)], "acts": acts}


def show_act(act: GroupAct) -> dict[str, Any]:
    """What was done with a group (ActAnswer)."""
    return {
        "id": str(act.pk),
        "act": act.kind,
        "group": act.group.key,
        "into": act.other.key if act.other else None,
        "cases": act.cases,
        "working": act.working,
        "by": act.by,
        "at": act.at,
        "undone_at": act.undone_at,
        "undone_by": act.undone_by or None,
    }
