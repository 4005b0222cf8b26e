"""One change to everything that a search finds, done in the background, and taken back as far as nobody touched it since."""

from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.utils import timezone

from hardcases.audit.models import AuditEvent
from hardcases.cases import actions, bulk_jobs
from hardcases.cases.actions import Decision
from hardcases.cases.bulk import Change
from hardcases.cases.bulk_actions import NotUndoable, start_bulk, undo_bulk
from hardcases.cases.models import BulkPart, Case
from hardcases.projects.models import Project
from hardcases.work.models import Job
from hardcases.work.tasks import all_due
from tests.builders import cases, people, transfers
from tests.builders.http import Api, problem

pytestmark = pytest.mark.django_db
DECLINE = {"state": "declined", "decline_reason": "test_upload"}


@pytest.fixture
def project() -> Project:
    made = people.a_project()
    for number in range(7):
        cases.a_text(made, f"Text {number}.", tags=["old"] if number < 3 else [], attributes={"site": "a" if number < 5 else "b"})
    return made


def states(project: Project) -> list[str]:
    return list(Case.objects.filter(project=project).order_by("number").values_list("state", flat=True))


def tags(project: Project) -> list[list[str]]:
    return list(Case.objects.filter(project=project).order_by("number").values_list("tags", flat=True))


def run(project: Project, q: str, **change: Any) -> Job:
    """A finished bulk change."""
    return transfers.done(start_bulk(actor=people.actor(project, "curator"), project=project, q=q, change=Change(**change)))


def undo(job: Job) -> Job:
    """A finished undo."""
    project = Project.objects.get(pk=job.project_id)
    return transfers.done(undo_bulk(actor=people.actor(project, "curator"), project=project, job=job))


