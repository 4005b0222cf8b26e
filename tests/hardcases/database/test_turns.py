"""Writers of one SQLite file wait for their turn: threads, processes, one that is killed, one that never gives it back."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import OperationalError
from django.db.utils import ConnectionHandler

from hardcases.database.turns import NEXT, Turns, turns_of

pytestmark = pytest.mark.django_db
LONG = 20.0
HOLDER = """
import sys
from pathlib import Path
from hardcases.database.turns import turns_of
turns = turns_of(Path(sys.argv[1]))
assert turns.take(20)
print("mine", flush=True)
sys.stdin.readline()
turns.give_back()
"""
WRITER = """
import sys
from django.conf import settings
settings.configure(DATABASES={"default": {"ENGINE": "hardcases.database.sqlite3", "NAME": sys.argv[1], "OPTIONS": {"transaction_mode": "IMMEDIATE"}}})
from django.db import connection, transaction
for _ in range(25):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT value FROM counter")
        cursor.execute("UPDATE counter SET value = %s", [cursor.fetchone()[0] + 1])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE counter SET alone = alone + 1")
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "x.sqlite3"


@contextmanager
def another_process(script: str, database: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", script, str(database)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def said(child: "subprocess.Popen[str]") -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def somebody_waits(turns: Turns) -> bool:
    """Whether another process holds the byte of the next one."""
    free = turns._lock(NEXT, 0)
    if free:
        turns._unlock(NEXT)
    return not free


def test_a_killed_writer_gives_its_turn_back(database: Path) -> None:
    turns = turns_of(database)
    with another_process(HOLDER, database) as holder:
        assert said(holder) == "mine"
        assert not turns.take(0.01)
        holder.kill()
        holder.wait()
        assert turns.take(LONG)
    turns.give_back()


def test_who_waits_comes_before_who_has_just_written(database: Path) -> None:
    turns = turns_of(database)
    assert turns.take(LONG)
    with another_process(HOLDER, database) as waiting:
        until(lambda: somebody_waits(turns))
        turns.give_back()
        assert not turns.take(0.2)  # the other one is there now
        assert said(waiting) == "mine"


def test_threads_of_a_process_write_one_at_a_time(database: Path) -> None:
    turns = turns_of(database)
    assert turns.take(LONG)
    with ThreadPoolExecutor(1) as other:
        assert not other.submit(turns.take, 0.01).result()
        turns.give_back()
        assert other.submit(turns.take, LONG).result()
        assert not turns.take(0.01)
        other.submit(turns.give_back).result()
    assert turns.take(LONG)
    turns.give_back()


def connections(database: Path, timeout: float) -> ConnectionHandler:
    options = {"transaction_mode": "IMMEDIATE", "timeout": timeout}
    return ConnectionHandler({"default": {"ENGINE": "hardcases.database.sqlite3", "NAME": str(database), "OPTIONS": options}})


def test_transactions_and_single_statements_of_two_processes_all_arrive(database: Path) -> None:
    mine = connections(database, LONG)["default"]
    with mine.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("CREATE TABLE counter (value INTEGER, alone INTEGER)")
        cursor.execute("INSERT INTO counter VALUES (0, 0)")
    with another_process(WRITER, database) as one, another_process(WRITER, database) as other:
        assert one.wait(60) == other.wait(60) == 0
    with mine.cursor() as cursor:
        cursor.execute("SELECT value, alone FROM counter")
        assert cursor.fetchone() == (50, 50)
    mine.close()


def test_a_turn_that_does_not_come_is_a_busy_database(database: Path) -> None:
    mine = connections(database, 0.05)["default"]
    with mine.cursor() as cursor:
        cursor.execute("CREATE TABLE counter (value INTEGER)")
    with another_process(HOLDER, database) as holder:
        assert said(holder) == "mine"
        with pytest.raises(OperationalError, match="locked"):
            mine.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
        with pytest.raises(OperationalError, match="locked"), mine.cursor() as cursor:
            cursor.execute("INSERT INTO counter VALUES (1)")
        with mine.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM counter")  # reading waits for nobody
            assert cursor.fetchone() == (0,)
    mine.close()


@pytest.mark.parametrize("end", ["commit", "rollback", "close"])
def test_every_end_of_a_transaction_ends_the_turn(database: Path, end: str) -> None:
    mine = connections(database, LONG)["default"]
    mine.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
    assert not turns_of(database).take(0)
    getattr(mine, end)()
    assert turns_of(database).take(0)
    turns_of(database).give_back()
    mine.close()
