"""Celery's side: load by id, one call."""

from typing import Any

from celery import shared_task

from hardcases.cases import jobs


@shared_task
def make_media(*, case_id: int, **_: Any) -> None:
    """Make the copies of one case's picture that people see."""
    jobs.make_media(case_id)


@shared_task
def make_media_of(*, case_ids: list[int], **_: Any) -> None:
    """`make_media` for several, as the sweeper finds them."""
    jobs.make_media(*case_ids)


@shared_task
def wake_snoozed(**_: Any) -> None:
    """Bring back what was snoozed until now."""
    jobs.wake_snoozed()
