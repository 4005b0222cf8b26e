"""`column__among=values`: what `column__in=values` finds, asked with one parameter however many values there are.

With `in`, Django prepares, resolves and binds each value for itself, which for the thousand rows of an import costs more than the database's answer. The statement
is the same for every number of values, also for none, so that it can be compiled once (`PreparedMany`).
"""

import json
from collections.abc import Iterable
from typing import Any

from django.db.models import Field, ForeignObject, Lookup

_NUL = "\\u0000"


class Among(Lookup):
    """For columns of texts or whole numbers, and keys that point to such. The values are a collection, or an expression for what `parameter` makes of one."""

    lookup_name = "among"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:  # type: ignore[override]  # a list may be a parameter
        """A list is a text of JSON in SQLite and an array in PostgreSQL."""
        left, params = self.process_lhs(compiler, connection)
        given = self.rhs if hasattr(self.rhs, "as_sql") else parameter(self.rhs, connection.vendor)
        if connection.vendor != "postgresql":
            return f"{left} IN (SELECT value FROM json_each(%s))", [*params, given]  # noqa: S608  # nosec B608 - a column's name
        # Of the column's own type, without which PostgreSQL compares a row with each of the values instead of looking it up among them.
        kind = str(self.lhs.output_field.db_type(connection))
        return f"{left} = ANY(%s::{'text' if kind.startswith('varchar') else kind}[])", [*params, given]


def parameter(values: Iterable[str] | Iterable[int], vendor: str) -> Any:
    """The values as the one parameter of the statement. A text with a NUL character is found nowhere, so it is not asked for: SQLite would end it there."""
    asked = list(values)
    if vendor != "postgresql":
        text = json.dumps(asked)
        return json.dumps([value for value in asked if "\x00" not in str(value)]) if _NUL in text else text
    return asked


def register() -> None:
    """Make the lookup known to every column; once, when the app starts."""
    for kind in (Field, ForeignObject):
        kind.register_lookup(Among)
