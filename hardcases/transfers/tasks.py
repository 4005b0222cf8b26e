"""Celery's side: one call."""

from typing import Any

from celery import shared_task

from hardcases.transfers import expiry


@shared_task
def expire(**_: Any) -> None:
    """Let go of files whose time is over."""
    expiry.expire()
