"""Lists that upper rooms fill when the apps are ready: how each kind of job is done, and what the sweeper looks for."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from celery import Task

from hardcases.work.models import Job


@dataclass(frozen=True)
class Due:
    """A Celery task that ought to run now, with its keyword arguments (ids only)."""

    task: "Task[Any, Any]"
    kwargs: dict[str, Any]


JobHandler = Callable[[Job], dict[str, Any] | None]
Sweep = Callable[[], Iterable[Due]]

JOB_HANDLERS: dict[str, JobHandler] = {}
SWEEPS: dict[str, Sweep] = {}


def register_job(kind: str, handler: JobHandler) -> None:
    """Jobs of `kind` are done by `handler(job)`; what it returns becomes the job's result. It may run twice and must then do no harm."""
    JOB_HANDLERS[kind] = handler


def register_sweep(name: str, sweep: Sweep) -> None:
    """`sweep()` lists the tasks that are due according to the database. The sweeper calls it every few seconds, whether or not any hint arrived."""
    SWEEPS[name] = sweep
