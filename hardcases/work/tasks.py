"""Celery's side of background work: load by id, one call."""

from typing import Any

from celery import shared_task

from hardcases.work import jobs, registry
from hardcases.work.registry import Due


@shared_task
def run_job(*, job_id: str, **_: Any) -> None:
    """Do one job."""
    jobs.run_job(job_id)


@shared_task
def sweep(**_: Any) -> None:
    """Beat's errand: tell the workers about everything that is due."""
    for due in all_due():
        due.task.apply_async(kwargs=due.kwargs, retry=False)


def all_due() -> list[Due]:
    """Everything the database says ought to run now, over all rooms."""
    found = [Due(run_job, {"job_id": job_id}) for job_id in jobs.due_jobs()]
    for name in sorted(registry.SWEEPS):
        found.extend(registry.SWEEPS[name]())
    return found
