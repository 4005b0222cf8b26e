"""Groups over REST."""

import pytest

from hardcases.cases.models import Case
from hardcases.groups.models import Group
from hardcases.projects.models import Project
from tests.builders.groups import a_group, recount
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
    for name in ("G-3", "g-1", "XR-1", "G-" + "9" * 30, "G-0"):
        problem(api.get(f"groups/{name}/"), 404)


def test_merging_is_done_once_under_one_key(api: Api, project: Project) -> None:
    answers = [api.post("groups/G-2/merge/", {"into": "G-1"}, key="k") for _ in range(2)]
    assert [answer.json() for answer in answers] == [{"act": "merged", "group": "G-2", "into": "G-1", "cases": 2, "working": False}] * 2
    assert api.get("groups/G-2/").json()["merged_into"] == "G-1"
    assert problem(api.post("groups/G-2/merge/", {"into": "G-1"}), 409)["into"] == "G-1"
    recount(project)


def test_splitting_and_moving(api: Api, project: Project) -> None:
    assert api.post("groups/G-1/split/", {"cases": ["XR-2"]}).json()["into"] == "G-3"
    assert api.post("groups/G-1/split/", {"cases": ["XR-3"], "into": "G-2"}).json()["act"] == "moved"
    assert list(Case.objects.order_by("number").values_list("group_number", flat=True)) == [1, 3, 2, 2, 2]
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
    problem(Api(project, "curate").get("groups/"), 403)
