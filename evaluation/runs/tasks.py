"""Celery's side of runs: load by id, one call, and a hint about what comes next. The sweeper finds whatever a lost hint would have told."""

from typing import Any

from celery import shared_task

from evaluation.runs import jobs
from evaluation.runs.models import Shard
from hardcases.work.actions import hint
from hardcases.work.registry import Due


@shared_task
def predict_shard(*, shard_id: int, **_: Any) -> None:
    """Predict one shard; the last one of its run points to the finalisation."""
    if jobs.predict_shard(shard_id):
        run_id = Shard.objects.values_list("run_id", flat=True).get(pk=shard_id)
        if run_id in jobs.due_finalisations():
            hint(finalise_run, run_id=run_id)


@shared_task
def finalise_run(*, run_id: int, **_: Any) -> None:
    """Store the report of a run that has all its predictions; runs that waited for it come next."""
    if jobs.finalise_run(run_id):
        for waiting in jobs.dependants(run_id):
            hint(finalise_run, run_id=waiting)


@shared_task
def end_overdue(*, run_id: int, **_: Any) -> None:
    """Fail a run past its deadline."""
    jobs.end_overdue(run_id)


@shared_task
def spread_run(*, run_id: int, **_: Any) -> None:
    """One message starts a run; the worker that takes it tells the others about the shards."""
    for shard_id in Shard.objects.filter(run=run_id, state="queued").order_by("pk").values_list("pk", flat=True)[:1000]:
        hint(predict_shard, shard_id=shard_id)
    if run_id in jobs.due_finalisations():
        hint(finalise_run, run_id=run_id)


def due() -> list[Due]:
    """What the sweeper starts: shards, finalisations and overdue runs, according to the database."""
    return [
        *(Due(finalise_run, {"run_id": pk}) for pk in jobs.due_finalisations()),
        *(Due(predict_shard, {"shard_id": pk}) for pk in jobs.due_shards()),
        *(Due(end_overdue, {"run_id": pk}) for pk in jobs.overdue().values_list("pk", flat=True)[:50]),
    ]
