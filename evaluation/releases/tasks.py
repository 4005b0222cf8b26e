"""Celery's side of releases: load by id, one call."""

from collections.abc import Iterable
from typing import Any

from celery import shared_task

from evaluation.releases import jobs
from hardcases.work.registry import Due


@shared_task
def judge_waiting(*, release_id: int, **_: Any) -> None:
    """Judge a release whose run has finished since."""
    jobs.judge_waiting(release_id)


def due() -> Iterable[Due]:
    """Releases that can be judged now."""
    return [Due(judge_waiting, {"release_id": release_id}) for release_id in jobs.waiting()]
