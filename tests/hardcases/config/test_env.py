"""Settings: what the environment says is checked before anything starts, and each refusal is a sentence with a cure."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from hardcases.config import env

ROOT = Path(__file__).resolve().parents[3]


def _start(tmp_path: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HARDCASES_DATA_DIR": str(tmp_path / "data"), **settings}
    return subprocess.run([sys.executable, "manage.py", "check"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("HARDCASES_DATADIR", "/tmp", "is not a setting of Hardcases"),
        ("SECRET_KEY", "changeme", "is a placeholder or shorter"),
        ("HARDCASES_BIND", "8000", "is not host:port"),
        ("DATABASE_URL", "mysql://u@h/d", "must name PostgreSQL"),
        ("HARDCASES_LEASE_SECONDS", "soon", "is not a number of seconds"),
        ("HARDCASES_PUBLIC_URL", "ftp://x", "is not an address"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_a_sentence(tmp_path: Path, name: str, value: str, words: str) -> None:
    answer = _start(tmp_path, **{name: value})
    assert answer.returncode != 0
    assert words in answer.stderr


def test_debug_is_refused_where_others_can_reach_the_server(tmp_path: Path) -> None:
    answer = _start(tmp_path, HARDCASES_DEBUG="1", HARDCASES_BIND="0.0.0.0:8000")
    assert answer.returncode != 0
    assert "HARDCASES_DEBUG shows internals" in answer.stderr


def test_the_clients_settings_are_ignored(tmp_path: Path) -> None:
    assert _start(tmp_path, HARDCASES_URL="http://x", HARDCASES_TOKEN="hc_x", HARDCASES_PROJECT="p").returncode == 0


def test_a_data_directory_that_others_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o755)
    (tmp_path / "data").chmod(0o755)
    with pytest.raises(ImproperlyConfigured, match="chmod 700"):
        env.data_dir({"HARDCASES_DATA_DIR": str(tmp_path / "data")})


def test_the_secret_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    first = env.secret_key({}, tmp_path)
    assert len(first) >= env.MINIMUM_KEY_LENGTH
    assert env.secret_key({}, tmp_path) == first
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600
