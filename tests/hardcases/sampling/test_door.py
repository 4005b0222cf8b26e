"""Sampling at the door of production, through the API."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from hardcases.audit.models import AuditEvent
from hardcases.blobs.owners import orphans
from hardcases.blobs.store import get_store
from hardcases.cases.models import Case, Sighting
from hardcases.projects.models import Project
from hardcases.sampling.models import LeftOut, SamplingRule, SamplingTally
from tests.builders.cases import a_case, a_picture
from tests.builders.http import Api, problem
from tests.builders.people import a_project
from tests.hardcases.cases.test_parallel import at_once

NOTHING = {"when": {"reason": "random_sample"}, "keep": 0}
SAID = {"reason": "random_sample", "source": "clinic-7", "attributes": {"site": "clinic-7"}, "external_id": "e-1"}


@pytest.fixture
def project(db: Any) -> Project:
    return a_project()


def put(project: Project, *rules: Any, **more: Any) -> dict[str, Any]:
    api = Api(project)
    answer = api.client.put(api.url("sampling/"), {"rules": list(rules), **more}, content_type="application/json", headers=api.headers)
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def test_a_case_left_out_answers_202_and_keeps_digest_and_attributes_but_no_bytes(project: Project) -> None:
    rule = put(project, NOTHING)["rules"][0]["id"]
    api = Api(project)
    answer = api.upload(a_picture(), SAID)
    assert answer.status_code == 202
    body = answer.json()
    digest = body["sha256"]
    assert body == {
        "key": None,
        "url": None,
        "state": "sampled_out",
        "sha256": digest,
        "duplicate": False,
        "sightings": 1,
        "group": None,
        "quarantine": [],
        "sampling_rule": rule,
        "selection_probability": 0.0,
    }
    assert not Case.objects.exists()
    assert not Sighting.objects.exists()
    row = LeftOut.objects.get()
    assert row.said == SAID | {"corrected": False}
    assert digest in set(orphans(get_store(), untouched_since=timezone.now() + timedelta(days=1))), "no row holds the bytes"
    again = api.upload(a_picture(), SAID).json()
    assert (again["state"], again["duplicate"], again["sightings"]) == ("sampled_out", True, 2)
    tally = SamplingTally.objects.get()
    assert (tally.seen, tally.kept) == (1, 0), "a repeat is no second draw"


def test_items_of_a_batch_are_decided_one_by_one(project: Project) -> None:
    put(project, NOTHING, {"when": {}, "quota": {"per": "day", "limit": 1}})
    files = {name: a_picture(name) for name in "abc"}
    items = [{"file": "a", **SAID}, {"file": "b"}, {"file": "c"}, {"file": "a", "reason": "random_sample"}]
    answer = Api(project).batch(items, files)
    found = [(item["status"], item["state"]) for item in answer.json()["results"]]
    assert found == [(202, "sampled_out"), (201, "inbox"), (202, "sampled_out"), (202, "sampled_out")]
    assert LeftOut.objects.count() == 2
    assert Case.objects.get().selection_probability is None, "who comes first is not chance"


def test_a_kept_case_says_with_what_chance_and_by_which_rule(project: Project) -> None:
    (rule,) = put(project, {"when": {"reason": "random_sample"}, "keep": 0.999_999})["rules"]
    api = Api(project)
    sampled = api.upload(a_picture("a"), SAID).json()["key"]
    free = api.upload(a_picture("b"), {"reason": "other"}).json()["key"]
    by_hand = a_case(project, "c").key
    found = {key: api.get(f"cases/{key}/").json() for key in (sampled, free, by_hand)}
    assert {key: (case["selection_probability"], case["sampling_rule"]) for key, case in found.items()} == {
        sampled: (0.999_999, rule["id"]),
        free: (1.0, None),
        by_hand: (None, None),
    }


def test_without_rules_everything_is_kept_for_certain(project: Project) -> None:
    assert Api(project).upload(a_picture(), SAID).status_code == 201
    assert Case.objects.get().selection_probability == 1.0


def test_a_content_that_is_here_is_always_another_sighting(project: Project) -> None:
    case = a_case(project)
    put(project, {"when": {}, "keep": 0})
    answer = Api(project).upload(a_picture(), SAID)
    assert (answer.status_code, answer.json()["key"]) == (200, case.key)


def test_another_rule_may_bring_a_content_in_and_the_same_one_never(project: Project) -> None:
    put(project, NOTHING)
    api = Api(project)
    assert api.upload(a_picture(), SAID).status_code == 202
    other = api.upload(a_picture(), {"reason": "low_confidence"})
    assert other.status_code == 201
    assert not LeftOut.objects.exists()
    assert api.upload(a_picture(), SAID).status_code == 200


def test_what_was_said_about_it_can_be_erased_and_does_not_come_back(project: Project) -> None:
    put(project, NOTHING)
    api = Api(project)
    digest = api.upload(a_picture(), SAID).json()["sha256"]
    problem(api.post("sampling/forget/", {"sha256": digest, "reason": " "}), 422)
    problem(api.post("sampling/forget/", {"sha256": "0" * 64, "reason": "asked for"}), 404)
    for _ in range(2):
        assert api.post("sampling/forget/", {"sha256": digest, "reason": "asked for"}).status_code == 200
    assert LeftOut.objects.get().said == {"forgotten": True}
    assert AuditEvent.objects.get(action="sampling.forgotten").after == {"sha256": digest, "reason": "asked for"}
    for fields in (SAID, {"reason": "other"}, SAID | {"correction": {"label": "nodule"}}):
        assert api.upload(a_picture(), fields).status_code == 202
    put(project)
    assert api.upload(a_picture(), {}).status_code == 202
    assert LeftOut.objects.get().said == {"forgotten": True}
    assert not Case.objects.exists()


def test_a_correction_brings_a_content_in(project: Project) -> None:
    put(project, {"when": {}, "keep": 0})
    api = Api(project)
    assert api.upload(a_picture(), SAID).status_code == 202
    assert api.upload(a_picture(), SAID | {"correction": {"label": "nodule"}}).status_code == 201
    assert api.upload(a_picture("b"), {"reason": "doctor_disagreed"}).status_code == 201


def test_an_idempotent_repeat_gets_the_stored_answer(project: Project) -> None:
    put(project, NOTHING)
    api = Api(project)
    one, two = (api.upload(a_picture(), SAID, key="k") for _ in range(2))
    assert one.status_code == two.status_code == 202
    assert two["Idempotency-Replayed"] == "true"
    assert one.content == two.content


def test_an_unchanged_rule_keeps_its_id_and_a_changed_one_is_another(project: Project) -> None:
    one, two = NOTHING, {"when": {"source": "x"}, "quota": {"per": "day", "limit": 5, "by": ["site"]}}
    first = [rule["id"] for rule in put(project, one, two)["rules"]]
    assert [rule["id"] for rule in put(project, two, one)["rules"]] == first[::-1]
    changed = [rule["id"] for rule in put(project, two | {"name": "Five"}, one)["rules"]]
    assert changed[1] == first[0]
    assert changed[0] not in first
    retired = SamplingRule.objects.get(pk=first[1])
    assert retired.retired_at
    assert retired.document["quota"]["limit"] == 5
    assert AuditEvent.objects.filter(action="sampling.changed").count() == 3
    put(project, two | {"name": "Five"}, one)
    assert AuditEvent.objects.filter(action="sampling.changed").count() == 3, "the same again is no change"


def test_rules_that_somebody_else_changed_are_not_overwritten(project: Project) -> None:
    ids = [rule["id"] for rule in put(project, NOTHING)["rules"]]
    put(project, seen=ids)
    api = Api(project)
    body = {"rules": [NOTHING], "seen": ids}
    problem(api.client.put(api.url("sampling/"), body, content_type="application/json", headers=api.headers), 409)


def test_a_trial_says_what_a_rule_would_have_kept(project: Project) -> None:
    put(project, {"when": {"source": "x"}, "keep": 0})
    api = Api(project)
    for index in range(6):
        api.upload(a_picture(str(index)), {"reason": "random_sample", "source": "x" if index < 2 else "y"})
    a_case(project, "by hand", reason="random_sample")
    tried = put(project, {"when": {"reason": "random_sample"}, "quota": {"per": "week", "limit": 4}}, dry_run=True)["rules"][0]
    assert tried["last_7_days"] == {"arrivals": 6, "about": 6, "kept": 4, "complete": True}
    done = api.get("sampling/").json()["rules"]
    assert [rule["last_14_days"] for rule in done] == [{"seen": 2, "kept": 0, "left_out": 2}]
    with time_machine.travel(timezone.now() + timedelta(days=15)):
        assert api.get("sampling/").json()["rules"][0]["last_14_days"]["seen"] == 0


@pytest.mark.django_db(transaction=True)
def test_of_fifty_at_once_a_quota_of_ten_keeps_ten() -> None:
    project = a_project()
    put(project, {"when": {}, "quota": {"per": "day", "limit": 10}})
    project.refresh_from_db()
    answers = at_once(project, lambda api, number: api.upload(a_picture(str(number)), {"reason": "random_sample"}))
    assert Counter(answer.status_code for answer in answers) == {201: 10, 202: 40}
    assert Case.objects.count() == 10
    assert LeftOut.objects.count() == 40
    assert SamplingTally.objects.values_list("seen", "kept").get() == (50, 10)


@pytest.mark.django_db(transaction=True)
def test_fifty_equal_contents_at_once_are_left_out_once() -> None:
    project = a_project()
    put(project, {"when": {}, "keep": 0})
    answers = at_once(project, lambda api, _: api.upload(a_picture(), {}))
    assert {answer.status_code for answer in answers} == {202}
    assert LeftOut.objects.values_list("times", flat=True).get() == 50
    assert SamplingTally.objects.values_list("seen", "kept").get() == (1, 0)
