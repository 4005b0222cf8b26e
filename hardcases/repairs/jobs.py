"""What the worker does for repairs: walk the cases that have something set aside and read it again, a few at a time.

Where a job stands is written in the transaction of its changes, behind the fence of its lease; killed at any point it goes on from there, and a case that was
repaired already no longer matches.
"""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from hardcases.audit import actions as audit
from hardcases.audit.actors import Actor
from hardcases.cases import actions as cases
from hardcases.cases.actions import Decision
from hardcases.cases.models import Case
from hardcases.cases.steps import hold_counts
from hardcases.projects.models import Project
from hardcases.repairs.queries import schema_of, set_aside, sorted_of
from hardcases.repairs.rereading import Reread, Schema, reread
from hardcases.repairs.rules import REVIEWS, Rule, read_rule
from hardcases.work import leases, pause
from hardcases.work.models import Job

CHUNK = 200
UNDECIDED = {"inbox", "snoozed"}
_COLUMNS = ("attributes", "prediction", "correction", "quarantine")


def payload_of(actor: Actor, rule: Rule) -> dict[str, Any]:
    """What the job needs to know; it acts under the name of whoever asked."""
    asked = {name: getattr(actor, name) for name in ("kind", "name", "full_name", "user_id", "token_id", "request_id", "address")}
    return {"rule": rule.as_json(), "actor": asked, "at": 0, "counts": {"cases": 0, "repaired": 0, "left": 0}}


def apply(job: Job) -> dict[str, Any]:
    """Carry out one repair. The result counts cases that it was about, cases that it changed, and values that stay set aside."""
    project = Project.objects.get(pk=job.project_id or 0)
    rule, actor = read_rule(job.payload["rule"]), Actor(**job.payload["actor"])
    schema = schema_of(project)
    Job.objects.filter(pk=job.pk).update(total=job.done + set_aside(project).filter(pk__gt=job.payload["at"]).count())
    while rows := list(set_aside(project).filter(pk__gt=job.payload["at"]).order_by("pk").only("id", *_COLUMNS)[:CHUNK]):
        about = [case.pk for case in rows if _is_about(case, rule, schema)]
        with transaction.atomic():
            counts = _repair(project, actor, rule, schema, about) if about else {}
            pause.point("repairs.chunk.before_commit")
            _note(job, rows[-1].pk, len(rows), counts)
    return dict(job.payload["counts"])


def _is_about(case: Case, rule: Rule, schema: Schema) -> bool:
    outcome = reread(sorted_of(case), rule, schema)
    return bool(outcome.changes or outcome.left)


def _note(job: Job, at: int, seen: int, counts: dict[str, int]) -> None:
    """Behind the fence: a worker that lost its lease rolls its chunk back."""
    leases.extend(job)
    before = job.payload["counts"]
    payload = job.payload | {"at": at, "counts": {name: before[name] + counts.get(name, 0) for name in before}}
    Job.objects.filter(pk=job.pk).update(done=job.done + seen, payload=payload)
    job.payload, job.done = payload, job.done + seen


def _repair(project: Project, actor: Actor, rule: Rule, schema: Schema, case_ids: Sequence[int]) -> dict[str, int]:
    """Read each case under its row's lock and write what became of it. One audit event: names of places, no values."""
    counts, numbers = {"cases": 0, "repaired": 0, "left": 0}, []
    cases_held = list(Case.objects.filter(pk__in=case_ids).select_for_update(of=("self",), no_key=True).order_by("pk"))
    if rule.action == "decline":
        hold_counts(cases_held)
    for case in cases_held:
        case.project = project
        outcome = reread(sorted_of(case), rule, schema)
        if not outcome.changes and not outcome.left:
            continue  # somebody changed it meanwhile
        changed = _review(actor, case, rule, outcome) if rule.action in REVIEWS else _write(case, outcome)
        counts["cases"] += 1
        counts["repaired"] += changed
        counts["left"] += 0 if changed and rule.action in REVIEWS else len(outcome.left)
        numbers += [case.number] if changed else []
    if numbers:
        after = {**rule.names(), "cases": len(numbers), "numbers": [min(numbers), max(numbers)]}
        audit.record(actor, "case.repaired", "project", project.slug, project_id=project.pk, after=after)
    return counts


def _write(case: Case, outcome: Reread) -> bool:
    if not outcome.changes:
        return False
    columns = {name: getattr(outcome.kept, name) for name in _COLUMNS}
    Case.objects.filter(pk=case.pk).update(**columns)
    return True


def _review(actor: Actor, case: Case, rule: Rule, outcome: Reread) -> bool:
    """Note that somebody looked at it. Declining takes cases that nobody has decided about; what was accepted stays accepted."""
    if rule.action == "decline":
        if case.state not in UNDECIDED:
            return False
        cases.decide(actor=actor, case=case, decision=Decision(state="declined", decline_reason=rule.decline_reason))
    note = {"by": actor.printed_name[:150], "at": timezone.now().isoformat(), "as": rule.action}
    entries = [entry | {"reviewed": note} if entry in outcome.left else entry for entry in case.quarantine]
    Case.objects.filter(pk=case.pk).update(quarantine=entries)
    return True
