"""Reads of what was set aside. All of them walk the partial index of such cases, newest first and no further than SCANNED."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from hardcases.cases.models import Case, SetAside
from hardcases.cases.shapes import shape_of
from hardcases.cases.steps import Sorted
from hardcases.projects.models import Attribute, Project
from hardcases.repairs.collecting import EXAMPLES, Finding, collect
from hardcases.repairs.models import RepairRule
from hardcases.repairs.rereading import Reread, Schema, reread
from hardcases.repairs.rules import Rule, read_rule
from hardcases.work.models import Job

SCANNED = 20_000
APPLY = "repairs.apply"


@dataclass(frozen=True)
class Findings:
    """The findings, over `scanned` cases; `complete` unless there are more cases than are looked at."""

    findings: list[Finding]
    scanned: int
    complete: bool


@dataclass
class Preview:
    """What a repair would do to the newest `scanned` cases that have something set aside."""

    scanned: int = 0
    complete: bool = True
    cases: int = 0
    repaired: int = 0
    left: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)


def set_aside(project: Project) -> Any:
    """The project's cases with something set aside. One erased has nothing any more."""
    return Case.objects.filter(Q(SetAside("quarantine")), project=project)


def findings(project: Project) -> Findings:
    """What was set aside, the largest finding first."""
    rows = set_aside(project).order_by("-id").values_list("number", "quarantine")[: SCANNED + 1]
    found = list(rows)
    return Findings(collect(found[:SCANNED]), min(len(found), SCANNED), len(found) <= SCANNED)


def schema_of(project: Project, declared: Sequence[Attribute] | None = None) -> Schema:
    """Against what values are read now."""
    return Schema(list(project.attributes.all()) if declared is None else declared, shape_of(project.task, project.classes))


def sorted_of(case: Case) -> Sorted:
    """A stored case as the door would hand it on."""
    return Sorted(case.attributes, case.prediction, case.correction, case.quarantine)


def preview(project: Project, rule: Rule) -> Preview:
    """Try a repair without writing anything."""
    schema, seen = schema_of(project), Preview()
    columns = ("number", "attributes", "prediction", "correction", "quarantine")
    for case in set_aside(project).order_by("-id").only(*columns)[: SCANNED + 1]:
        if seen.scanned == SCANNED:
            seen.complete = False
            break
        seen.scanned += 1
        outcome = reread(sorted_of(case), rule, schema)
        if not outcome.changes and not outcome.left:
            continue
        seen.cases += 1
        seen.repaired += bool(outcome.changes)
        seen.left += len(outcome.left)
        seen.examples += list(_examples(project, case, outcome))[: EXAMPLES - len(seen.examples)]
    return seen


def _examples(project: Project, case: Case, outcome: Reread) -> Iterator[dict[str, Any]]:
    for entry, after in outcome.changes:
        becomes = None if after is None else {"field": after[0], "value": after[1]}
        yield {
            "key": f"{project.key_prefix}-{case.number}",
            "before": {"field": entry["field"], "value": entry["value"]},
            "after": becomes,
        }


def standing_rules(project: Project) -> list[RepairRule]:
    """The repairs that are applied to every report, in the order in which they were made."""
    return list(RepairRule.objects.filter(project=project, retired_at=None).order_by("id"))


def as_rules(rows: Sequence[RepairRule]) -> list[Rule]:
    """The repairs themselves."""
    return [read_rule(row.document) for row in rows]


def newest_jobs(project: Project, limit: int = 5) -> list[Job]:
    """The last repairs that were asked for."""
    return list(Job.objects.filter(kind=APPLY, project_id=project.pk).order_by("-created_at")[:limit])
