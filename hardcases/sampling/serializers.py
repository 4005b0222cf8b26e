"""Shapes of what is sent about sampling, and how rules are shown."""

from typing import Any

from rest_framework import serializers

from hardcases.sampling.queries import Done, Tried
from hardcases.web.serializers import Flag, StrictSerializer, Text


class RulesBody(StrictSerializer):
    """All rules of a project in their order; each is read by the room itself. `seen` are the ids that the sender looked at."""

    rules = serializers.JSONField()
    seen = serializers.ListField(child=serializers.CharField(max_length=20), required=False)
    dry_run = Flag(required=False)


class ForgetBody(StrictSerializer):
    """Which content, and why what was said about it is erased."""

    sha256 = serializers.RegexField(r"^[0-9a-f]{64}$")
    reason = Text(max_length=500)


def shown_rules(done: list[Done]) -> dict[str, Any]:
    """The rules in force with what they did in the last 14 days."""
    return {
        "rules": [
            {
                "id": str(one.row.pk),
                "rule": one.row.document,
                "created_at": one.row.created_at,
                "created_by": one.row.created_by_name,
                "last_14_days": {"seen": one.seen, "kept": one.kept, "left_out": one.left_out},
            }
            for one in done
        ]
    }


def shown_trial(documents: list[dict[str, Any]], tried: list[Tried]) -> dict[str, Any]:
    """What each rule would have done with the last seven days' arrivals, if it stood first."""
    return {
        "dry_run": True,
        "rules": [
            {"rule": document, "last_7_days": {"arrivals": one.arrivals, "about": one.about, "kept": one.kept, "complete": one.complete}}
            for document, one in zip(documents, tried, strict=True)
        ],
    }
