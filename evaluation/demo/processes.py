"""The real parts beside the command: a web server on a free port for the client, and the worker process that evaluates."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from django.conf import settings

PATIENCE = 30.0


class DidNotStartError(RuntimeError):
    """A process of the demo ended or did not answer; the log says why."""


@contextmanager
def _running(command: list[str], log: Path, **environment: str) -> "Iterator[subprocess.Popen[bytes]]":
    with log.open("ab") as output:
        process = subprocess.Popen(command, cwd=settings.BASE_DIR, stdout=output, stderr=output, env=os.environ | environment)  # noqa: S603 - our own commands
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def worker() -> "Iterator[subprocess.Popen[bytes]]":
    """The worker of this installation: the embedded one, or Celery's where REDIS_URL names a broker (with the sweep that beat would do)."""
    manage = str(settings.BASE_DIR / "manage.py")
    with _running([sys.executable, manage, "work"], Path(settings.DATA_DIR) / "demo-worker.log") as process:
        yield process


@contextmanager
def web() -> Iterator[str]:
    """A web server on a free port of this machine; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "gunicorn", "hardcases.config.wsgi:application", "--bind", f"127.0.0.1:{port}"]
    command += ["--worker-class", "gthread", "--threads", "4", "--log-level", "warning"]
    local = {"HARDCASES_BIND": f"127.0.0.1:{port}", "HARDCASES_PUBLIC_URL": address, "ALLOWED_HOSTS": "127.0.0.1"}
    with _running(command, Path(settings.DATA_DIR) / "demo-web.log", **local) as process:
        _wait_until_it_answers(address, process)
        yield address


def _wait_until_it_answers(address: str, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(f"{address}/healthz", timeout=2).is_success:
                return
        time.sleep(0.1)
    raise DidNotStartError(f"The web server of the demo did not start. Its log: {settings.DATA_DIR}/demo-web.log")
