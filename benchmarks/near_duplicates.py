"""Near-duplicates among a million fingerprints: how long one look takes, and what the worker spends on a case.

    python -m benchmarks.near_duplicates [--count 1000000] [--texts 200000]                                  on SQLite, in a temporary folder
    DATABASE_URL=postgres://… python -m benchmarks.near_duplicates …       on PostgreSQL, in an empty database

The fingerprints are written in bulk, below the ORM: random pictures with one flood of equal ones (a hundredth of all share every band with each other), and random
texts. What is looked for differs from a stored one in 0 to 4 of 64 bits, or has nine tenths of its values. Prints milliseconds of one look by the clock and by
this process's processor (p50, p99), how many were found, and the size of the table with its indexes. Then cases are reported and placed by the worker's job, and
the processor's milliseconds for each are printed.
"""

# ruff: noqa: E402 - the environment has to be set before Django reads it
import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    os.environ |= {"HARDCASES_DATA_DIR": tempfile.mkdtemp(prefix="hardcases-bench-"), "DJANGO_SETTINGS_MODULE": "hardcases.config.settings"}

import django

django.setup()

import numpy as np
from django.core.management import call_command
from django.db import connection, transaction

from hardcases.cases.jobs import make_media
from hardcases.cases.models import Case
from hardcases.groups.jobs import place_cases
from hardcases.groups.likeness import Print, signed
from hardcases.groups.models import Fingerprint
from hardcases.groups.queries import near
from hardcases.groups.tasks import AT_ONCE
from tests.builders import cases
from tests.builders.groups import like
from tests.builders.people import a_project

LOOKS = 500
PLACED = 400
CHUNK = 20_000
FIRST = 1_000_000_000  # primary keys of cases that are not there
NAMES = "case_id, project_id, kind, bits, minhash, band0, band1, band2, band3, band4, same, placed_by"


