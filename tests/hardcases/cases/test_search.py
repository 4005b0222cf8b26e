"""The query language over cases, on the list of the API and through `search`."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from hardcases.cases.models import Case
from hardcases.cases.queries import search
from hardcases.projects.models import Project
from tests.builders.cases import a_case, a_text
from tests.builders.http import Api, problem
from tests.builders.people import a_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    kinds = [("site", "category"), ("age", "number"), ("portable", "boolean"), ("taken", "date"), ("note", "text"), ("state", "category")]
    project = a_project(attributes=[(name, kind, None) for name, kind in kinds])
    one = {"site": "clinic 7", "age": 61, "portable": True, "taken": "2026-11-02", "note": '50% "odd" it\'s', "state": "north"}
    a_case(
        project, "1", attributes=one, tags=["night-shift", "x"], reason="doctor_disagreed", source="s1", model="m@1", external_id="req-1"
    )
    a_case(project, "2", attributes={"site": "clinic 8", "age": 17.5, "portable": False, "taken": "2025-01-01"}, tags=["day"], source="s2")
    a_case(project, "3", attributes={"age": "bad"})
    a_text(project, "A Text about Nodules")
    return project


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("", {1, 2, 3, 4}),
        ("state:inbox", {1, 2, 3, 4}),
        ("state:accepted,declined", set()),
        ('site:"clinic 7"', {1}),
        ('site:"clinic 7","clinic 8"', {1, 2}),
        ('-site:"clinic 7"', {2, 3, 4}),
        ('site:""', {3, 4}),
        ("age:61", {1}),
        ("age:>17", {1, 2}),
        ("age:<=17.5", {2}),
        ("-age:>60", {2, 3, 4}),
        ("age:17..61", {1, 2}),
        ('age:""', {3, 4}),
        ('age:"",61', {1, 3, 4}),
        ("portable:true", {1}),
        ("portable:false", {2}),
        ('portable:""', {3, 4}),
        ("-portable:true", {2, 3, 4}),
        ("taken:2026-11-02", {1}),
        ("taken:>2025-06-01", {1}),
        ("-taken:>2025-06-01", {2, 3, 4}),
        ("taken:2025-01-01..2025-12-31", {2}),
        ("attr.state:north", {1}),
        ('attr.site:"clinic 8"', {2}),
        ('note:"50% \\"odd\\" it\'s"', {1}),
        ("tag:night-shift", {1}),
        ("tag:day,x", {1, 2}),
        ("-tag:x", {2, 3, 4}),
        ("tag:night", set()),
        ("reason:doctor_disagreed", {1}),
        ("-reason:doctor_disagreed", {2, 3, 4}),
        ("source:s1,s2", {1, 2}),
        ("model:m@1", {1}),
        ("kind:text", {4}),
        ("quarantine:true", {3}),
        ("quarantine:false", {1, 2, 4}),
        ("external_id:req-1", {1}),
        ("key:XR-2,XR-99,KN-1", {2}),
        ("XR-3", {3}),
        ("req-1", {1}),
        ("nodules", {4}),
        ("sightings:>1", set()),
        ("since:1d", {1, 2, 3, 4}),
        ("since:2999-01-01", set()),
        ("portable:true age:>17 -tag:day", {1}),
    ],
)
def test_a_query_finds(project: Project, q: str, found: set[int]) -> None:
    assert set(search(project, q).values_list("number", flat=True)) == found


def test_since_looks_at_the_time_of_receipt(project: Project) -> None:
    Case.objects.filter(number__lte=2).update(received_at=Now() - timedelta(days=10))
    assert set(search(project, "since:7d").values_list("number", flat=True)) == {3, 4}


def test_another_project_is_never_found(project: Project) -> None:
    assert not search(a_project(), "").exists()


@pytest.mark.parametrize(
    "q",
    ["colour:red", "state:odd", "age:old", 'site:"open', "portable:yes", "site:>3", "age:1e999", "since:soon", "sightings:x", "note:\x00"],
)
def test_what_cannot_be_meant_is_refused(project: Project, q: str) -> None:
    api = Api(project)
    problem(api.get("cases/", q=q), 400)


def test_hostile_words_are_only_values(project: Project) -> None:
    for q in ('site:"\'; DROP TABLE x;--"', 'site:"%s %(a)s {0}"', 'tag:"%\' OR 1=1"', '"%_"', 'note:"\\\\"'):
        assert not search(project, q).exists()


class ListTests:
    def test_pages_follow_the_cursor_newest_first(self, project: Project) -> None:
        api = Api(project)
        first = api.get("cases/", limit=3).json()
        assert [case["key"] for case in first["results"]] == ["XR-4", "XR-3", "XR-2"]
        rest = api.get("cases/", limit=3, cursor=first["next"]).json()
        assert ([case["key"] for case in rest["results"]], rest["next"]) == (["XR-1"], None)

    def test_a_list_costs_the_same_however_long(self, project: Project, django_assert_max_num_queries: object) -> None:
        api = Api(project)
        with django_assert_max_num_queries(10):  # type: ignore[operator]
            assert len(api.get("cases/").json()["results"]) == 4

    @pytest.mark.parametrize("query", [{"colour": "red"}, {"limit": 201}, {"limit": "many"}, {"cursor": "x"}, {"q": "x" * 201}])
    def test_wrong_parameters_are_refused(self, project: Project, query: dict[str, object]) -> None:
        problem(Api(project).get("cases/", **query), 400)
