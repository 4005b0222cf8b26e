"""Large files in parts: announced, sent in any order and as often as the line breaks, compared as a whole, and then a case like any other."""

import base64
import errno
import hashlib
import os
import shutil
from collections import namedtuple
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from django.utils import timezone

from hardcases.audit.models import AuditEvent
from hardcases.blobs.store import get_store
from hardcases.cases.actions import erase_case
from hardcases.cases.models import Case, Sighting
from hardcases.projects.authentication import person
from hardcases.projects.models import Project
from hardcases.uploads import actions, jobs
from hardcases.uploads.access import upload_for
from hardcases.uploads.models import Upload
from hardcases.uploads.places import get_place
from hardcases.web.models import IdempotencyReply
from hardcases.work.models import Job
from hardcases.work.tasks import all_due
from tests.builders.cases import a_picture
from tests.builders.http import Api, problem
from tests.builders.people import a_project
from tests.builders.uploads import Sending, a_large_picture, sha

pytestmark = pytest.mark.django_db
LARGE = a_large_picture()
SAID = {"external_id": "req-9", "reason": "override", "attributes": {"site": "clinic-7", "colour": "red"}}
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def project() -> Project:
    return a_project()


@pytest.fixture
def api(project: Project) -> Api:
    return Api(project, "report")


def left_behind() -> list[str]:
    return [name for name, _ in get_place().known()]


@pytest.mark.usefixtures("place")
class WholeTests:
    def test_a_large_file_becomes_a_case_like_any_other(self, project: Project, api: Api) -> None:
        sending = Sending(api, LARGE, case=SAID)
        assert sending.announced.status_code == 201
        assert [part["number"] for part in sending.body["parts"]] == [1, 2, 3]
        assert sum(part["size"] for part in sending.body["parts"]) == len(LARGE)
        assert sending.body["received"] == []
        for number in (3, 1):
            assert sending.part(number).status_code == 204
        assert sending.received() == [1, 3]
        assert "missing: 2" in problem(sending.confirm(), 409)["detail"]
        sending.part(2)
        answer = sending.confirm()
        assert answer.status_code == 201
        body = answer.json()
        assert (body["key"], body["sha256"], body["duplicate"]) == ("XR-1", sha(LARGE), False)
        assert [entry["field"] for entry in body["quarantine"]] == ["attributes.colour"]
        assert answer["Location"] == body["url"]
        case = Case.objects.get()
        assert (case.file_name, case.reason, case.attributes) == ("scan.png", "override", {"site": "clinic-7"})
        assert get_store().read(case.stored_sha256) == LARGE
        assert AuditEvent.objects.filter(action="case.created", object_id="XR-1").count() == 1
        assert left_behind() == []
        assert not Upload.objects.exists()

    def test_confirming_twice_gives_the_same_answer(self, api: Api) -> None:
        sending = Sending(api, LARGE).all()
        first, second = sending.confirm(), sending.confirm()
        assert (first.status_code, first.content) == (second.status_code, second.content)
        assert second["Idempotency-Replayed"] == "true"
        assert Sighting.objects.count() == 1
        assert sending.state().status_code == 404

    def test_a_known_content_is_another_sighting(self, api: Api) -> None:
        assert Sending(api, LARGE).all().confirm().status_code == 201
        again = Sending(api, LARGE).all().confirm()
        assert (again.status_code, again.json()["sightings"]) == (200, 2)

    def test_another_file_than_announced_is_422_and_its_parts_are_dropped(self, api: Api) -> None:
        sending = Sending(api, LARGE).all()
        other = bytes([sending.piece(2)[0] ^ 1]) + sending.piece(2)[1:]
        assert sending.part(2, other).status_code == 204
        assert "as announced" in problem(sending.confirm(), 422)["detail"]
        assert sending.received() == []
        assert not Case.objects.exists()
        assert sending.all().confirm().status_code == 201

    def test_what_is_no_picture_is_refused_and_can_be_cancelled(self, api: Api) -> None:
        sending = Sending(api, b"no picture" * 600_000).all()
        problem(sending.confirm(), 415)
        assert not Case.objects.exists()
        assert sending.cancel().status_code == 204
        assert left_behind() == []
        problem(sending.state(), 404)
        problem(sending.confirm(), 404)

    def test_a_taken_external_id_is_409_as_elsewhere(self, api: Api) -> None:
        api.upload(a_picture(), {"external_id": "req-9"})
        sending = Sending(api, LARGE, case=SAID).all()
        assert problem(sending.confirm(), 409)["key"] == "XR-1"
        assert sending.received() == [1, 2, 3]

    def test_a_file_to_import_is_kept_until_it_is_read(self, project: Project) -> None:
        api = Api(project, "report", "curate")
        sending = Sending(api, LARGE, purpose="import", name="old.zip").all()
        assert [sending.confirm().json()["state"] for _ in range(2)] == ["finished", "finished"]
        problem(sending.part(1), 409)
        upload = Upload.objects.get()
        with actions.handed_over(upload) as file:
            assert file.read() == LARGE
        assert left_behind() == []
        assert not Upload.objects.exists()

    def test_abandoned_ones_go_after_a_day_and_not_before(self, project: Project, api: Api) -> None:
        kept, old = Sending(api, LARGE), Sending(api, LARGE)
        for sending in (kept, old):
            sending.part(1)
        Upload.objects.filter(pk=old.id).update(touched_at=timezone.now() - timedelta(hours=25))
        for due in all_due():
            due.task(**due.kwargs)
        problem(old.state(), 404)
        assert kept.received() == [1]

    def test_parts_without_a_row_go_after_a_day(self, api: Api, place: str) -> None:
        stray, kept = Sending(api, LARGE), Sending(api, LARGE)
        stray.part(1)
        kept.part(1)
        Upload.objects.filter(pk=stray.id).delete()
        job = Job(kind=jobs.UPKEEP, key="x")
        if place == "folder":
            assert jobs.forget_strays(job) == {"strays": 0}
            os.utime(get_place().root / stray.id.replace("-", ""), (1, 1))  # type: ignore[attr-defined]
        assert jobs.forget_strays(job) == {"strays": 1}  # the bucket of the tests dates everything back
        assert left_behind() == [kept.id.replace("-", "")]