class BulkTests:
    def test_a_decision_about_many(self, project: Project) -> None:
        job = run(project, "site:a", **DECLINE)
        assert job.result == {"matched": 5, "changed": 5, "unchanged": 0, "left_alone": 0}
        assert states(project) == ["declined"] * 5 + ["inbox"] * 2
        case = Case.objects.get(number=1)
        assert case.decline_reason == "test_upload"
        assert case.decided_at is not None
        (event,) = AuditEvent.objects.filter(action="case.bulk_changed")
        assert (event.after["numbers"], event.after["state"]) == ([1, 2, 3, 4, 5], "declined")

    def test_tags(self, project: Project) -> None:
        job = run(project, "", add_tags=("new", "old"), remove_tags=("none",))
        assert job.result == {"matched": 7, "changed": 7, "unchanged": 0, "left_alone": 0}
        assert tags(project) == [["old", "new"]] * 3 + [["new", "old"]] * 4
        assert run(project, "", add_tags=("new",)).result == {"matched": 7, "changed": 0, "unchanged": 7, "left_alone": 0}

    def test_a_search_that_the_change_empties(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hardcases.cases.bulk.AT_ONCE", 2)
        job = run(project, "state:inbox", state="accepted")
        assert job.result == {"matched": 7, "changed": 7, "unchanged": 0, "left_alone": 0}
        assert (job.done, BulkPart.objects.count()) == (7, 4)

    def test_what_somebody_decided_meanwhile_is_left_alone(self, project: Project) -> None:
        actor = people.actor(project, "curator")
        waiting = [start_bulk(actor=actor, project=project, q=q, change=Change(**DECLINE)) for q in ("site:a", "state:inbox")]
        actions.decide(actor=actor, case=Case.objects.get(number=2), decision=Decision(state="accepted"))
        assert [transfers.done(job).result for job in waiting] == [
            {"matched": 5, "changed": 4, "unchanged": 0, "left_alone": 1},
            {"matched": 7, "changed": 2, "unchanged": 0, "left_alone": 5},
        ]
        assert Case.objects.get(number=2).state == "accepted"

    def test_what_came_afterwards_is_not_touched(self, project: Project) -> None:
        job = start_bulk(actor=people.actor(project, "curator"), project=project, q="", change=Change(**DECLINE))
        cases.a_text(project, "Late.")
        assert transfers.done(job).result["changed"] == 7
        assert states(project)[-1] == "inbox"

    def test_goes_on_after_a_death(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hardcases.cases.bulk.AT_ONCE", 2)
        job = start_bulk(actor=people.actor(project, "curator"), project=project, q="", change=Change(**DECLINE))
        with mock.patch.object(bulk_jobs, "point", side_effect=SystemExit), pytest.raises(SystemExit):
            transfers.done(job)
        assert states(project).count("declined") == 2
        Job.objects.filter(pk=job.pk).update(state="queued")
        assert transfers.done(job).result == {"matched": 7, "changed": 7, "unchanged": 0, "left_alone": 0}
        assert AuditEvent.objects.filter(action="case.bulk_changed").count() == 4


class UndoTests:
    def test_restores_everything(self, project: Project) -> None:
        actions.decide(actor=people.actor(project), case=Case.objects.get(number=1), decision=Decision(state="accepted"))
        before = list(Case.objects.order_by("number").values())
        job = run(project, "", add_tags=("new",), **DECLINE)
        assert undo(job).result == {"restored": 7, "left_alone": 0}
        assert list(Case.objects.order_by("number").values()) == before
        assert not BulkPart.objects.exists()
        assert undo(job).result == {"restored": 7, "left_alone": 0}

    def test_leaves_alone_what_was_changed_since(self, project: Project) -> None:
        job = run(project, "", add_tags=("new",), **DECLINE)
        actor = people.actor(project)
        actions.decide(actor=actor, case=Case.objects.get(number=1), decision=Decision(state="accepted"))
        actions.change_facts(actor=actor, case=Case.objects.get(number=2), tags=["mine"])
        actions.erase_case(actor=actor, case=Case.objects.get(number=3), reason="asked for")
        assert undo(job).result["restored"] == 6
        assert states(project) == ["accepted", "inbox", "erased", *["inbox"] * 4]
        assert tags(project) == [["old"], ["mine"], [], *[[]] * 4]

    def test_decided_the_same_again_is_somebody_elses(self, project: Project) -> None:
        job = run(project, "key:XR-1", **DECLINE)
        actor, case = people.actor(project), Case.objects.get(number=1)
        actions.undo_decision(actor=actor, case=case)
        actions.decide(actor=actor, case=case, decision=Decision(state="declined", decline_reason="test_upload"))
        assert undo(job).result == {"restored": 0, "left_alone": 1}
        assert states(project)[0] == "declined"

    def test_only_within_a_day(self, project: Project) -> None:
        job = run(project, "", **DECLINE)
        Job.objects.filter(pk=job.pk).update(finished_at=timezone.now() - timedelta(hours=24, minutes=1))
        job.refresh_from_db()
        with pytest.raises(NotUndoable, match="24 hours"):
            undo(job)
        assert bulk_jobs.forget_old() == 0
        Job.objects.filter(pk=job.pk).update(finished_at=timezone.now() - timedelta(hours=26))
        for due in all_due():
            due.task(**due.kwargs)
        assert not BulkPart.objects.exists()

    def test_not_while_it_runs(self, project: Project) -> None:
        actor = people.actor(project, "curator")
        job = start_bulk(actor=actor, project=project, q="", change=Change(**DECLINE))
        with pytest.raises(NotUndoable):
            undo_bulk(actor=actor, project=project, job=job)

    def test_an_erasure_takes_what_is_remembered_of_the_case(self, project: Project) -> None:
        job = run(project, "", add_tags=("new",))
        actions.erase_case(actor=people.actor(project), case=Case.objects.get(number=2), reason="asked for")
        remembered = [
            change["case"] for part in BulkPart.objects.filter(job=job) for change in bulk_jobs.bulk.unpacked(bytes(part.changes))
        ]
        assert len(remembered) == 6
        assert Case.objects.get(number=2).pk not in remembered


class ApiTests:
    def test_preview_change_and_undo(self, project: Project) -> None:
        api = Api(project)
        body = {"q": "site:a", "action": DECLINE}
        assert api.post("cases/bulk/", body | {"dry_run": True}).json() == {"matched": 5}
        assert not Job.objects.filter(kind="cases.bulk").exists()
        answer = api.post("cases/bulk/", body, key="k")
        assert answer.status_code == 202
        assert answer.json()["matched"] == 5
        assert api.post("cases/bulk/", body, key="k").json() == answer.json()
        problem(api.client.post(answer.json()["undo_url"], headers=api.headers), 409)
        for due in all_due():
            due.task(**due.kwargs)
        assert api.client.get(answer["Location"], headers=api.headers).json()["result"]["changed"] == 5
        undone = api.client.post(answer.json()["undo_url"], headers=api.headers)
        assert undone.status_code == 202
        for due in all_due():
            due.task(**due.kwargs)
        assert states(project) == ["inbox"] * 7

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({"q": "", "action": {}}, 422),
            ({"q": "", "action": {"state": "declined"}}, 422),
            ({"q": "", "action": {"state": "erased"}}, 422),
            ({"q": "", "action": {"decline_reason": "test_upload"}}, 422),
            ({"q": "", "action": {"add_tags": ["a"], "remove_tags": ["a"]}}, 422),
            ({"q": "colour:red", "action": DECLINE}, 400),
            ({"action": DECLINE}, 422),
        ],
    )
    def test_what_is_refused(self, project: Project, body: dict[str, Any], status: int) -> None:
        problem(Api(project).post("cases/bulk/", body), status)
        assert not Job.objects.filter(kind="cases.bulk").exists()

    def test_of_another_project(self, project: Project) -> None:
        job = run(project, "", **DECLINE)
        problem(Api(people.a_project()).post(f"cases/bulk/{job.pk}/undo/", {}), 404)