def main() -> None:
    """Run and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=1_000_000)
    options.add_argument("--texts", type=int, default=200_000)
    given = options.parse_args()
    call_command("migrate", verbosity=0)
    project = a_project()
    rng = np.random.default_rng(7)
    bits = rng.integers(0, 2**63, given.count, dtype=np.uint64) * np.uint64(2) + rng.integers(0, 2, given.count, dtype=np.uint64)
    bits[::100] = bits[0]
    values = rng.integers(0, 2**32, (given.texts, 64), dtype=np.uint32)
    _fill(project.pk, bits, values)
    print(f"{connection.vendor}: {given.count:,} pictures and {given.texts:,} texts; table and indexes {_size():,.0f} MB", flush=True)
    _look(project.pk, bits, values, rng)
    _place(project)


def _fill(project: int, bits: Any, values: Any) -> None:
    """The rows, for cases that do not exist (nothing asks for them here), and then their indexes."""
    indexes = Fingerprint._meta.indexes  # noqa: SLF001 - documented by Django
    for index in indexes:
        _run(f"DROP INDEX {index.name}")
    for at in range(0, len(bits), CHUNK):
        _write(_pictures(project, FIRST + at, bits[at : at + CHUNK]))
    for at in range(0, len(values), CHUNK):
        _write(_texts(project, FIRST + len(bits) + at, values[at : at + CHUNK]))
    for index in indexes:
        _run(str(index.create_sql(Fingerprint, connection.schema_editor())))  # not as its context, which would ask for the cases
    _run("ANALYZE")


def _run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _pictures(project: int, first: int, bits: Any) -> Iterator[tuple[Any, ...]]:
    for case, one in enumerate(bits.tolist(), first):
        yield case, project, "picture", signed(one), None, *(Print("picture", bits=one).bands() or ()), "[]", ""


def _texts(project: int, first: int, values: Any) -> Iterator[tuple[Any, ...]]:
    for case, one in enumerate(values.astype("<u4"), first):
        found = Print("text", minhash=one.tobytes())
        yield case, project, "text", None, found.minhash, *(found.bands() or ()), "[]", ""


def _write(rows: Iterator[tuple[Any, ...]]) -> None:
    with _without_foreign_keys(), transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY hardcases_fingerprint ({NAMES}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            cursor.executemany(f"INSERT INTO hardcases_fingerprint ({NAMES}) VALUES ({', '.join(['%s'] * 12)})", list(rows))


@contextmanager
def _without_foreign_keys() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica" if connection.vendor == "postgresql" else "PRAGMA foreign_keys = OFF")
        yield
        cursor.execute("SET session_replication_role = DEFAULT" if connection.vendor == "postgresql" else "PRAGMA foreign_keys = ON")


def _size() -> float:

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_total_relation_size('hardcases_fingerprint')")
            return float(cursor.fetchone()[0]) / 1e6
        cursor.execute("SELECT SUM(pgsize) FROM dbstat WHERE name LIKE '%fingerprint%' OR name LIKE 'print_band%'")
        return float(cursor.fetchone()[0]) / 1e6


def _look(project: int, bits: Any, values: Any, rng: Any) -> None:

    strangers = [Print("picture", bits=int(one)) for one in rng.integers(0, 2**63, LOOKS, dtype="uint64")]
    likes = []
    for place in rng.integers(0, len(bits), LOOKS):
        changed = int(bits[place])
        for bit in rng.choice(64, int(rng.integers(0, 5)), replace=False):
            changed ^= 1 << int(bit)
        likes.append(Print("picture", bits=changed))
    texts = []
    for place in rng.integers(0, len(values), LOOKS):
        changed = values[place].copy()
        changed[rng.choice(64, 6, replace=False)] += 1
        texts.append(Print("text", minhash=changed.astype("<u4").tobytes()))
    flood = [Print("picture", bits=int(bits[0]) ^ (1 << int(bit))) for bit in rng.integers(0, 64, LOOKS)]
    for name, wanted in (("strangers", strangers), ("0 to 4 bits changed", likes), ("into the flood", flood), ("texts, 0.9 alike", texts)):
        _report(name, project, wanted)


def _report(name: str, project: int, wanted: list[Any]) -> None:

    for one in wanted[:20]:
        near(project, one, but=0)
    clock, processor, found = [], [], 0
    server = _server_seconds()
    for one in wanted:
        start, used = time.perf_counter(), time.process_time()
        found += bool(near(project, one, but=0))
        clock.append(time.perf_counter() - start)
        processor.append(time.process_time() - used)
    server = 1000 * (_server_seconds() - server) / len(wanted)
    p50, p99 = np.percentile(np.array(clock) * 1000, [50, 99])
    c50, c99 = np.percentile(np.array(processor) * 1000, [50, 99])
    print(
        f"{name:22} p50 {p50:6.2f} ms, p99 {p99:6.2f} ms by the clock   p50 {c50:6.2f} ms, p99 {c99:6.2f} ms of processor, "
        f"the server's {server:.2f} ms in the mean   {found / len(wanted):.3f} found",
        flush=True,
    )


def _server_seconds() -> float:
    """Processor time so far of the PostgreSQL process that serves us, where it runs on this machine; 0 for SQLite, which is this process."""
    if connection.vendor != "postgresql":
        return 0.0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        user, system = Path(f"/proc/{cursor.fetchone()[0]}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _place(project: Any) -> None:

    for name, made in (
        ("pictures", [cases.report(project, content=like(index // 3, index % 3, side=256)).case for index in range(PLACED)]),
        (
            "texts",
            [
                cases.a_text(project, f"{index // 3} ".join(f"word{index // 3}{at}" for at in range(200)) + f" {index}")
                for index in range(PLACED)
            ],
        ),
    ):
        ids = [case.pk for case in made]
        make_media(*ids)
        used = time.process_time()
        for at in range(0, len(ids), AT_ONCE):
            place_cases(*ids[at : at + AT_ONCE])
        used = time.process_time() - used
        groups = Case.objects.filter(pk__in=ids).values("group_number").distinct().count()
        print(f"placing {len(ids)} {name}: {1000 * used / len(ids):.1f} ms of this process's processor for each; {groups} groups")


if __name__ == "__main__":
    main()
