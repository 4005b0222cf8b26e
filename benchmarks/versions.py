"""Freezing, diffing and verifying at a million cases.

    python -m benchmarks.versions [--cases 1000000] [--keep FOLDER]            on SQLite
    DATABASE_URL=postgres://… python -m benchmarks.versions …                  on PostgreSQL, in a database of its own beside the named one

Cases and labels are written by plain SQL in bulk. Version 1 is frozen by the product's own background job, in this process, while another process uploads
cases through the product's own action, one after the other; the same uploads without the freeze come first, so that the two can be compared. Then 100 changes
(40 added, 30 removed, 30 relabelled) are frozen through the ORM, several times, and compared; at last the manifest is checked with the published recipe.
Every line is printed as soon as it is known. With --keep the data stay, and a second call goes on where the first was stopped.
"""

# ruff: noqa: E402 - the environment has to be set before Django reads it
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = "HARDCASES_DATA_DIR"
TURNS = 7
if __name__ == "__main__":
    if "--uploads" not in sys.argv:
        kept = sys.argv[sys.argv.index("--keep") + 1] if "--keep" in sys.argv else None
        os.environ[FOLDER] = kept or tempfile.mkdtemp(prefix="hardcases-bench-")
    os.environ |= {"DJANGO_SETTINGS_MODULE": "hardcases.config.settings", "HARDCASES_LEASE_SECONDS": "600"}
    os.environ.pop("REDIS_URL", None)

import django

django.setup()

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from benchmarks import filling
from hardcases.audit.actors import Actor
from hardcases.cases.actions import report_case
from hardcases.cases.content import Text
from hardcases.cases.steps import Fields
from hardcases.labels.models import CurrentLabel, LabelRevision
from hardcases.testsets import actions, queries, snapshots, trees
from hardcases.testsets.models import DraftChange, Entry, TestSet, Version
from hardcases.work import jobs as work
from hardcases.work.models import Job


def say(line: str) -> None:
    """Print at once: whoever stops a long benchmark keeps what it said."""
    print(line, flush=True)


def use_own_database() -> None:
    """On PostgreSQL a database beside the named one, called after the folder; on SQLite the file in the folder."""
    if connection.vendor != "postgresql":
        return
    name = "hardcases_" + re.sub(r"\W", "_", Path(os.environ[FOLDER]).name.lower())
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if cursor.fetchone() is None:
            cursor.execute(f"CREATE DATABASE {name}")
    connection.close()
    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name


class Spent:
    """What `act` gave, and what it took: milliseconds by the clock, and of processor time, here and in the database server's process that serves us."""

    def __init__(self, act: Callable[..., Any], *arguments: Any) -> None:
        wall, busy = time.perf_counter(), _busy_ms()
        self.result = act(*arguments)
        self.ms, self.busy_ms = (time.perf_counter() - wall) * 1e3, _busy_ms() - busy

    def __str__(self) -> str:
        return f"{self.ms / 1e3:.1f} s ({self.busy_ms / 1e3:.1f} s of CPU)"


def _busy_ms() -> float:
    """Processor time so far. That of a PostgreSQL process on this machine counts; on SQLite the database works in this process."""
    spent = time.process_time() * 1e3
    if connection.vendor == "postgresql":
        connection.ensure_connection()
        path = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat")
        spent += int(path.read_text(encoding="ascii").split()[0]) / 1e6 if path.exists() else 0.0
    return spent


def upload_until_told() -> None:
    """Upload one small text after the other, 20 ms apart, until standard input ends; then print what each took, in milliseconds."""
    who, test_set, _ = filling.found()
    os.set_blocking(0, False)
    waits: list[float] = []
    say("ready")
    while sys.stdin.buffer.read(1) is None:
        text = Text(f"upload {len(waits)} of {os.getpid()} at {time.time()}")
        waits.append(Spent(lambda text=text: report_case(actor=who, project=test_set.project, content=text, fields=Fields(source="b"))).ms)
        time.sleep(0.02)
    say(json.dumps(waits))


