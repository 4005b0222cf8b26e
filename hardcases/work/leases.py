"""Claiming, keeping and giving back leased rows."""

from datetime import timedelta
from typing import TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from hardcases.work.models import Leased, LeasedQuerySet

MAX_ATTEMPTS = 3
L = TypeVar("L", bound=Leased)


class LeaseLostError(Exception):
    """Another worker has taken this row over; whatever this one computed must not be written."""


def claim(rows: LeasedQuerySet[L]) -> L | None:
    """Take the first due row of `rows` for LEASE_SECONDS, or None. Two workers never get the same row.

    PostgreSQL skips rows that another transaction holds; SQLite serialises writers from the start of the transaction.
    """
    with transaction.atomic():
        row = rows.due().select_for_update(skip_locked=True).order_by("pk").first()
        if row is None:
            return None
        type(row).objects.filter(pk=row.pk).update(**row.fresh_lease())  # type: ignore[attr-defined]
        row.refresh_from_db()
        return row


def extend(row: Leased) -> None:
    """Heartbeat: push the end of the lease out again. Raises LeaseLostError when it is no longer ours."""
    rows: LeasedQuerySet[Leased] = type(row).objects  # type: ignore[attr-defined]
    if not rows.held(row).update(lease_until=Now() + timedelta(seconds=settings.LEASE_SECONDS)):
        raise LeaseLostError(f"{row} was taken over by another worker.")


def finish(row: Leased, state: str, **columns: object) -> None:
    """Write the end state behind the fence. Call it inside the transaction that writes the results; a lost lease rolls all of it back."""
    rows: LeasedQuerySet[Leased] = type(row).objects  # type: ignore[attr-defined]
    if not rows.held(row).update(state=state, lease_until=None, **columns):
        raise LeaseLostError(f"{row} was taken over by another worker.")
    row.state = state
