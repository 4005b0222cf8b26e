"""Asking for background work."""

from typing import Any

from celery import Task
from django.conf import settings
from django.db import transaction

from hardcases.work import broker
from hardcases.work.models import Job


def hint(task: "Task[Any, Any]", **kwargs: Any) -> None:
    """After the commit, tell a worker that there is something to do. A broker that is away costs time, never data: the sweeper finds the row."""
    if settings.REDIS_URL is None:
        return

    transaction.on_commit(lambda: broker.post(task, kwargs), robust=True)  # robust: nothing may fail what is already stored


def enqueue(*, kind: str, key: str, project_id: int | None = None, payload: dict[str, Any] | None = None, total: int | None = None) -> Job:
    """Ask for a job of `kind`. The same kind and key name the same job: asking again returns it."""
    job, _ = Job.objects.get_or_create(kind=kind, key=key, defaults={"project_id": project_id, "payload": payload or {}, "total": total})
    return job
