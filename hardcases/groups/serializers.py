"""Shapes of what is sent about groups, and how a group is shown."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from rest_framework import serializers

from hardcases.groups.models import Group, GroupAct
from hardcases.groups.queries import days_of
from hardcases.web.queries import ListParameters
from hardcases.web.serializers import StrictSerializer, Text

MOST_CASES = 200


class GroupParameters(ListParameters):
    """`?waiting=true` lists only groups with cases in the inbox, `false` only the others."""

    waiting = serializers.BooleanField(required=False, allow_null=True, default=None)


class MergeBody(StrictSerializer):
    """The group that takes the cases."""

    into = Text(max_length=24)


class SplitBody(StrictSerializer):
    """The cases that become a group of their own or, with `into`, go to a group that exists."""

    cases = serializers.ListField(child=Text(max_length=64), min_length=1, max_length=MOST_CASES)
    into = Text(max_length=24, required=False)


_PLAIN = ("key", "state", "title", "reason", "sites", "count", "waiting", "snoozed", "first_seen_at", "last_seen_at", "least_alike")


def show(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """Groups as the API shows them; one query. Needs `project` and `merged_into` loaded. `days` are the last fourteen, oldest first."""
    days = days_of(groups, until=timezone.now().date())
    return [
        {name: getattr(group, name) for name in _PLAIN}
        | {
            "url": f"{settings.PUBLIC_URL}{reverse('group-page', args=[group.project.slug, group.key])}",
            "waiting_since": group.waiting_since if group.waiting else None,
            "days": days[group.pk],
            "merged_into": group.merged_into.key if group.merged_into else None,
        }
        for group in groups
    ]


def show_act(act: GroupAct) -> dict[str, Any]:
    """What was done with a group. `working`: a large group, which a job goes on with."""
    return {
        "act": act.kind,
        "group": act.group.key,
        "into": act.other.key if act.other else None,
        "cases": act.cases,
        "working": act.working,
    }
