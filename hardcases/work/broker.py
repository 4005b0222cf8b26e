"""Telling workers that there is something to do, through Redis and without ever waiting for it.

A message is a hint: the database knows what is due and the sweeper finds it. So a message may be lost, and what must not happen is that a request waits for
a broker that is away or frozen. A request therefore never talks to the broker: it hands its hints to one thread of the process (`post`) and goes on; when too
many wait there, further ones are dropped. The thread uses a connection of its own with short timeouts (Celery's own would wait two seconds for each attempt,
several times over), and after a failure nothing is sent for a while.
"""

import os
import queue
import threading
import time
from functools import lru_cache
from typing import Any, NamedTuple

import structlog
from celery import Task, current_app
from django.conf import settings
from kombu import Connection
from kombu.exceptions import ChannelError, KombuError
from kombu.pools import producers
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

HINTS, SWEEP, BEAT = "hints", "sweep", "beat"  # separate queues, which a worker serves in turn: a flood in one does not starve the others
PATIENCE = 0.3  # seconds for one step of talking to the broker
QUIET = 5.0  # seconds without another attempt after a failure: the sweeper's own rhythm
MOST_POSTED = 1_000  # hints that wait for the thread; the sweeper finds what is beyond
_TROUBLE = (KombuError, RedisError, OSError)


class _Fuse:
    """Blown by a failure; for QUIET seconds nobody tries, then one caller at a time does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._quiet_until: float | None = None

    def may_try(self) -> bool:
        with self._lock:
            now = time.monotonic()
            if self._quiet_until is None:
                return True
            if now < self._quiet_until:
                return False
            self._quiet_until = now + QUIET  # the others wait for the outcome of this attempt
            return True

    def blow(self) -> None:
        with self._lock:
            self._quiet_until = time.monotonic() + QUIET

    def mend(self) -> None:
        with self._lock:
            self._quiet_until = None


_fuse = _Fuse()


@lru_cache(maxsize=4)
def _line(url: str) -> Connection:
    """Only the key of kombu's pool: every thread that sends gets a connection of its own."""
    patience = {"socket_connect_timeout": PATIENCE, "socket_timeout": PATIENCE, "max_retries": 0}
    return current_app.connection_for_write(url, transport_options=settings.CELERY_BROKER_TRANSPORT_OPTIONS | patience)


def send(task: "Task[Any, Any]", kwargs: dict[str, Any], *, queue: str = HINTS, expires: float | None = None) -> bool:
    """Send one message. False when the broker is away, which costs time and never data. Takes well under a second in every case."""
    if not _fuse.may_try():
        return False
    try:
        with producers[_line(settings.REDIS_URL)].acquire(block=True, timeout=PATIENCE) as producer:
            limits: dict[str, Any] = {} if expires is None else {"expires": expires}
            task.apply_async(kwargs=kwargs, producer=producer, queue=queue, retry=False, **limits)
    except _TROUBLE as error:
        _fuse.blow()
        log.warning("hint_not_sent", task=task.name, reason=type(error).__name__)
        return False
    _fuse.mend()
    return True


class _Posted(NamedTuple):
    task: "Task[Any, Any]"
    kwargs: dict[str, Any]


class _Postman:
    """The one thread that sends, started by the first hint."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.bag: queue.Queue[_Posted] = queue.Queue(MOST_POSTED)

    def take(self, posted: _Posted) -> None:
        try:
            self.bag.put_nowait(posted)
        except queue.Full:
            return
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._carry, name="hints", daemon=True)
                self._thread.start()

    def _carry(self) -> None:
        while True:
            posted = self.bag.get()
            try:
                send(posted.task, posted.kwargs)
            except Exception:
                log.exception("hint_failed", task=posted.task.name)  # a mistake in a library must not end the thread
            finally:
                self.bag.task_done()


_postman = _Postman()


def _hire_again() -> None:
    """A forked child has none of its parent's threads."""
    global _postman  # noqa: PLW0603
    _postman = _Postman()


os.register_at_fork(after_in_child=_hire_again)


def post(task: "Task[Any, Any]", kwargs: dict[str, Any]) -> None:
    """Have one message sent soon, or not at all. Returns at once in every case."""
    _postman.take(_Posted(task, kwargs))


def waiting(name: str) -> int:
    """Messages in the queue of this name. Raises kombu's or redis' errors when the broker is away."""
    with producers[_line(settings.REDIS_URL)].acquire(block=True, timeout=PATIENCE) as producer:
        try:
            return int(producer.channel.queue_declare(queue=name, passive=True).message_count)
        except ChannelError:
            return 0  # nobody has made the queue yet
