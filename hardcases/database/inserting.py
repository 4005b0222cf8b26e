"""`bulk_create` for the tables that every upload writes to: the same rows for less of the processor.

Django prepares each value of each row anew, resolves the database's defaults row by row, and writes forty columns of a new case of which a third are NULL.
Here a table's columns are looked at once a process, and what is NULL in every row is left to the database.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from django.db import connection, models
from django.db.models.expressions import DatabaseDefault

MOST_VALUES = 20_000  # in one statement; SQLite takes 32,766 and PostgreSQL 65,535
Column = tuple[str, str, str, Callable[..., Any]]


def insert(rows: Sequence[models.Model]) -> None:
    """Insert new rows of one model with an automatic key, in order, and give them their keys. What the database refuses is raised as by `bulk_create`.

    Columns that the database fills in (`db_default`) are read when somebody asks for them. Not for values that are expressions, nor for `auto_now`.
    """
    if not rows:
        return
    columns = [column for column in _columns(type(rows[0])) if column[2] or any(row.__dict__[column[0]] is not None for row in rows)]
    at_once = max(1, MOST_VALUES // len(columns))
    for first in range(0, len(rows), at_once):
        _insert(rows[first : first + at_once], columns)


def _insert(rows: Sequence[models.Model], columns: Sequence[Column]) -> None:
    meta = rows[0]._meta  # noqa: SLF001 - documented by Django
    values: list[Any] = []
    places = []
    for row in rows:
        said = row.__dict__
        place = []
        for name, _, default, prepare in columns:
            value = said[name]
            if type(value) is DatabaseDefault:
                place.append(default)
                del said[name]
            else:
                place.append("%s")
                values.append(None if value is None else prepare(value, connection))
        places.append(f"({', '.join(place)})")
    names = ", ".join(quoted for _, quoted, _, _ in columns)
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {quote(meta.db_table)} ({names}) VALUES {', '.join(places)} RETURNING {quote(str(meta.pk.column))}",  # noqa: S608  # nosec B608 - names from models
            values,
        )
        for row, (key,) in zip(rows, cursor.fetchall(), strict=True):
            row.pk = key
            row._state.adding, row._state.db = False, connection.alias  # noqa: SLF001 - documented by Django


@lru_cache
def _columns(model: type[models.Model]) -> list[Column]:
    """(attribute, quoted column, SQL of the database's default or nothing, how a value is prepared) of every column but an automatic key."""
    compiler = model._default_manager.all().query.get_compiler(connection.alias)  # noqa: SLF001 - documented by Django
    return [
        (field.attname, connection.ops.quote_name(str(field.column)), _default(field, compiler), field.get_db_prep_save)
        for field in model._meta.local_concrete_fields  # noqa: SLF001 - documented by Django
        if not isinstance(field, models.AutoField)
    ]


def _default(field: Any, compiler: Any) -> str:
    if not field.has_db_default():
        return ""
    sql, params = compiler.compile(field.db_default)
    assert not params
    return str(sql)
