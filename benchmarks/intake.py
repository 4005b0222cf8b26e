"""Arrivals at a fixed rate against a real server and a real worker: how long each waits, what grows, how far the worker falls behind.

    python -m benchmarks.intake arrivals [--database postgres://…] [--rate 50] [--minutes 15]
    python -m benchmarks.intake groups   [--database postgres://…] [--rate 100] [--minutes 1]
    python -m benchmarks.intake thumbnails [--count 400]

`arrivals`: pictures of 95 KB come when they are due, however slow the answers are; latency counts from the moment they were due, so a server that stands still is
not let off (coordinated omission). Prints percentiles, the memory of the web processes each minute, and the backlog of the worker. `groups`: the same with small
pictures of which every fourth is much like the one before, and how long after its receipt each case had its group. `thumbnails`: what the worker's copies cost
beside Pillow's own least, on one core.

Client, server, worker and database share the machine. `benchmarks/upload.py` asks how many the door takes at most; Label Studio took 12.5 single files a second on
the same kind of machine, and 140 in batches of 25.
"""

import argparse
import io
import json
import os
import queue
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import numpy as np
import psycopg
from PIL import Image

from benchmarks.upload import FACTS, PROJECT, ROOT, manage, pictures, serve

SENDERS = 24
PATIENCE = 600.0
READY_WITHIN = 60.0


