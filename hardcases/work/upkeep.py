"""The daily tidying: what nobody needs any more, and nothing else.

Undelivered events and jobs are never touched; a delivered event, an old stored reply, a temp file of a process that was killed, and a blob that no row holds
(its upload failed after the file was written) are.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from hardcases.blobs.owners import orphans
from hardcases.blobs.store import get_store
from hardcases.web.idempotency import forget_replies
from hardcases.work import leases
from hardcases.work.actions import enqueue
from hardcases.work.models import Job, OutboxEvent
from hardcases.work.registry import Due

UPKEEP = "work.upkeep"
KEEP_REPLIES = KEEP_DELIVERED = timedelta(days=30)
KEEP_UNNAMED = timedelta(hours=24)


def upkeep_of_the_day() -> Iterable[Due]:
    """One job a day; the sweeper itself finds and does it."""
    today = timezone.now().date().isoformat()
    if not Job.objects.filter(kind=UPKEEP, key=today).exists():
        enqueue(kind=UPKEEP, key=today)
    return []


def tidy(job: Job) -> dict[str, Any]:
    """Do all of it; the result says how much there was."""
    now = timezone.now()
    store = get_store()
    return {
        "replies": forget_replies(before=now - KEEP_REPLIES),
        "events": OutboxEvent.objects.filter(state="done", delivered_at__lt=now - KEEP_DELIVERED).delete()[0],
        "temp_files": store.sweep_temp(KEEP_UNNAMED) + _old_files(Path(settings.FILE_UPLOAD_TEMP_DIR), KEEP_UNNAMED),
        "blobs": _forget_orphans(job),
    }


def _forget_orphans(job: Job) -> int:
    horizon = timezone.now() - KEEP_UNNAMED
    store, forgotten = get_store(), 0
    for digest in orphans(store, untouched_since=horizon):
        forgotten += store.delete_untouched(digest, since=horizon)
        leases.extend(job)
    return forgotten


def _old_files(folder: Path, age: timedelta) -> int:
    """Delete files last written longer ago than that; returns how many."""
    horizon = timezone.now().timestamp() - age.total_seconds()
    swept = 0
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            if path.is_file() and path.stat().st_mtime < horizon:
                path.unlink()
                swept += 1
    return swept
