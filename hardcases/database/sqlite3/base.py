"""Django's SQLite backend whose writers wait for their turn (`hardcases.database.turns`) instead of trying again and again.

What writes is either a transaction, which holds the turn from BEGIN to the end of COMMIT or ROLLBACK, or a statement of its own.
"""

from pathlib import Path
from typing import Any

from django.db.backends.sqlite3 import base
from django.db.utils import OperationalError

from hardcases.database.turns import Turns, turns_of

READS = ("SELECT", "PRAGMA", "EXPLAIN", "BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK")


class DatabaseWrapper(base.DatabaseWrapper):
    """`DATABASES[…]["ENGINE"] = "hardcases.database.sqlite3"`. The wait is that of the option `timeout`."""

    _mine: Turns | None = None

    def create_cursor(self, name: str | None = None) -> "Cursor":
        cursor: Cursor = self.connection.cursor(factory=Cursor)
        cursor.wrapper = self
        return cursor

    def take_turn(self) -> None:
        """Raises OperationalError, as SQLite itself would, when the turn does not come in time."""
        if self.is_in_memory_db():
            return
        turns = turns_of(Path(self.settings_dict["NAME"]))
        if not turns.take(float(self.settings_dict["OPTIONS"].get("timeout", 5))):
            raise OperationalError("database is locked")
        self._mine = turns

    def give_turn_back(self) -> None:
        """Nothing happens where none was taken."""
        mine, self._mine = self._mine, None
        if mine is not None:
            mine.give_back()

    def _start_transaction_under_autocommit(self) -> None:
        self.take_turn()
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]  # the stubs do not know it
        except BaseException:
            self.give_turn_back()
            raise

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]
        self.give_turn_back()  # not after a commit that failed: Django rolls back next

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self.give_turn_back()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]
        finally:
            self.give_turn_back()


class Cursor(base.SQLiteCursorWrapper):
    """Django's cursor; a statement that writes outside a transaction takes a turn for itself."""

    wrapper: DatabaseWrapper

    def execute(self, query: str, params: Any = None) -> Any:
        if self.connection.in_transaction or query.lstrip()[:9].upper().startswith(READS):
            return super().execute(query, params)
        self.wrapper.take_turn()
        try:
            return super().execute(query, params)
        finally:
            self.wrapper.give_turn_back()