@dataclass
class Installation:
    """A server and a worker on a database of their own."""

    folder: Path
    database: str | None
    environment: dict[str, str] = field(init=False)
    base: str = field(init=False)
    token: str = field(init=False)

    def __enter__(self) -> Self:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        (self.folder / "data").mkdir(mode=0o700)
        self.url = self.database or f"sqlite:///{self.folder / 'data' / 'hardcases.sqlite3'}"
        self.environment = {
            **os.environ,
            "HARDCASES_DATA_DIR": str(self.folder / "data"),
            "HARDCASES_BIND": f"127.0.0.1:{port}",
            "DATABASE_URL": self.url,
        }
        (self.folder / "project.json").write_text(json.dumps(PROJECT))
        manage(self.environment, "migrate", "-v0")
        manage(self.environment, "create_project", str(self.folder / "project.json"))
        self.token = manage(self.environment, "create_token", "bench", "--scopes", "report").splitlines()[-1]
        self.base = f"http://127.0.0.1:{port}/api/v1/projects/bench/"
        self.web = serve(self.environment, port)
        self.worker: subprocess.Popen[bytes] | None = None
        return self

    def work(self) -> int:
        """Start the worker and wait until it works; its process id."""
        command, name = [sys.executable, str(ROOT / "manage.py"), "work"], self.folder / "worker.log"
        with name.open("wb") as log:
            self.worker = subprocess.Popen(command, env=self.environment, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + READY_WITHIN
        while b"worker_ready" not in name.read_bytes():
            assert self.worker.poll() is None, name.read_text()
            assert time.monotonic() < deadline, f"the worker was not ready within {READY_WITHIN:.0f} s; its log: {name.read_text()}"
            time.sleep(0.1)
        return self.worker.pid

    def __exit__(self, *_: object) -> None:
        for process in (self.web, self.worker):
            if process is not None:
                process.terminate()
                process.wait(60)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        if self.url.startswith("sqlite"):
            with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"), timeout=60)) as connection:
                return connection.execute(sql).fetchall()
        with psycopg.connect(self.url) as connection:
            return connection.execute(sql.encode()).fetchall()

    def backlog(self) -> tuple[int, int]:
        """Pictures without their copies, and cases without a group."""
        (row,) = self.rows(
            "SELECT sum(CASE WHEN media_state = 'pending' THEN 1 ELSE 0 END), sum(CASE WHEN group_number IS NULL THEN 1 ELSE 0 END) FROM hardcases_case"
        )
        return int(row[0] or 0), int(row[1] or 0)

    def memory(self) -> float:
        """Megabytes that the web processes hold, shared pages counted once for each."""
        children = Path(f"/proc/{self.web.pid}/task/{self.web.pid}/children").read_text().split()
        return sum(_resident(int(child)) for child in children)


def _resident(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


@dataclass
class Arrivals:
    """Sends at a fixed rate. `late` holds the seconds from when each was due until it was answered."""

    site: Installation
    rate: float
    late: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def run(self, count: int, data: Any, each_minute: Any = None) -> None:
        """`count` arrivals; `data(number)` makes the file."""
        waiting: queue.Queue[tuple[int, float] | None] = queue.Queue()
        senders = [threading.Thread(target=self._send, args=(waiting, data), daemon=True) for _ in range(SENDERS)]
        for sender in senders:
            sender.start()
        begun = time.monotonic()
        for number in range(count):
            due = begun + number / self.rate
            time.sleep(max(0.0, due - time.monotonic()))
            waiting.put((number, due))
            if each_minute and (number + 1) % round(self.rate * 60) == 0:
                each_minute((number + 1) // round(self.rate * 60), self)
        for _ in senders:
            waiting.put(None)
        for sender in senders:
            sender.join(PATIENCE)

    def _send(self, waiting: "queue.Queue[tuple[int, float] | None]", data: Any) -> None:
        with httpx.Client(base_url=self.site.base, headers={"Authorization": f"Bearer {self.site.token}"}, timeout=60) as client:
            while (taken := waiting.get()) is not None:
                number, due = taken
                answer = client.post("cases/", files={"file": ("x.jpg", data(number))}, data={"case": json.dumps(FACTS)})
                self.late.append(time.monotonic() - due)
                if answer.status_code != 201:
                    self.refused.append(f"{answer.status_code} {answer.text[:200]}")

    def percentiles(self) -> str:
        p50, p99, most = (1000 * np.percentile(self.late, share) for share in (50, 99, 100))
        return f"{len(self.late):,} answered: p50 {p50:.0f} ms, p99 {p99:.0f} ms, longest {most:.0f} ms, {len(self.refused)} refused {self.refused[:1]}"


def _drained(site: Installation) -> float:
    """Seconds until the worker has nothing left."""
    start = time.monotonic()
    while any(site.backlog()) and time.monotonic() - start < PATIENCE:
        time.sleep(0.2)
    return time.monotonic() - start


def arrivals(site: Installation, rate: float, minutes: float) -> None:
    """Latency and memory over a long time."""
    site.work()
    (plain,) = pictures(1)

    def file(number: int) -> bytes:
        comment = b"%09d" % number
        return plain[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + plain[2:]

    def minute(number: int, sent: Arrivals) -> None:
        pictures_left, ungrouped = site.backlog()
        print(
            f"minute {number:3}: {sent.percentiles()}; web {site.memory():.0f} MB; worker {pictures_left} pictures and {ungrouped} groups behind",
            flush=True,
        )

    sent = Arrivals(site, rate)
    sent.run(round(rate * 60 * minutes), file, minute)
    print(f"{rate:.0f}/s for {minutes:.0f} min: {sent.percentiles()}; web {site.memory():.0f} MB; worker done {_drained(site):.1f} s later")


def groups(site: Installation, rate: float, minutes: float) -> None:
    """How long after its receipt a case has its group: looked at ten times a second."""
    site.work()
    small = _small_pictures(round(rate * 60 * minutes))
    seen: dict[int, float] = {}
    behind: list[float] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set() or any(site.backlog()):
            now = time.time()
            for pk, waiting in site.rows("SELECT id, group_number IS NULL FROM hardcases_case"):
                if waiting:
                    seen.setdefault(pk, now)
                elif pk in seen:
                    behind.append(now - seen.pop(pk))
            time.sleep(0.1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    sent = Arrivals(site, rate)
    sent.run(len(small), small.__getitem__)
    ended.set()
    drained = _drained(site)
    watcher.join()
    found = site.rows("SELECT count(*), count(DISTINCT group_number) FROM hardcases_case")
    waited = (
        f"p50 {np.percentile(behind, 50):.2f} s, p99 {np.percentile(behind, 99):.2f} s, longest {max(behind):.2f} s"
        if behind
        else "none seen waiting"
    )
    print(f"{rate:.0f}/s for {minutes:.0f} min: {sent.percentiles()}")
    print(
        f"group decided after {waited} ({len(behind):,} of {found[0][0]:,} were seen waiting), {found[0][1]:,} groups; all done {drained:.1f} s after the last"
    )


def _small_pictures(count: int) -> list[bytes]:
    """Different 64 × 64 JPEGs; every fourth is a slightly brighter copy of the one before."""
    draw, made = np.random.default_rng(3), []
    pixels: Any = np.zeros((8, 8))
    for number in range(count):
        if number % 4 != 3:
            pixels = draw.integers(0, 230, (8, 8))
        image = Image.fromarray((pixels + (number % 4 == 3) * 4).astype(np.uint8)).resize((64, 64), Image.Resampling.BICUBIC)
        out = io.BytesIO()
        image.save(out, "JPEG", quality=92, comment=b"%09d" % number)
        made.append(out.getvalue())
    return made


def thumbnails(site: Installation, count: int) -> None:
    """The worker's processor time a picture beside the least Pillow needs for a thumbnail: draft decode, reduce, save."""
    files = pictures(count)
    start = time.process_time()
    for data in files:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            image.draft(None, (512, 512))
            image.thumbnail((256, 256), Image.Resampling.LANCZOS, reducing_gap=2.0)
            image.save(io.BytesIO(), "JPEG", quality=85)
    least = (time.process_time() - start) / count
    sent = Arrivals(site, 1000.0)
    sent.run(count, files.__getitem__)
    worker = site.work()
    while (left := site.backlog()[0]) > count - 20:
        time.sleep(0.01)
    before = _processor_seconds(worker)
    _drained(site)
    spent = (_processor_seconds(worker) - before) / left
    print(
        f"Pillow's least {1000 * least:.2f} ms a thumbnail; the worker {1000 * spent:.2f} ms for thumbnail, display copy, group and rows: {least / spent:.2f}"
    )


def _processor_seconds(process: int) -> float:
    user, system = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / 100


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("arrivals", "groups", "thumbnails"))
    parser.add_argument("--database", help="default: SQLite in a temporary folder")
    parser.add_argument("--rate", type=float)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--count", type=int, default=400)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hardcases-bench-") as name, Installation(Path(name), asked.database) as site:
        if asked.what == "arrivals":
            arrivals(site, asked.rate or 50.0, asked.minutes or 15.0)
        elif asked.what == "groups":
            groups(site, asked.rate or 100.0, asked.minutes or 1.0)
        else:
            thumbnails(site, asked.count)


if __name__ == "__main__":
    main()
