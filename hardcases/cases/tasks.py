"""Celery's side: load by id, one call."""

from collections.abc import Iterator, Sequence
from typing import Any

from celery import shared_task

from hardcases.cases import bulk_jobs, jobs

AT_ONCE = 20  # pictures in one task: a fraction of a second, so that whoever waits behind it does not wait long


@shared_task
def make_media(*, case_ids: list[int], **_: Any) -> None:
    """Make the copies of these cases' pictures that people see."""
    jobs.make_media(*case_ids)


def in_lots(case_ids: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Keyword arguments for `make_media`, one set for each task."""
    for first in range(0, len(case_ids), AT_ONCE):
        yield {"case_ids": list(case_ids[first : first + AT_ONCE])}


@shared_task
def wake_snoozed(**_: Any) -> None:
    """Bring back what was snoozed until now."""
    jobs.wake_snoozed()


@shared_task
def forget_bulk(**_: Any) -> None:
    """Drop what was remembered for undoing bulk changes of long ago."""
    bulk_jobs.forget_old()
