"""Keeping a lease while something long is computed: a thread that extends it every quarter of its length."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from django.conf import settings
from django.db import OperationalError, connection

from hardcases.work.leases import LeaseLostError, extend
from hardcases.work.models import Leased

log = structlog.get_logger(__name__)


@contextmanager
def beating(extend: Callable[[], bool]) -> Iterator[None]:
    """Call `extend` every LEASE_SECONDS / 4 until the block ends or `extend` says that the lease is lost; the fence at the end decides anyway.

    Inside somebody's transaction nobody else sees the lease, and another connection could only wait for its locks: then nothing beats.
    """
    if connection.in_atomic_block:
        yield
        return
    stop = threading.Event()

    def beat() -> None:
        try:
            while not stop.wait(settings.LEASE_SECONDS / 4):
                if not _extended(extend):
                    return
        finally:
            connection.close()

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _extended(extend: Callable[[], bool]) -> bool:
    try:
        return extend()
    except OperationalError as error:  # a busy database costs one beat of four
        log.warning("heartbeat_missed", reason=str(error))
        return True


@contextmanager
def holding(row: Leased) -> Iterator[None]:
    """`beating` for a leased row."""

    def kept() -> bool:
        try:
            extend(row)
        except LeaseLostError:
            return False
        return True

    with beating(kept):
        yield
