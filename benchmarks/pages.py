"""Every page and every list of the API, in a project of a million cases: how long an answer takes, how large it is, and how many queries it asks.

    python benchmarks/pages.py [--database postgres://…] [--cases 1000000] [--folder …] [--all]

The project is the one in which everything has happened once (`tests/contracts/stage.py`); its other cases are copies of one picture, written below the ORM and spread
over states, days, clinics and groups, one group a twentieth of all. Each address is asked ten times in this process, after once that is not counted. Prints the slowest
and those beyond what is wanted (300 ms at the 95th percentile, 200 KB), or all with `--all`, and what a look of the sweeper costs. A folder that is given keeps the
installation: it can be served and looked at, as user `reader` with the password `reader-reader`, beside a project without a case and one with a single case.
"""

# ruff: noqa: E402 - the environment has to be set before Django reads it
import argparse
import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
PARSER = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
PARSER.add_argument("--database")
PARSER.add_argument("--cases", type=int, default=1_000_000)
PARSER.add_argument("--folder")
PARSER.add_argument("--all", action="store_true")
if __name__ == "__main__":
    ASKED = PARSER.parse_args()
    FOLDER = ASKED.folder or tempfile.mkdtemp(prefix="hardcases-pages-")
    Path(FOLDER).mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ |= {"DJANGO_SETTINGS_MODULE": "hardcases.config.settings", "HARDCASES_DATA_DIR": FOLDER}
    os.environ |= {"DATABASE_URL": ASKED.database or f"sqlite:///{FOLDER}/hardcases.sqlite3", "ALLOWED_HOSTS": "testserver,127.0.0.1"}
    os.environ.pop("REDIS_URL", None)

import django

django.setup()

import numpy as np
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import F
from django.test import Client
from django.utils.dateparse import parse_datetime

from benchmarks import filling
from hardcases.cases.models import Case
from hardcases.groups.models import Group
from hardcases.projects.models import Counter, Membership
from hardcases.projects.permissions import Role
from hardcases.work.tasks import all_due
from tests.builders import cases, people
from tests.contracts.stage import Stage, a_stage
from tests.contracts.test_permissions import NAMED, PROJECT, TEAM

TIMES, TOO_LONG = 10, 2.0  # what took longer the first time is asked only once more
SECONDS, BYTES = 0.3, 200_000
A_GROUP = 20  # cases
SEARCHES = (
    "",
    "state:accepted",
    "state:inbox portable:true",
    "site:clinic-3 age:>=65",
    "label:nodule",
    "tag:night",
    "big-777",
    "reason:override -site:clinic-1",
)
LEFT_OUT = {
    "sign_out",
    "api-schema",
    "metrics",
    "api-export-download",
    "api-original",
    "case-original",
    "readyz",
}  # files, and what is no page

TIME = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%S', 'now', '-' || (({cases} - i) * 90 / {cases}) || ' days')",
    "postgresql": "now() - interval '1 day' * (({cases} - i) * 90 / {cases})",
}
# Ten cases in turn: five accepted, three in the inbox, one declined, one snoozed. Every hundredth of the inbox's has a value that does not fit.
STATE = "CASE i % 10 WHEN 0 THEN 'inbox' WHEN 1 THEN 'inbox' WHEN 2 THEN 'inbox' WHEN 3 THEN 'declined' WHEN 4 THEN 'snoozed' ELSE 'accepted' END"
GROUP = f"CASE WHEN i % {A_GROUP} = 0 THEN {{group}} ELSE {{group}} + 1 + i / {A_GROUP} END"
COUNTED = """SELECT group_number, COUNT(*), SUM(CASE state WHEN 'inbox' THEN 1 ELSE 0 END), SUM(CASE state WHEN 'snoozed' THEN 1 ELSE 0 END),
  MIN(received_at), MAX(received_at), MIN(received_at) FROM hardcases_case WHERE project_id = {project} AND group_number >= {group} GROUP BY group_number"""
