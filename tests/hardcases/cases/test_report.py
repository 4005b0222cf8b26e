"""Reporting failures: what is stored, what counts as the same, what is set aside."""

import hashlib
import json
from typing import Any

import pytest

from hardcases.audit.models import AuditEvent
from hardcases.blobs.store import get_store
from hardcases.cases.models import Case, Sighting
from hardcases.projects.models import Project
from tests.builders.cases import a_picture
from tests.builders.http import Api, problem
from tests.builders.people import a_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return a_project()


@pytest.fixture
def api(project: Project) -> Api:
    return Api(project)


FACTS: dict[str, Any] = {
    "external_id": "req-1",
    "captured_at": "2026-11-20T14:02:00Z",
    "reason": "doctor_disagreed",
    "source": "clinic-7",
    "model": "nodule-net@3.1.4",
    "prediction": {"scores": {"normal": 0.93, "nodule": 0.07}},
    "correction": {"label": "nodule"},
    "attributes": {"site": "clinic-7", "age": 61, "portable": True, "patient": "p-311"},
    "tags": ["night-shift"],
}


class NewCaseTests:
    def test_an_image_is_stored_with_everything_said(self, api: Api) -> None:
        picture = a_picture()
        answer = api.upload(picture, FACTS, name="scan.png")
        assert answer.status_code == 201
        body = answer.json()
        assert body["key"] == "XR-1"
        assert body["sha256"] == hashlib.sha256(picture).hexdigest()
        assert (body["state"], body["duplicate"], body["sightings"], body["quarantine"]) == ("inbox", False, 1, [])
        assert answer["Location"] == body["url"]
        shown = api.get("cases/XR-1/").json()
        assert {name: shown[name] for name in FACTS if name not in {"external_id", "captured_at"}} == {
            name: value for name, value in FACTS.items() if name not in {"external_id", "captured_at"}
        }
        assert shown["external_ids"] == ["req-1"]
        assert (shown["width"], shown["height"], shown["media_type"], shown["file_name"]) == (16, 16, "image/png", "scan.png")
        assert get_store().read(body["sha256"]) == picture

    def test_a_text_has_the_digest_of_its_utf8_bytes(self, api: Api) -> None:
        body = api.post("cases/", {"input": {"text": "Größe?"}}).json()
        assert body["sha256"] == hashlib.sha256("Größe?".encode()).hexdigest()

    def test_a_record_has_the_digest_of_its_canonical_form(self, api: Api) -> None:
        body = api.post("cases/", '{"input": {"record": {"b": 1.0, "a": "x"}}}').json()
        assert body["sha256"] == hashlib.sha256(b'{"a":"x","b":1}').hexdigest()

    def test_numbers_run_without_gaps(self, api: Api) -> None:
        keys = [api.upload(a_picture(seed)).json()["key"] for seed in ("a", "b", "a", "c")]
        assert keys == ["XR-1", "XR-2", "XR-1", "XR-3"]

    def test_the_act_is_in_the_audit_log(self, api: Api) -> None:
        api.upload(a_picture(), FACTS)
        event = AuditEvent.objects.get()
        assert (event.action, event.object_id, event.token_id is not None) == ("case.created", "XR-1", True)
        assert "clinic-7" not in str(event.after)


