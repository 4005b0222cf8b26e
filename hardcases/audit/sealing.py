"""The chain over the audit log: `seal` extends it, `verify` walks it.

Events are written by many transactions at once and do not wait for each other; one sealer gives each a place afterwards: hash = SHA-256(previous hash ‖
RFC 8785 form of the row). Whoever changes, removes or inserts a row later breaks the chain; whoever rewrites the chain from there on changes its head,
which is logged every day and may be kept anywhere.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, Max, OuterRef, QuerySet

from hardcases.audit.models import AuditEvent, AuditSeal
from hardcases.web.json_edge import canonical

START = "0" * 64
BATCH = 500
# On PostgreSQL a transaction may commit after others that took later ids. Looking back this many seals finds such latecomers cheaply; `thorough` looks at all.
WINDOW = 2_000
_LOCK = 0x48617264  # any fixed number: the advisory lock of the one sealer
MAX_FINDINGS = 100
# Written out: the hash of old entries must not change when the table gains a column.
_COLUMNS = (
    "id",
    "at",
    "actor_kind",
    "actor_id",
    "actor_name",
    "token_id",
    "project_id",
    "action",
    "object_type",
    "object_id",
    "before",
    "after",
    "request_id",
    "address",
)


@dataclass(frozen=True)
class Head:
    """The last place of the chain. Written down elsewhere, it proves later that nothing up to here was changed or cut off."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> "Head":
        """From `seq:hash`. Raises ValueError."""
        seq, _, digest = text.partition(":")
        if len(digest) != 64 or int(seq) < 0:
            raise ValueError(f"{text} is not number:hash")
        return cls(int(seq), digest)


@dataclass
class Report:
    """What `verify` found. `findings` is empty for an intact chain and stops at MAX_FINDINGS; `unsealed` events wait for the sealer."""

    entries: int = 0
    unsealed: int = 0
    head: Head = field(default_factory=lambda: Head(0, START))
    findings: list[str] = field(default_factory=list)

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).isoformat(timespec="microseconds") if isinstance(value, datetime) else value


def link(previous: str, event: Mapping[str, Any]) -> str:
    """The hash of one place: 64 hex digits. `event` holds every column of the row."""
    return hashlib.sha256(previous.encode() + canonical({name: _plain(event[name]) for name in _COLUMNS})).hexdigest()


def head() -> Head:
    """The end of the chain as it stands."""
    last = AuditSeal.objects.order_by("-seq").values_list("seq", "hash").first()
    return Head(*last) if last else Head(0, START)


def _unsealed() -> QuerySet[AuditEvent]:
    return AuditEvent.objects.filter(~Exists(AuditSeal.objects.filter(event_id=OuterRef("pk"))))


def _recent_unsealed() -> QuerySet[AuditEvent]:
    start = head().seq - WINDOW
    # The smallest is found here: a database asked for it would walk the whole chain in the order of events until it meets one of these places.
    floor = min(AuditSeal.objects.filter(seq__gt=start).values_list("event_id", flat=True)) if start > 0 else 0
    return _unsealed().filter(pk__gt=floor)


def oldest_unsealed() -> datetime | None:
    """When the oldest event that waits for the sealer happened."""
    return _recent_unsealed().order_by("at").values_list("at", flat=True).first()


def is_due() -> bool:
    """Whether there is something to seal: two index look-ups, cheap enough for every sweep."""
    newest = AuditEvent.objects.aggregate(newest=Max("pk"))["newest"]
    sealed = AuditSeal.objects.aggregate(newest=Max("event_id"))["newest"]
    return newest is not None and newest != sealed


def seal(*, thorough: bool = False, at_most: int | None = None) -> int:
    """Seal what is unsealed, in batches; returns how many. Safe to run twice at once: the second finds the door locked and does nothing.

    With `at_most` it stops after the batch that reaches so many, and what is left stays due: other work of the same worker gets its turn.
    """
    total = 0
    while (at_most is None or total < at_most) and (sealed := _seal_batch(thorough=thorough)):
        total += sealed
    return total


@transaction.atomic
def _seal_batch(*, thorough: bool) -> int:
    if not _only_sealer():
        return 0
    last = head()
    waiting = _unsealed() if thorough else _recent_unsealed()
    rows: list[AuditSeal] = []
    previous = last.hash
    for place, event in enumerate(waiting.order_by("pk").values(*_COLUMNS)[:BATCH], start=last.seq + 1):
        row = AuditSeal(seq=place, event_id=event["id"], previous=previous, hash=link(previous, event))
        rows.append(row)
        previous = row.hash
    AuditSeal.objects.bulk_create(rows)
    return len(rows)


def _only_sealer() -> bool:
    """Take the sealer's lock until the end of the transaction. SQLite has one writer at a time; the unique `seq` would stop a fork on either."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        return bool(cursor.fetchone()[0])


def verify(known: tuple[Head, ...] = ()) -> Report:
    """Walk the whole chain. Finds changed and missing events, a chain that was cut or rewritten before a `known` head, and counts unsealed events."""
    report = Report()
    witnesses = {at.seq: at for at in known}
    for place, event in _chain():
        _check_place(report, place, event)
        report.entries += 1
        report.head = Head(place.seq, place.hash)
        witness = witnesses.pop(place.seq, None)
        if witness is not None and witness.hash != place.hash:
            report.findings.append(
                f"Entry {place.seq}: a head noted earlier says {witness.hash[:12]}…; the chain up to here was rewritten."
            )
        if len(report.findings) >= MAX_FINDINGS:
            break
    report.findings += [
        f"The chain ends at {report.head.seq}, but entry {seq} was once sealed: its end was cut off." for seq in sorted(witnesses) if seq
    ]
    report.unsealed = _unsealed().count()
    return report


def _check_place(report: Report, place: AuditSeal, event: Mapping[str, Any] | None) -> None:
    if place.seq != report.head.seq + 1:
        report.findings.append(f"Entries {report.head.seq + 1} to {place.seq - 1} are missing from the chain.")
    elif place.previous != report.head.hash:
        report.findings.append(f"Entry {place.seq} does not continue the one before.")
    if event is None:
        report.findings.append(f"Entry {place.seq}: the event {place.event_id} is missing.")
    elif link(place.previous, event) != place.hash:
        report.findings.append(f"Entry {place.seq}: the event {place.event_id} ({event['action']}) was changed after it was sealed.")


def _chain() -> Iterator[tuple[AuditSeal, Mapping[str, Any] | None]]:
    """Every place in order with its event, None where that is gone. Two queries for each batch."""
    last = None
    while True:
        batch = list(AuditSeal.objects.filter(**({} if last is None else {"seq__gt": last})).order_by("seq")[:BATCH])
        if not batch:
            return
        events = {event["id"]: event for event in AuditEvent.objects.filter(pk__in=[p.event_id for p in batch]).values(*_COLUMNS)}
        for place in batch:
            yield place, events.get(place.event_id)
        last = batch[-1].seq
