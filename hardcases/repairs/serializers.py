"""Shapes of what is sent about repairs, and how findings are shown."""

from typing import Any

from rest_framework import serializers

from hardcases.projects.models import Project
from hardcases.repairs.grouping import Group
from hardcases.repairs.models import RepairRule
from hardcases.repairs.queries import Findings, Preview
from hardcases.web.queries import Parameters
from hardcases.web.serializers import Flag, StrictSerializer

MOST_SHOWN = 200


class RepairBody(StrictSerializer):
    """One repair; what may stand in `rule` depends on its action and is read by the room itself."""

    rule = serializers.JSONField()
    dry_run = Flag(required=False)
    remember = Flag(required=False)


class QuarantineParameters(Parameters):
    """Whether groups are listed whose every case somebody has reviewed."""

    reviewed = serializers.BooleanField(required=False, default=False)


def shown_findings(project: Project, found: Findings, *, reviewed: bool) -> dict[str, Any]:
    """The groups, at most MOST_SHOWN of them, with over how many cases they were counted."""
    groups = [group for group in found.groups if reviewed or group.open]
    return {
        "groups": [shown_group(project, group) for group in groups[:MOST_SHOWN]],
        "groups_total": len(groups),
        "cases_counted": found.scanned,
        "complete": found.complete,
    }


def shown_group(project: Project, group: Group) -> dict[str, Any]:
    """One group with examples."""
    examples = [{"key": f"{project.key_prefix}-{number}", "value": value} for number, value in group.examples]
    return {
        "id": group.id,
        "field": group.place,
        "problem": group.problem,
        "shape": group.shape,
        "repairable": group.repairable,
        "cases": group.cases,
        "reviewed": group.reviewed,
        "examples": examples,
    }


def shown_preview(seen: Preview) -> dict[str, Any]:
    """What a repair would do."""
    return {
        "dry_run": True,
        "cases": seen.cases,
        "repaired": seen.repaired,
        "left": seen.left,
        "examples": seen.examples,
        "cases_looked_at": seen.scanned,
        "complete": seen.complete,
    }


def shown_rule(row: RepairRule) -> dict[str, Any]:
    """A repair that is kept for reports to come."""
    return {
        "id": str(row.pk),
        "rule": row.document,
        "created_at": row.created_at,
        "created_by": row.created_by_name,
        "retired_at": row.retired_at,
    }
