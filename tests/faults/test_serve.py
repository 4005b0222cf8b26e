"""`manage.py serve`: what is killed comes back, and nothing outlives the supervisor."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.harness import until
from tests.faults.sites import Child, Redis, Site

pytestmark = [pytest.mark.services]


def parent_of(pid: int) -> int:
    """0 when the process is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def descendants(pid: int) -> dict[int, str]:
    """pid → command of everything under a process."""
    everything = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    found: dict[int, str] = {}
    layer = {pid}
    while layer:
        layer = {child for child in everything if parent_of(child) in layer} - found.keys()
        found |= {child: command(child) for child in layer}
    return {child: line for child, line in found.items() if line}


def named(supervisor: Child, word: str) -> set[int]:
    return {pid for pid, line in descendants(supervisor.pid).items() if word in line and parent_of(pid) == supervisor.pid}


def all_gone(pids: dict[int, str]) -> bool:
    return not [pid for pid, line in pids.items() if command(pid) == line]


def served(site: Site) -> Child:
    child = site.start("serve", "manage.py", "serve", cold=True)
    until(site.answers, "The web process")
    return child


def test_a_killed_worker_comes_back_and_sigterm_ends_everything(embedded: Site) -> None:
    supervisor = served(embedded)
    until(lambda: named(supervisor, "manage.py work"), "The worker")
    (victim,) = named(supervisor, "manage.py work")
    os.kill(victim, signal.SIGKILL)
    until(lambda: named(supervisor, "manage.py work") - {victim}, "The worker's return")
    everything = descendants(supervisor.pid)
    assert len(everything) >= 4  # gunicorn with its two, and the worker
    supervisor.terminate(patience=90)
    until(lambda: all_gone(everything), "The end of all children")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_children_end_with_a_supervisor_whose_output_nobody_reads(embedded: Site, how: signal.Signals) -> None:
    """As in `make serve | head`: the supervisor falls over its closed pipe, or is killed."""
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "serve"],
        cwd=Path(__file__).parents[2],
        env=embedded.environment,
        stdout=writing,
        stderr=writing,
        start_new_session=True,
    )
    os.close(writing)
    supervisor = Child("serve", process, embedded.folder / "none")
    embedded.children.append(supervisor)
    until(embedded.answers, "The web process")
    everything = descendants(supervisor.pid)
    assert everything
    os.close(reading)
    process.send_signal(how)
    process.wait(timeout=90)
    until(lambda: all_gone(everything), "The end of all children")


def test_team_mode_runs_workers_and_beat(team: Site, redis: Redis) -> None:
    supervisor = served(team)
    until(lambda: named(supervisor, " worker ") and named(supervisor, " beat "), "Celery's worker and beat")
    number = team.start_run()
    team.wait_for_run(number)
    everything = descendants(supervisor.pid)
    supervisor.terminate(patience=90)
    until(lambda: all_gone(everything), "The end of all children")


def test_an_address_that_is_taken_is_said_and_nothing_starts(embedded: Site) -> None:
    with socket.create_server(("127.0.0.1", embedded.port)):
        refused = embedded.manage("serve", check=False)
    assert refused.returncode == 1
    assert "HARDCASES_BIND" in refused.stderr
