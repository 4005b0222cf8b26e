"""What the worker does for jobs: claim, run the handler of the kind, write the end behind the fence."""

import structlog
from django.db import transaction
from django.db.models.functions import Now

from hardcases.errors import Refusal
from hardcases.work import leases, registry
from hardcases.work.models import Job

log = structlog.get_logger(__name__)


def run_job(job_id: str) -> bool:
    """Do one job if it is due. False when there was nothing to do, which a repeated message may well find."""
    job = leases.claim(Job.objects.filter(pk=job_id, run_after__lte=Now()))
    if job is None:
        return False
    if job.attempt > leases.MAX_ATTEMPTS:
        _fail(job, f"This job stopped its worker {leases.MAX_ATTEMPTS} times. It is not tried again.")
        return True
    handler = registry.JOB_HANDLERS.get(job.kind)
    if handler is None:
        _fail(job, f"Nothing here knows how to do a job of kind {job.kind}. Run the same version on web and worker.")
        return True
    try:
        result = handler(job)
    except Refusal as refusal:
        _fail(job, refusal.sentence)
        return True
    except leases.LeaseLostError:
        log.info("lease_lost", job=str(job.pk), kind=job.kind)
        return True
    _finish(job, "done", result=result)
    return True


def _fail(job: Job, sentence: str) -> None:
    log.warning("job_failed", job=str(job.pk), kind=job.kind, reason=sentence)
    _finish(job, "failed", failure=sentence)


def _finish(job: Job, state: str, **columns: object) -> None:
    try:
        with transaction.atomic():
            leases.finish(job, state, finished_at=Now(), **columns)
    except leases.LeaseLostError:
        log.info("lease_lost", job=str(job.pk), kind=job.kind)


def due_jobs(limit: int = 200) -> list[str]:
    """Ids of the jobs that are due, oldest first."""
    due = Job.objects.due().filter(run_after__lte=Now()).order_by("run_after", "created_at")
    return [str(pk) for pk in due.values_list("pk", flat=True)[:limit]]
