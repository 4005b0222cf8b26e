"""Lawful erasure leaves a tombstone and nothing else: every column of every table and every stored file is searched."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command

from hardcases.audit.models import AuditEvent
from hardcases.blobs.store import get_store
from hardcases.cases import actions, jobs
from hardcases.cases.models import Case
from hardcases.errors import Invalid
from hardcases.labels.models import LabelRevision
from hardcases.projects.models import Project
from hardcases.web.models import IdempotencyReply
from tests.builders.cases import a_case, a_picture, a_record, a_text, report
from tests.builders.http import Api, problem
from tests.builders.labels import label
from tests.builders.people import a_project, actor

pytestmark = pytest.mark.django_db
SECRET = "zanzibar"


@pytest.fixture
def project() -> Project:
    return a_project()


def everything_in_the_database() -> str:
    rows: list[Any] = [list(model._default_manager.values()) for model in apps.get_models()]
    return json.dumps(rows, default=str)


def everything_in_the_store() -> bytes:
    return b"".join(path.read_bytes() for path in Path(get_store().backend.root).rglob("*") if path.is_file())  # type: ignore[attr-defined]


def erase(case: Case) -> Case:
    return actions.erase_case(actor=actor(case.project), case=case, reason="The patient asked for it.")


class ErasureTests:
    def test_nothing_that_was_said_remains(self, project: Project) -> None:
        said: dict[str, Any] = {
            "external_id": f"{SECRET}-1",
            "source": SECRET,
            "model": SECRET,
            "reason": SECRET,
            "attributes": {"site": SECRET, SECRET: SECRET},
            "prediction": {"refused": True, "message": SECRET},
            "correction": {"label": SECRET},
            "tags": [SECRET],
        }
        case = report(project, SECRET, **said).case
        report(project, SECRET, **(said | {"external_id": f"{SECRET}-2"}))
        label(case, "nodule", note=f"It was {SECRET}.")
        text = a_text(project, f"Patient {SECRET}", source=SECRET)
        record = a_record(project, {"name": SECRET})
        jobs.make_media(case.pk)
        case.refresh_from_db()
        files = {case.sha256, case.display_sha256, text.sha256, record.sha256}
        assert SECRET in everything_in_the_database()
        assert SECRET.encode() in everything_in_the_store()
        for one in (case, text, record):
            erase(one)
        assert SECRET not in everything_in_the_database()
        assert SECRET.encode() not in everything_in_the_store()
        assert not files & set(get_store().iter_digests())

    def test_stored_answers_forget_it_too_and_can_still_be_repeated(self, project: Project) -> None:
        api, other = Api(project), Api(a_project())
        misfit = {"input": {"text": "x"}, "external_id": f"{SECRET}-1", "attributes": {"age": SECRET}}
        for who in (api, other):
            who.headers["Idempotency-Key"] = "once"
            assert who.post("cases/", misfit).status_code == 201
        api.headers["Idempotency-Key"] = "batch"
        taken = json.dumps({"input": {"text": "y"}, "external_id": f"{SECRET}-1"}).encode()
        batch = {"data": taken, "content_type": "application/x-ndjson", "headers": api.headers}
        assert SECRET in api.client.post(api.url("cases/batch/"), **batch).content.decode()
        erase(Case.objects.get(project=project))
        replies = {reply.owner + reply.key: reply.body for reply in IdempotencyReply.objects.all()}
        assert sorted(SECRET in body for body in replies.values()) == [False, False, True]
        again = api.client.post(api.url("cases/batch/"), **batch)
        assert again["Idempotency-Replayed"] == "true"
        assert again.json()["results"][0]["status"] == 409

    def test_the_tombstone_keeps_number_digest_and_label(self, project: Project) -> None:
        case = a_case(project)
        label(case, "nodule", note="x")
        uid, digest = case.uid, case.sha256
        erased = erase(case)
        assert (erased.key, erased.uid, erased.sha256, erased.state) == ("XR-1", uid, digest, "erased")
        assert erased.attributes_salt is None
        assert LabelRevision.objects.get().label == {"label": "nodule"}
        event = AuditEvent.objects.get(action="case.erased")
        assert event.after == {"sha256": digest, "reason": "The patient asked for it."}

    def test_it_is_out_of_lists_and_refuses_what_follows(self, project: Project) -> None:
        erase(a_case(project))
        api = Api(project)
        assert api.get("cases/").json()["results"] == []
        assert api.get("cases/", q="state:erased").json()["results"][0]["state"] == "erased"
        assert api.get("cases/XR-1/").json()["attributes"] == {}
        problem(api.get("cases/XR-1/media/"), 404)
        problem(api.patch("cases/XR-1/", {"state": "accepted"}), 409)
        assert api.post("labels/", [{"case": "XR-1", "label": {"label": "nodule"}}]).json()["results"][0]["status"] == 409

    def test_the_same_content_is_not_stored_again(self, project: Project) -> None:
        erase(a_case(project))
        assert problem(Api(project).upload(a_picture("one"), {"source": SECRET}), 409)["key"] == "XR-1"
        assert SECRET not in everything_in_the_database()
        assert Case.objects.get().sha256 not in set(get_store().iter_digests())

    def test_a_file_that_another_project_uses_stays(self, project: Project) -> None:
        other = a_case(a_project())
        erase(a_case(project))
        assert get_store().read(other.sha256) == a_picture("one")

    def test_again_changes_nothing_and_removes_a_file_that_a_crash_left(self, project: Project) -> None:
        case = erase(a_case(project))
        get_store().put_bytes(a_picture("one"))
        erase(case)
        assert case.sha256 not in set(get_store().iter_digests())
        assert AuditEvent.objects.filter(action="case.erased").count() == 1

    def test_copies_made_meanwhile_do_not_outlive_it(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        case = a_case(project)
        before = set(get_store().iter_digests())
        made = jobs._copies

        def copies_while_erased(*given: Any) -> tuple[str, str]:
            copies = made(*given)
            erase(case)
            return copies

        monkeypatch.setattr(jobs, "_copies", copies_while_erased)
        jobs.make_media(case.pk)
        assert set(get_store().iter_digests()) == before - {case.sha256}

    def test_upper_rooms_take_part_before_the_case_is_blank(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[str] = []
        monkeypatch.setattr(actions, "ON_ERASE", [lambda _, case: seen.append(case.source)])
        erase(a_case(project, source="clinic-7"))
        assert seen == ["clinic-7"]

    def test_it_needs_a_reason(self, project: Project) -> None:
        case = a_case(project)
        with pytest.raises(Invalid):
            actions.erase_case(actor=actor(project), case=case, reason="  ")
        assert Case.objects.get().state == "inbox"

    def test_from_the_command_line(self, project: Project) -> None:
        a_case(project)
        out = io.StringIO()
        call_command("erase_case", project.slug, "XR-1", reason="asked", stdout=out)
        assert "XR-1 is erased" in out.getvalue()
        assert Case.objects.get().state == "erased"
        with pytest.raises(CommandError, match="There is no case of this key"):
            call_command("erase_case", project.slug, "XR-9", reason="asked")
