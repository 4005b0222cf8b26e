"""Imports against a database of their own: labels and attributes for known cases, and COCO annotations.

    python -m benchmarks.imports [--database postgres://…] [--labels 100000] [--attributes 100000] [--annotations 100000]

The cases are made beforehand, below the ORM; what is measured is the job alone, in this process, as the worker runs it. Prints rows a second of wall time and of
processor time for each: for labels as JSON lines, a label a case; for attributes, two a case; and for annotations on pictures that the project has already, ten boxes
a picture. Of PostgreSQL the processor time of its server is printed too, and belongs to the cost.
"""

# ruff: noqa: E402 - the environment has to be set before Django reads it
import argparse
import gc
import hashlib
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
AT_ONCE = 2_000
PARSER = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
PARSER.add_argument("--database")
PARSER.add_argument("--labels", type=int, default=100_000)
PARSER.add_argument("--attributes", type=int, default=100_000)
PARSER.add_argument("--annotations", type=int, default=100_000)
if __name__ == "__main__":
    ASKED = PARSER.parse_args()
    FOLDER = tempfile.TemporaryDirectory(prefix="hardcases-imports-")
    os.environ |= {"DJANGO_SETTINGS_MODULE": "hardcases.config.settings", "HARDCASES_DATA_DIR": FOLDER.name}
    os.environ |= {"HARDCASES_LEASE_SECONDS": "600", "DATABASE_URL": ASKED.database or f"sqlite:///{FOLDER.name}/hardcases.sqlite3"}
    os.environ.pop("REDIS_URL", None)

import django

django.setup()

from django.core.management import call_command
from django.db import connection

from hardcases.cases.models import Case
from hardcases.database.inserting import insert
from hardcases.projects.models import Project
from hardcases.projects.steps import next_numbers
from tests.builders import people, transfers


def a_project(slug: str, task: str, cases: int) -> Project:
    """A project with so many picture cases, of which only rows exist: an import of labels reads no pictures."""
    declared = [("site", "category", None), ("age", "number", None)]
    project = people.a_project(slug=slug, task=task, attributes=declared, cluster_attribute=None, positive_class=None)
    for first in range(0, cases, AT_ONCE):
        count = min(AT_ONCE, cases - first)
        number = next_numbers(project, "case", count)
        insert([_case(project, number + index) for index in range(count)])
    return project


def _case(project: Project, number: int) -> Case:
    digest = hashlib.sha256(f"{project.slug} {number}".encode()).hexdigest()
    facts = {"kind": "image", "size": 1, "media_type": "image/png", "width": 640, "height": 480, "media_state": "none"}
    return Case(project=project, number=number, sha256=digest, stored_sha256=digest, file_name=f"{number}.png", **facts)


def labels(count: int) -> bytes:
    """A line a case."""
    rng = random.Random(7)
    return b"".join(b'{"key":"XR-%d","label":{"label":"%s"}}\n' % (n, rng.choice((b"normal", b"nodule"))) for n in range(1, count + 1))


def attributes(count: int) -> bytes:
    """A line a case."""
    rng = random.Random(7)
    return b"".join(
        b'{"key":"XR-%d","attributes":{"site":"clinic-%d","age":%d}}\n' % (n, rng.randrange(9), rng.randrange(90))
        for n in range(1, count + 1)
    )


def annotations(count: int, pictures: int) -> bytes:
    """COCO annotations on pictures named like the cases' files."""
    rng = random.Random(7)

    def boxes() -> Iterator[dict[str, Any]]:
        for number in range(count):
            box = {"bbox": [rng.randrange(500), rng.randrange(400), 40, 30], "area": 1200, "iscrowd": 0}
            yield {"id": number, "image_id": number % pictures + 1, "category_id": number % 2 + 1, **box}

    images = [{"id": number, "file_name": f"{number}.png", "width": 640, "height": 480} for number in range(1, pictures + 1)]
    categories = [{"id": 1, "name": "normal"}, {"id": 2, "name": "nodule"}]
    return json.dumps({"images": images, "annotations": list(boxes()), "categories": categories}).encode()


def server_time() -> float:
    """Processor seconds so far of the PostgreSQL process that serves this connection, where it runs on this machine."""
    if connection.vendor != "postgresql":
        return 0.0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        stat = Path(f"/proc/{cursor.fetchone()[0]}/stat")
    return sum(map(int, stat.read_text().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK") if stat.exists() else 0.0


def measure(project: Project, content: bytes, name: str, rows: int, what: str) -> None:
    """Import once for the figures, and once more, when nothing is new."""
    actor = people.actor(project, "curator")
    gc.collect()
    gc.freeze()  # as `manage.py work` does
    for again in (False, True):
        row = transfers.uploaded(project, content, name=name, actor=actor)
        start, processor, server = time.perf_counter(), time.process_time(), server_time()
        job = transfers.run(row, actor=actor)
        wall, cpu, server = time.perf_counter() - start, time.process_time() - processor, server_time() - server
        assert job.state == "done", job.failure
        counts = {name: count for name, count in (job.result or {}).items() if count}
        repeat = ", again" if again else ""
        beside = f" and {server:.1f} s of the server" if server else ""
        print(
            f"{what}{repeat}: {rows / wall:,.0f} a second, {rows / cpu:,.0f} a processor second ({cpu:.1f} s{beside}) {counts}", flush=True
        )


def main() -> None:
    """All measurements."""
    call_command("migrate", verbosity=0)
    for what, rows, made in (("labels", ASKED.labels, labels), ("attributes", ASKED.attributes, attributes)):
        measure(a_project(what, "classification", rows), made(rows), f"{what}.jsonl", rows, what)
    pictures = max(1, ASKED.annotations // 10)
    boxed = annotations(ASKED.annotations, pictures)
    measure(a_project("boxes", "detection", pictures), boxed, "instances.json", ASKED.annotations, "COCO annotations")
    FOLDER.cleanup()


if __name__ == "__main__":
    main()
