"""What was sent and not taken is kept for a while, in words from which the sender learns."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from hardcases.cases import refusals
from hardcases.cases.actions import erase_case
from hardcases.cases.models import Case, Refused
from hardcases.errors import Detail, Invalid
from hardcases.projects.authentication import person
from hardcases.projects.models import Project
from hardcases.work.models import Job
from hardcases.work.registry import JOB_HANDLERS
from tests.builders.cases import a_picture
from tests.builders.http import Api
from tests.builders.people import a_project
from tests.builders.uploads import Sending

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return a_project()


@pytest.fixture
def api(project: Project) -> Api:
    return Api(project, "report")


def sentences() -> list[str]:
    return list(Refused.objects.order_by("id").values_list("sentence", flat=True))


class TaughtTests:
    @pytest.mark.parametrize(
        ("body", "said"),
        [
            ({"tags": "night"}, '`tags`: Expected a list of items but got type "str". You sent the text “night”.'),
            ({"external_id": 7}, "`external_id`: This must be a string, in quotes. You sent the number 7."),
            ({"reason": ["x"]}, "`reason`: This must be a string, in quotes. You sent a list of 1."),
            ({"tags": ["a", None]}, "`tags.1`: This field may not be null. You sent null."),
            ({"colour": True}, "`colour`: This field is not known here; it may be misspelt. You sent true."),
        ],
    )  # fmt: skip
    def test_it_names_the_place_what_is_expected_and_what_was_there(self, api: Api, body: Any, said: str) -> None:
        assert api.post("cases/", body | {"input": {"text": "a"}}).status_code == 422
        assert sentences() == [said]

    def test_a_long_text_is_cut_and_control_characters_are_not_shown(self) -> None:
        refusal = Invalid("x", errors=[Detail(pointer="/a~1b/0", detail="No."), Detail(pointer="/c", detail="No.")])
        said = refusals.taught(refusal, {"a/b": ["x\x00" * 100]})
        assert said.startswith("`a/b.0`: No. You sent the text “x x x ")
        assert said.endswith("…”. And 1 more.")

    def test_what_is_set_aside_is_said_in_the_same_words(self, api: Api) -> None:
        api.upload(a_picture(), {"prediction": {"scores": {"nodule": "0,07"}}})
        (entry,) = Case.objects.get().quarantine
        assert refusals.set_aside(entry) == "`prediction.scores.nodule`: A score is a number. You sent the text “0,07”."


class KeptTests:
    def test_every_door_notes_what_it_refuses(self, api: Api) -> None:
        api.upload(b"no picture")
        api.upload(a_picture(), "{")
        api.upload(a_picture("a"), {"external_id": "one"})
        api.upload(a_picture("b"), {"external_id": "one"})
        api.batch([{"file": "a"}, {"file": "b"}, {"file": "a", "tags": 7}], {"a": a_picture("c"), "b": b"x"})
        Sending(api, b"no picture").all().confirm()
        assert list(Refused.objects.order_by("id").values_list("status", flat=True)) == [415, 400, 409, 415, 422, 415]
        row = Refused.objects.first()
        assert row is not None
        assert (row.token_id, row.request_id) != (None, "")

    def test_reading_other_projects_and_missing_rights_are_not_noted(self, project: Project) -> None:
        api = Api(project, "read")
        api.get("cases/", q="colour:red")
        api.upload(a_picture())
        Api(a_project(), token=api.headers["Authorization"].split()[1]).upload(b"x")
        assert not Refused.objects.exists()

    def test_a_repeated_answer_of_a_batch_is_not_noted_again(self, api: Api) -> None:
        for _ in range(2):
            api.batch([{"file": "a"}], {"a": b"x"}, key="k")
        assert Refused.objects.count() == 1

    def test_the_newest_200_of_a_project_are_kept(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(refusals, "KEPT", 5)
        other = Api(a_project())
        other.upload(b"x")
        api = Api(project)
        for number in range(8):
            api.upload(a_picture(), {f"field{number}": 1})
        kept = Refused.objects.filter(project=project).order_by("id").values_list("sentence", flat=True)
        assert [sentence.split("`")[1] for sentence in kept] == [f"field{number}" for number in range(3, 8)]
        assert Refused.objects.filter(project=other.project).count() == 1

    def test_they_go_after_two_weeks(self, api: Api) -> None:
        api.upload(b"x")
        api.upload(b"y")
        Refused.objects.filter(pk=Refused.objects.earliest("id").pk).update(at=timezone.now() - timedelta(days=15))
        assert JOB_HANDLERS["cases.upkeep"](Job(kind="cases.upkeep", key="x")) == {"refused": 1}
        assert Refused.objects.count() == 1

    def test_an_erasure_takes_what_names_the_case_along(self, project: Project, api: Api) -> None:
        api.upload(a_picture("a"), {"external_id": "Jane"})
        api.upload(a_picture("b"), {"external_id": "Jane"})
        assert "Jane" in sentences()[0]
        erase_case(actor=person(project.owner), case=Case.objects.get(), reason="asked for")
        assert sentences() == []

    def test_a_note_that_cannot_be_written_changes_no_answer(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        def away(*_: Any, **__: Any) -> None:
            raise OperationalError("away")

        monkeypatch.setattr(Refused.objects, "bulk_create", away)
        assert api.upload(b"x").status_code == 415
