"""Asking for background work."""

from typing import Any

import structlog
from celery import Task
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from hardcases.work.models import Job

log = structlog.get_logger(__name__)


def hint(task: "Task[Any, Any]", **kwargs: Any) -> None:
    """After the commit, tell a worker that there is something to do. A broker that is away costs time, never data: the sweeper finds the row."""
    if settings.REDIS_URL is None:
        return

    def send() -> None:
        try:
            task.apply_async(kwargs=kwargs, retry=False)
        except (BrokerError, RedisError, OSError) as error:
            log.warning("hint_not_sent", task=task.name, reason=type(error).__name__)

    transaction.on_commit(send)


def enqueue(*, kind: str, key: str, project_id: int | None = None, payload: dict[str, Any] | None = None, total: int | None = None) -> Job:
    """Ask for a job of `kind`. The same kind and key name the same job: asking again returns it."""
    job, _ = Job.objects.get_or_create(kind=kind, key=key, defaults={"project_id": project_id, "payload": payload or {}, "total": total})
    return job
