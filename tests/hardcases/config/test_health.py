"""What the load balancer and the monitoring see."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client

from hardcases.models import Job
from tests.builders.people import a_person

pytestmark = pytest.mark.django_db


def test_a_healthy_installation_is_ready(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ok")


@pytest.mark.expects_5xx
def test_a_missing_guard_is_not_ready(client: Client) -> None:
    with connection.cursor() as cursor:
        on = "" if connection.vendor == "sqlite" else " ON hardcases_auditevent"
        cursor.execute(f"DROP TRIGGER hardcases_auditevent_no_update{on}")
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert "hardcases_auditevent_no_update" in ready.json()["checks"]["database"]


@pytest.mark.expects_5xx
def test_storage_that_takes_nothing_is_not_ready(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hardcases.config.health.get_store", full)
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]["storage"]) == (503, "away (OSError)")


def test_redis_that_is_away_only_degrades(client: Client, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")


def test_metrics_tell_how_far_work_is_behind(client: Client) -> None:
    Job.objects.create(kind="x", key="1", attempt=3)
    body = client.get("/metrics").content.decode()
    assert "hardcases_jobs_open 1.0" in body
    assert 'hardcases_lease_takeovers{of="jobs"} 2.0' in body
    assert "hardcases_database_up 1.0" in body
    assert "hardcases_audit_seal_lag_seconds" in body
    assert "django_http_responses_total_by_status" in body


@pytest.mark.parametrize(
    ("address", "headers", "trusted", "status"),
    [
        ("127.0.0.1", {}, [], 200),
        ("::1", {}, [], 200),
        ("10.0.0.9", {}, [], 403),
        ("127.0.0.1", {"X-Forwarded-For": "10.0.0.9"}, [], 403),
        ("127.0.0.1", {"X-Forwarded-For": "10.0.0.9"}, ["127.0.0.1"], 403),
        ("10.0.0.9", {"X-Forwarded-For": "127.0.0.1"}, [], 403),
    ],
)
def test_metrics_are_for_this_machine_and_staff(
    client: Client, settings: Any, address: str, headers: dict[str, str], trusted: list[str], status: int
) -> None:
    settings.TRUSTED_PROXIES = trusted
    assert client.get("/metrics", REMOTE_ADDR=address, headers=headers).status_code == status
    staff = a_person()
    client.force_login(staff)
    assert client.get("/metrics", REMOTE_ADDR="10.0.0.9").status_code == 403
    staff.is_staff = True
    staff.save()
    assert client.get("/metrics", REMOTE_ADDR="10.0.0.9").status_code == 200
