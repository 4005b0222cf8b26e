"""Installations for the tests that hurt them: one is migrated and filled once, the others are copies of it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.disks import a_small_disk
from tests.faults.sites import Redis, Site, a_site, missing


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Migrated and filled, never run: 706 cases, two shards for each of two replicates."""
    with a_site(tmp_path_factory.mktemp("origin")) as made:
        made.fill(every=4)
        yield made


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """64 MB, empty."""
    with a_small_disk(tmp_path / "disk") as place:
        yield place


@pytest.fixture
def redis() -> Iterator[Redis]:
    """A private Redis."""
    if shutil.which("redis-server") is None:
        missing("redis-server")
    with Redis() as server:
        yield server


@pytest.fixture
def embedded(origin: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A copy without a broker."""
    with a_site(tmp_path_factory.mktemp("embedded"), origin=origin) as made:
        yield made


@pytest.fixture
def team(origin: Site, redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A copy that uses the private Redis."""
    with a_site(tmp_path_factory.mktemp("team"), origin=origin, redis_url=redis.url) as made:
        yield made
