"""What the worker does for this room: the audit log's chain, whose own room lies below background work."""

from collections.abc import Iterable
from typing import Any

import structlog
from django.utils import timezone

from hardcases.audit import sealing, tasks
from hardcases.audit.sealing import Head
from hardcases.work.actions import enqueue
from hardcases.work.models import Job
from hardcases.work.registry import Due

log = structlog.get_logger(__name__)
HEAD = "audit.head"


def unsealed() -> Iterable[Due]:
    """The sealer, when there is something to seal."""
    return [Due(tasks.seal, {})] if sealing.is_due() else []


def head_of_the_day() -> Iterable[Due]:
    """One job a day that notes the head; the sweeper itself finds and does it."""
    today = timezone.now().date().isoformat()
    if not Job.objects.filter(kind=HEAD, key=today).exists():
        enqueue(kind=HEAD, key=today)
    return []


def note_head(job: Job) -> dict[str, Any]:
    """Seal everything, latecomers included, and write the head to the log, where a later rewrite of the tables cannot reach it."""
    sealing.seal(thorough=True)
    head = sealing.head()
    log.info("audit_head", seq=head.seq, hash=head.hash)
    return {"seq": head.seq, "hash": head.hash}


def noted_heads() -> tuple[Head, ...]:
    """The heads noted so far, as witnesses for `verify`."""
    results = Job.objects.filter(kind=HEAD, state="done").exclude(result=None).values_list("result", flat=True)
    return tuple(Head(result["seq"], result["hash"]) for result in results if result and result["seq"])
