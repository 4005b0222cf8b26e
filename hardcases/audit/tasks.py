"""Celery's side of the audit log."""

from typing import Any

from celery import shared_task

from hardcases.audit import sealing

AT_MOST = 10_000  # a second or two; a backlog of a long outage is sealed in turn with everything else that is due


@shared_task
def seal(**_: Any) -> None:
    """Seal what is unsealed. Two workers that are told at once do no harm: one finds the sealer's lock taken."""
    sealing.seal(at_most=AT_MOST)
