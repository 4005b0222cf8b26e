"""What holds for every test: the network is shut but for loopback, an answer of 5xx fails the test that caused it, and both databases are served.

`TEST_ON=postgresql` runs the tests that touch rows on PostgreSQL; without it they run on SQLite.
"""

import ipaddress
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.handlers.base import BaseHandler
from django.db.backends.sqlite3.base import DatabaseOperations as SqliteOperations

from hardcases.projects.limits import Limiter

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright runs an event loop in the test's thread
ROOT = Path(__file__).parent
_connect = socket.socket.connect


def _only_loopback(self: socket.socket, address: Any) -> None:
    if self.family in {socket.AF_INET, socket.AF_INET6}:
        host = str(address[0])
        if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
            raise AssertionError(f"A test tried to reach {host}. Tests talk to this machine only.")
    _connect(self, address)


@pytest.fixture(autouse=True, scope="session")
def _shut_network() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", _only_loopback)
    yield
    patch.undo()


@pytest.fixture(autouse=True)
def _no_server_errors(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Any 5xx from our own code fails the test, unless it is marked `expects_5xx` (storage full, database busy)."""
    seen: list[str] = []
    answer = BaseHandler.get_response

    def watched(self: BaseHandler, http: Any) -> Any:
        response = answer(self, http)
        if response.status_code >= 500:
            seen.append(f"{response.status_code} {http.method} {http.get_full_path()}")
        return response

    monkeypatch.setattr(BaseHandler, "get_response", watched)
    yield
    if seen and not request.node.get_closest_marker("expects_5xx"):
        pytest.fail(f"answered with a server error: {seen}")


@pytest.fixture(autouse=True)
def _nobody_was_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits count by a project's primary key, which the next test's project may have again once this one is rolled back."""
    monkeypatch.setattr("hardcases.projects.doors.LIMITER", Limiter())


@pytest.fixture(autouse=True, scope="session")
def _flush_despite_guards() -> Iterator[None]:
    """Between transactional tests Django empties the tables with DELETE on SQLite, which the guards rightly refuse: they step aside and come back.

    PostgreSQL empties them with TRUNCATE, which fires no row triggers.
    """
    flush = SqliteOperations.execute_sql_flush

    def unguarded(self: SqliteOperations, statements: list[str]) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            guards = cursor.fetchall()
            for name, _ in guards:
                cursor.execute(f"DROP TRIGGER {name}")
        flush(self, statements)
        with self.connection.cursor() as cursor:
            for _, statement in guards:
                cursor.execute(statement)

    patch = pytest.MonkeyPatch()
    patch.setattr(SqliteOperations, "execute_sql_flush", unguarded)
    yield
    patch.undo()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "expects_5xx: the test provokes an answer of 503 or 507 on purpose")
    config.addinivalue_line("markers", "services: needs Redis and worker processes")
    config.addinivalue_line("markers", "browser: needs Chromium")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes longest starts first, so that no processor idles at the end. On PostgreSQL, run only what touches rows: the rest cannot come out differently."""
    long = [ROOT / name for name in ("browser", "faults", "evaluation")]
    items.sort(key=lambda item: next((place for place, folder in enumerate(long) if item.path.is_relative_to(folder)), len(long)))
    if os.environ.get("TEST_ON") != "postgresql":
        return
    touching = {"db", "transactional_db", "django_db_serialized_rollback", "live_server"}
    kept, dropped = [], []
    for item in items:
        marked = any(item.get_closest_marker(name) is not None for name in ("django_db", "services"))
        uses = marked or not touching.isdisjoint(getattr(item, "fixturenames", ()))
        (kept if uses else dropped).append(item)
    items[:] = kept
    if dropped:
        config.hook.pytest_deselected(items=dropped)
