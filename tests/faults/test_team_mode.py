"""Team mode with real processes: Celery workers, beat, gunicorn and a Redis that goes away. Redis is a hint; the database is the truth."""

import json
import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.builders.cases import a_picture
from tests.faults.harness import until
from tests.faults.sites import Child, Redis, Site

pytestmark = [pytest.mark.services]
log = logging.getLogger(__name__)
AT_ONCE = 5.0  # the promise is one second; a busy machine is given more before a test calls it hanging


def upload(site: Site, seed: str) -> tuple[httpx.Response, float]:
    """POST cases/ with a picture; the answer and the seconds it took."""
    parts = {"file": (f"{seed}.png", a_picture(seed), "image/png"), "case": (None, json.dumps({"attributes": {}}))}
    start = time.monotonic()
    answer = site.call("POST", "cases/", files=parts)
    return answer, time.monotonic() - start


def media_ready(site: Site, key: str) -> bool:
    number = int(key.rsplit("-", 1)[1])
    return bool(site.value(f"SELECT media_state FROM hardcases_case WHERE number = {number}") == "ready")


def ready(worker: Child) -> None:
    until(lambda: "ready" in worker.said(), "the worker")


def test_a_hint_reaches_the_worker_without_beat(team: Site) -> None:
    team.web()
    ready(team.worker())
    answer, _ = upload(team, "hinted")
    assert answer.status_code == 201
    until(lambda: media_ready(team, answer.json()["key"]), "the thumbnail, told by a hint alone")


def test_a_run_ends_with_workers_and_beat(team: Site) -> None:
    team.web()
    ready(team.worker())
    team.beat()
    number = team.start_run()
    team.wait_for_run(number)
    assert team.value("SELECT sum(predicted) FROM evaluation_part") == team.facts["cases"] * team.facts["replicates"]


@pytest.mark.parametrize(("hurt", "mend"), [(Redis.stop, Redis.start), (Redis.freeze, Redis.thaw)], ids=["stopped", "frozen"])
def test_without_redis_requests_answer_and_work_resumes(
    team: Site, redis: Redis, hurt: Callable[[Redis], None], mend: Callable[[Redis], None]
) -> None:
    team.web()
    worker, beat = team.worker(), team.beat()
    ready(worker)
    hurt(redis)
    keys, slowest = [], 0.0
    for index in range(4):
        answer, seconds = upload(team, f"without redis {index}")
        assert answer.status_code == 201
        keys.append(answer.json()["key"])
        slowest = max(slowest, seconds)
    start = time.monotonic()
    number = team.start_run()
    slowest = max(slowest, time.monotonic() - start)
    log.info("slowest answer without Redis: %.3f s", slowest)
    assert slowest < AT_ONCE
    assert httpx.get(f"{team.base}/readyz").json()["status"] == "degraded"
    assert not any(media_ready(team, key) for key in keys)
    mend(redis)
    until(lambda: all(media_ready(team, key) for key in keys), f"the thumbnails after Redis came back {team.ledger()}")
    team.wait_for_run(number)
    assert worker.process.poll() is None, worker.said()[-2000:]
    assert beat.process.poll() is None, beat.said()[-2000:]


def test_a_worker_killed_in_a_shard_is_taken_over(team: Site, tmp_path: Path) -> None:
    flag = tmp_path / "paused"
    team.web()
    victim = team.worker(HARDCASES_PAUSE_AT=f"runs.shard.before_commit:{flag}")
    ready(victim)
    number = team.start_run()
    until(flag.exists, "a worker at the pause point")
    victim.kill()
    team.worker()
    team.beat()
    team.wait_for_run(number)
    assert team.value("SELECT max(attempt) FROM evaluation_shard") >= 2
    assert team.value("SELECT sum(predicted) FROM evaluation_part") == team.facts["cases"] * team.facts["replicates"]
    assert team.value("SELECT count(*) FROM evaluation_part") == team.value("SELECT count(*) FROM evaluation_shard")


def test_a_pool_process_killed_leaves_the_worker_alive(team: Site, tmp_path: Path) -> None:
    flag = tmp_path / "paused"
    team.web()
    worker = team.worker(HARDCASES_PAUSE_AT=f"runs.shard.before_commit:{flag}")
    ready(worker)
    team.beat()
    number = team.start_run()
    until(flag.exists, "a pool process at the pause point")
    os.kill(int(flag.read_text()), signal.SIGKILL)
    team.wait_for_run(number)
    assert worker.process.poll() is None
