"""How many requests and new bytes a token, and all tokens of a project, may send in ten seconds.

Each process counts for itself and settles with the others through one row a subject, at most once a second and only when its unsettled share matters (2 % of a
limit): a service that sends a request now and then costs the database nothing. What is let through beyond a limit is therefore at most what the other
processes let through since they last settled: a second's worth each, or 2 % of the limit. A database that is away stops nobody here. On SQLite, where every
write waits for the one writer, requests that only read settle nothing.
"""

import logging
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connection, transaction

from hardcases.projects.models import RateUse
from hardcases.web.problems import TooManyRequests

log = logging.getLogger(__name__)
SLOT = 10  # seconds
SHARE = 0.02
SETTLE_EVERY = 1.0
MOST_SUBJECTS = 10_000


@dataclass(frozen=True)
class Limit:
    """In one slot of ten seconds: requests of any kind, and bytes that the project did not have yet."""

    requests: int
    bytes: int


@dataclass
class _Use:
    """One subject in one slot: what all had sent when we last settled, and what came here since."""

    slot: int
    settled_requests: int = 0
    settled_bytes: int = 0
    requests: int = 0
    bytes: int = 0

    def beyond(self, limit: Limit, *, writes: bool) -> str | None:
        if self.settled_requests + self.requests >= limit.requests:
            return f"{limit.requests:,} requests"
        if writes and self.settled_bytes + self.bytes >= limit.bytes:
            return f"{limit.bytes:,} new bytes"
        return None

    def matters(self, limit: Limit) -> bool:
        return self.requests >= SHARE * limit.requests or self.bytes >= SHARE * limit.bytes


class Limiter:
    """The counts of one process. Safe among its threads; a forked process starts with a copy, which only makes it stricter for ten seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._uses: dict[str, _Use] = {}
        self._settled_at = -math.inf

    def admit(self, token: UUID, project: int, *, writes: bool) -> None:
        """Count a request. Raises TooManyRequests with the seconds until the next slot."""
        now = time.time()
        settle: list[tuple[str, _Use]] = []
        with self._lock:
            uses = self._of(token, project, int(now // SLOT))
            for subject, use, limit in uses:
                if (what := use.beyond(limit, writes=writes)) is not None:
                    raise _refusal(subject, what, now)
            for _, use, _ in uses:
                use.requests += 1
            may = writes or connection.vendor != "sqlite"
            if may and now - self._settled_at >= SETTLE_EVERY and any(use.matters(limit) for _, use, limit in uses):
                self._settled_at = now
                settle = [(subject, self._taken(use)) for subject, use, _ in uses]
        if settle:
            self._settle(settle)

    def charge(self, token: UUID, project: int, size: int) -> None:
        """Count bytes that were new to the project; known ones cost nothing."""
        if size:
            with self._lock:
                for _, use, _ in self._of(token, project, int(time.time() // SLOT)):
                    use.bytes += size

    def _of(self, token: UUID, project: int, slot: int) -> list[tuple[str, _Use, Limit]]:
        if len(self._uses) > MOST_SUBJECTS:
            self._uses = {subject: use for subject, use in self._uses.items() if use.slot == slot}
        found = []
        for subject, limit in ((f"token:{token}", of_token()), (f"project:{project}", of_project())):
            use = self._uses.get(subject)
            if use is None or use.slot != slot:
                use = self._uses[subject] = _Use(slot)
            found.append((subject, use, limit))
        return found

    @staticmethod
    def _taken(use: _Use) -> _Use:
        """What is to be settled now; counted as settled until the database has answered with the sum of all."""
        taken = _Use(use.slot, requests=use.requests, bytes=use.bytes)
        use.settled_requests += use.requests
        use.settled_bytes += use.bytes
        use.requests = use.bytes = 0
        return taken

    def _settle(self, taken: Sequence[tuple[str, _Use]]) -> None:
        rows = sorted(taken)  # one order for all, so that two processes never wait for each other
        values = [value for subject, use in rows for value in (subject, use.slot, use.requests, use.bytes)]
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(_SETTLE.format(values=", ".join(["(%s, %s, %s, %s)"] * len(rows))), values)
                sums = cursor.fetchall()
        except DatabaseError as error:
            log.warning("Limits could not be settled and are counted by this process alone: %s", error)
            return
        with self._lock:
            for subject, slot, requests, size in sums:
                use = self._uses.get(subject)
                if use is not None and use.slot == slot:
                    use.settled_requests, use.settled_bytes = max(use.settled_requests, requests), max(use.settled_bytes, size)


_TABLE = RateUse._meta.db_table  # noqa: SLF001 - documented by Django
_SETTLE = f"""
    INSERT INTO {_TABLE} (subject, slot, requests, bytes) VALUES {{values}}
    ON CONFLICT (subject) DO UPDATE SET
      requests = excluded.requests + CASE WHEN {_TABLE}.slot = excluded.slot THEN {_TABLE}.requests ELSE 0 END,
      bytes = excluded.bytes + CASE WHEN {_TABLE}.slot = excluded.slot THEN {_TABLE}.bytes ELSE 0 END,
      slot = excluded.slot
    RETURNING subject, slot, requests, bytes
"""  # noqa: S608  # nosec B608 - our own table's name


def of_token() -> Limit:
    """The limits of one token."""
    return Limit(settings.LIMIT_TOKEN_REQUESTS, settings.LIMIT_TOKEN_BYTES)


def of_project() -> Limit:
    """The limits of all tokens of one project together."""
    return Limit(settings.LIMIT_PROJECT_REQUESTS, settings.LIMIT_PROJECT_BYTES)


def _refusal(subject: str, what: str, now: float) -> TooManyRequests:
    wait = max(1, math.ceil(SLOT - now % SLOT))
    whose = "This token has" if subject.startswith("token:") else "The tokens of this project have"
    return TooManyRequests(
        f"{whose} sent the {what} that {SLOT} seconds allow. Nothing was stored. Send it again in {wait} s.", retry_after=wait
    )


LIMITER = Limiter()
