"""Reading a whole database as of one moment."""

from collections.abc import Iterator
from contextlib import contextmanager

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
        connection.ensure_connection()  # which sets the mode
        usual = connection.transaction_mode
        connection.transaction_mode = "DEFERRED"  # IMMEDIATE would keep writers out
        try:
            with transaction.atomic():
                yield
        finally:
            connection.transaction_mode = usual
