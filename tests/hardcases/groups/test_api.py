"""Groups over REST."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hardcases.cases.models import Case
from hardcases.groups import actions
from hardcases.groups.models import Group
from hardcases.projects.models import Project
from tests.builders.groups import a_group, a_picture, recount, work
from tests.builders.http import Api, problem
from tests.builders.people import a_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    project = a_project()
    a_group(project, 1, 3, reason="doctor_disagreed", source="clinic-7")
    a_group(project, 2, 2)
    return project


@pytest.fixture
def api(project: Project) -> Api:
    return Api(project)


def test_groups_are_listed_in_pages(api: Api) -> None:
    first = api.get("groups/", limit=1).json()
    second = api.get("groups/", limit=1, cursor=first["next"]).json()
    assert [first["results"][0]["key"], second["results"][0]["key"], second["next"]] == ["G-2", "G-1", None]
    waiting = api.get("groups/", waiting="true").json()["results"]
    assert [found["key"] for found in waiting] == ["G-1", "G-2"]
    assert api.get("groups/", waiting="false").json()["results"] == []
    problem(api.get("groups/", colour="red"), 400)
    problem(api.get("groups/", waiting="perhaps"), 400)


def test_a_group_says_what_it_is(api: Api) -> None:
    shown = api.get("groups/G-1/").json()
    assert (shown["state"], shown["count"], shown["waiting"], shown["sites"]) == ("new", 3, 3, ["clinic-7"])
    assert shown["title"] == "Doctor disagreed"
    assert (len(shown["days"]), shown["days"][-1]) == (14, 3)
    assert shown["url"].endswith("/inbox/G-1/")
    assert (shown["kind"], shown["newest_waiting"], shown["made_by"], shown["acts"]) == ("image", "XR-3", None, [])
    assert shown["explanation"].startswith("No two failure reasons contradict each other; each picture is at least ")
    assert shown["first_seen_at"] <= shown["waiting_since"] <= shown["last_seen_at"]
    for name in ("G-3", "g-1", "XR-1", "G-" + "9" * 30, "G-0"):
        problem(api.get(f"groups/{name}/"), 404)


def test_groups_are_found_by_their_cases(api: Api) -> None:
    assert [found["key"] for found in api.get("groups/", q="source:clinic-7").json()["results"]] == ["G-1"]
    api.patch("cases/XR-4/", {"state": "accepted"})
    assert [found["key"] for found in api.get("groups/", q="state:accepted").json()["results"]] == ["G-2"]
    assert api.get("groups/", q="state:accepted", waiting="true").json()["results"] == []  # none of the cases that wait is accepted
    problem(api.get("groups/", q="colour:red"), 400)


def test_a_list_asks_no_more_for_many_groups(api: Api, django_assert_num_queries: Any) -> None:
    api.get("groups/")
    with CaptureQueriesContext(connection) as few:
        api.get("groups/", limit=1)
    with django_assert_num_queries(len(few)):
        assert len(api.get("groups/", limit=2).json()["results"]) == 2


def test_deciding_what_was_seen(api: Api, project: Project) -> None:
    upto = api.get("groups/G-1/").json()["newest_waiting"]
    a_picture(project, 1, 9)
    work()
    body = {"state": "declined", "decline_reason": "test_upload", "upto": upto}
    answers = [api.post("groups/G-1/decide/", body, key="k") for _ in range(2)]
    assert [(answer.status_code, answer.json()["act"], answer.json()["cases"]) for answer in answers] == [(200, "declined", 3)] * 2
    assert list(Case.objects.filter(group_number=1).order_by("number").values_list("state", flat=True)) == ["declined"] * 3 + ["inbox"]
    shown = api.get("groups/G-1/").json()
    assert (shown["waiting"], shown["newest_waiting"], shown["acts"][0]["id"]) == (1, "XR-6", answers[0].json()["id"])
    assert problem(api.post("groups/G-1/decide/", body), 409)["type"].endswith("nothing_waits")
    recount(project)


def test_each_decision_and_taking_it_back(api: Api, project: Project) -> None:
    later = (timezone.now() + timedelta(days=7)).isoformat()
    for body, state in (
        ({"state": "accepted"}, "decided"),
        ({"state": "snoozed", "snoozed_until": later}, "snoozed"),
        ({"state": "declined", "decline_reason": "unreadable"}, "decided"),
    ):
        act = api.post("groups/G-1/decide/", body).json()
        assert api.get("groups/G-1/").json()["state"] == state
        undone = [api.post(f"groups/G-1/acts/{act['id']}/undo/", {}).json() for _ in range(2)]
        assert undone[0] == undone[1]
        assert undone[0]["undone_at"] is not None
        assert api.get("groups/G-1/").json()["waiting"] == 3
    problem(api.post(f"groups/G-2/acts/{act['id']}/undo/", {}), 404)
    recount(project)


def test_much_is_left_to_a_job(api: Api, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "LOT", 1)
    answer = api.post("groups/G-1/decide/", {"state": "accepted"}, key="k")
    assert (answer.status_code, answer.json()["working"]) == (202, True)
    assert problem(api.post("groups/G-1/merge/", {"into": "G-2"}), 409)["type"].endswith("group_busy")
    work()
    job = Client().get(answer["Location"], headers=api.headers).json()
    assert (job["state"], job["result"]) == ("done", {"cases": 3})
    assert api.get("groups/G-1/").json()["acts"][0] | {"cases": 3, "working": False} == api.get("groups/G-1/").json()["acts"][0]
    assert api.post(f"groups/G-1/acts/{answer.json()['id']}/undo/", {}).status_code == 202
    recount(project)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/state"),
        ({"state": "lost"}, "/state"),
        ({"state": "declined"}, "/decline_reason"),
        ({"state": "accepted", "decline_reason": "unreadable"}, "/decline_reason"),
        ({"state": "snoozed"}, "/snoozed_until"),
        ({"state": "accepted", "upto": "G-1"}, "/upto"),
        ({"state": "accepted", "upto": 3}, "/upto"),
        ({"state": "accepted", "why": "x"}, "/why"),
    ],
)
def test_a_decision_that_cannot_be_names_its_place(api: Api, body: object, pointer: str) -> None:
    refused = problem(api.post("groups/G-1/decide/", body), 422)
    assert [error["pointer"] for error in refused["errors"]] == [pointer]
    assert set(Case.objects.values_list("state", flat=True)) == {"inbox"}


def test_a_merged_group_says_where_to_go(api: Api) -> None:
    api.post("groups/G-2/merge/", {"into": "G-1"})
    assert problem(api.post("groups/G-2/decide/", {"state": "accepted"}), 409)["into"] == "G-1"


def test_merging_is_done_once_under_one_key(api: Api, project: Project) -> None:
    first, again = (api.post("groups/G-2/merge/", {"into": "G-1"}, key="k").json() for _ in range(2))
    assert first == again
    assert {name: first[name] for name in ("act", "group", "into", "cases", "working")} == {
        "act": "merged",
        "group": "G-2",
        "into": "G-1",
        "cases": 2,
        "working": False,
    }
    assert api.get("groups/G-2/").json()["merged_into"] == "G-1"
    assert problem(api.post("groups/G-2/merge/", {"into": "G-1"}), 409)["into"] == "G-1"
    recount(project)


def test_splitting_and_moving(api: Api, project: Project) -> None:
    assert api.post("groups/G-1/split/", {"cases": ["XR-2"]}).json()["into"] == "G-3"
    assert api.post("groups/G-1/split/", {"cases": ["XR-3"], "into": "G-2"}).json()["act"] == "moved"
    assert list(Case.objects.order_by("number").values_list("group_number", flat=True)) == [1, 3, 2, 2, 2]
    split = api.get("groups/G-3/").json()
    assert (split["kept_apart_from"], split["made_by"] is not None) == (["G-1"], True)
    assert split["explanation"] == f"Split off by {split['made_by']}."
    recount(project)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"cases": []}, 422),
        ({"cases": ["XR-4"]}, 409),
        ({"cases": ["XR-77"]}, 404),
        ({"cases": ["XR-1", "XR-2", "XR-3"]}, 422),
        ({"cases": ["XR-1"], "into": "G-1"}, 422),
        ({"cases": ["XR-1"], "into": "G-9"}, 404),
        ({"cases": "XR-1"}, 422),
        ({"cases": ["XR-1"], "why": "x"}, 422),
        ([], 422),
    ],
)
def test_what_does_not_fit_changes_nothing(api: Api, project: Project, body: object, status: int) -> None:
    before = list(Group.objects.values()), list(Case.objects.values_list("pk", "group_number"))
    problem(api.post("groups/G-1/split/", body), status)
    assert (list(Group.objects.values()), list(Case.objects.values_list("pk", "group_number"))) == before


def test_changing_groups_needs_its_scope(project: Project) -> None:
    problem(Api(project, "read").post("groups/G-2/merge/", {"into": "G-1"}), 403)
    problem(Api(project, "read").post("groups/G-2/decide/", {"state": "accepted"}), 403)
    problem(Api(project, "curate").get("groups/"), 403)
    act = Api(project, "curate").post("groups/G-2/decide/", {"state": "accepted"}).json()
    problem(Api(project, "read").post(f"groups/G-2/acts/{act['id']}/undo/", {}), 403)
