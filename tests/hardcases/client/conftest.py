"""What the tests of the reporter share."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hardcases.client import Reporter
from tests.builders.reporting import PROJECT, TOKEN, URL, Clock, Server


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(server: Server, clock: Clock, tmp_path: Path) -> Iterator[Callable[..., Reporter]]:
    made: list[Reporter] = []

    def one(**options: Any) -> Reporter:
        given = {"spool": tmp_path / "spool", "http_transport": server, "clock": clock, "threads": False} | options
        made.append(Reporter(URL, TOKEN, PROJECT, **given))
        return made[-1]

    yield one
    for each in made:
        each.close()
