"""Chromium, and visitors in it. Without Chromium these tests are skipped aloud; with REQUIRE_BROWSER=1 they fail."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from playwright.sync_api import Browser, expect, sync_playwright

from tests import services
from tests.browser.visitor import DESK, Visitor

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
PATIENCE_MS = 30_000
Visit = Callable[..., Visitor]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One process runs them all: a second Chromium would only take the processor from the first."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser, once for all journeys."""
    found = services.chromium()
    if found is None:
        say = pytest.fail if os.environ.get("REQUIRE_BROWSER") == "1" else pytest.skip
        say("Chromium is missing: apt-get install chromium, or set CHROMIUM.")
    assert finders.find("hardcases/js/app.js"), "The scripts are not built: run npm ci and npm run build in hardcases/frontend."
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=found, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser, live_server: Any, transactional_db: None) -> Iterator[Visit]:
    """Open a window at the running server, signed in as a person if one is given."""
    opened = []

    def window(user: Any = None, **options: Any) -> Visitor:
        context = chromium.new_context(viewport=DESK, reduced_motion="reduce", **options)
        context.set_default_timeout(PATIENCE_MS)
        opened.append(context)
        visitor = Visitor(context, live_server.url)
        if user is not None:
            visitor.sign_in(user)
        return visitor

    expect.set_options(timeout=PATIENCE_MS)
    yield window
    for context in opened:
        context.close()
