"""The worker's part: copies that people see, given up with a sentence where they cannot be made; snoozed cases come back."""

import hashlib
import io
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.db.models.functions import Now
from PIL import Image

from hardcases.audit.models import AuditEvent
from hardcases.blobs.store import BlobStore, get_store
from hardcases.cases import jobs
from hardcases.cases.models import Case
from hardcases.errors import StorageFull
from hardcases.imaging import pictures
from hardcases.work.tasks import all_due
from tests.builders.cases import a_case, a_picture, a_text, report
from tests.builders.http import Api, problem
from tests.builders.people import a_project

PATIENCE = 120  # only against hanging: a busy machine takes long to start a worker


def do_what_is_due() -> None:
    for due in all_due():
        due.task.apply(kwargs=due.kwargs, throw=True)


def busy_at_each(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures are claimed when each is begun."""
    held: list[int] = []
    monkeypatch.setattr(jobs, "point", lambda _: held.append(Case.objects.filter(media_busy_until__isnull=False).count()))
    return held


@pytest.mark.django_db
class MediaTests:
    def test_the_sweeper_alone_makes_the_copies(self) -> None:
        case = a_case(a_project())
        do_what_is_due()
        case.refresh_from_db()
        assert case.media_state == "ready"
        assert not jobs.media_due()

    def test_people_see_a_copy_without_what_the_file_carried(self) -> None:
        exif = Image.Exif()
        exif[0x010E] = "Patient Jane Roe"
        project = a_project()
        case = report(project, content=a_picture(size=(600, 300), kind="JPEG", exif=exif)).case
        api = Api(project)
        problem(api.get("cases/XR-1/media/"), 409)
        jobs.make_media(case.pk)
        for version, size in (("display", (600, 300)), ("thumbnail", (256, 128))):
            answer = api.get("cases/XR-1/media/", **{"as": version})
            data = b"".join(answer.streaming_content)
            assert Image.open(io.BytesIO(data)).size == size
            assert b"Jane" not in data
            assert answer["Content-Disposition"].startswith("inline")

    def test_the_original_needs_its_own_right(self) -> None:
        project = a_project()
        a_case(project)
        project.memberships.update(role="viewer")
        problem(Api(project).get("cases/XR-1/media/", **{"as": "original"}), 403)

    def test_a_text_is_its_own_display(self) -> None:
        project = a_project()
        a_text(project, "Größe")
        answer = Api(project).get("cases/XR-1/media/")
        assert b"".join(answer.streaming_content) == "Größe".encode()
        assert answer["Content-Disposition"].startswith("attachment")

    def test_twice_does_no_harm(self) -> None:
        case = a_case(a_project())
        assert jobs.make_media(case.pk)
        assert not jobs.make_media(case.pk)
        assert not jobs.make_media(case.pk + 1)

    def test_a_small_picture_has_one_copy_for_both(self) -> None:
        small, large = (report(a_project(), content=a_picture(size=size)).case for size in ((200, 256), (300, 257)))
        assert jobs.make_media(small.pk, large.pk) == 2
        for case in (small, large):
            case.refresh_from_db()
        assert small.thumbnail_sha256 == small.display_sha256
        assert large.thumbnail_sha256 != large.display_sha256

    @pytest.mark.parametrize("loss", ["missing", "cut off"])
    def test_a_copy_that_a_power_cut_took_is_made_again(self, loss: str) -> None:
        project = a_project()
        case = report(project, content=a_picture(kind="JPEG")).case
        jobs.make_media(case.pk)
        case.refresh_from_db()
        before = case.display_sha256
        store = get_store()
        if loss == "missing":
            store.delete(before)
        else:
            with store.open(before) as file:
                Path(file.name).write_bytes(b"")
        problem(Api(project).get("cases/XR-1/media/"), 409)
        do_what_is_due()
        answer = Api(project).get("cases/XR-1/media/")
        assert hashlib.sha256(b"".join(answer.streaming_content)).hexdigest() == before

    def test_missing_bytes_become_a_sentence_on_the_case(self) -> None:
        project = a_project()
        case = a_case(project)
        get_store().delete(case.sha256)
        jobs.make_media(case.pk)
        case.refresh_from_db()
        assert case.media_state == "failed"
        assert case.media_failure.endswith(".")
        problem(Api(project).get("cases/XR-1/media/"), 404)
        assert Api(project).get("cases/").status_code == 200

    def test_a_picture_that_stops_its_worker_is_given_up(self) -> None:
        case = a_case(a_project())
        Case.objects.filter(pk=case.pk).update(media_attempt=3)
        jobs.make_media(case.pk)
        case.refresh_from_db()
        assert (case.media_state, case.media_failure) == ("failed", jobs.STOPPED_WORKERS)

    def test_what_a_worker_was_stopped_at_is_claimed_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        project = a_project()
        cases = [a_case(project, content=a_picture(size=(side, 20))) for side in (20, 30, 40)]
        Case.objects.update(media_attempt=1)  # as a worker leaves them that was killed while it held them
        held = busy_at_each(monkeypatch)
        assert jobs.make_media(*(case.pk for case in cases)) == 3
        assert held == [1, 1, 1]

    @pytest.mark.parametrize(("error", "tries"), [(ValueError("a decoder's"), 1), (StorageFull("There is no room."), 0)])
    def test_what_was_made_before_a_failure_is_kept_and_what_comes_after_is_given_back(
        self, monkeypatch: pytest.MonkeyPatch, error: Exception, tries: int
    ) -> None:
        project = a_project()
        cases = [a_case(project, content=a_picture(size=(side, 20))) for side in (20, 30, 40)]

        def failing(original: bytes) -> tuple[pictures.Picture, pictures.Picture]:
            if Image.open(io.BytesIO(original)).width == 30:
                raise error
            return copies(original)

        copies = pictures.copies
        monkeypatch.setattr(pictures, "copies", failing)
        with pytest.raises(type(error)):
            jobs.make_media(*(case.pk for case in cases))
        states = [(case.media_state, case.media_attempt, case.media_busy_until is None) for case in Case.objects.order_by("pk")]
        assert states == [("ready", 1, True), ("pending", tries, False), ("pending", 0, True)]

    def test_pictures_for_which_the_lease_may_not_last_are_given_back_and_claimed_anew(self, monkeypatch: pytest.MonkeyPatch) -> None:
        project = a_project()
        cases = [a_case(project, content=a_picture(size=(side, 20))) for side in (20, 30, 40)]
        times = iter(range(0, 10_000, settings.LEASE_SECONDS))
        monkeypatch.setattr(jobs, "monotonic", lambda: next(times))
        held = busy_at_each(monkeypatch)
        assert jobs.make_media(*(case.pk for case in cases)) == 3
        assert held == [3, 2, 1]
        assert set(Case.objects.values_list("media_state", "media_attempt")) == {("ready", 1)}

    def test_pictures_are_claimed_together_until_they_are_too_large(self, monkeypatch: pytest.MonkeyPatch) -> None:
        project = a_project()
        cases = [a_case(project, content=a_picture(size=(side, 20))) for side in (20, 30, 40)]
        monkeypatch.setattr(jobs, "PIXELS_HELD", 20 * 50)
        held = busy_at_each(monkeypatch)
        assert jobs.make_media(*(case.pk for case in cases)) == 3
        assert held == [2, 2, 1]
        assert set(Case.objects.values_list("media_state", "media_attempt", "media_busy_until")) == {("ready", 1, None)}

    @pytest.mark.parametrize("known", [False, True], ids=["made now", "there before"])
    def test_a_copy_of_a_case_that_went_meanwhile_is_forgotten_unless_it_was_there_before(
        self, monkeypatch: pytest.MonkeyPatch, known: bool
    ) -> None:
        project, contents = a_project(), [a_picture(size=(side, 20), kind="JPEG") for side in (20, 30)]
        gone, kept = (a_case(project, content=content) for content in contents)
        if known:  # as the file of an upload whose row is about to follow
            get_store().put_bytes(pictures.copies(contents[0])[0].data)

        def watched(store: BlobStore, case: Case) -> jobs.Made:
            made.append(real(store, case))
            Case.objects.filter(pk=gone.pk).update(media_state="failed")  # as a part of an erasure
            return made[-1]

        real, made = jobs._copies, list[jobs.Made]()
        monkeypatch.setattr(jobs, "_copies", watched)
        assert jobs.make_media(gone.pk, kept.pk) == 2
        assert [get_store().exists(str(item.display)) for item in made] == [known, True]
        kept.refresh_from_db()
        assert (kept.media_state, kept.display_sha256) == ("ready", made[1].display)

    def test_a_copy_that_another_worker_made_meanwhile_is_left_to_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        case = a_case(a_project(), content=a_picture(kind="JPEG"))

        def overtaken(store: BlobStore, case: Case) -> jobs.Made:
            made = real(store, case)
            Case.objects.filter(pk=case.pk).update(media_attempt=2)  # our lease was over
            store.put_derived(store.read(str(made.display)))  # and the other has made the same copy, but not written down
            return made

        real = jobs._copies
        monkeypatch.setattr(jobs, "_copies", overtaken)
        jobs.make_media(case.pk)
        monkeypatch.undo()
        assert get_store().exists(hashlib.sha256(pictures.copies(get_store().read(case.sha256))[0].data).hexdigest())

    def test_two_workers_do_not_make_the_same_copies(self) -> None:
        case = a_case(a_project())
        Case.objects.filter(pk=case.pk).update(media_busy_until=Now() + timedelta(minutes=1))
        assert not jobs.media_due()
        assert not jobs.make_media(case.pk)


def address_of_the_database() -> str:
    """The test database, as a worker process is told of it."""
    said = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{said['NAME']}"
    return f"postgres://{said['USER']}:{said['PASSWORD']}@{said['HOST']}:{said['PORT']}/{said['NAME']}"


@pytest.mark.django_db(transaction=True)
def test_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    case = a_case(a_project())
    flag = tmp_path / "reached"
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "hardcases.config.settings",
        "HARDCASES_DATA_DIR": str(settings.DATA_DIR),
        "DATABASE_URL": address_of_the_database(),
        "HARDCASES_PAUSE_AT": f"cases.media.claimed:{flag}",
    }
    worker = subprocess.Popen([sys.executable, settings.BASE_DIR / "manage.py", "work"], env=environment)
    try:
        deadline = time.monotonic() + PATIENCE
        while not flag.exists():
            assert worker.poll() is None, "the worker ended before it reached the point"
            assert time.monotonic() < deadline, "the worker did not reach the point"
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait(PATIENCE)
    case.refresh_from_db()
    assert (case.media_state, case.media_attempt) == ("pending", 1)
    Case.objects.filter(pk=case.pk).update(media_busy_until=Now() - timedelta(seconds=1))
    do_what_is_due()
    case.refresh_from_db()
    assert (case.media_state, case.media_attempt) == ("ready", 2)


@pytest.mark.django_db
class SnoozeTests:
    def test_a_snoozed_case_comes_back_when_its_time_has_come(self) -> None:
        project = a_project()
        early, late = a_text(project, "a"), a_text(project, "b")
        for case, days in ((early, -1), (late, 1)):
            Case.objects.filter(pk=case.pk).update(state="snoozed", snoozed_until=Now() + timedelta(days=days))
        do_what_is_due()
        assert list(Case.objects.order_by("pk").values_list("state", flat=True)) == ["inbox", "snoozed"]
        event = AuditEvent.objects.get(action="case.woken")
        assert (event.object_id, event.actor_kind) == ("XR-1", "system")
