"""Labels: appended, never overwritten; the newest counts; misfits are refused one by one."""

from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from hardcases.audit.actors import SYSTEM
from hardcases.audit.models import AuditEvent
from hardcases.cases.queries import search
from hardcases.errors import Forbidden
from hardcases.labels.actions import LabelItem, label_cases
from hardcases.labels.models import CurrentLabel, LabelRevision
from hardcases.projects.authentication import person
from hardcases.projects.models import Project
from tests.builders.cases import a_case, a_text
from tests.builders.http import Api, problem
from tests.builders.labels import label
from tests.builders.people import a_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return a_project()


class LabelTests:
    def test_revisions_are_appended_and_the_newest_counts(self, project: Project) -> None:
        case = a_case(project)
        api = Api(project)
        for name in ("normal", "nodule"):
            answer = api.post("labels/", [{"case": "XR-1", "label": {"label": name}, "note": "seen twice"}])
            assert answer.status_code == 207
        assert answer.json()["results"] == [{"index": 0, "status": 201, "case": "XR-1", "revision": 2}]
        history = api.get("cases/XR-1/labels/").json()["results"]
        assert [(item["revision"], item["label"]["label"]) for item in history] == [(2, "nodule"), (1, "normal")]
        assert api.get("cases/XR-1/").json()["label"]["label"] == {"label": "nodule"}
        assert CurrentLabel.objects.get(case=case).value == "nodule"

    def test_an_equal_label_makes_no_revision(self, project: Project) -> None:
        case = a_case(project)
        assert label(case, "nodule").created
        assert not label(case, "nodule").created
        assert LabelRevision.objects.count() == 1
        assert AuditEvent.objects.filter(action="case.labelled").count() == 1

    def test_good_items_are_kept_when_others_fail(self, project: Project) -> None:
        a_case(project, "1")
        a_case(project, "2")
        a_case(a_project(key_prefix="KN"), "3")
        items: list[Any] = [
            {"case": "XR-1", "label": {"label": "nodule"}},
            {"case": "XR-9", "label": {"label": "nodule"}},
            {"case": "KN-1", "label": {"label": "nodule"}},
            {"case": "XR-2", "label": {"label": "heart"}},
            {"case": "XR-2", "label": {"label": "normal", "scores": {"normal": 1}}},
            {"case": "XR-2", "label": {}},
            {"case": "XR-2"},
            {"case": "XR-1", "label": {"label": "normal"}},
            7,
        ]
        results = Api(project).post("labels/", items).json()["results"]
        assert [item["status"] for item in results] == [201, 404, 404, 422, 422, 422, 422, 201, 422]
        assert [item.get("revision") for item in results] == [1, None, None, None, None, None, None, 2, None]
        assert results[3]["problem"]["errors"][0]["pointer"] == "/label/label"

    def test_equal_sets_of_classes_are_equal(self) -> None:
        project = a_project(task="multilabel")
        case = a_case(project)
        who = person(project.owner)
        for labels in (["nodule", "normal"], ["normal", "nodule"]):
            label_cases(actor=who, project=project, items=[LabelItem(case=case.key, label={"labels": labels})])
        assert LabelRevision.objects.count() == 1

    def test_the_system_gives_no_labels(self, project: Project) -> None:
        with pytest.raises(Forbidden):
            label_cases(actor=SYSTEM, project=project, items=[])

    def test_a_thousand_labels_cost_few_queries(self, project: Project, django_assert_max_num_queries: Any) -> None:
        keys = [a_text(project, f"text {number}").key for number in range(60)]
        items = [LabelItem(case=keys[number % 60], label={"label": ("normal", "nodule")[number // 60 % 2]}) for number in range(1_000)]
        with django_assert_max_num_queries(30):
            outcomes = label_cases(actor=person(project.owner), project=project, items=items)
        assert len(outcomes) == 1_000
        assert LabelRevision.objects.filter(case__number=1).count() == 17

    @pytest.mark.parametrize("body", [{}, [], [{}] * 1_001, '"x"'])
    def test_what_is_no_list_is_refused(self, project: Project, body: object) -> None:
        assert problem(Api(project).post("labels/", body), 413 if isinstance(body, list) and body else 422)


class QueryTests:
    def test_label_finds_the_newest(self, project: Project) -> None:
        for seed, names in (("1", ["normal", "nodule"]), ("2", ["normal"]), ("3", [])):
            case = a_case(project, seed)
            for name in names:
                label(case, name)

        def found(q: str) -> set[int]:
            return set(search(project, q).values_list("number", flat=True))

        assert found("label:normal") == {2}
        assert found("label:normal,nodule") == {1, 2}
        assert found("-label:nodule") == {2, 3}
        assert found('label:""') == {3}
        assert found('-label:""') == {1, 2}


class GuardTests:
    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM hardcases_labelrevision",
            "UPDATE hardcases_labelrevision SET digest = 'x'",
            "UPDATE hardcases_labelrevision SET note = 'other'",
            "UPDATE hardcases_labelrevision SET number = 9, note = ''",
        ],
    )
    def test_the_database_keeps_revisions(self, project: Project, statement: str) -> None:
        label(a_case(project), "nodule", note="mine")
        with pytest.raises((IntegrityError, DatabaseError)), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
        assert LabelRevision.objects.get().note == "mine"