CHANGED = {
    "id": "{first} + i",
    "number": "{number} + i",
    "uid": "{uid}",
    "sha256": "{digest}",
    "state": STATE,
    "decline_reason": "CASE i % 10 WHEN 3 THEN 'duplicate' END",
    "snoozed_until": "CASE i % 10 WHEN 4 THEN {later} END",
    "received_at": "{time}",
    "last_seen_at": "{time}",
    "attributes": "{attributes}",
    "attributes_salt": "{salt}",
    "group_number": GROUP,
    "quarantine": """CAST(CASE WHEN i % 1000 = 0 THEN '[{{"field": "attributes.age", "value": "61,5", "problem": "is not a number"}}]'
      ELSE '[]' END AS {json})""",
    "file_name": "i || '.png'",
}
STATEMENTS = (
    "INSERT INTO hardcases_externalid (project_id, case_id, value) {series} SELECT {project}, {first} + i, 'big-' || i FROM n",
    """INSERT INTO hardcases_sighting (case_id, at, actor_name, request_id) {series} SELECT {first} + i, CURRENT_TIMESTAMP, 'token', '' FROM n""",
    """INSERT INTO hardcases_auditevent (at, actor_kind, actor_name, project_id, action, object_type, object_id, request_id)
       {series} SELECT {time}, 'token', 'upload', {project}, 'case.created', 'case', '{prefix}-' || ({number} + i), '' FROM n""",
    """INSERT INTO hardcases_labelrevision (case_id, number, label, digest, note, author_id, author_name, at)
       SELECT id, 1, '{{"label": "nodule"}}', sha256, '', {user}, 'owner', CURRENT_TIMESTAMP FROM hardcases_case WHERE id > {first} AND state = 'accepted'""",
    """INSERT INTO hardcases_currentlabel (case_id, revision_id, value)
       SELECT case_id, id, 'nodule' FROM hardcases_labelrevision WHERE case_id > {first}""",
    """INSERT INTO hardcases_draftchange (test_set_id, case_id, adds, by, at)
       SELECT {test_set}, id, {true}, 'sql', CURRENT_TIMESTAMP FROM hardcases_case WHERE id > {first} AND state = 'accepted'""",
)


class Answer(NamedTuple):
    """What one address said: the 95th percentile of its seconds, this process's mean seconds of processor, bytes, queries, status."""

    path: str
    seconds: float
    processor: float
    size: int
    queries: int
    status: int


def fill(stage: Stage, count: int) -> None:
    """`count` more cases for the stage's project, with everything that belongs to a case."""
    project = stage.scene.project
    like = Case.objects.filter(project=project, kind="image", thumbnail_sha256__isnull=False).latest("pk")
    largest = Counter.objects.get(project=project, kind="group")
    vendor = connection.vendor
    say: dict[str, object] = {
        "cases": count,
        "first": Case.objects.latest("pk").pk,
        "number": Counter.objects.get(project=project, kind="case").value,
        "group": largest.value + 1,
        "project": project.pk,
        "prefix": project.key_prefix,
        "user": project.owner_id,
        "test_set": stage.scene.version.test_set_id,
        "true": "true",
        "json": "text" if vendor == "sqlite" else "jsonb",
        "later": "'2099-01-01 00:00:00'" if vendor == "sqlite" else "timestamptz '2099-01-01'",
    }
    say |= filling.DIALECT[vendor] | {"time": TIME[vendor].format(cases=count), "series": filling.NUMBERS[vendor].format(cases=count)}
    with transaction.atomic(), connection.cursor() as cursor:
        if vendor == "postgresql":
            cursor.execute("SET LOCAL session_replication_role = replica")  # foreign keys are right by construction
        cursor.execute(_copies(like, say))
        for statement in STATEMENTS:
            cursor.execute(statement.format(**say))
        cursor.execute(COUNTED.format(**say))
        found = cursor.fetchall()
        names = ("number", "count", "waiting", "snoozed", "first_seen_at", "last_seen_at", "waiting_since")
        facts = {
            "project": project,
            "title": "override",
            "kind": "image",
            "reason": "override",
            "sites": ["clinic-1", "clinic-2"],
            "least_alike": 0.91,
        }
        Group.objects.bulk_create([Group(**facts, **dict(zip(names, _times(row), strict=True))) for row in found], batch_size=2_000)
        Counter.objects.filter(project=project, kind="case").update(value=F("value") + count)
        Counter.objects.filter(pk=largest.pk).update(value=max(number for number, *_ in found))
        if vendor == "postgresql":
            cursor.execute("SELECT setval(pg_get_serial_sequence('hardcases_case', 'id'), (SELECT MAX(id) FROM hardcases_case))")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _copies(like: Case, say: dict[str, object]) -> str:
    columns = [str(field.column) for field in Case._meta.concrete_fields]  # noqa: SLF001 - Django documents it
    changed = {column: part.format(**say) for column, part in CHANGED.items()}
    taken = ", ".join(changed.get(column, f"c.{column}") for column in columns)
    return (
        f"INSERT INTO hardcases_case ({', '.join(columns)}) {say['series']} SELECT {taken} FROM n, hardcases_case c WHERE c.id = {like.pk}"
    )


