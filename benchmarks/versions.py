"""Freezing, diffing and verifying at a million cases.

    python benchmarks/versions.py [--cases 1000000]            on SQLite, in a folder of its own
    DATABASE_URL=postgres://… python benchmarks/versions.py    on PostgreSQL, in a database of its own beside the named one

Cases and labels are written by plain SQL in bulk; version 1 is frozen by the product's own background job, in this process, while another connection writes like an
upload does. Then 100 changes (40 added, 30 removed, 30 relabelled) are frozen through the ORM, several times, and compared. Prints milliseconds and ratios.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

ROOT = Path(__file__).resolve().parents[1]
FOLDER = tempfile.mkdtemp(prefix="hardcases-benchmark-")
sys.path.insert(0, str(ROOT))
os.environ |= {"HARDCASES_DATA_DIR": FOLDER, "DJANGO_SETTINGS_MODULE": "hardcases.config.settings", "HARDCASES_LEASE_SECONDS": "600"}
django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, connections, transaction  # noqa: E402

from hardcases.audit.actors import Actor  # noqa: E402
from hardcases.cases.models import Case  # noqa: E402
from hardcases.labels.models import CurrentLabel, LabelRevision  # noqa: E402
from hardcases.projects.authentication import person  # noqa: E402
from hardcases.projects.models import Attribute, Counter, Project, Team, User  # noqa: E402
from hardcases.testsets import actions, queries, snapshots, trees  # noqa: E402
from hardcases.testsets.models import DraftChange, Entry, TestSet, Version  # noqa: E402
from hardcases.work import jobs as work  # noqa: E402


def fresh_database() -> None:
    """On PostgreSQL, a database that is dropped and made anew; on SQLite the folder is new already."""

    if connection.vendor == "postgresql":
        name = "hardcases_benchmark_versions"
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")
            cursor.execute(f"CREATE DATABASE {name}")
        connection.close()
        settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name

    call_command("migrate", verbosity=0)


NUMBERS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {cases})",
    "postgresql": "WITH n(i) AS (SELECT generate_series(1, {cases}))",
}
DIALECT = {
    "sqlite": {
        "uid": "lower(printf('%012x4%03x8%015x', i * 2654435761 % 281474976710656, i % 4096, i * 40503 % 1152921504606846976))",
        "digest": "lower(printf('%016x%016x%016x%016x', i, i * 7919, i * 104729, i * 1299709))",
        "attributes": "json_object('site', 'clinic-' || (i % 12), 'age', i % 90, 'portable', json(CASE i % 5 WHEN 0 THEN 'true' ELSE 'false' END))",
        "salt": "randomblob(16)",
        "false": "0",
    },
    "postgresql": {
        "uid": "gen_random_uuid()",
        "digest": "encode(sha256(i::text::bytea), 'hex')",
        "attributes": "jsonb_build_object('site', 'clinic-' || (i % 12), 'age', i % 90, 'portable', i % 5 = 0)",
        "salt": "substr(sha256(i::text::bytea), 1, 16)",
        "false": "false",
    },
}


def fill(project_id: int, user_id: int, cases: int) -> None:
    """Accepted, labelled text cases 1 to `cases`, by SQL."""

    say = DIALECT[connection.vendor] | {"n": NUMBERS[connection.vendor].format(cases=cases), "project": project_id, "user": user_id}
    statements = [
        """INSERT INTO hardcases_case (uid, project_id, number, kind, sha256, stored_sha256, size, media_type, file_name, state, decided_by, reason,
             source, model, attributes, attributes_salt, tags, quarantine, sightings_count, media_state, media_attempt, media_failure, received_at, last_seen_at)
           {n} SELECT {uid}, {project}, i, 'text', {digest}, {digest}, 100, 'text/plain', '', 'accepted', '', 'doctor_disagreed', 'clinic', 'net@1',
             {attributes}, {salt}, '[]', '[]', 1, 'none', 0, '', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP FROM n""",
        """INSERT INTO hardcases_labelrevision (case_id, number, label, digest, note, author_id, author_name, at)
           SELECT id, 1, '{{"label": "nodule"}}', sha256, '', {user}, 'owner', CURRENT_TIMESTAMP FROM hardcases_case""",
        """INSERT INTO hardcases_currentlabel (case_id, revision_id, value)
           SELECT case_id, id, 'nodule' FROM hardcases_labelrevision""",
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement.format(**say))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def timed(act: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """(milliseconds, result)."""
    start = time.perf_counter()
    result = act(*arguments)
    return (time.perf_counter() - start) * 1e3, result


def writing_meanwhile(act: Callable[[], Any]) -> tuple[float, Any, list[float]]:
    """Do `act` while another connection commits a small write every 20 ms: (seconds, result, how long each write took in ms)."""

    done, waits = threading.Event(), []

    def write() -> None:
        try:
            while not done.wait(0.02):
                waits.append(timed(one)[0])
        finally:
            connections.close_all()

    def one() -> None:
        with transaction.atomic():
            Counter.objects.filter(kind="benchmark").update(value=1)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        ms, result = timed(act)
    finally:
        done.set()
        writer.join()
    return ms / 1e3, result, waits


def hundred_changes(test_set: TestSet, spare: list[int], turn: int, user_id: int | None) -> None:
    """40 cases in, 30 out, 30 labelled anew."""

    members = list(
        Entry.objects.filter(test_set=test_set, removed_in=None, case_id__gt=turn * 997).values_list("case_id", flat=True)[:6000:100]
    )
    drafted = [(pk, True) for pk in spare[turn * 40 : turn * 40 + 40]] + [(pk, False) for pk in members[:30]]
    DraftChange.objects.bulk_create([DraftChange(test_set=test_set, case_id=pk, adds=adds, by="benchmark") for pk, adds in drafted])
    for pk in members[30:60]:
        number = LabelRevision.objects.filter(case_id=pk).count() + 1
        label = {"label": "normal" if number % 2 == 0 else "nodule"}
        revision = LabelRevision.objects.create(
            case_id=pk, number=number, label=label, digest=f"{number:064x}", author_id=user_id, author_name="b"
        )
        CurrentLabel.objects.filter(case_id=pk).update(revision=revision, value=label["label"])


def verify_offline(version: Version) -> tuple[float, float]:
    """(seconds to write the manifest, seconds of the published recipe in a bare interpreter)."""

    recipe = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "verify-a-manifest.md").read_text(encoding="utf-8"), re.DOTALL)
    script, manifest = Path(FOLDER, "verify.py"), Path(FOLDER, "manifest.jsonl")
    script.write_text(recipe[1] if recipe else "", encoding="utf-8")

    def write() -> None:
        with manifest.open("wb") as file:
            for piece in trees.manifest(version):
                file.write(piece)

    writing, _ = timed(write)
    checking, _ = timed(lambda: subprocess.run([sys.executable, "-I", str(script), str(manifest), f"sha256:{version.digest}"], check=True))
    return writing / 1e3, checking / 1e3


def prepare(cases: int) -> tuple[Actor, TestSet, list[int]]:
    """(actor, test set with all but 1,000 cases in its draft, the ids of the 1,000)."""

    owner = User.objects.create_user("owner")
    team = Team.objects.create(slug="t", name="T")
    project = Project.objects.create(
        slug="big",
        name="Big",
        team=team,
        owner=owner,
        task="classification",
        key_prefix="XR",
        classes=["normal", "nodule"],
        positive_class="nodule",
    )
    types = [("site", "category", None), ("age", "number", [0, 18, 65]), ("portable", "boolean", None)]
    Attribute.objects.bulk_create([Attribute(project=project, position=i, name=n, type=t, bins=b) for i, (n, t, b) in enumerate(types)])
    Counter.objects.create(project=project, kind="benchmark")
    seconds, _ = timed(lambda: fill(project.pk, owner.pk, cases))
    print(f"{cases:,} cases by SQL: {seconds / 1e3:.1f} s")
    who = person(owner)
    actions.create_stratum(actor=who, project=project, slug="portable-old", name="Portable, old", q="portable:true age:>=65")
    test_set = actions.create_test_set(actor=who, project=project, slug="big")
    spare = list(Case.objects.order_by("-pk").values_list("pk", flat=True)[:1_000])
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO hardcases_draftchange (test_set_id, case_id, adds, by, at) SELECT %s, id, %s, 'sql', CURRENT_TIMESTAMP FROM hardcases_case WHERE id < %s",
            [test_set.pk, True, min(spare)],
        )
    return who, test_set, spare


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1_000_000)
    cases = parser.parse_args().cases

    fresh_database()

    print(f"{connection.vendor}, {cases:,} cases")
    who, test_set, spare = prepare(cases)
    job = actions.stage(actor=who, test_set=test_set, reason="first")
    seconds, _, waits = writing_meanwhile(lambda: work.run_job(str(job.pk)))
    first = Version.objects.select_related("test_set__project").get()
    waits.sort()
    print(f"first freeze in the background: {seconds:.1f} s with its snapshot")
    print(f"  snapshot by itself: {timed(snapshots.build, first)[0] / 1e3:.1f} s")
    print(
        f"  {len(waits):,} writes meanwhile: median {waits[len(waits) // 2]:.1f} ms, p99 {waits[int(len(waits) * 0.99)]:.1f} ms, worst {waits[-1]:.0f} ms"
    )
    reading = [timed(lambda: snapshots.members(first))[0] for _ in range(5)]
    print(f"members of it: {min(reading):.0f} ms")
    freezing, computing, diffing = [], [], []
    for turn in range(7):
        hundred_changes(test_set, spare, turn, who.user_id)
        busy = time.process_time()
        ms, version = timed(lambda: actions.freeze_rows(actor=who, test_set=test_set, reason="hundred"))
        freezing.append(ms)
        computing.append((time.process_time() - busy) * 1e3)
        previous = Version.objects.get(test_set=test_set, number=version.number - 1)
        diffing += [timed(queries.diff, previous, version)[0] for _ in range(3)]
        assert (version.added, version.removed, version.changed) == (40, 30, 30), (version.added, version.removed, version.changed)
    print(
        f"freeze of 100 changes: median {statistics.median(freezing):.0f} ms (each {', '.join(f'{ms:.0f}' for ms in freezing)}); limit 100"
    )
    print(f"  processor time of this process in it: median {statistics.median(computing):.0f} ms")
    print(f"diff: median {statistics.median(diffing):.1f} ms; limit 5")
    version = Version.objects.select_related("test_set__project").get(test_set=test_set, number=8)
    writing, checking = verify_offline(version)
    print(f"manifest of {version.cases:,} lines: written in {writing:.1f} s, verified offline in {checking:.1f} s; limit 10")


if __name__ == "__main__":
    main()
