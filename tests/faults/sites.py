"""A whole installation in processes of its own, to be hurt from outside: web, workers, beat and Redis, on its own data directory and its own database."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO, Any, Self

import httpx
import psycopg
import pytest

from tests import services
from tests.faults import warm
from tests.faults.harness import until
from tests.faults.warm import ROOT

LEASE_SECONDS = 2
TETHER = ROOT / "hardcases" / "config" / "tether.py"


def missing(what: str) -> None:
    """Skip loudly, or fail where everything has to be tested."""
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(f"{what} is missing, and REQUIRE_SERVICES=1 does not let its tests be skipped.")
    pytest.skip(f"*** NOT TESTED: {what} is missing ***")


def _read(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")


class Redis:
    """A private Redis that a test may stop, freeze and bring back at the same address."""

    def __init__(self) -> None:
        self.port = services.free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Empty, as after a crash without persistence."""
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd="/")
        until(lambda: services._answers_redis(self.url), "Redis")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Connections are accepted by the kernel and never answered: worse than being away."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


class Child:
    """One process of the installation, in a process group of its own."""

    def __init__(self, name: str, process: "subprocess.Popen[bytes] | warm.Started", log: Path) -> None:
        self.name, self.process, self.log = name, process, log

    @property
    def pid(self) -> int:
        return self.process.pid

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """kill -9 of the process and everything it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()

    def terminate(self, patience: float = 30.0) -> int:
        """SIGTERM to the process alone; its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=patience)


