"""A database that is not there: the process lives, says so, and answers nothing with a 500."""

from pathlib import Path

import httpx
import pytest

from tests import services
from tests.faults.sites import Site

pytestmark = [pytest.mark.services]


def test_health_and_api_without_a_database(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir(mode=0o700)
    site = Site(folder, f"postgres://nobody@127.0.0.1:{services.free_port()}/none")
    try:
        site.web()
        ready = httpx.get(f"{site.base}/readyz", timeout=60)
        assert ready.status_code == 503
        assert ready.json()["checks"]["database"].startswith("away")
        assert "hardcases_database_up 0.0" in httpx.get(f"{site.base}/metrics", timeout=60).text
        refused = httpx.get(f"{site.base}/api/v1/projects/x/cases/", headers={"Authorization": "Bearer hc_x"}, timeout=60)
        assert refused.status_code in {401, 503}
        assert refused.headers["Content-Type"].startswith("application/problem+json")
    finally:
        site.close()