class SightingTests:
    def test_the_same_bytes_are_another_sighting_and_change_nothing_else(self, api: Api) -> None:
        api.upload(a_picture(), FACTS)
        answer = api.upload(a_picture(), {"source": "clinic-9", "attributes": {"site": "clinic-9"}})
        assert answer.status_code == 200
        assert (answer.json()["duplicate"], answer.json()["sightings"]) == (True, 2)
        shown = api.get("cases/XR-1/").json()
        assert (shown["source"], shown["attributes"]["site"], shown["sightings"]) == ("clinic-7", "clinic-7", 2)
        assert [arrival["body"].get("source") for arrival in shown["arrivals"]] == ["clinic-9", "clinic-7"]

    def test_a_new_external_id_on_known_bytes_is_another_name(self, api: Api) -> None:
        api.upload(a_picture(), {"external_id": "a"})
        assert api.upload(a_picture(), {"external_id": "b"}).status_code == 200
        assert api.get("cases/XR-1/").json()["external_ids"] == ["a", "b"]

    def test_a_known_external_id_with_other_bytes_is_refused_with_the_key(self, api: Api) -> None:
        api.upload(a_picture("one"), {"external_id": "a"})
        body = problem(api.upload(a_picture("two"), {"external_id": "a"}), 409)
        assert body["key"] == "XR-1"
        assert Case.objects.count() == 1
        assert Sighting.objects.count() == 1
        assert api.upload(a_picture("two"), {"external_id": "c"}).json()["key"] == "XR-2"

    def test_the_same_content_in_two_projects_is_two_cases(self, api: Api) -> None:
        other = Api(a_project(key_prefix="KN"))
        assert api.upload(a_picture()).status_code == 201
        assert other.upload(a_picture()).status_code == 201

    def test_sending_again_repairs_missing_bytes(self, api: Api) -> None:
        digest = api.upload(a_picture()).json()["sha256"]
        get_store().delete(digest)
        assert api.upload(a_picture()).status_code == 200
        assert get_store().read(digest) == a_picture()


class QuarantineTests:
    def test_what_does_not_fit_the_schema_is_kept_apart(self, api: Api) -> None:
        sent = {"site": 7, "age": "old", "portable": "yes", "colour": "red", "patient": {"deep": [1]}}
        body = api.upload(a_picture(), {"attributes": sent}).json()
        assert {entry["field"]: entry["value"] for entry in body["quarantine"]} == {
            f"attributes.{name}": value for name, value in sent.items()
        }
        assert all(entry["problem"].endswith(".") for entry in body["quarantine"])
        shown = api.get("cases/XR-1/").json()
        assert shown["attributes"] == {}
        assert shown["quarantine"] == body["quarantine"]

    def test_unknown_classes_are_set_aside_and_the_rest_kept(self, api: Api) -> None:
        said = {"prediction": {"scores": {"normal": 0.2, "lung": 0.8}, "label": "lung"}, "correction": {"label": "heart"}}
        body = api.upload(a_picture(), said).json()
        assert [entry["field"] for entry in body["quarantine"]] == ["prediction.scores.lung", "prediction.label", "correction.label"]
        shown = api.get("cases/XR-1/").json()
        assert (shown["prediction"], shown["correction"]) == ({"scores": {"normal": 0.2}}, None)

    def test_a_closed_category_knows_only_its_values(self) -> None:
        project = a_project(attributes=[("site", "category", None)])
        project.attributes.update(values=["north", "south"])
        body = Api(project).upload(a_picture(), {"attributes": {"site": "west"}}).json()
        assert [entry["field"] for entry in body["quarantine"]] == ["attributes.site"]

    def test_a_null_is_a_missing_value(self, api: Api) -> None:
        body = api.upload(a_picture(), {"attributes": {"age": None}}).json()
        assert body["quarantine"] == []

    @pytest.mark.parametrize(
        "attributes", [{f"n{i}": 1 for i in range(201)}, {"k" * 129: 1}, {"site": "v" * 8_001}, {"site": ["v" * 100] * 100}]
    )
    def test_beyond_every_limit_the_report_is_refused(self, api: Api, attributes: dict[str, Any]) -> None:
        problem(api.upload(a_picture(), {"attributes": attributes}), 422)
        assert Case.objects.count() == 0


class ClientTimeTests:
    @pytest.mark.parametrize("captured_at", ["1969-12-31T00:00:00Z", "2999-01-01T00:00:00Z", "yesterday", 5])
    def test_a_time_out_of_range_is_refused(self, api: Api, captured_at: object) -> None:
        body = problem(api.upload(a_picture(), {"captured_at": captured_at}), 422)
        assert body["errors"][0]["pointer"] == "/captured_at"
        assert Case.objects.count() == 0


