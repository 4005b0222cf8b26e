"""What people ask for with many cases at once: change all that a search finds, and within a day take that back."""

import uuid
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from hardcases.audit import actions as audit
from hardcases.audit.actors import Actor
from hardcases.cases import bulk
from hardcases.cases.actions import Decision
from hardcases.cases.bulk_jobs import BULK, UNDO
from hardcases.cases.models import Case
from hardcases.errors import Conflict, NotFound
from hardcases.projects.models import Project
from hardcases.work.actions import enqueue, hint
from hardcases.work.models import Job
from hardcases.work.tasks import run_job

UNDO_WITHIN = timedelta(hours=24)


class NotUndoable(Conflict):
    code, title = "not_undoable", "This cannot be taken back now"


def check_change(change: bulk.Change) -> None:
    """Raises Invalid for a change that cannot be made."""
    change.check()
    if change.state is not None:
        Decision(state=change.state, decline_reason=change.decline_reason, snoozed_until=change.snoozed_until).check()


@transaction.atomic
def start_bulk(*, actor: Actor, project: Project, q: str, change: bulk.Change) -> Job:
    """Have a worker change every case that the query finds and that is there now. Raises Invalid, and what the query language refuses."""
    check_change(change)
    matched = bulk.how_many(project, q)
    payload = {
        "q": q,
        "action": change.remembered(),
        "asked_at": timezone.now().isoformat(),
        "up_to": Case.objects.filter(project=project).order_by("-pk").values_list("pk", flat=True).first() or 0,
        "matched": matched,
        "actor": actor.remembered(),
    }
    job = enqueue(kind=BULK, key=uuid.uuid4().hex, project_id=project.pk, payload=payload, total=matched)
    after = {"job": str(job.pk), "q": q, "matched": matched, **change.remembered()}
    audit.record(actor, "case.bulk_asked", "project", project.slug, project_id=project.pk, after=after)
    hint(run_job, job_id=str(job.pk))
    return job


def bulk_for(project: Project, job_id: UUID) -> Job:
    """A bulk change of the project. Raises NotFound."""
    found = Job.objects.filter(pk=job_id, kind=BULK, project_id=project.pk).first()
    if found is None:
        raise NotFound("There is no such bulk change in this project. Check the address.")
    return found


@transaction.atomic
def undo_bulk(*, actor: Actor, project: Project, job: Job) -> Job:
    """Have a worker restore what is still as the bulk change left it. Asking again returns the same job. Raises NotUndoable."""
    undoing = Job.objects.filter(kind=UNDO, key=str(job.pk)).first()
    if undoing is not None:
        return undoing
    if job.state not in {"done", "failed"} or job.finished_at is None:
        raise NotUndoable("The bulk change is still running. Nothing was taken back. Ask again when it is done.", retry_after=5)
    if timezone.now() - job.finished_at > UNDO_WITHIN:
        raise NotUndoable("The bulk change was made more than 24 hours ago. Nothing was taken back. Change the cases anew instead.")
    changed = (job.result or {}).get("changed")
    payload = {"bulk": str(job.pk), "actor": actor.remembered()}
    undoing = enqueue(kind=UNDO, key=str(job.pk), project_id=project.pk, payload=payload, total=changed)
    audit.record(actor, "case.bulk_undo_asked", "project", project.slug, project_id=project.pk, after={"job": str(job.pk)})
    hint(run_job, job_id=str(undoing.pk))
    return undoing
