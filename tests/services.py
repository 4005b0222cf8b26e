"""PostgreSQL, Redis and Chromium for the tests: named by the environment, else found on the usual local ports, else private ones started from installed binaries."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psycopg
import redis

DATABASE = "postgres://postgres@127.0.0.1:5432/postgres"
REDIS = "redis://127.0.0.1:6379/9"
PATIENCE = 30.0


def _answers_postgresql(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=2) as connection:
            row = connection.execute("SELECT rolcreatedb FROM pg_roles WHERE rolname = current_user").fetchone()
            return bool(row and row[0])
    except psycopg.Error:
        return False


def _answers_redis(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(ready: Callable[[], bool], process: "subprocess.Popen[bytes]") -> bool:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        if ready():
            return True
        time.sleep(0.1)
    return False


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    process.wait(timeout=PATIENCE)


def postgresql(stack: ExitStack) -> str | None:
    """Address of a PostgreSQL where databases may be created, or None."""
    named = os.environ.get("TEST_DATABASE_URL")
    if named:
        return named if _answers_postgresql(named) else None
    if _answers_postgresql(DATABASE):
        return DATABASE
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [Path(path).parent for path in [shutil.which("postgres")] if path]
    if not found:
        return None
    # PostgreSQL refuses to run as root, so root lends it the account that its package made.
    account = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hardcases-pg-")))
    if account:
        os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
    data, port = folder / "data", free_port()
    subprocess.run(
        [*account, found[-1] / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8"],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd="/",
    )
    careless = ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]  # it does not outlive the tests
    command = [
        *account,
        found[-1] / "postgres",
        "-D",
        data,
        "-p",
        str(port),
        "-k",
        str(folder),
        "-c",
        "listen_addresses=127.0.0.1",
        *careless,
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
    stack.callback(_stop, process)
    url = f"postgres://postgres@127.0.0.1:{port}/postgres"
    return url if _wait(lambda: _answers_postgresql(url), process) else None


def redis_server(stack: ExitStack) -> str | None:
    """Address of a Redis, or None."""
    named = os.environ.get("TEST_REDIS_URL")
    if named:
        return named if _answers_redis(named) else None
    if _answers_redis(REDIS):
        return REDIS
    binary = shutil.which("redis-server")
    if binary is None:
        return None
    folder, port = stack.enter_context(tempfile.TemporaryDirectory(prefix="hardcases-redis-")), free_port()
    process = subprocess.Popen(
        [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder], stdout=subprocess.DEVNULL
    )
    stack.callback(_stop, process)
    url = f"redis://127.0.0.1:{port}/0"
    return url if _wait(lambda: _answers_redis(url), process) else None


def chromium() -> str | None:
    """Debian's Chromium, or None."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
