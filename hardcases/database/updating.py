"""Different values for many rows in one statement, each only while its row is as it was when somebody began to work on it.

Django's `bulk_update` says neither which rows it met nor under which condition, and compiles a CASE for each value.
"""

from collections.abc import Sequence
from typing import Any

from django.db import connection, models


def update_values(
    model: type[models.Model], rows: Sequence[tuple[Any, ...]], *, where: Sequence[str], to: Sequence[str], clear: Sequence[str] = ()
) -> set[int]:
    """Per row its values of the columns `where`, the key first, then of the columns `to`: the keys of those that were found so, and have the new values now.

    Compare-and-set: a row that has other values in `where` stays as it is. `clear` becomes NULL in every row that was met. Texts and whole numbers only, at
    most a few hundred rows.
    """
    if not rows:
        return set()
    quote, meta = connection.ops.quote_name, model._meta  # noqa: SLF001 - documented by Django
    names = {field.attname: quote(str(field.column)) for field in meta.local_concrete_fields}
    table, columns = quote(meta.db_table), [names[name] for name in (*where, *to)]
    given = [f"given.column{number + 1}" for number in range(len(columns))]  # as both databases name them
    same = " AND ".join(f"{table}.{column} = {value}" for column, value in zip(columns[: len(where)], given, strict=False))
    new = [f"{column} = {value}" for column, value in zip(columns[len(where) :], given[len(where) :], strict=True)]
    new += [f"{names[name]} = NULL" for name in clear]
    places = ", ".join([f"({', '.join(['%s'] * len(columns))})"] * len(rows))
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET {', '.join(new)} FROM (VALUES {places}) AS given WHERE {same} RETURNING {table}.{columns[0]}",  # noqa: S608  # nosec B608 - names from models
            [value for row in rows for value in row],
        )
        return {key for (key,) in cursor.fetchall()}
