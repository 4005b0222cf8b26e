"""Backup, restore into an empty installation, verify; and the ledger says that nothing differs."""

import json
import shutil
from pathlib import Path

import pytest

from tests.faults.sites import Site, a_site

pytestmark = [pytest.mark.services]


def ledger(site: Site) -> list[str]:
    return site.manage("export_ledger").stdout.splitlines()


def test_restored_installation_is_the_same_and_verifies(origin: Site, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    origin.manage("backup", str(folder))
    with a_site(tmp_path / "new") as new:
        new.manage("restore", str(folder))
        assert "as they were stored" in new.manage("verify").stdout
        assert "intact" in new.manage("audit", "verify").stdout
        before = ledger(origin)
        assert ledger(new) == before
        kinds = {json.loads(line)["kind"] for line in before}
        assert kinds >= {"case", "label", "version", "member", "audit"}
        again = new.manage("restore", str(folder), check=False)
        assert again.returncode != 0
        assert "not empty" in again.stderr
        refused = new.run(
            "-c",
            "import django; django.setup(); from hardcases.testsets.models import Version; Version.objects.update(cases=0)",
            check=False,
        )
        assert refused.returncode != 0, "the guards were lost on the way"


def test_a_damaged_or_unfinished_backup_is_refused(origin: Site, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    origin.manage("backup", str(folder), "--link")
    blob = next((folder / "blobs").glob("*/*/*"))
    content = blob.read_bytes()
    blob.unlink()
    blob.write_bytes(content[:-1] + b"x")
    with a_site(tmp_path / "new") as new:
        damaged = new.manage("restore", str(folder), check=False)
        assert damaged.returncode != 0
        assert "damaged" in damaged.stderr
        assert new.value("SELECT count(*) FROM hardcases_case") == 0
        (folder / "backup.json").unlink()
        unfinished = new.manage("restore", str(folder), check=False)
        assert unfinished.returncode != 0
        assert "no finished backup" in unfinished.stderr
    shutil.rmtree(folder)
