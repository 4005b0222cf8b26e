"""One writer after the other: a queue for the threads and processes that write to one SQLite file.

SQLite lets one transaction write at a time and tells everybody else to come back later; its busy handler then sleeps up to a tenth of a second between two
attempts, while the file lies idle and others overtake. Here whoever wants to write waits for a turn instead: a lock among the threads of a process, then two
bytes of a file beside the database that are locked among processes. Byte 0 makes the holder the next, byte 1 makes it the writer, so a process that has just
written cannot overtake one that waits. The kernel gives the bytes back when a process dies.

The turn only orders the writers. Whether a write is safe is SQLite's own business: without the file, or with a writer that never heard of turns, its busy
handler decides as ever.
"""

import contextlib
import fcntl
import os
import threading
import time
from pathlib import Path

NEXT, WRITER = 0, 1  # bytes of the file
GLANCE = (
    0.0002  # seconds between two looks at a byte that another process holds: short beside a transaction, which ends with a sync of the disk
)


class Turns:
    """The queue of one database file. `take` and `give_back` go in pairs; a second `give_back` does nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = threading.Lock()
        self._descriptor: int | None = None
        self._taken = False

    def take(self, timeout: float) -> bool:
        """Wait for the turn, at most `timeout` seconds. False when it did not come."""
        deadline = time.monotonic() + timeout
        if not self._threads.acquire(timeout=timeout):
            return False
        if not self._take_from_processes(deadline):
            self._threads.release()
            return False
        self._taken = True
        return True

    def give_back(self) -> None:
        """Let the next one write."""
        if self._taken:
            self._taken = False
            self._unlock(WRITER)
            self._threads.release()

    def _take_from_processes(self, deadline: float) -> bool:
        if self._descriptor is None:
            with contextlib.suppress(OSError):  # no file, no order among processes
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            return self._lock(NEXT, deadline) and self._lock(WRITER, deadline)
        finally:
            self._unlock(NEXT)

    def _lock(self, byte: int, deadline: float) -> bool:
        while self._descriptor is not None:
            with contextlib.suppress(BlockingIOError, PermissionError):  # POSIX permits either for “held by another process”
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(GLANCE)
        return True

    def _unlock(self, byte: int) -> None:
        if self._descriptor is not None:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, byte)


_queues: dict[Path, Turns] = {}
_making = threading.Lock()


def turns_of(database: Path) -> Turns:
    """The queue of this database file, one in a process however many connections it has."""
    with _making:
        return _queues.setdefault(database, Turns(database.with_name(f"{database.name}.turns")))


def _forget() -> None:
    """A forked child has its parent's memory but not its threads nor its turn."""
    global _making  # noqa: PLW0603
    _making = threading.Lock()
    _queues.clear()


os.register_at_fork(after_in_child=_forget)
