"""What `manage.py check` says about settings that would hurt later."""

from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import connection

from hardcases import checks

pytestmark = pytest.mark.django_db


def found(**options: Any) -> dict[str, str]:
    """id → sentence of ours."""
    messages = run_checks(databases=["default"], **options)
    assert all(message.hint for message in messages if str(message.id).startswith("hardcases."))
    return {str(message.id): str(message.msg) for message in messages if str(message.id).startswith("hardcases.")}


def test_a_sound_installation_has_nothing_to_say() -> None:
    assert found() == {}


def test_a_bucket_without_credentials(settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*checks.S3_KEYS, *checks.S3_OTHERWISE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    settings.S3_BUCKET = "cases"
    assert checks.S3_CREDENTIALS in found()
    for name in checks.S3_KEYS:
        monkeypatch.setenv(name, "x")
    assert checks.S3_CREDENTIALS not in found()


def test_redis_away_is_only_a_warning(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    said = found()
    assert checks.REDIS_AWAY in said
    assert not [name for name in said if ".E" in name]


def test_a_data_directory_that_cannot_be_written(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path / "absent"
    assert checks.WRITABLE in found()


def test_a_missing_guard_is_named() -> None:
    with connection.cursor() as cursor:
        on = "" if connection.vendor == "sqlite" else " ON hardcases_auditevent"
        cursor.execute(f"DROP TRIGGER hardcases_auditevent_no_update{on}")
    assert "hardcases_auditevent_no_update" in found()[checks.GUARDS_MISSING]


def test_debug_and_short_leases_before_a_deployment(settings: Any) -> None:
    settings.DEBUG = True
    assert {checks.DEBUG_ON, checks.SHORT_LEASE} <= found(include_deployment_checks=True).keys()
