"""Shapes of what is sent about repairs, and how findings are shown."""

from typing import Any

from rest_framework import serializers

from hardcases.projects.models import Project
from hardcases.repairs.collecting import Finding
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
    """Whether findings are listed whose every case somebody has reviewed."""

    reviewed = serializers.BooleanField(required=False, default=False)


def shown_findings(project: Project, found: Findings, *, reviewed: bool) -> dict[str, Any]:
    """The findings, at most MOST_SHOWN of them, with over how many cases they were counted."""
    findings = [finding for finding in found.findings if reviewed or finding.open]
    return {
        "findings": [shown_finding(project, finding) for finding in findings[:MOST_SHOWN]],
        "findings_total": len(findings),
        "cases_counted": found.scanned,
        "complete": found.complete,
    }


def shown_finding(project: Project, finding: Finding) -> dict[str, Any]:
    """One finding with examples."""
    examples = [{"key": f"{project.key_prefix}-{number}", "value": value} for number, value in finding.examples]
    return {
        "id": finding.id,
        "field": finding.place,
        "problem": finding.problem,
        "shape": finding.shape,
        "repairable": finding.repairable,
        "cases": finding.cases,
        "reviewed": finding.reviewed,
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