class Site:
    """Settings, data directory and database of one installation, and the processes a test starts in it."""

    def __init__(self, folder: Path, database_url: str, redis_url: str | None = None, **settings: str) -> None:
        self.folder, self.database_url, self.redis_url = folder, database_url, redis_url
        self.port = services.free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.settings = settings
        self.children: list[Child] = []
        self.facts: dict[str, Any] = {}

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HARDCASES_", "DJANGO_", "AWS_", "PYTEST_"))}
        for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY"):
            kept.pop(name, None)
        ours = {
            "DJANGO_SETTINGS_MODULE": "hardcases.config.settings",
            "HARDCASES_DATA_DIR": str(self.folder),
            "HARDCASES_BIND": f"127.0.0.1:{self.port}",
            "HARDCASES_LEASE_SECONDS": str(LEASE_SECONDS),
            "DATABASE_URL": self.database_url,
            "PYTHONPATH": str(ROOT),
        }
        return kept | ours | ({"REDIS_URL": self.redis_url} if self.redis_url else {}) | self.settings

    # --- Commands ------------------------------------------------------------------------------------------------------------------------------------
    def run(self, *arguments: str, check: bool = True, **settings: str) -> "subprocess.CompletedProcess[str]":
        """Our Python with these arguments, to its end."""
        with tempfile.TemporaryFile("w+b") as out, tempfile.TemporaryFile("w+b") as err:
            code = warm.start(arguments, self.environment | settings, out=out, err=err).wait(timeout=300)
            said = [_read(stream) for stream in (out, err)]
        assert code == 0 or not check, f"{arguments} exited {code}\n{said[0][-3000:]}\n{said[1][-3000:]}"
        return subprocess.CompletedProcess(arguments, code, *said)

    def manage(self, *arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        return self.run("manage.py", *arguments, **options)

    def prepare(self) -> None:
        """Migrate; no static files, which no test here looks at."""
        self.manage("migrate", "--verbosity", "0")

    def fill(self, every: int = 2) -> None:
        """See `tests.faults.scenes`."""
        self.facts = json.loads(self.run("-m", "tests.faults.scenes", str(every)).stdout.splitlines()[-1])

    # --- Processes -----------------------------------------------------------------------------------------------------------------------------------
    def start(self, name: str, *arguments: str, cold: bool = False, **settings: str) -> Child:
        """Our Python with these arguments, in the background; a cold start reads every library itself."""
        log, environment = self.folder / f"{name}-{len(self.children)}.log", self.environment | settings
        process: warm.Started | subprocess.Popen[bytes]
        with log.open("wb") as out:
            if cold:
                command = [sys.executable, "-I", str(TETHER), sys.executable, *arguments]  # so that it does not outlive the tests
                process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
            else:
                process = warm.start(arguments, environment, out=out, err=out)
        child = Child(name, process, log)
        self.children.append(child)
        return child

    def web(self, **settings: str) -> Child:
        bind = f"127.0.0.1:{self.port}"
        gunicorn = ["-m", "gunicorn", "hardcases.config.wsgi:application", "--bind", bind, "--worker-class", "gthread", "--threads", "4"]
        child = self.start("web", *gunicorn, **settings)
        until(self.answers, "The web process")
        return child

    def worker(self, **settings: str) -> Child:
        """Celery's worker with two pool processes, or the embedded one where there is no broker."""
        if self.redis_url is None:
            return self.start("worker", "manage.py", "work", **settings)
        return self.start("worker", *self._celery("worker", "--concurrency", "2", "--loglevel", "info"), **settings)

    def beat(self, **settings: str) -> Child:
        schedule = str(self.folder / f"beat-{len(self.children)}")
        return self.start("beat", *self._celery("beat", "--loglevel", "info", "--schedule", schedule, "--pidfile", ""), **settings)

    @staticmethod
    def _celery(*arguments: str) -> list[str]:
        return ["-m", "celery", "-A", "hardcases.config", "--quiet", *arguments]

    def answers(self) -> bool:
        """Asked with the least there is: a client of httpx reads certificates first, which costs more than the answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def close(self) -> None:
        for child in self.children:
            child.kill()

    # --- What it holds ---------------------------------------------------------------------------------------------------------------------------------
    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Straight from the database, past our own code."""
        if self.database_url.startswith("sqlite"):
            with closing(sqlite3.connect(self.database_url.removeprefix("sqlite:///"), timeout=30)) as connection:
                return connection.execute(sql).fetchall()
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(sql.encode()).fetchall()

    def value(self, sql: str) -> Any:
        return self.rows(sql)[0][0]

    # --- What production does --------------------------------------------------------------------------------------------------------------------------
    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A request to the project's API with its token."""
        headers = {"Authorization": f"Bearer {self.facts['token']}"} | options.pop("headers", {})
        return httpx.request(method, f"{self.base}/api/v1/projects/{self.facts['project']}/{path}", headers=headers, timeout=60, **options)

    def start_run(self, **settings: Any) -> int:
        """Over HTTP; the run's number."""
        body = {"model": self.facts["model"], "test_set": self.facts["test_set"], **settings}
        answer = self.call("POST", "runs/", json=body)
        assert answer.status_code == 202, answer.text
        return int(answer.json()["id"])

    def run_state(self, number: int) -> str:
        found = self.value(f"SELECT state FROM evaluation_run WHERE number = {number} AND project_id = {self.facts['project_id']}")
        return str(found)

    def wait_for_run(self, number: int, state: str = "succeeded") -> None:
        until(lambda: self.run_state(number) in {state, "failed", "cancelled"}, f"run {number}: {self.ledger()}")
        assert self.run_state(number) == state, self.ledger()

    def ledger(self) -> dict[str, Any]:
        """What a reader of a failed test wants to know."""
        return {
            "runs": self.rows("SELECT number, state, failure FROM evaluation_run"),
            "shards": self.rows("SELECT id, state, attempt FROM evaluation_shard"),
            "logs": {child.log.name: child.said()[-1500:] for child in self.children},
        }


@contextmanager
def a_database(folder: Path, *, template: str | None = None) -> Iterator[str]:
    """Address of a new database of the kind that TEST_ON names, empty or a copy of `template`; dropped afterwards."""
    if os.environ.get("TEST_ON") != "postgresql":
        path = folder / "hardcases.sqlite3"
        if template is not None:
            shutil.copy(template.removeprefix("sqlite:///"), path)
        yield f"sqlite:///{path}"
        return
    server = os.environ.get("TEST_DATABASE_URL") or services.DATABASE
    name = f"hardcases_faults_{uuid.uuid4().hex[:12]}"
    origin = f' TEMPLATE "{template.rsplit("/", 1)[1]}"' if template else ""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"{origin}'.encode())
    try:
        yield f"{server.rsplit('/', 1)[0]}/{name}"
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@contextmanager
def a_site(folder: Path, *, origin: Site | None = None, redis_url: str | None = None, **settings: str) -> Iterator[Site]:
    """A migrated installation, or a copy of `origin` with its facts and blobs. Its processes end with it."""
    if origin is not None:
        shutil.copytree(origin.folder, folder, ignore=shutil.ignore_patterns("*.log", "hardcases.sqlite3*"), dirs_exist_ok=True)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o700)
    with a_database(folder, template=origin.database_url if origin else None) as url:
        made = Site(folder, url, redis_url, **settings)
        try:
            if origin is None:
                made.prepare()
            else:
                made.facts = dict(origin.facts)
            yield made
        finally:
            made.close()
