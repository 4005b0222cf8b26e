"""Reporting failures from a production service, which must not notice: `report` only puts the case into a queue.

    reporter = Reporter(redact=without_names)
    reporter.report(file=png, prediction={"label": "normal"}, reason="doctor_disagreed", attributes={"site": "clinic-7"})

One background thread writes the queue into a spool on disk, another sends the spool. A server that is away, slow or full costs disk and nothing else; beyond
the spool's limit the oldest cases are dropped, counted and logged once a minute. A process that is killed loses what its queue has not yet written, which in
an ordinary service is at most the case in hand; the next process that uses the spool sends the rest.
"""

import atexit
import contextlib
import json
import logging
import os
import random
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from hardcases.client.batches import CaseItem
from hardcases.client.settings import find
from hardcases.client.spool import Spool, Spooled, default_folder, key_of
from hardcases.client.transport import Body, Json, NoAnswerError, Parts, ProblemError, Transport, as_json

log = logging.getLogger("hardcases.client")
Redact = Callable[[CaseItem], CaseItem | None]

SPOOL_BYTES = 1_000_000_000
QUEUE_CASES, QUEUE_BYTES = 1_000, 64_000_000
ATTEMPT_SECONDS = 2.0
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
LOOK_EVERY = 5.0  # for cases that another process left
LOG_EVERY = 60.0
# Answers about us, not about the case: it keeps its place until somebody has mended a token, a project or a disk.
NOT_ABOUT_THE_CASE = frozenset({401, 403, 404, 408, 425, 429})