def _times(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """SQLite answers with text where PostgreSQL answers with times."""
    return tuple(parse_datetime(f"{value}+00:00") if isinstance(value, str) else value for value in row)


def paths(stage: Stage) -> list[str]:
    """Every address that is read, and the lists with searches."""
    shut = {name for name, permissions in (PROJECT | TEAM).items() if "GET" not in permissions} | LEFT_OUT
    found = [stage.path(address) for name, address in NAMED.items() if name not in shut]
    slug = stage.scene.project.slug
    biggest = Group.objects.filter(project=stage.scene.project).latest("count").key
    found += [
        f"{where}?q={search}"
        for search in SEARCHES
        for where in (f"/p/{slug}/cases/", f"/p/{slug}/inbox/", f"/api/v1/projects/{slug}/cases/")
    ]
    return [*found, f"/p/{slug}/inbox/{biggest}/"]


def ask(client: Client, path: str) -> Answer:
    """One address, several times."""
    asked: list[str] = []

    def count(execute: Any, sql: str, *rest: Any) -> Any:
        asked.append(sql)
        return execute(sql, *rest)

    start = time.perf_counter()
    with connection.execute_wrapper(count):
        first = client.get(path)
    taken, processor = [time.perf_counter() - start], time.process_time()
    size = len(first.getvalue())
    times = TIMES if taken[0] < TOO_LONG else 1
    for _ in range(times):
        start = time.perf_counter()
        client.get(path).close()
        taken.append(time.perf_counter() - start)
    slow = float(np.percentile(taken[1:], 95))
    return Answer(path, slow, (time.process_time() - processor) / times, size, len(asked), first.status_code)


def main() -> None:
    """Fill, ask, print."""
    call_command("migrate", verbosity=0)
    call_command("collectstatic", verbosity=0, interactive=False)
    stage = a_stage()
    one = people.a_project(slug="one", cluster_attribute=None)
    cases.a_case(one, "only")
    none = people.a_project(slug="none", cluster_attribute=None)
    for due in all_due():
        due.task(**due.kwargs)
    start = time.perf_counter()
    fill(stage, ASKED.cases)
    reader = stage.member
    reader.username = "reader"
    reader.set_password("reader-reader")
    reader.save()
    Membership.objects.bulk_create(Membership(project=project, user=reader, role=role) for project in (one, none) for role in Role)
    print(f"{Case.objects.count():,} cases on {connection.vendor}, filled in {time.perf_counter() - start:.0f} s")
    client = stage.client()
    logging.disable(logging.CRITICAL)  # some addresses answer 404, and say so
    answers = sorted((ask(client, path) for path in paths(stage)), key=lambda answer: -answer.seconds)
    beyond = [answer for answer in answers if answer.seconds > SECONDS or answer.size > BYTES or answer.status >= 500]
    for answer in answers if ASKED.all else beyond or answers[:5]:
        took = f"{1000 * answer.seconds:7.0f} ms ({1000 * answer.processor:4.0f} of processor)"
        print(f"{took} {answer.size / 1000:7.1f} KB {answer.queries:4d} queries  {answer.status}  {answer.path}")
    looks, start = 10, time.perf_counter()
    for _ in range(looks):
        all_due()
    print(f"{1000 * (time.perf_counter() - start) / looks:7.0f} ms for one look of the sweeper at everything that may be due")
    slowest = np.percentile([answer.seconds for answer in answers], [50, 95, 100]) * 1000
    print(
        f"{len(answers)} addresses: median {slowest[0]:.0f} ms, 95th {slowest[1]:.0f} ms, slowest {slowest[2]:.0f} ms; beyond what is wanted: {len(beyond)}"
    )


if __name__ == "__main__":
    main()
