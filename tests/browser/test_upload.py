"""Five minutes to the first case: what the page shows is run as it stands."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from hardcases.cases.models import Case
from tests.browser.conftest import Visit
from tests.builders import cases, people


def test_the_command_shown_sends_a_case_and_the_page_says_so(visit: Visit, tmp_path: Path, settings: Any, live_server: Any) -> None:
    settings.PUBLIC_URL = live_server.url
    if shutil.which("curl") is None:
        pytest.skip("curl is missing: apt-get install curl.")
    project = people.a_project()
    visitor = visit(project.owner)
    page = visitor.open(project, "upload/")
    page.get_by_label("Name").fill("Reading room")
    page.get_by_role("button", name="Create token").click()
    expect(page.get_by_role("heading", name="Your new token")).to_be_visible()
    expect(page.get_by_text("Waiting for your first case")).to_be_visible()
    visitor.look()
    command = page.locator("#snippet-curl").inner_text()
    (tmp_path / "picture.png").write_bytes(cases.a_picture())
    sent = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert sent.returncode == 0, sent.stderr
    case = Case.objects.get(project=project)
    assert case.key in sent.stdout
    assert not case.quarantine
    expect(page.get_by_text(f"Received {case.key}")).to_be_visible()
    visitor.look()
