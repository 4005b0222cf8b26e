"""Celery's side: load by id, one call."""

from typing import Any

from celery import shared_task

from hardcases.cases import jobs


@shared_task
def make_media(*, case_id: int, **_: Any) -> None:
    """Make the copies of one case's picture that people see."""
    jobs.make_media(case_id)


@shared_task
def wake_snoozed(**_: Any) -> None:
    """Bring back what was snoozed until now."""
    jobs.wake_snoozed()
