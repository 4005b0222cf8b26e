"""Every direct dependency says its licence and reason; the locks carry a hash for everything and an address for nothing."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def direct():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = [
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ]
    return {normal(_NAME.match(requirement)[0]) for group in groups for requirement in group}


def documented():
    """Name → (licence, reason) of every row of the page's tables."""
    rows = re.findall(r"^\| ([\w.-]+) \| (.*?) \| (.*?) \|$", (ROOT / "docs" / "dependencies.md").read_text(), re.MULTILINE)
    return {normal(name): (licence.strip(), reason.strip()) for name, licence, reason in rows if name != "Package"}


def locked(lock):
    """Name → the text of its entry, hashes included."""
    text = "\n".join(line for line in lock.read_text().splitlines() if not line.lstrip().startswith("#"))
    entries = re.split(r"\n(?=\S)", text.strip())
    return {normal(_NAME.match(entry)[0]): entry for entry in entries}


def test_every_direct_dependency_has_its_line_and_every_line_a_dependency():
    assert direct() - set(documented()) == set()
    assert set(documented()) - direct() == {"uv", "onnx"}
    assert all(licence and reason for licence, reason in documented().values())


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
class LockTests:
    def test_every_entry_is_pinned_and_carries_hashes(self, lock):
        entries = locked(lock)
        assert entries
        for name, entry in entries.items():
            assert re.match(r"[\w.\[\],-]+==[^\s;]+", entry), f"{name} is not pinned"
            assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), f"{name} has no hash"

    def test_it_names_no_address(self, lock):
        text = lock.read_text()
        assert "://" not in text
        assert not re.search(r"^\s*(-i|-f|--index-url|--extra-index-url|--find-links|--trusted-host)\b", text, re.MULTILINE)


def test_the_locks_hold_every_direct_dependency():
    server, dev = (locked(ROOT / "requirements" / name) for name in ("server.txt", "dev.txt"))
    assert direct() - set(server) - set(dev) == set()
