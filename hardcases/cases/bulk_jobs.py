"""What the worker does for bulk changes, in short transactions; killed at any point it goes on behind the last case that it committed."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Max, QuerySet, Sum
from django.utils import timezone

from hardcases.audit import actions as audit
from hardcases.audit.actors import Actor
from hardcases.cases import bulk
from hardcases.cases.models import BulkPart, Case
from hardcases.projects.access import require
from hardcases.projects.models import Project
from hardcases.projects.permissions import Can
from hardcases.work import leases
from hardcases.work.models import Job
from hardcases.work.pause import point

BULK, UNDO = "cases.bulk", "cases.bulk_undo"
KEEP = timedelta(hours=25)  # an hour longer than anybody may ask for an undo


def change_all(job: Job) -> dict[str, Any]:
    """Change every case that the query finds and that was there when it was asked."""
    payload = job.payload
    project, actor = Project.objects.get(pk=job.project_id or 0), Actor.recalled(payload["actor"])
    require(actor, Can.TRIAGE, project)
    change, asked_at = bulk.Change.recalled(payload["action"]), datetime.fromisoformat(payload["asked_at"])
    wanted = bulk.matching(project, payload["q"], asked_at)
    last = BulkPart.objects.filter(job=job).aggregate(last=Max("last"))["last"] or 0
    while True:
        with transaction.atomic():
            leases.extend(job)
            rows = Case.objects.filter(wanted, pk__gt=last, pk__lte=payload["up_to"]).select_for_update(of=("self",), no_key=True)
            cases = list(rows.order_by("pk")[: bulk.AT_ONCE])
            if not cases:
                break
            done = bulk.apply(change, cases, asked_at=asked_at, by=actor.printed_name[:150])
            BulkPart.objects.create(
                job=job,
                last=done.last,
                changed=done.changed,
                unchanged=done.unchanged,
                left_alone=done.left_alone,
                changes=bulk.packed(done.changes),
            )
            _record(actor, job, project, "case.bulk_changed", payload["action"], done.changes)
            Job.objects.filter(pk=job.pk).update(done=F("done") + len(cases), attempt=1)
        point("cases.bulk.committed")
        last = done.last
    return _result(job)


def _result(job: Job) -> dict[str, Any]:
    """`left_alone` are also those that the query found when it was asked and does not any more: somebody changed them meanwhile."""
    sums = BulkPart.objects.filter(job=job).aggregate(changed=Sum("changed"), unchanged=Sum("unchanged"))
    changed, unchanged, matched = sums["changed"] or 0, sums["unchanged"] or 0, job.payload["matched"]
    return {"matched": matched, "changed": changed, "unchanged": unchanged, "left_alone": max(0, matched - changed - unchanged)}


def take_back(job: Job) -> dict[str, Any]:
    """Undo a bulk change part by part, the last first. A part that was taken back is gone."""
    project, actor = Project.objects.get(pk=job.project_id or 0), Actor.recalled(job.payload["actor"])
    require(actor, Can.TRIAGE, project)
    counts = dict(job.result or {"restored": 0, "left_alone": 0})
    while True:
        with transaction.atomic():
            leases.extend(job)
            part = BulkPart.objects.select_for_update().filter(job=job.payload["bulk"]).order_by("-last").first()
            if part is None:
                break
            changes = list(bulk.unpacked(bytes(part.changes)))
            restored, alone = bulk.take_back(changes)
            counts = {"restored": counts["restored"] + restored, "left_alone": counts["left_alone"] + alone}
            _record(actor, job, project, "case.bulk_undone", {}, changes)
            part.delete()
            Job.objects.filter(pk=job.pk).update(done=F("done") + len(changes), result=counts, attempt=1)
        point("cases.bulk.undone")
    return counts


def _record(actor: Actor, job: Job, project: Project, action: str, what: dict[str, Any], changes: list[dict[str, Any]]) -> None:
    """One event for a run of cases, which names them all."""
    if changes:
        numbers = sorted(Case.objects.filter(pk__in=[change["case"] for change in changes]).values_list("number", flat=True))
        after = {"job": str(job.pk), "changed": len(numbers), "numbers": numbers, **what}
        audit.record(actor, action, "project", project.slug, project_id=project.pk, after=after)


def forget_old() -> int:
    """Drop what was remembered for undoing, once nobody may undo it any more; returns how many parts."""
    return old_parts().delete()[0]


def old_parts() -> QuerySet[BulkPart]:
    """What belongs to bulk changes that ended longer ago than they are kept, and that nobody is taking back."""
    undoing = Job.objects.filter(kind=UNDO, state__in=("queued", "running")).values_list("payload__bulk", flat=True)
    return BulkPart.objects.filter(job__finished_at__lt=timezone.now() - KEEP).exclude(job__in=list(undoing))


def forget_case(case: Case) -> None:
    """A lawful erasure's part: what a bulk change remembers of the case may be personal, such as its tags."""
    parts = (
        BulkPart.objects.select_for_update(of=("self",)).filter(job__project_id=case.project_id, last__gte=case.pk).order_by("job", "last")
    )
    seen = set()
    for part in parts:
        if part.job_id in seen:
            continue
        seen.add(part.job_id)
        changes = [change for change in bulk.unpacked(bytes(part.changes)) if change["case"] != case.pk]
        BulkPart.objects.filter(pk=part.pk).update(changes=bulk.packed(changes))