def uploading_meanwhile(act: Callable[[], Any]) -> tuple[Spent, str]:
    """Do `act` while another process uploads: (what it took, what the uploads took, in words)."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.versions", "--uploads"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        try:
            spent = Spent(act)
        finally:
            said, _ = other.communicate()
    waits = sorted(json.loads(said))
    shown = {"median": waits[len(waits) // 2], "p99": waits[int(len(waits) * 0.99)], "longest": waits[-1]}
    return spent, f"{len(waits):,} uploads: " + ", ".join(f"{name} {ms:.0f} ms" for name, ms in shown.items())


def first_freeze(who: Actor, test_set: TestSet) -> None:
    """Version 1 by the background job, with uploads before and meanwhile."""
    say(f"uploads by themselves for 10 s: {uploading_meanwhile(lambda: time.sleep(10))[1]}")
    asked, waits = uploading_meanwhile(lambda: actions.stage(actor=who, test_set=test_set, reason="first"))
    job = asked.result
    say(f"asking for the first freeze: {asked}; meanwhile {waits}")
    Job.objects.filter(pk=job.pk).update(state="queued")  # of a benchmark that was stopped
    spent, waits = uploading_meanwhile(lambda: work.run_job(str(job.pk)))
    job.refresh_from_db()
    assert job.state == "done", job.failure
    say(f"first freeze in the background: {spent}, with its snapshot; meanwhile {waits}")


def hundred_changes(test_set: TestSet, spare: list[int], turn: int, user_id: int | None) -> None:
    """40 cases in, 30 out, 30 labelled anew."""
    after = spare[0] * (turn % (2 * TURNS)) // (2 * TURNS)
    entries = Entry.objects.filter(test_set=test_set, removed_in=None, case_id__gt=after).order_by("case_id")
    members = list(entries.values_list("case_id", flat=True)[:6000:100])
    drafted = [(pk, True) for pk in spare[turn * 40 : turn * 40 + 40]] + [(pk, False) for pk in members[:30]]
    DraftChange.objects.bulk_create([DraftChange(test_set=test_set, case_id=pk, adds=adds, by="benchmark") for pk, adds in drafted])
    for pk in members[30:60]:
        number = LabelRevision.objects.filter(case_id=pk).count() + 1
        label = {"label": "normal" if number % 2 == 0 else "nodule"}
        revision = LabelRevision.objects.create(
            case_id=pk, number=number, label=label, digest=f"{number:064x}", author_id=user_id, author_name="b"
        )
        CurrentLabel.objects.filter(case_id=pk).update(revision=revision, value=label["label"])


def freeze_changes(who: Actor, test_set: TestSet, spare: list[int]) -> None:
    """100 changes at a time, through the ORM."""
    freezing: list[Spent] = []
    diffing: list[Spent] = []
    done = Version.objects.filter(test_set=test_set).count() - 1
    for turn in range(done, done + TURNS):
        hundred_changes(test_set, spare, turn, who.user_id)
        freezing.append(Spent(lambda: actions.freeze_rows(actor=who, test_set=test_set, reason="hundred")))
        version = freezing[-1].result
        previous = Version.objects.get(test_set=test_set, number=version.number - 1)
        diffing += [Spent(queries.diff, previous, version) for _ in range(5)]
        assert (version.added, version.removed, version.changed) == (40, 30, 30), (version.added, version.removed, version.changed)
    for name, spent, limit in (("freeze of 100 changes", freezing, 100), ("diff of 100 changes", diffing, 5)):
        walls, busy = ([getattr(item, kind) for item in spent] for kind in ("ms", "busy_ms"))
        say(
            f"{name}: median {statistics.median(walls):.1f} ms, least {min(walls):.1f}, most {max(walls):.1f}; "
            f"{statistics.median(busy):.1f} ms of CPU; limit {limit}"
        )


def verify_offline(version: Version) -> None:
    """The manifest, and the published recipe over it in a bare interpreter."""
    recipe = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "verify-a-manifest.md").read_text(encoding="utf-8"), re.DOTALL)
    script, manifest = Path(os.environ[FOLDER], "verify.py"), Path(os.environ[FOLDER], "manifest.jsonl")
    script.write_text(recipe[1] if recipe else "", encoding="utf-8")

    def write() -> None:
        with manifest.open("wb") as file:
            for piece in trees.manifest(version):
                file.write(piece)

    written = Spent(write)
    before = os.times()
    checked = Spent(
        lambda: subprocess.run([sys.executable, "-I", str(script), str(manifest), f"sha256:{version.digest}"], check=True, timeout=300)
    )
    after = os.times()
    busy = after.children_user + after.children_system - before.children_user - before.children_system
    say(f"manifest of {version.cases:,} lines: written in {written}")
    say(f"verified offline by the recipe: {checked.ms / 1e3:.1f} s ({busy:.1f} s of CPU); limit 10")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--keep", metavar="FOLDER", help="keep the data there, and go on with what lies there")
    parser.add_argument("--uploads", action="store_true", help="only upload until standard input ends; used by the benchmark itself")
    asked = parser.parse_args()
    use_own_database()
    if asked.uploads:
        upload_until_told()
        return
    call_command("migrate", verbosity=0)
    say(f"{connection.vendor}, {asked.cases:,} cases")
    if not TestSet.objects.exists():
        say(f"cases by SQL: {Spent(filling.a_project_with, asked.cases)}")
    who, test_set, spare = filling.found()
    if not Version.objects.exists():
        first_freeze(who, test_set)
    first = Version.objects.select_related("test_set__project").get(test_set=test_set, number=1)
    say(f"its snapshot: written in {Spent(snapshots.build, first)}, read in {Spent(snapshots.members, first)}")
    freeze_changes(who, test_set, spare)
    verify_offline(Version.objects.select_related("test_set__project").filter(test_set=test_set).order_by("-number")[0])
    say(f"data: {os.environ[FOLDER]}")


if __name__ == "__main__":
    main()