@pytest.mark.usefixtures("place")
class PartTests:
    @pytest.mark.parametrize("change", [lambda piece: piece[:-1], lambda piece: piece + b"x", lambda piece: b""])
    def test_a_wrong_length_is_refused_and_changes_nothing(self, api: Api, change: Any) -> None:
        sending = Sending(api, LARGE)
        sending.part(1)
        assert sending.part(1, change(sending.piece(1))).status_code in {411, 422}
        assert sending.received() == [1]
        assert sending.all().confirm().status_code == 201

    def test_a_part_that_does_not_exist_is_refused(self, api: Api) -> None:
        sending = Sending(api, LARGE)
        for number in (0, 4, 10_000):
            assert "1 to 3" in problem(sending.part(number, b"x"), 422)["detail"]

    def test_a_digest_of_the_part_is_compared(self, api: Api) -> None:
        sending = Sending(api, LARGE)
        right = base64.b64encode(hashlib.sha256(sending.piece(1)).digest()).decode()
        wrong = base64.b64encode(hashlib.sha256(b"").digest()).decode()
        assert "damaged" in problem(sending.part(1, **{"Content-Digest": f"sha-256=:{wrong}:"}), 422)["detail"]
        problem(sending.part(1, **{"Content-Digest": "sha-256=:nonsense:"}), 400)
        assert sending.received() == []
        assert sending.part(1, **{"Content-Digest": f"md5=:x:, sha-256=:{right}:"}).status_code == 204

    def test_a_part_sent_twice_is_harmless(self, api: Api) -> None:
        sending = Sending(api, LARGE).all()
        assert sending.part(2).status_code == 204
        assert sending.all().confirm().status_code == 201

    @pytest.mark.expects_5xx
    def test_a_full_disk_is_507_and_changes_nothing(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        sending = Sending(api, LARGE)
        sending.part(1)
        with monkeypatch.context() as full:
            full.setattr(shutil, "disk_usage", lambda folder: Usage(10**12, 10**12, 0))
            problem(sending.part(2), 507)
            problem(Sending(api, b"x").announced, 507)
        assert sending.received() == [1]
        assert Upload.objects.count() == 1

    def test_strangers_find_nothing(self, project: Project, api: Api) -> None:
        sending = Sending(api, LARGE).all()
        for other in (Api(project, "report"), Api(a_project(), "report")):
            problem(sending.state(other), 404)
            problem(sending.part(1, api=other), 404)
            problem(sending.confirm(other), 404)
            problem(other.client.delete(other.url(f"uploads/{sending.id}/"), headers=other.headers), 404)
        problem(api.get(f"uploads/{uuid4()}/"), 404)
        assert sending.received() == [1, 2, 3]


class FolderTests:
    @pytest.mark.expects_5xx
    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
    def test_a_disk_that_fills_up_under_a_part_leaves_no_trace(
        self, folder: Path, api: Api, monkeypatch: pytest.MonkeyPatch, code: int
    ) -> None:
        sending = Sending(api, LARGE)
        sending.part(1)

        def full(descriptor: int) -> None:
            raise OSError(code, "full")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            problem(sending.part(2), 507)
        assert [path.name for path in (folder / "uploads").rglob("*") if path.is_file()] == ["part-00001"]
        assert sending.received() == [1]

    def test_parts_lie_in_private_folders_outside_of_the_blobs(self, folder: Path, api: Api) -> None:
        sending = Sending(api, LARGE)
        sending.part(1)
        (made,) = (folder / "uploads").iterdir()
        assert made.stat().st_mode & 0o077 == 0
        assert list(get_store().iter_digests()) == []

    def test_a_file_that_goes_while_it_is_read_is_404_and_not_a_fault(
        self, folder: Path, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sending = Sending(api, LARGE).all()
        whole = get_place().open

        def open_and_lose(upload: Upload) -> Any:
            opened = whole(upload)
            get_place().discard(upload)
            return opened

        monkeypatch.setattr(get_place(), "open", open_and_lose)
        problem(sending.confirm(), 404)

    def test_a_part_of_another_cut_does_not_count(self, folder: Path, api: Api) -> None:
        sending = Sending(api, LARGE)
        sending.part(1)
        (part,) = (folder / "uploads").rglob("part-*")
        part.write_bytes(b"half")
        assert sending.received() == []


class BucketTests:
    def test_parts_go_to_the_bucket_by_signed_addresses(self, bucket: Any, api: Api) -> None:
        sending = Sending(api, LARGE)
        for part in sending.body["parts"]:
            assert "X-Amz-Signature" in part["url"]
            assert "content-length" in part["url"]
            assert httpx.put(part["url"], content=sending.piece(part["number"])).status_code == 200
        assert sending.received() == [1, 2, 3]
        assert sending.confirm().status_code == 201
        assert get_store().read(sha(LARGE)) == LARGE

    def test_a_confirmation_cut_off_after_the_bucket_had_joined_the_parts_goes_on(self, bucket: Any, api: Api) -> None:
        sending = Sending(api, LARGE).all()
        get_place().open(Upload.objects.get()).close()
        assert sending.received() == [1, 2, 3]
        assert sending.confirm().status_code == 201
        assert left_behind() == []

    def test_a_file_that_goes_while_it_is_read_is_404_and_not_a_fault(self, bucket: Any, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        sending = Sending(api, LARGE).all()
        whole = get_place().open

        def open_and_lose(upload: Upload) -> Any:
            opened = whole(upload)
            get_place().discard(upload)
            return opened

        monkeypatch.setattr(get_place(), "open", open_and_lose)
        problem(sending.confirm(), 404)

    def test_a_part_of_another_length_in_the_bucket_does_not_count(self, bucket: Any, api: Api) -> None:
        sending = Sending(api, LARGE)
        httpx.put(sending.body["parts"][2]["url"], content=b"short")
        assert sending.received() == []


@pytest.mark.usefixtures("folder")
class AnnouncementTests:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"sha256": "x"}, {"size": 0}, {"size": "5"}, {"size": 1.5}, {"size": True}, {"name": 7}, {"purpose": "x"}, {"case": []},
            {"case": {"tags": "x"}}, {"colour": 1}, {"purpose": "import", "case": {"reason": "x"}},
        ],
    )  # fmt: skip
    def test_what_breaks_the_shape_is_refused(self, api: Api, wrong: dict[str, Any]) -> None:
        problem(api.post("uploads/", {"sha256": "0" * 64, "size": 5} | wrong), 422)
        assert not Upload.objects.exists()

    @pytest.mark.parametrize("body", ["[]", "7", "null", '"x"'])
    def test_what_is_no_object_is_refused(self, api: Api, body: str) -> None:
        problem(api.post("uploads/", body), 422)

    def test_limits_are_those_of_one_file(self, project: Project, api: Api) -> None:
        problem(api.post("uploads/", {"sha256": "0" * 64, "size": 64 * 1024 * 1024 + 1}), 413)
        curator = Api(project, "report", "curate")
        assert curator.post("uploads/", {"sha256": "0" * 64, "size": 2_000_000_000, "purpose": "import"}).status_code == 201
        problem(curator.post("uploads/", {"sha256": "0" * 64, "size": 2_000_000_001, "purpose": "import"}), 413)
        problem(api.post("uploads/", {"sha256": "0" * 64, "size": 5, "purpose": "import"}), 403)

    def test_announcing_again_with_the_same_key_is_the_same_upload(self, api: Api) -> None:
        first, again = Sending(api, LARGE, key="k"), Sending(api, LARGE, key="k")
        assert first.body == again.body
        assert Upload.objects.count() == 1
        problem(Sending(api, LARGE, key="k", name="other").announced, 422)

    def test_too_much_under_way_is_429_until_some_of_it_is_done(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(actions, "UNDER_WAY", 2 * len(LARGE))
        first = Sending(api, LARGE)
        Sending(api, LARGE)
        refused = Sending(api, LARGE)
        assert problem(refused.announced, 429)["detail"].startswith("With this file you have")
        assert refused.announced["Retry-After"] == "60"
        first.cancel()
        assert Sending(api, LARGE).announced.status_code == 201

    def test_the_project_has_a_quota_of_its_own(self, project: Project, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(actions, "MANY_IN_PROJECT", 1)
        Sending(api, LARGE)
        assert "this project has" in problem(Sending(Api(project, "report"), LARGE).announced, 429)["detail"]
        assert Sending(Api(a_project(), "report"), LARGE).announced.status_code == 201

    def test_somebody_who_works_at_it_keeps_it(self, project: Project, api: Api) -> None:
        sending = Sending(api, LARGE)
        Upload.objects.update(touched_at=timezone.now() - timedelta(hours=23))
        sending.part(1)
        assert Upload.objects.get().touched_at > timezone.now() - timedelta(minutes=1)

    def test_an_erasure_takes_values_out_of_the_stored_answer(self, project: Project, api: Api) -> None:
        Sending(api, LARGE, case=SAID).all().confirm()
        erase_case(actor=person(project.owner), case=Case.objects.get(), reason="asked for")
        assert "red" not in IdempotencyReply.objects.get(key__startswith="upload ").body

    def test_a_person_may_send_from_the_browser(self, project: Project) -> None:
        upload = actions.announce(
            actor=person(project.owner),
            project=project,
            announced=actions.Announced(sha256="0" * 64, size=5, name="", purpose="case", said={}),
        )
        assert upload_for(person(project.owner), project, upload.pk) == upload
