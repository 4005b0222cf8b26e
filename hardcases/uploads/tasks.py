"""Celery's side: one call."""

from typing import Any

from celery import shared_task

from hardcases.uploads import jobs


@shared_task
def forget_abandoned(**_: Any) -> None:
    """Forget uploads that nobody finishes."""
    jobs.forget_abandoned()
