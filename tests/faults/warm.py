"""Starts our commands without paying for their imports each time: one process has read the libraries, and every command is a fork of it.

Read beforehand is only what others wrote. Settings, our own modules and every connection are the command's own, as after a start from nothing, which `test_serve`
and `make demo` keep doing. What is started is a process like any other: it leads a group of its own, may be killed, and gets SIGTERM when the tests are gone.
"""

import atexit
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = (
    *(
        "celery.apps.beat",
        "celery.apps.worker",
        "celery.bin.celery",
        "celery.concurrency.prefork",
        "kombu.transport.redis",
        "kombu.transport.memory",
    ),
    *(
        "django.contrib.postgres.fields",
        "django.core.handlers.wsgi",
        "django.core.management",
        "django.db.backends.postgresql.base",
        "django.db.models",
    ),
    *("django.forms", "django.template.loader", "gunicorn.app.wsgiapp", "gunicorn.workers.gthread", "rest_framework.serializers"),
    *("httpx", "numpy", "PIL.Image", "prometheus_client", "pydicom", "redis", "rfc8785", "structlog", "yaml"),
    *("scipy.fft", "scipy.optimize", "scipy.sparse", "scipy.special"),
    *("pandas", "pyarrow.compute", "pyarrow.csv", "pyarrow.parquet"),  # pyarrow reads pandas, two seconds of work, where others brought it
    *("django.test", "django.views.generic", "jinja2", "jsonschema"),
)
PR_SET_PDEATHSIG = 1
LONGEST = 1 << 20


class Started:
    """A command that runs, with what `subprocess.Popen` offers."""

    def __init__(self, pid: int, end: socket.socket) -> None:
        self.pid, self._end = pid, end
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, or None while it runs; minus the signal's number when one ended it."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(timeout=0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Until it has ended. Raises `TimeoutExpired`."""
        if self.returncode is None:
            if not select.select([self._end], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            said = self._end.recv(16)
            self._end.close()
            self.returncode = int(said) if said else -signal.SIGKILL  # nothing is said when the forks' parent itself was killed
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


def start(arguments: tuple[str, ...], environment: dict[str, str], *, out: IO[bytes], err: IO[bytes]) -> Started:
    """Our Python with these arguments (a script, `-m` or `-c`), as its own process in the repository's folder."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        order = json.dumps({"arguments": arguments, "environment": environment}).encode()
        socket.send_fds(_parent(), [order], [out.fileno(), err.fileno(), theirs.fileno()])
    return Started(int(ours.recv(16)), ours)


@cache
def _parent() -> socket.socket:
    """The line to the process that has read the libraries."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LONGEST)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.warm", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # a process with threads must not fork
        )

    @atexit.register
    def stop() -> None:
        ours.close()
        process.wait()

    return ours


def _serve(line: socket.socket) -> tuple[str, ...]:
    """Fork for every order until the line is closed. Returns in the forks only: what to run."""
    waking, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    ends: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([line, waking], [], [])
        if waking in ready:
            os.read(waking, 4096)
            _bury(ends)
        if line not in ready:
            continue
        order, descriptors, _, _ = socket.recv_fds(line, LONGEST, 3)
        if not order:
            sys.exit(0)
        out, err, answer = descriptors
        end = socket.socket(fileno=answer)
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for other in (line, end, *ends.values()):
                other.close()
            return _become(json.loads(order), out, err)
        with suppress(PermissionError):
            os.setpgid(pid, pid)  # here as well as there: whoever comes first
        os.close(out)
        os.close(err)
        ends[pid] = end
        end.send(str(pid).encode())


def _bury(ends: dict[int, socket.socket]) -> None:
    """Tell of every fork that has ended how it did."""
    for pid in list(ends):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            end = ends.pop(pid)
            with suppress(OSError):  # nobody waits for it any more
                end.send(str(os.waitstatus_to_exitcode(status)).encode())
            end.close()


def _become(order: dict[str, Any], out: int, err: int) -> tuple[str, ...]:
    """The fork's first steps: a group, an end and an environment of its own."""
    with suppress(PermissionError):
        os.setpgid(0, 0)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.close(out)
    os.close(err)
    os.environ.clear()
    os.environ.update(order["environment"])
    return tuple(order["arguments"])


def _run(arguments: tuple[str, ...]) -> None:
    """As the interpreter's own command line would."""
    first, *rest = arguments
    if first == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.argv = ["-c", *rest[1:]]
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = [*arguments]
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    for library in LIBRARIES:
        importlib.import_module(library)
    gc.freeze()
    _run(_serve(socket.socket(fileno=int(sys.argv[1]))))