class Reporter:
    """Never blocks and never raises. Safe among threads, after a fork, and with other processes on the same spool.

    `redact` gets every case as a `CaseItem` before it is written anywhere and returns what may be sent, or None to send nothing. If it raises, the case is
    dropped: nothing is ever sent or written unredacted. Settings are found like those of `Client`; the constructor raises SettingsError where one is missing.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        project: str | None = None,
        *,
        redact: Redact | None = None,
        spool: Path | None = None,
        spool_bytes: int = SPOOL_BYTES,
        http_transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        threads: bool = True,
    ) -> None:
        self._settings = find(url, token, project)
        self._redact, self._folder, self._spool_bytes = redact, spool, spool_bytes
        self._http, self._clock, self._threads = http_transport, clock, threads
        self._closed = False
        self._start_over()
        _ALL.add(self)

    def _start_over(self) -> None:
        """Fresh locks and no threads: at the start, and in a forked child, which has none of its parent's threads and must not send its queue again."""
        self._counts: dict[str, int] = dict.fromkeys(("reported", "sent", "dropped", "refused"), 0)
        self._last_reason = ""
        self._unlogged, self._logged_at = 0, float("-inf")
        self._lock = threading.Lock()
        self._queued = threading.Condition(self._lock)
        self._idle = threading.Condition(self._lock)
        self._wake = threading.Event()
        self._queue: deque[tuple[CaseItem, Redact | None, int]] = deque()
        self._queue_bytes = 0
        self._writing = False
        self._started: list[threading.Thread] = []
        self._transport: Transport | None = None
        self._failures = 0
        self._not_before = float("-inf")
        self._found_spool: Spool | None = None

    @property
    def _spool(self) -> Spool:
        """Made by whoever needs it first, which is never the service's own thread."""
        if self._found_spool is None:
            folder = self._folder or default_folder(self._settings.url, self._settings.project)
            self._found_spool = Spool(folder, limit=self._spool_bytes)
        return self._found_spool

    # --- In the service's own thread -----------------------------------------------------------------------------------------------------------------
    def report(
        self,
        *,
        file: Path | bytes | bytearray | memoryview | None = None,
        file_name: str | None = None,
        text: str | None = None,
        record: Json | None = None,
        redact: Redact | None = None,
        **fields: Any,
    ) -> None:
        """Hand over one failure and go on. `fields` are those of a case; `captured_at` is now unless it is said.

        Returns within a millisecond whatever the server, the disk and the hook do. A case that cannot be taken is counted in `statistics`.
        """
        try:
            fields.setdefault("captured_at", datetime.now(UTC).isoformat())
            item = CaseItem(
                file=file if file is None or isinstance(file, (bytes, Path)) else bytes(memoryview(file)),
                file_name=file_name,
                text=text,
                record=_frozen(record),
                fields=_frozen(fields) or {},
            )
            self._enqueue(item, redact or self._redact)
        except Exception as error:
            with contextlib.suppress(Exception):
                self._drop(1, f"{type(error).__name__}: {error}")

    def _enqueue(self, item: CaseItem, redact: Redact | None) -> None:
        size = len(item.file) if isinstance(item.file, bytes) else len(item.text or "")
        with self._lock:
            self._counts["reported"] += 1
            full = self._closed or len(self._queue) >= QUEUE_CASES or self._queue_bytes + size > QUEUE_BYTES
            if not full:
                self._queue.append((item, redact, size))
                self._queue_bytes += size
                self._queued.notify()
        if full:
            self._drop(1, "The reporter is closed." if self._closed else "The queue in memory is full: the disk does not keep up.")
        elif self._threads and not self._started:
            self._start_threads()

    def _start_threads(self) -> None:
        with self._lock:
            if len(self._started):
                return
            self._started = [
                threading.Thread(target=work, name=f"hardcases-{name}", daemon=True)
                for name, work in (("spool", self._write_for_ever), ("send", self._send_for_ever))
            ]
            for thread in self._started:
                thread.start()

    # --- The thread that writes ------------------------------------------------------------------------------------------------------------------------
    def _write_for_ever(self) -> None:
        while True:
            with self._lock:
                while not self._queue and not self._closed:
                    self._queued.wait()
                if not self._queue:
                    return
            self.write_queue()

    def write_queue(self) -> None:
        """Redact and spool what waits in memory. The background thread does this; call it where there are no threads."""
        while True:
            with self._lock:
                if not self._queue:
                    return
                item, redact, size = self._queue.popleft()
                self._queue_bytes -= size
                self._writing = True
            try:
                self._write(item, redact)
            finally:
                with self._lock:
                    self._writing = False
                    self._idle.notify_all()
                self._wake.set()

    def _write(self, item: CaseItem, redact: Redact | None) -> None:
        try:
            if isinstance(item.file, Path):
                item = replace(item, file=item.file.read_bytes(), file_name=item.name())
        except OSError as error:
            self._drop(1, f"A reported file could not be read: {error}")
            return
        try:
            kept = item if redact is None else redact(item)
        except Exception as error:
            self._drop(1, f"The redaction failed with {type(error).__name__}, so the case was not sent.")
            return
        if kept is None:
            self._drop(1, "The redaction kept a case back.")
            return
        try:
            self._drop(self._spool.put(kept), "The spool is full; the oldest cases made room.")
        except OSError as error:
            self._send_past_the_spool(kept, error)
        except Exception as error:
            self._drop(1, f"A case could not be spooled: {error}")

    def _send_past_the_spool(self, item: CaseItem, trouble: OSError) -> None:
        """The disk takes nothing: one attempt from memory, then the case is lost."""
        try:
            self._post(item)
        except Exception as error:
            self._drop(1, f"A case could neither be spooled ({trouble}) nor sent ({error}).")
        else:
            self._count("sent")

    # --- The thread that sends -------------------------------------------------------------------------------------------------------------------------
    def _send_for_ever(self) -> None:
        while not self._closed:
            try:
                wait = self.send_due()
            except Exception:
                log.exception("Sending reports failed unexpectedly; it goes on in a minute.")
                wait = LONGEST_WAIT
            self._wake.wait(wait)
            self._wake.clear()

    def send_due(self) -> float:
        """Send what the spool holds until it is empty or the server refuses to answer; returns the seconds after which to try again."""
        while not self._closed:
            now = self._clock()
            if now < self._not_before:
                return self._not_before - now
            spooled = self._spool.take()
            if spooled is None:
                with self._lock:
                    self._idle.notify_all()
                return LOOK_EVERY
            self._send(spooled)
        return LOOK_EVERY

    def _send(self, spooled: Spooled) -> None:
        try:
            self._post(spooled.item)
        except ProblemError as problem:
            if problem.status in NOT_ABOUT_THE_CASE or problem.status >= 500 or "retry_after" in problem.fields:
                self._later(spooled, str(problem), _seconds(problem.fields.get("retry_after")))
            else:
                self._spool.forget(spooled)
                self._count("refused", str(problem))
                log.warning("The server refused a reported case: %s", problem)
        except NoAnswerError as error:
            self._later(spooled, str(error), 0.0)
        except ValueError as error:  # cannot be said in JSON
            self._spool.forget(spooled)
            self._count("refused", str(error))
        else:
            self._failures, self._not_before = 0, float("-inf")
            self._spool.forget(spooled)
            self._count("sent")

    def _post(self, item: CaseItem) -> None:
        body = Body(json=item.document()) if item.file is None else Body(parts=_parts(item))
        path = f"projects/{quote(self._settings.project, safe='')}/cases/"
        self._connection().post(path, body, idempotency_key=key_of(item))

    def _later(self, spooled: Spooled, reason: str, asked: float) -> None:
        self._spool.give_back(spooled)
        backoff = min(FIRST_WAIT * 2**self._failures, LONGEST_WAIT) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing
        self._failures = min(self._failures + 1, 10)
        self._not_before = self._clock() + max(backoff, min(asked, LONGEST_WAIT))
        with self._lock:
            self._last_reason = reason

    def _connection(self) -> Transport:
        if self._transport is None:
            settings = self._settings
            self._transport = Transport(
                settings.url, settings.token, timeout=ATTEMPT_SECONDS, connect=ATTEMPT_SECONDS, attempts=1, http_transport=self._http
            )
        return self._transport

    # --- Counting ------------------------------------------------------------------------------------------------------------------------------------
    def _count(self, what: str, reason: str = "") -> None:
        with self._lock:
            self._counts[what] += 1
            if reason:
                self._last_reason = reason

    def _drop(self, count: int, reason: str) -> None:
        if not count:
            return
        with self._lock:
            self._counts["dropped"] += count
            self._unlogged += count
            self._last_reason = reason
            due = self._clock() - self._logged_at >= LOG_EVERY
            unlogged = self._unlogged
            if due:
                self._unlogged, self._logged_at = 0, self._clock()
        if due:
            log.warning("%d reported cases were dropped. The last reason: %s", unlogged, reason)

    @property
    def statistics(self) -> dict[str, Any]:
        """Counts of this process: `reported`, `sent`, `dropped`, `refused`; `waiting` in memory, `spooled` on disk now, and `last_reason`."""
        with self._lock:
            found: dict[str, Any] = dict(self._counts) | {"waiting": len(self._queue) + self._writing, "last_reason": self._last_reason}
        return found | {"spooled": len(self._spool)}

    # --- The end ---------------------------------------------------------------------------------------------------------------------------------------
    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until everything was sent or refused, at most so long; whether it was. For tests and for jobs that end; a service need not."""
        end = time.monotonic() + timeout
        self._wake.set()
        while True:
            with self._lock:
                written = not self._queue and not self._writing
            if written and not len(self._spool):
                return True
            if time.monotonic() >= end or (self._closed and written):
                return False
            with self._lock:
                self._idle.wait(0.05)

    def close(self, timeout: float = ATTEMPT_SECONDS) -> None:
        """Take nothing more, write what waits in memory into the spool, and leave sending it to the next start. Doing it again does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queued.notify_all()
            threads = list(self._started)
        self._wake.set()
        if not threads:
            self.write_queue()
        for thread in threads:
            thread.join(timeout)


def _frozen(value: Any) -> Any:
    """A copy as JSON would carry it, so that the service may change its own. Raises TypeError or ValueError for what JSON cannot hold."""
    return None if value is None else json.loads(as_json(value))


def _parts(item: CaseItem) -> Parts:
    return [
        ("case", (None, as_json(item.document()), "application/json")),
        ("file", (item.name(), item.content(), "application/octet-stream")),
    ]


def _seconds(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


_ALL: "weakref.WeakSet[Reporter]" = weakref.WeakSet()


def _after_fork() -> None:
    for reporter in list(_ALL):
        reporter._start_over()  # noqa: SLF001 - same module


def _at_exit() -> None:
    for reporter in list(_ALL):
        with contextlib.suppress(Exception):
            reporter.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
