"""Reading a whole database as of one moment."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction


@contextmanager
def one_moment() -> Iterator[None]:
    """Everything read inside is as of one moment, however long it takes, and nobody who writes has to wait for it."""
    if connection.in_atomic_block:  # somebody above has chosen already
        yield
    elif connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield
    else:
        sqlite: Any = connection
        sqlite.ensure_connection()  # which sets the mode
        usual = sqlite.transaction_mode
        sqlite.transaction_mode = "DEFERRED"  # IMMEDIATE would keep writers out
        try:
            with transaction.atomic():
                yield
        finally:
            sqlite.transaction_mode = usual
