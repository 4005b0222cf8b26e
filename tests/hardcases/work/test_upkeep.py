"""The daily tidying deletes what nobody needs and nothing else."""

import hashlib
import os
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import LazySettings, settings
from django.utils import timezone

from hardcases.blobs.backends import relative_name
from hardcases.blobs.store import get_store
from hardcases.web.models import IdempotencyReply
from hardcases.work import jobs, upkeep
from hardcases.work.actions import enqueue
from hardcases.work.models import Job, OutboxEvent
from tests.builders import people
from tests.builders.cases import a_case

pytestmark = pytest.mark.django_db
LONG_AGO = timezone.now() - timedelta(days=31)


def tidied() -> dict[str, int]:
    job = enqueue(kind=upkeep.UPKEEP, key=uuid4().hex)
    assert jobs.run_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == "done", job.failure
    assert job.result is not None
    return job.result


def blob(content: bytes, *, age: timedelta) -> Path:
    path = Path(settings.DATA_DIR) / "blobs" / relative_name(get_store().put_bytes(content))
    moment = (timezone.now() - age).timestamp()
    os.utime(path, (moment, moment))
    return path


def event(state: str, delivered: bool) -> OutboxEvent:
    return OutboxEvent.objects.create(
        project_id=1, kind="run.finished", body={}, state=state, created_at=LONG_AGO, delivered_at=LONG_AGO if delivered else None
    )


def test_old_orphans_go_and_new_ones_stay() -> None:
    old, new = blob(b"old orphan", age=timedelta(hours=25)), blob(b"new orphan", age=timedelta(hours=23))
    assert tidied()["blobs"] >= 1
    assert not old.exists()
    assert new.exists()


def test_what_a_row_holds_stays_however_old() -> None:
    case = a_case(people.a_project())
    held = Path(settings.DATA_DIR) / "blobs" / relative_name(case.stored_sha256)
    os.utime(held, (0, 0))
    tidied()
    assert held.exists()


def test_a_file_sent_again_while_the_sweep_looks_stays(tmp_path: Path) -> None:
    content = b"came back at the last moment"
    path = blob(content, age=timedelta(hours=25))
    horizon = timezone.now() - upkeep.KEEP_UNNAMED
    get_store().put_bytes(content)
    assert not get_store().delete_untouched(hashlib.sha256(content).hexdigest(), since=horizon)
    assert path.read_bytes() == content
    assert not list(path.parents[2].glob("sweeping-*"))


def test_delivered_events_go_and_undelivered_ones_never() -> None:
    delivered, waiting, failed = event("done", True), event("queued", False), event("failed", False)
    assert tidied()["events"] == 1
    assert set(OutboxEvent.objects.values_list("pk", flat=True)) == {waiting.pk, failed.pk}
    assert delivered.pk not in OutboxEvent.objects.values_list("pk", flat=True)


def test_old_replies_and_temp_files_go(settings: LazySettings) -> None:
    reply = IdempotencyReply.objects.create(owner="user:1", key="old", request_hash="0" * 64, status=201)
    kept = IdempotencyReply.objects.create(owner="user:1", key="new", request_hash="0" * 64, status=201)
    IdempotencyReply.objects.filter(pk=reply.pk).update(created_at=LONG_AGO)
    left = Path(settings.FILE_UPLOAD_TEMP_DIR) / "left.upload"
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    found = tidied()
    assert (found["replies"], found["temp_files"]) == (1, 1)
    assert not left.exists()
    assert list(IdempotencyReply.objects.all()) == [kept]


def test_one_job_a_day() -> None:
    assert list(upkeep.upkeep_of_the_day()) == []
    upkeep.upkeep_of_the_day()
    assert Job.objects.filter(kind=upkeep.UPKEEP).count() == 1
