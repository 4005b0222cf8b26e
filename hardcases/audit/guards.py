"""Rules that the database itself keeps: triggers, written once for SQLite and PostgreSQL.

A frozen thing must stay frozen even for a person with a database shell. SQLite loses a table's triggers when Django rebuilds the table, so
`missing_guards` is asked by a test and by the readiness page after every migration.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from django.apps.registry import Apps
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

Event = Literal["INSERT", "UPDATE", "DELETE"]


@dataclass(frozen=True, kw_only=True)
class Guard:
    """Refuse `event` on `table` with `sentence` whenever `when` (an SQL condition over OLD and NEW; empty: always) holds."""

    name: str
    table: str
    event: Event
    sentence: str
    when: str = ""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """After an UPDATE on `table` that meets `when`, run `statement`, both over OLD and NEW: how an upper room hears of a change below it, whoever makes it."""

    name: str
    table: str
    when: str
    statement: str


def append_only(table: str, sentence: str) -> list[Guard]:
    """Guards of a table whose rows are neither changed nor deleted."""
    return [Guard(name=f"{table}_no_{event.lower()}", table=table, event=event, sentence=sentence) for event in ("UPDATE", "DELETE")]


def _sqlite(guard: Guard) -> list[str]:
    when = f"WHEN {guard.when} " if guard.when else ""
    sentence = guard.sentence.replace("'", "''")
    return [
        f"DROP TRIGGER IF EXISTS {guard.name}",
        f"CREATE TRIGGER {guard.name} BEFORE {guard.event} ON {guard.table} FOR EACH ROW {when}BEGIN SELECT RAISE(ABORT, '{sentence}'); END",
    ]


def _postgresql(guard: Guard) -> list[str]:
    # The condition stands in the function, not in WHEN: a WHEN clause may not hold a subquery.
    sentence = guard.sentence.replace("'", "''").replace("%", "%%")
    refusal = f"RAISE EXCEPTION USING MESSAGE = '{sentence}', ERRCODE = 'integrity_constraint_violation';"
    body = f"IF {guard.when} THEN {refusal} END IF;" if guard.when else refusal
    row = "OLD" if guard.event == "DELETE" else "NEW"
    return [
        f"CREATE OR REPLACE FUNCTION {guard.name}() RETURNS trigger LANGUAGE plpgsql AS $guard$ BEGIN {body} RETURN {row}; END $guard$",
        f"DROP TRIGGER IF EXISTS {guard.name} ON {guard.table}",
        f"CREATE TRIGGER {guard.name} BEFORE {guard.event} ON {guard.table} FOR EACH ROW EXECUTE FUNCTION {guard.name}()",
    ]


def _sqlite_mark(mark: Mark) -> list[str]:
    return [
        f"DROP TRIGGER IF EXISTS {mark.name}",
        f"CREATE TRIGGER {mark.name} AFTER UPDATE ON {mark.table} FOR EACH ROW WHEN {mark.when} BEGIN {mark.statement}; END",
    ]


def _postgresql_mark(mark: Mark) -> list[str]:
    body = f"IF {mark.when} THEN {mark.statement}; END IF; RETURN NULL;"
    return [
        f"CREATE OR REPLACE FUNCTION {mark.name}() RETURNS trigger LANGUAGE plpgsql AS $mark$ BEGIN {body} END $mark$",
        f"DROP TRIGGER IF EXISTS {mark.name} ON {mark.table}",
        f"CREATE TRIGGER {mark.name} AFTER UPDATE ON {mark.table} FOR EACH ROW EXECUTE FUNCTION {mark.name}()",
    ]


def _statements(guard: Guard | Mark, vendor: str) -> list[str]:
    if isinstance(guard, Mark):
        return _sqlite_mark(guard) if vendor == "sqlite" else _postgresql_mark(guard)
    return _sqlite(guard) if vendor == "sqlite" else _postgresql(guard)


def install(guards: Sequence[Guard | Mark], schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Create the guards; running it again replaces them."""
    with schema_editor.connection.cursor() as cursor:
        for guard in guards:
            for statement in _statements(guard, schema_editor.connection.vendor):
                cursor.execute(statement)


class InstallGuards:
    """`migrations.RunPython(InstallGuards(GUARDS), migrations.RunPython.noop)`."""

    def __init__(self, guards: Sequence[Guard | Mark]) -> None:
        self.guards = guards

    def __call__(self, apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
        install(self.guards, schema_editor)


EXPECTED: dict[str, Guard | Mark] = {}


def expect(guards: Sequence[Guard | Mark]) -> None:
    """From now on these belong to a sound database. Every room's list is entered when the apps are ready (`wiring`)."""
    EXPECTED.update({guard.name: guard for guard in guards})


def missing_guards(guards: Collection[Guard | Mark], connection: BaseDatabaseWrapper) -> list[str]:
    """Names of the guards that the database does not have."""
    question = {"sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'"}.get(
        connection.vendor, "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
    )
    with connection.cursor() as cursor:
        cursor.execute(question)
        present = {row[0] for row in cursor.fetchall()}
    return [guard.name for guard in guards if guard.name not in present]


AUDIT_GUARDS = [
    *append_only("hardcases_auditevent", "Audit events are never changed or deleted."),
    *append_only("hardcases_auditseal", "Audit seals are never changed or deleted."),
]
