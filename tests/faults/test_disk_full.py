"""A full disk: a clear answer, and nothing changed."""

import json
import os
from pathlib import Path

import pytest

from tests.builders.cases import a_picture
from tests.faults.disks import fill
from tests.faults.sites import Site, a_site

pytestmark = [pytest.mark.services]


def held(site: Site) -> set[object]:
    """Rows and files that an upload makes."""
    tables = ("hardcases_case", "hardcases_sighting", "hardcases_auditevent", "hardcases_idempotencyreply")
    files = {str(path) for folder in ("blobs", "incoming") for path in (site.folder / folder).rglob("*") if path.is_file()}
    return {*files, *((table, site.value(f"SELECT count(*) FROM {table}")) for table in tables)}


def test_uploads_are_refused_with_507_and_nothing_changes(origin: Site, small_disk: Path) -> None:
    big = a_picture("large", size=(1200, 1200), kind="BMP")  # 4 MB
    with a_site(small_disk / "data", origin=origin) as site:
        web = site.web()
        assert site.call("POST", "cases/", files={"file": ("small.png", a_picture("small"))}).status_code == 201
        before = held(site)
        for leave in (2_000_000, 100_000, 0):
            ballast = fill(small_disk, leave)
            for name, content in (("big", big), ("small", a_picture("another"))):
                answer = site.call(
                    "POST", "cases/", files={"file": (f"{name}.bmp", content)}, headers={"Idempotency-Key": f"{name}{leave}"}
                )
                # without a single byte SQLite itself may be unable to open its files, which is a 503
                assert answer.status_code in ({507} if leave else {503, 507}), (leave, name, answer.text, web.said()[-3000:])
                assert answer.headers["Content-Type"].startswith("application/problem+json")
                assert "Nothing was stored" in answer.json()["detail"]
            many = {"cases": (None, json.dumps([{"file": "a"}])), "a": ("a.bmp", big)}
            assert site.call("POST", "cases/batch/", files=many).status_code in {207, 503, 507}
            ballast.unlink()
            assert held(site) ^ before == set()
        assert site.call("POST", "cases/", files={"file": ("big.bmp", big)}).status_code == 201


def test_a_database_without_room_answers_and_changes_nothing(origin: Site, small_disk: Path) -> None:
    if os.environ.get("TEST_ON") == "postgresql":
        pytest.skip("The database of this run lies elsewhere.")
    with a_site(small_disk / "data", origin=origin) as site:
        web = site.web()
        key = site.call("POST", "cases/", files={"file": ("one.png", a_picture("one"))}).json()["key"]
        before = held(site)
        ballast = fill(small_disk, 0)
        answers = [site.call("PATCH", f"cases/{key}/", json={"state": "declined", "decline_reason": "test_upload"}) for _ in range(3)]
        assert {answer.status_code for answer in answers} <= {503, 507}, (answers[0].text, web.said()[-3000:])
        ballast.unlink()
        assert site.call("GET", f"cases/{key}/").json()["state"] == "inbox"
        assert held(site) ^ before == set()
        assert site.call("PATCH", f"cases/{key}/", json={"state": "accepted"}).status_code == 200
