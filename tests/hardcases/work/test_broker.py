"""Sending hints when Redis is there, away, or frozen, and what the sweeper may send."""

import shutil
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from kombu import Connection

from hardcases.work import broker, tasks
from hardcases.work.actions import hint
from hardcases.work.registry import Due
from tests.faults.sites import Redis, missing

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def redis(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Redis]:
    if shutil.which("redis-server") is None:
        missing("redis-server")
    with Redis() as server:
        settings.REDIS_URL = server.url
        monkeypatch.setattr(broker, "_fuse", broker._Fuse())
        yield server


def length(redis: Redis, queue: str) -> int:
    with Connection(redis.url) as connection:
        return int(connection.default_channel.client.llen(queue))


def test_a_hint_lies_in_its_own_queue(redis: Redis) -> None:
    hint(tasks.run_job, job_id="1")
    broker._postman.bag.join()
    assert length(redis, broker.HINTS) == 1
    assert length(redis, broker.SWEEP) == 0


@pytest.mark.parametrize("hurt", [Redis.stop, Redis.freeze])
def test_after_one_failure_nobody_waits_again(redis: Redis, hurt: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert broker.send(tasks.run_job, {"job_id": "1"})
    hurt(redis)
    assert not broker.send(tasks.run_job, {"job_id": "2"})

    def touched(*_: Any, **__: Any) -> None:
        raise AssertionError("asked a broker that is known to be away")

    monkeypatch.setattr(tasks.run_job, "apply_async", touched)
    assert not any(broker.send(tasks.run_job, {"job_id": "3"}) for _ in range(1000))


def test_it_is_tried_again_after_a_while(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    redis.stop()
    assert not broker.send(tasks.run_job, {"job_id": "1"})
    redis.start()
    assert not broker.send(tasks.run_job, {"job_id": "2"})
    monkeypatch.setattr(broker.time, "monotonic", lambda clock=broker.time.monotonic: clock() + broker.QUIET)
    assert broker.send(tasks.run_job, {"job_id": "3"})
    assert broker.send(tasks.run_job, {"job_id": "4"})


def test_the_sweeper_does_not_flood_a_busy_worker(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "all_due", lambda: [Due(tasks.run_job, {"job_id": str(number)}) for number in range(300)])
    for _ in range(5):
        tasks.sweep()
    assert length(redis, broker.SWEEP) == tasks.MOST_WAITING


def test_a_request_does_not_talk_to_the_broker_itself(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr(tasks.run_job, "apply_async", lambda **_: answered.wait(30))
    for number in range(2 * broker.MOST_POSTED):
        hint(tasks.run_job, job_id=str(number))  # would wait for the first one here
    assert broker._postman.bag.full()  # and no further: what is beyond is left to the sweeper
    answered.set()
    broker._postman.bag.join()


def test_an_unforeseen_error_does_not_fail_the_request(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ValueError("a bug in the library")

    with monkeypatch.context() as patch:
        patch.setattr(tasks.run_job, "apply_async", broken)
        hint(tasks.run_job, job_id="1")
        broker._postman.bag.join()
    hint(tasks.run_job, job_id="2")
    broker._postman.bag.join()
    assert length(redis, broker.HINTS) == 1  # the thread that sends has survived
