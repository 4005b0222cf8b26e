"""Real worker processes that can be stopped exactly where it hurts.

    with Workers(Installation.of(connection)) as workers:
        worker = workers.start(pause_at="runs.shard.before_commit")
        worker.wait_until_paused()
        worker.kill()            # kill -9, between the blob and the row

An `Installation` names a database and a data directory by the environment that the product itself reads, so the same harness serves tests (on pytest's own
database) and benchmarks (on a database of their own). Waiting means polling for a file or a row with a limit, never sleeping for a while.
"""

import os
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper

from tests.faults import warm

PATIENCE = 120.0  # a guard against hanging, generous because workers start slowly on a busy machine
POLL = 0.02


def until(happened: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Wait until something has happened; fail with its name when it does not."""
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {seconds:.0f} s.")
        time.sleep(POLL)


@dataclass(frozen=True)
class Installation:
    """A database and a data directory, as environment variables."""

    environment: dict[str, str]

    @classmethod
    def of(cls, connection: BaseDatabaseWrapper, **more: str) -> Self:
        """The one that this test uses."""
        chosen = connection.settings_dict
        if connection.vendor == "sqlite":
            url = f"sqlite:///{chosen['NAME']}"
        else:
            password = f":{quote(chosen['PASSWORD'], safe='')}" if chosen["PASSWORD"] else ""
            url = f"postgres://{chosen['USER']}{password}@{chosen['HOST']}:{chosen['PORT'] or 5432}/{chosen['NAME']}"
        return cls(
            {
                "DATABASE_URL": url,
                "HARDCASES_DATA_DIR": str(settings.DATA_DIR),
                "HARDCASES_LEASE_SECONDS": str(settings.LEASE_SECONDS),
                "SECRET_KEY": "a secret key that is only used by worker processes of tests",
                **more,
            }
        )


@dataclass
class Worker:
    """One `manage.py work` process. `flag` is the file that it writes when it has reached its pause point."""

    process: warm.Started
    flag: Path | None
    log: Path

    def wait_until_paused(self) -> None:
        """Until it stands at its pause point."""
        assert self.flag is not None
        flag = self.flag
        try:
            until(lambda: self._alive() and flag.exists(), "Reaching the pause point")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log.read_text(encoding='utf-8')[-3000:]}") from error

    def go_on(self) -> None:
        """Let a paused worker continue."""
        assert self.flag is not None
        self.flag.unlink()

    def kill(self) -> None:
        """kill -9: no handler runs, nothing is tidied up."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=PATIENCE)

    def stop(self) -> int:
        """Ask it to stop as a supervisor does; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE)

    def said(self, event: str) -> bool:
        """Whether its log holds an event."""
        return event in self.log.read_text(encoding="utf-8")

    def _alive(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(
                f"The worker ended by itself with {self.process.returncode}:\n{self.log.read_text(encoding='utf-8')[-3000:]}"
            )
        return True


@dataclass
class Workers:
    """Starts workers on one installation, and leaves none behind."""

    installation: Installation
    started: list[Worker] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="hardcases-workers-")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for worker in self.started:
            if worker.process.poll() is None:
                worker.kill()
        self._folder.cleanup()

    def start(self, *, pause_at: str | None = None, command: tuple[str, ...] = ("manage.py", "work")) -> Worker:
        """A new process; with `pause_at` it stops at the first such point it reaches."""
        number = len(self.started)
        flag = Path(self._folder.name, f"paused-{number}") if pause_at else None
        log = Path(self._folder.name, f"log-{number}")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HARDCASES_", "DJANGO_", "DATABASE_", "REDIS_"))}
        environment = kept | self.installation.environment
        if flag is not None:
            environment["HARDCASES_PAUSE_AT"] = f"{pause_at}:{flag}"
        with log.open("wb") as out:
            process = warm.start(command, environment, out=out, err=out)
        worker = Worker(process, flag, log)
        self.started.append(worker)
        return worker
