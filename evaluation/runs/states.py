"""The one writer of `Run.state`. Every step is a single compare-and-set UPDATE: one row changed means it was ours, none means somebody else took it.

    queued ─► running ─► finalising ─► succeeded
       └─────────┴────────────┴──────► failed | cancelled

Final states never change; the database refuses it too. Times are the database's own.
"""

import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Now

from evaluation.runs.models import FINAL, Run

LONGEST = timedelta(hours=24)
OPEN = ("queued", "running", "finalising")


def _move(run_id: int, came_from: tuple[str, ...], **columns: Any) -> bool:
    return Run.objects.filter(pk=run_id, state__in=came_from).update(**columns) == 1


def start(run_id: int) -> bool:
    """The first shard was claimed, or the last file of predictions accepted."""
    return _move(run_id, ("queued",), state="running", started_at=Now())


def set_deadline(run_id: int) -> None:
    """From here on the run needs nobody's upload and must end within a day."""
    Run.objects.filter(pk=run_id, state="queued", deadline=None).update(deadline=Now() + LONGEST)


def claim_finalisation(run_id: int) -> uuid.UUID | None:
    """Take the finalisation for LEASE_SECONDS, also from one whose lease has ended. The token fences the end; None: somebody else has it."""
    token = uuid.uuid4()
    lease = {"finaliser": token, "finalise_until": _until(), "finalise_attempt": F("finalise_attempt") + 1}
    ready = Q(state="running") | Q(state="finalising", finalise_until__lt=Now())
    taken = Run.objects.filter(ready, pk=run_id).exclude(shards__state__in=("queued", "running")).update(state="finalising", **lease)
    return token if taken else None


def extend_finalisation(run_id: int, token: uuid.UUID) -> bool:
    """Heartbeat of the finaliser; False when it was taken over."""
    return Run.objects.filter(pk=run_id, state="finalising", finaliser=token).update(finalise_until=_until()) == 1


def succeed(run_id: int, token: uuid.UUID, **results: Any) -> bool:
    """Write the results and the end behind the fence. False: taken over or cancelled meanwhile; nothing was written."""
    held = Run.objects.filter(pk=run_id, state="finalising", finaliser=token)
    return held.update(state="succeeded", finished_at=Now(), finalise_until=None, **results) == 1


def fail(run_id: int, reason: str, **results: Any) -> bool:
    """End without a report, with a sentence that says why."""
    return _move(run_id, OPEN, state="failed", failure=reason, finished_at=Now(), finalise_until=None, **results)


def cancel(run_id: int) -> bool:
    """End because somebody asked to."""
    return _move(run_id, OPEN, state="cancelled", finished_at=Now(), finalise_until=None)


def is_final(run: Run) -> bool:
    """Whether nothing can change any more."""
    return run.state in FINAL


def _until() -> Any:
    return Now() + timedelta(seconds=settings.LEASE_SECONDS)
