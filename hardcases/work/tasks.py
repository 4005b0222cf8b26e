"""Celery's side of background work: load by id, one call."""

from itertools import islice, zip_longest
from typing import Any

from celery import shared_task

from hardcases.work import broker, jobs, registry
from hardcases.work.registry import Due

MOST_WAITING = 500
STALE_AFTER = 60.0


@shared_task
def run_job(*, job_id: str, **_: Any) -> None:
    """Do one job."""
    jobs.run_job(job_id)


@shared_task
def sweep(**_: Any) -> None:
    """Beat's errand: tell the workers about what is due.

    Bounded, however long the workers are busy with something else: never more than MOST_WAITING messages of the sweeper wait, and each is void after a minute,
    because by then a later sweep has said it again.
    """
    room = MOST_WAITING - broker.waiting(broker.SWEEP)
    for due in islice(all_due(), max(0, room)):
        if not broker.send(due.task, due.kwargs, queue=broker.SWEEP, expires=STALE_AFTER):
            return


def all_due() -> list[Due]:
    """Everything the database says ought to run now, over all rooms in turn, so that one with much to do does not keep the others waiting."""
    mine = [Due(run_job, {"job_id": job_id}) for job_id in jobs.due_jobs()]
    rooms = [mine, *(list(registry.SWEEPS[name]()) for name in sorted(registry.SWEEPS))]
    return [due for turn in zip_longest(*rooms) for due in turn if due is not None]
