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
Column = tuple[str, str, str, Callable[..., Any], bool]
_PLAIN = (str, int)  # what a driver takes as it is, in a column of texts or whole numbers
_PLAIN_OR_NULL = frozenset({*_PLAIN, type(None)})
_PLAIN_FIELDS = (models.CharField, models.TextField, models.IntegerField, models.ForeignKey)


Instead = tuple[str, Sequence[str]]


def insert(rows: Sequence[models.Model], *, instead: Instead | None = None) -> None:
    """Insert new rows of one model, in order, and give them their keys. What the database refuses is raised as by `bulk_create`.

    `instead`: (a unique column, others): where there is a row of that value already, its other columns take the new values. Columns that the database fills in
    (`db_default`) are read when somebody asks for them. Not for values that are expressions, nor for `auto_now`.
    """
    if not rows:
        return
    columns = [column for column in _columns(type(rows[0])) if column[2] or any(row.__dict__[column[0]] is not None for row in rows)]
    at_once = max(1, MOST_VALUES // len(columns))
    for first in range(0, len(rows), at_once):
        _insert(rows[first : first + at_once], columns, instead)


def insert_values(
    model: type[models.Model], names: Sequence[str], rows: Sequence[tuple[Any, ...]], *, instead: Instead | None = None
) -> list[Any]:
    """Insert rows that are only values, in order, and return their keys: a thousand models cost more to make than their rows to write.

    `names` are those of the attributes (`case_id`). What is not named is left to the database: its default, or NULL.
    """
    by_name = {column[0]: column for column in _columns(model)}
    columns = [by_name[name] for name in names]
    at_once = MOST_VALUES // len(columns)
    keys: list[Any] = []
    for first in range(0, len(rows), at_once):
        some = rows[first : first + at_once]
        place = f"({', '.join(['%s'] * len(columns))})"
        keys += _written(model, columns, ", ".join([place] * len(some)), _prepared(columns, some), instead)
    return keys


def _prepared(columns: Sequence[Column], rows: Sequence[tuple[Any, ...]]) -> list[Any]:
    """The values as the driver takes them, row by row. An object that stands in many rows is prepared once."""
    made: list[Sequence[Any]] = []
    for (_, _, _, prepare, plain), values in zip(columns, zip(*rows, strict=True), strict=True):
        if plain and set(map(type, values)) <= _PLAIN_OR_NULL:
            made.append(values)
            continue
        seen = {
            id(value): None if value is None else prepare(value, connection) for value in {id(value): value for value in values}.values()
        }
        made.append([seen[id(value)] for value in values])
    return [value for row in zip(*made, strict=True) for value in row]


def _insert(rows: Sequence[models.Model], columns: Sequence[Column], instead: Instead | None) -> None:
    values: list[Any] = []
    places = []
    for row in rows:
        said = row.__dict__
        place = []
        for name, _, default, prepare, plain in columns:
            value = said[name]
            if type(value) is DatabaseDefault:
                place.append(default)
                del said[name]
            else:
                place.append("%s")
                values.append(value if value is None or (plain and type(value) in _PLAIN) else prepare(value, connection))
        places.append(f"({', '.join(place)})")
    for row, key in zip(rows, _written(type(rows[0]), columns, ", ".join(places), values, instead), strict=True):
        row.pk = key
        row._state.adding, row._state.db = False, connection.alias  # noqa: SLF001 - documented by Django


def _written(
    model: type[models.Model], columns: Sequence[Column], places: str, values: Sequence[Any], instead: Instead | None
) -> list[Any]:
    """The keys of the rows, in their order."""
    meta, quote = model._meta, connection.ops.quote_name  # noqa: SLF001 - documented by Django
    names = ", ".join(quoted for _, quoted, *_ in columns)
    conflict = "" if instead is None else _instead(*instead)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {quote(meta.db_table)} ({names}) VALUES {places}{conflict} RETURNING {quote(str(meta.pk.column))}",  # noqa: S608  # nosec B608 - names from models
            values,
        )
        return [key for (key,) in cursor.fetchall()]


def _instead(unique: str, others: Sequence[str]) -> str:
    columns = ", ".join(map(_taken, others))
    return f" ON CONFLICT ({connection.ops.quote_name(unique)}) DO UPDATE SET {columns}"  # nosec B608 - names from models


def _taken(column: str) -> str:
    quoted = connection.ops.quote_name(column)
    return f"{quoted} = EXCLUDED.{quoted}"


@lru_cache
def _columns(model: type[models.Model]) -> list[Column]:
    """Of every column but an automatic key: (attribute, quoted column, SQL of the database's default or nothing, how a value is prepared, whether texts and whole
    numbers need no preparing).
    """
    compiler = model._default_manager.all().query.get_compiler(connection.alias)  # noqa: SLF001 - documented by Django
    return [
        (
            field.attname,
            connection.ops.quote_name(str(field.column)),
            _default(field, compiler),
            field.get_db_prep_save,
            isinstance(field, _PLAIN_FIELDS),
        )
        for field in model._meta.local_concrete_fields  # noqa: SLF001 - documented by Django
        if not isinstance(field, models.AutoField)
    ]


def _default(field: Any, compiler: Any) -> str:
    if not field.has_db_default():
        return ""
    sql, params = compiler.compile(field.db_default)
    assert not params
    return str(sql)
