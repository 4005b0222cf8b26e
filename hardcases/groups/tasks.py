"""Celery's side: load by id, one call."""

from typing import Any

from celery import shared_task

from hardcases.groups import jobs

AT_ONCE = 20  # cases in one transaction: a fraction of a second, so that no writer waits long behind it


@shared_task
def place_cases(*, case_ids: list[int], **_: Any) -> None:
    """Decide the group of these cases."""
    jobs.place_cases(*case_ids)


@shared_task
def check_groups(*, group_ids: list[int], **_: Any) -> None:
    """Decide anew whether these groups grow."""
    jobs.check_groups(*group_ids)
