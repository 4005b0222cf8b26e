"""Repair by rule, as a curator's script asks for it: preview, job, remembered rules."""

from typing import Any

import pytest
from django.db import connection

from hardcases.audit.models import AuditEvent
from hardcases.cases.models import Case, Sighting
from hardcases.cases.queries import search
from hardcases.models import Project
from hardcases.repairs.models import RepairRule
from hardcases.work.jobs import run_job
from hardcases.work.models import Job
from tests.builders import cases, people
from tests.builders.http import Api, problem

pytestmark = pytest.mark.django_db
NEVER_LOGGED = ("Clinic 7", "clinic-7", "0,07")


@pytest.fixture
def project() -> Project:
    made = people.a_project()
    site = made.attributes.get(name="site")
    site.values = ["clinic-7", "clinic-9"]
    site.save()
    return made


def repair(project: Project, rule: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Ask, let the worker do it, and say what came of it."""
    answer = Api(project).post("quarantine/repairs/", {"rule": rule, **more})
    assert answer.status_code == 202, answer.content
    assert answer["Location"] == answer.json()["url"]
    assert run_job(answer.json()["id"])
    job = Job.objects.get(pk=answer.json()["id"])
    assert job.state == "done", job.failure
    assert job.done == job.total
    return dict(job.result or {})


def fresh(case: Case) -> Case:
    return Case.objects.select_related("project").get(pk=case.pk)


MAP = {"action": "map", "field": "attributes.site", "value": "Clinic 7", "to": "clinic-7"}
CASES = [
    ({"attributes": {"site": "Clinic 7"}}, MAP, {"attributes": {"site": "clinic-7"}}),
    (
        {"attributes": {"Site": "clinic-7"}},
        {"action": "rename", "field": "attributes.Site", "to": "site"},
        {"attributes": {"site": "clinic-7"}},
    ),
    ({"attributes": {"age": "61,5"}}, {"action": "number", "field": "attributes.age"}, {"attributes": {"age": 61.5}}),
    ({"attributes": {"age": "61"}}, {"action": "number", "field": "attributes.age", "decimal": "point"}, {"attributes": {"age": 61}}),
    (
        {"attributes": {"portable": "yes"}},
        {"action": "map", "field": "attributes.portable", "value": "yes", "to": True},
        {"attributes": {"portable": True}},
    ),
    (
        {"prediction": {"scores": {"normal": 0.9, "nodule": "0,07"}}},
        {"action": "number", "field": "prediction.scores.nodule"},
        {"prediction": {"scores": {"normal": 0.9, "nodule": 0.07}}},
    ),
    (
        {"prediction": {"scores": {"normal": 0.9, "lung.nodule": 0.07}}},
        {"action": "rename", "field": "prediction.scores.lung.nodule", "to": "nodule"},
        {"prediction": {"scores": {"normal": 0.9, "nodule": 0.07}}},
    ),
    (
        {"correction": {"label": "Nodule"}},
        {"action": "map", "field": "correction.label", "value": "Nodule", "to": "nodule"},
        {"correction": {"label": "nodule"}},
    ),
    (
        {"prediction": {"class": "nodule"}},
        {"action": "rename", "field": "prediction.class", "to": "label"},
        {"prediction": {"label": "nodule"}},
    ),
    ({"attributes": {"note": "x"}}, {"action": "drop", "field": "attributes.note"}, {"attributes": {}}),
]


@pytest.mark.parametrize(("said", "rule", "becomes"), CASES, ids=[str(rule["action"]) + " " + str(rule["field"]) for _, rule, _ in CASES])
def test_each_repair_puts_its_value_right_and_says_beforehand_what_it_would_do(
    project: Project, said: dict[str, Any], rule: dict[str, Any], becomes: dict[str, Any]
) -> None:
    case = cases.a_case(project, **said)
    other = cases.a_case(project, "other", attributes={"unheard": 1})
    before = fresh(case)
    (entry,) = before.quarantine
    seen = Api(project).post("quarantine/repairs/", {"rule": rule, "dry_run": True}).json()
    assert (seen["cases"], seen["repaired"], seen["left"], seen["complete"]) == (1, 1, 0, True)
    assert seen["examples"][0]["key"] == case.key
    assert seen["examples"][0]["before"] == {"field": entry["field"], "value": entry["value"]}
    assert fresh(case).quarantine == before.quarantine, "a preview changes nothing"
    assert repair(project, rule) == {"cases": 1, "repaired": 1, "left": 0}
    after = fresh(case)
    assert after.quarantine == []
    assert {name: getattr(after, name) for name in becomes} == becomes
    assert Sighting.objects.get(case=case).body == said | {"file_name": "one.png"}, "what was sent stays"
    assert fresh(other).quarantine
    assert repair(project, rule) == {"cases": 0, "repaired": 0, "left": 0}


def test_boxes_and_labels_are_joined_with_what_the_case_has() -> None:
    box = {"x": 1, "y": 1, "width": 2, "height": 2, "label": "Nodule", "score": 0.5}
    good = box | {"label": "nodule"}
    detection = people.a_project(task="detection", positive_class=None)
    case = cases.a_case(detection, prediction={"boxes": [box, good, box]})
    rule = {"action": "map", "field": "prediction.boxes.*", "value": "Nodule", "to": "nodule"}
    assert repair(detection, rule) == {"cases": 1, "repaired": 1, "left": 0}
    assert fresh(case).prediction == {"boxes": [good, good, good]}
    several = people.a_project(task="multilabel", positive_class=None)
    case = cases.a_case(several, prediction={"labels": ["normal", "Nodule"]})
    repair(several, {"action": "map", "field": "prediction.labels.*", "value": "Nodule", "to": "nodule"})
    assert fresh(case).prediction == {"labels": ["normal", "nodule"]}


def test_a_value_that_the_case_has_is_not_overwritten(project: Project) -> None:
    case = cases.a_case(project, attributes={"site": "clinic-9", "Site": "clinic-7"})
    result = repair(project, {"action": "rename", "field": "attributes.Site", "to": "site"})
    assert result == {"cases": 1, "repaired": 0, "left": 1}
    assert fresh(case).attributes == {"site": "clinic-9"}
    assert len(fresh(case).quarantine) == 1


def test_what_still_does_not_fit_stays(project: Project) -> None:
    fits = cases.a_case(project, "a", attributes={"age": "61,5"})
    stays = cases.a_case(project, "b", attributes={"age": "1.234,5"})
    assert repair(project, {"action": "number", "field": "attributes.age"}) == {"cases": 2, "repaired": 1, "left": 1}
    assert (fresh(fits).attributes, fresh(stays).attributes) == ({"age": 61.5}, {})
    assert fresh(stays).quarantine[0]["value"] == "1.234,5"


def test_trying_again_after_the_project_learnt_an_attribute_and_a_class(project: Project) -> None:
    case = cases.a_case(project, attributes={"scanner": "S1"}, prediction={"scores": {"normal": 0.5, "mass": 0.5}})
    api = Api(project)
    document = api.get("").json()
    attributes = [*document["attributes"], {"name": "scanner", "type": "category"}]
    assert api.patch("", {"attributes": attributes, "classes": ["normal", "nodule", "mass"], "positive_class": None}).status_code in {
        200,
        422,
    }
    assert api.patch("", {"attributes": attributes}).status_code == 200
    assert repair(project, {"action": "again"})["repaired"] == 1
    assert fresh(case).attributes == {"scanner": "S1"}
    assert [entry["field"] for entry in fresh(case).quarantine] == ["prediction.scores.mass"]


def test_a_remembered_repair_reads_reports_to_come_until_it_is_stopped(project: Project) -> None:
    api = Api(project)
    repair(project, MAP, remember=True)
    repair(project, MAP, remember=True)
    assert RepairRule.objects.count() == 1, "the same again is the one that is kept"
    answer = api.upload(cases.a_picture("new"), {"attributes": {"site": "Clinic 7"}})
    assert answer.json()["quarantine"] == []
    case = Case.objects.get(number=int(answer.json()["key"].split("-")[1]))
    assert case.attributes == {"site": "clinic-7"}
    assert Sighting.objects.get(case=case).body["attributes"] == {"site": "Clinic 7"}
    (rule,) = api.get("quarantine/repairs/").json()["results"]
    assert rule["rule"] == MAP
    for _ in range(2):
        assert api.post(f"quarantine/repairs/{rule['id']}/retire/", {}).json()["retired_at"]
    assert api.get("quarantine/repairs/").json()["results"] == []
    assert api.upload(cases.a_picture("newer"), {"attributes": {"site": "Clinic 7"}}).json()["quarantine"]
    problem(api.post("quarantine/repairs/99/retire/", {}), 404)


def test_findings_of_the_file_are_reviewed_not_repaired(project: Project) -> None:
    kept, declined, accepted = (cases.a_case(project, seed) for seed in "abc")
    Case.objects.update(quarantine=[{"field": "dicom.PatientName", "value": None, "problem": "The file names a person."}])
    Case.objects.filter(pk=accepted.pk).update(state="accepted")
    problem(Api(project).post("quarantine/repairs/", {"rule": {"action": "drop", "field": "dicom.PatientName"}}), 422)
    assert repair(project, {"action": "again"}) == {"cases": 0, "repaired": 0, "left": 0}
    Case.objects.filter(pk=declined.pk).update(quarantine=[{"field": "dicom.PatientID", "value": None, "problem": "An id."}])
    assert repair(project, {"action": "keep", "field": "dicom.PatientName"}) == {"cases": 2, "repaired": 2, "left": 0}
    assert fresh(kept).quarantine[0]["reviewed"]["as"] == "keep"
    decline = {"action": "decline", "field": "dicom.PatientID", "decline_reason": "cannot_be_shared"}
    assert repair(project, decline)["repaired"] == 1
    assert (fresh(declined).state, fresh(declined).decline_reason, fresh(accepted).state) == ("declined", "cannot_be_shared", "accepted")
    assert Api(project).get("quarantine/").json()["findings"] == []
    assert len(Api(project).get("quarantine/", reviewed="true").json()["findings"]) == 2
    assert repair(project, {"action": "keep", "field": "dicom.PatientName"})["cases"] == 0


BAD: list[tuple[dict[str, Any], str]] = [
    ({"action": "sing"}, "/action"),
    ({"action": "map", "field": "attributes.site", "to": "clinic-7"}, "/value"),
    ({"action": "map", "field": "attributes.site", "value": "x", "to": "clinic-8"}, "/to"),
    ({"action": "map", "field": "attributes.unknown", "value": "x", "to": "y"}, "/to"),
    ({"action": "rename", "field": "attributes.Site", "to": "sight"}, "/to"),
    ({"action": "rename", "field": "prediction.scores.lung", "to": "lunge"}, "/to"),
    ({"action": "rename", "field": "prediction.class", "to": "classes"}, "/to"),
    ({"action": "map", "field": "prediction.label", "value": "x", "to": "y"}, "/to"),
    ({"action": "number", "field": "dicom.PatientName"}, "/field"),
    ({"action": "number", "field": "attributes.age", "decimal": "dot"}, "/decimal"),
    ({"action": "decline", "field": "attributes.age", "decline_reason": "because"}, "/decline_reason"),
    ({"action": "drop", "field": "attributes.age", "to": 1}, "/to"),
]


@pytest.mark.parametrize(("rule", "pointer"), BAD, ids=[f"{rule['action']} {pointer}" for rule, pointer in BAD])
def test_a_repair_that_cannot_fit_is_refused_with_its_place(project: Project, rule: dict[str, Any], pointer: str) -> None:
    refused = problem(Api(project).post("quarantine/repairs/", {"rule": rule}), 422)
    assert pointer in {error["pointer"] for error in refused["errors"]}
    assert not Job.objects.filter(kind="repairs.apply").exists()


def test_only_repairs_are_remembered(project: Project) -> None:
    problem(Api(project).post("quarantine/repairs/", {"rule": {"action": "again"}, "remember": True}), 422)
    assert not Job.objects.filter(kind="repairs.apply").exists()


def test_the_log_has_names_and_no_values(project: Project) -> None:
    cases.a_case(project, attributes={"site": "Clinic 7", "age": "0,07"})
    repair(project, MAP, remember=True)
    repair(project, {"action": "number", "field": "attributes.age"})
    events = AuditEvent.objects.filter(action__in=("case.repaired", "repair.started", "repair.kept"))
    assert {event.action for event in events} == {"case.repaired", "repair.started", "repair.kept"}
    assert not [value for value in NEVER_LOGGED for event in events if value in str(event.after)]


def test_findings_say_field_problem_shape_and_number(project: Project) -> None:
    for index in range(3):
        cases.a_case(project, f"a{index}", attributes={"site": "Clinic 7", "age": f"{index},5", "extra": index})
    cases.a_case(project, "b", attributes={"site": "Clinic 8"})
    found = Api(project).get("quarantine/").json()
    findings = {(finding["field"], str(finding["shape"])): finding["cases"] for finding in found["findings"]}
    assert findings == {
        ("attributes.site", "{'value': 'Clinic 7'}"): 3,
        ("attributes.site", "{'value': 'Clinic 8'}"): 1,
        ("attributes.age", "{'kind': 'number with a comma'}"): 3,
        ("attributes.extra", "{'kind': 'number'}"): 3,
    }
    assert (found["cases_counted"], found["complete"]) == (4, True)
    assert search(project, "quarantine:true").count() == 4
    assert search(project, "quarantine:false").count() == 0


def test_listing_uses_the_partial_index(project: Project) -> None:
    for index in range(200):
        cases.a_text(project, f"text {index}", attributes={"extra": 1} if index % 50 == 0 else {})
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE hardcases_case")
            cursor.execute("SET LOCAL enable_seqscan = off")
    plan = search(project, "quarantine:true").order_by("-id")[:60].explain()
    assert "case_set_aside" in plan, plan
    assert "case_leaked" in search(project, "leak:true").order_by("-id")[:60].explain()