class IdempotencyTests:
    def test_the_same_key_and_content_replay_one_answer(self, api: Api) -> None:
        first = api.upload(a_picture(), FACTS, key="k1")
        again = api.upload(a_picture(), FACTS, key="k1")
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert again["Idempotency-Replayed"] == "true"
        assert Sighting.objects.count() == 1

    def test_the_same_key_with_other_bytes_is_refused(self, api: Api) -> None:
        api.upload(a_picture("one"), key="k1")
        problem(api.upload(a_picture("two"), key="k1"), 422)
        assert Case.objects.count() == 1

    def test_a_refusal_does_not_use_up_the_key(self, api: Api) -> None:
        api.upload(a_picture("one"), {"external_id": "a"})
        problem(api.upload(a_picture("two"), {"external_id": "a"}, key="k1"), 409)
        assert api.upload(a_picture("two"), {"external_id": "b"}, key="k1").status_code == 201

    def test_a_batch_is_replayed_too(self, api: Api) -> None:
        batch = [{"file": "a"}, {"input": {"text": "x"}}]
        first = api.batch(batch, {"a": a_picture()}, key="k")
        assert api.batch(batch, {"a": a_picture()}, key="k").json() == first.json()
        assert Sighting.objects.count() == 2


class BatchTests:
    def test_good_items_are_kept_when_others_fail(self, api: Api) -> None:
        items = [
            {"file": "a", "external_id": "1"},
            {"file": "broken"},
            {"input": {"text": "hello"}},
            {"file": "absent"},
            {"file": "b", "external_id": "1"},
            {"file": "a", "source": "again"},
            {"nonsense": 1},
            {"input": {"record": {"x": {"nested": 1}}}},
            "no object",
        ]
        answer = api.batch(items, {"a": a_picture("a"), "b": a_picture("b"), "broken": a_picture("c")[:60]})
        assert answer.status_code == 207
        results = answer.json()["results"]
        assert [item["index"] for item in results] == list(range(9))
        assert [item["status"] for item in results] == [201, 422, 201, 422, 409, 200, 422, 422, 422]
        assert results[4]["problem"]["key"] == "XR-1"
        assert [results[i]["key"] for i in (0, 2, 5)] == ["XR-1", "XR-2", "XR-1"]
        assert Case.objects.count() == 2
        assert Case.objects.get(number=1).sightings_count == 2

    def test_ndjson_of_texts_keeps_the_good_lines(self, api: Api) -> None:
        lines = b'{"input": {"text": "a"}}\n{"input": {"text": NaN}}\n\n{"input": {"text": "b"}}\n'
        results = api.post("cases/batch/", lines, kind="application/x-ndjson").json()["results"]
        assert [item["status"] for item in results] == [201, 400, 201]

    def test_a_file_that_no_item_names_is_not_dropped_silently(self, api: Api) -> None:
        problem(api.batch([{"file": "a"}], {"a": a_picture("a"), "b": a_picture("b")}), 422)
        assert Case.objects.count() == 0

    def test_too_many_items_are_refused(self, api: Api) -> None:
        problem(api.batch([{"input": {"text": str(i)}} for i in range(1_001)], {}), 413)

    def test_many_items_cost_few_queries(self, api: Api, django_assert_max_num_queries: Any) -> None:
        items = [{"input": {"text": f"text {i}"}, "external_id": str(i), "attributes": {"age": i}} for i in range(200)]
        lines = "\n".join(json.dumps(item) for item in items).encode()
        with django_assert_max_num_queries(60):  # SQLite takes 999 parameters at once, so 200 rows go in several statements
            answer = api.post("cases/batch/", lines, kind="application/x-ndjson")
        assert {item["status"] for item in answer.json()["results"]} == {201}
        assert AuditEvent.objects.count() == 1
