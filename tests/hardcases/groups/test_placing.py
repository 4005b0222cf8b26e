"""The worker puts like to like: what joins, what does not, and why."""

import pytest

from hardcases.cases.models import Case
from hardcases.groups.models import Group
from hardcases.projects.models import Project
from tests.builders.cases import a_picture as a_flat_picture
from tests.builders.cases import a_record, a_text, report
from tests.builders.groups import a_picture, like, recount, work
from tests.builders.http import Api
from tests.builders.people import a_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return a_project()


def numbers() -> list[int | None]:
    return list(Case.objects.order_by("number").values_list("group_number", flat=True))


class JoiningTests:
    def test_like_pictures_come_together_and_others_do_not(self, project: Project) -> None:
        for seed, variant in ((1, 0), (2, 0), (1, 1), (3, 0), (1, 2)):
            a_picture(project, seed, variant)
        assert numbers() == [None] * 5
        work()
        assert numbers() == [1, 2, 1, 3, 1]
        recount(project)

    def test_the_answer_names_the_group_once_it_is_known(self, project: Project) -> None:
        api = Api(project)
        assert api.upload(like(1)).json()["group"] is None
        assert api.get("cases/XR-1/").json()["group"] is None
        work()
        assert api.upload(like(1)).json()["group"] == "G-1"
        assert api.get("cases/XR-1/").json()["group"] == "G-1"
        assert api.get("cases/", q="group:G-1").json()["results"][0]["key"] == "XR-1"
        assert api.get("cases/", q='group:""').json()["results"] == []
        assert api.get("cases/", q="-group:G-1").json()["results"] == []

    def test_contradicting_reasons_keep_like_pictures_apart(self, project: Project) -> None:
        a_picture(project, 1, 0, reason="doctor_disagreed")
        a_picture(project, 1, 1, reason="Doctor disagreed")
        a_picture(project, 1, 2, reason="timeout")
        a_picture(project, 1, 3)
        work()
        assert numbers() == [1, 1, 2, 1]

    def test_a_case_says_why_it_is_where_it_is(self, project: Project) -> None:
        a_picture(project, 1, 0, reason="doctor_disagreed", attributes={"site": "clinic-7"}, source="a")
        other = a_picture(project, 1, 1, reason="doctor_disagreed", attributes={"site": "clinic-7"}, source="b")
        work()
        why = other.fingerprint
        assert (why.nearest_id, why.same) == (Case.objects.get(number=1).pk, ["reason", "site"])
        assert why.alike >= 1 - 4 / 64
        assert Group.objects.get().title == "Doctor disagreed"
        assert Group.objects.get().sites == ["clinic-7"]

    def test_a_group_says_how_alike_its_cases_are_though_they_came_at_once(self, project: Project) -> None:
        a_picture(project, 1, 0)
        a_picture(project, 1, 1)
        work()
        assert Group.objects.get().least_alike == Case.objects.get(number=2).fingerprint.alike

    def test_projects_know_nothing_of_each_other(self, project: Project) -> None:
        a_picture(project, 1)
        a_picture(a_project(), 1)
        work()
        assert numbers() == [1, 1]
        assert Group.objects.count() == 2

    def test_flat_and_unreadable_pictures_are_alone(self, project: Project) -> None:
        for seed in ("a", "b"):
            report(project, seed, content=a_flat_picture(seed, size=(64, 64)))
        a_picture(project, 1, 0)
        broken = a_picture(project, 1, 1)
        Case.objects.filter(pk=broken.pk).update(media_state="failed")
        work()
        assert sorted(map(str, numbers())) == ["1", "2", "3", "4"]
        recount(project)

    def test_texts_and_records(self, project: Project) -> None:
        long = "The report mentions a nodule in the left upper lobe that the model did not mark. "
        for text in (long, long.upper().replace(" ", "  "), long.replace("nodule", "module"), "Something else entirely, about a knee."):
            a_text(project, text)
        record = {f"field{index}": index for index in range(20)}
        a_record(project, record)
        a_record(project, record | {"field3": "x"})
        a_record(project, {name: value + 1 for name, value in record.items()})
        work()
        assert numbers() == [1, 1, 1, 2, 3, 3, 4]
        recount(project)
