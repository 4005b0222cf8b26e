"""`make test`: lint and types, the whole suite on SQLite, and everything that touches rows on PostgreSQL, with a real Redis and a real browser.

All three run side by side, because much of a suite is waiting: for leases to end, for processes to start, for a browser. SQLite's is shown as it goes, the others
when all have ended. Where memory serves as a file system, what the tests write lies there, so that nothing waits for a disk. What is missing is skipped with a loud
line; REQUIRE_SERVICES=1 and REQUIRE_BROWSER=1 make it an error instead.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path

from tests import services

MEMORY = Path("/dev/shm")
ROOM = 4 * 1024**3


def _missing(what: str, cure: str, *, required: str) -> None:
    line = f"{what} was not found: {cure}"
    if os.environ.get(required) == "1":
        sys.exit(f"{line}\n{required}=1 does not let its tests be skipped.")
    print(f"\n*** NOT TESTED. {line} ***\n", flush=True)


def _folder(stack: ExitStack) -> Path:
    """Where the tests may write; it goes when they end. In memory if there is room, since a suite that commits and syncs all the time would wait for a disk."""
    roomy = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM
    made = Path(
        stack.enter_context(
            tempfile.TemporaryDirectory(prefix="hardcases-tests-", dir=MEMORY if roomy else None, ignore_cleanup_errors=True)
        )
    )
    made.chmod(0o755)  # a private PostgreSQL may run under its own account
    return made


@dataclass
class Job:
    """One of the things that run side by side. `log` is None where it writes to the terminal; `took` is in seconds."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path | None
    started: float
    took: float | None = None

    def running(self) -> bool:
        """Whether it still runs; when it does not, how long it took is kept."""
        if self.process.poll() is not None and self.took is None:
            self.took = time.monotonic() - self.started
        return self.took is None

    def show(self) -> None:
        """What it said, and how it ended."""
        if self.log is not None:
            print(f"\n=== {self.name} ===\n{self.log.read_text(encoding='utf-8', errors='replace')}", flush=True)
        print(f"=== {self.name}: exit {self.process.returncode} in {self.took:.0f} s ===", flush=True)


def _start(stack: ExitStack, name: str, command: list[str], environment: dict[str, str], *, log: Path | None = None) -> Job:
    with log.open("wb") if log else nullcontext() as output:
        process = subprocess.Popen(command, env=os.environ | environment, stdout=output, stderr=subprocess.STDOUT if log else None)
    stack.callback(process.kill)
    return Job(name, process, log, time.monotonic())


def _suite() -> list[str]:
    workers = os.environ.get("TEST_WORKERS") or str(min(os.cpu_count() or 1, 8))
    return [sys.executable, "-m", "pytest", "-q", "-n", workers, "--dist", "loadgroup", *sys.argv[1:]]


def main() -> int:
    """Run everything; the exit code is that of the first that failed."""
    with ExitStack() as stack:
        folder = _folder(stack)
        tempfile.tempdir = str(folder)  # for what is started here
        environment = {"TMPDIR": str(folder)}
        database, broker, browser = services.postgresql(stack), services.redis_server(stack), services.chromium()
        if broker:
            environment["TEST_REDIS_URL"] = broker
        else:
            _missing("Redis", "apt-get install redis-server, or set TEST_REDIS_URL.", required="REQUIRE_SERVICES")
        if browser:
            environment["CHROMIUM"] = browser
        else:
            _missing("Chromium", "apt-get install chromium, or set CHROMIUM.", required="REQUIRE_BROWSER")
        if database:
            environment["TEST_DATABASE_URL"] = database
        else:
            _missing("PostgreSQL", "apt-get install postgresql, or set TEST_DATABASE_URL.", required="REQUIRE_SERVICES")
        print("=== SQLite; lint, types and PostgreSQL beside it ===", flush=True)
        jobs = [_start(stack, "SQLite", _suite(), environment)]
        if database:
            jobs.append(_start(stack, "PostgreSQL", _suite(), environment | {"TEST_ON": "postgresql"}, log=folder / "postgresql.log"))
        jobs.append(_start(stack, "Lint and types", ["make", "--no-print-directory", "check"], {}, log=folder / "check.log"))
        while sum(job.running() for job in jobs):
            time.sleep(0.2)
        for job in jobs:
            job.show()
        return next((job.process.returncode for job in jobs if job.process.returncode), 0)


if __name__ == "__main__":
    sys.exit(main())
