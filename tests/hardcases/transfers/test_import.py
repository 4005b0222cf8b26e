"""Importing files: what becomes of each row, said beforehand by a check, and the same again when it is done."""

from typing import Any

import pytest
from PIL.PngImagePlugin import PngInfo

from hardcases.audit.models import AuditEvent
from hardcases.blobs.store import get_store
from hardcases.cases.actions import erase_case
from hardcases.cases.models import Case, ExternalId, Sighting
from hardcases.labels.models import LabelRevision
from hardcases.projects.models import Membership, Project
from hardcases.transfers import actions, intake
from hardcases.transfers.models import Import
from tests.builders import cases, labels, people, transfers
from tests.builders.transfers import a_zip, imported, jsonl

pytestmark = pytest.mark.django_db

FULL = {
    "external_id": "req-1",
    "text": "The scan is unclear.",
    "captured_at": "2026-11-20T14:02:00Z",
    "reason": "override",
    "source": "clinic-7",
    "model": "net@1.0",
    "prediction": {"scores": {"normal": 0.9, "nodule": 0.1}},
    "correction": {"label": "nodule"},
    "attributes": {"site": "clinic-7", "age": 61, "portable": True},
    "tags": ["night"],
    "label": {"label": "nodule"},
}


@pytest.fixture
def project() -> Project:
    return people.a_project()


def held(project: Project) -> dict[str, Any]:
    """Everything that an import writes."""
    return {
        "cases": list(Case.objects.filter(project=project).order_by("pk").values()),
        "names": list(ExternalId.objects.filter(project=project).order_by("pk").values()),
        "sightings": list(Sighting.objects.filter(case__project=project).order_by("pk").values()),
        "labels": list(LabelRevision.objects.filter(case__project=project).order_by("pk").values()),
    }


class NewCasesTests:
    def test_a_case_with_everything(self, project: Project) -> None:
        assert imported(project, jsonl(FULL)) == {"entries": 1, "new": 1, "labelled": 1}
        case = Case.objects.get(project=project)
        assert (case.state, case.reason, case.source, case.model, case.tags) == ("inbox", "override", "clinic-7", "net@1.0", ["night"])
        assert (case.attributes, case.quarantine) == (FULL["attributes"], [])
        assert (case.prediction, case.correction) == (FULL["prediction"], FULL["correction"])
        assert case.captured_at is not None
        assert case.external_ids.get().value == "req-1"
        revision = case.label_revisions.get()
        assert (revision.label, revision.number) == ({"label": "nodule"}, 1)

    def test_pictures_in_an_archive(self, project: Project) -> None:
        package = a_zip(cases__jsonl=jsonl({"file": "a.png"}, {"file": "b.png"}), a__png=cases.a_picture("a"), b__png=b"no picture")
        assert imported(project, package, name="cases.zip", kind="jsonl") == {"entries": 2, "new": 1, "rejected": 1}
        assert Case.objects.get().file_name == "a.png"
        (rejected,) = transfers.rows(Import.objects.get(), "rejected")
        assert rejected["place"] == "rows/1"
        assert "image" in rejected["problem"]

    def test_a_check_writes_nothing(self, project: Project) -> None:
        before, blobs = held(project), set(get_store().iter_digests())
        row = transfers.uploaded(project, jsonl(FULL, {"text": "Another."}))
        blobs |= {str(row.sha256)}
        job = transfers.check(row)
        assert (job.state, job.result["new"]) == ("done", 2)
        assert held(project) == before
        assert set(get_store().iter_digests()) == blobs
        assert not AuditEvent.objects.filter(action__startswith="case").exists()

    def test_what_breaks_the_schema_is_kept_aside_and_said(self, project: Project) -> None:
        odd = {"text": "Odd.", "attributes": {"site": "clinic-1", "age": "old"}, "prediction": {"label": "cyst"}}
        assert imported(project, jsonl(odd)) == {"entries": 1, "new": 1, "warnings": 2}
        case = Case.objects.get()
        assert case.attributes == {"site": "clinic-1"}
        assert sorted(entry["field"] for entry in case.quarantine) == ["attributes.age", "prediction.label"]

    def test_the_same_content_twice_in_a_file(self, project: Project) -> None:
        rows = jsonl({"text": "One.", "reason": "a"}, {"text": "One.", "reason": "a"}, {"text": "One.", "reason": "b"})
        assert imported(project, rows) == {"entries": 3, "new": 1, "already_here": 1, "seen_again": 1}
        assert Case.objects.get().sightings_count == 2

    def test_a_name_for_two_contents(self, project: Project) -> None:
        assert imported(project, jsonl({"text": "One.", "external_id": "x"}, {"text": "Two.", "external_id": "x"})) == {
            "entries": 2,
            "new": 1,
            "rejected": 1,
        }

    def test_a_label_that_does_not_fit_costs_only_itself(self, project: Project) -> None:
        assert imported(project, jsonl({"text": "One.", "label": {"label": "cyst"}})) == {"entries": 2, "new": 1, "warnings": 1}
        assert not LabelRevision.objects.exists()

    def test_good_rows_are_kept_when_others_are_not(self, project: Project) -> None:
        rows = jsonl({"text": "One."}, {"text": " "}, {"text": "Two.", "captured_at": "1950-01-01T00:00:00Z"}, {"text": "Three."})
        assert imported(project, rows + b"{broken\n") == {"entries": 5, "new": 2, "rejected": 3}
        row = Import.objects.get()
        assert [found["place"] for found in transfers.rows(row, "rejected")] == ["rows/1", "rows/2", "rows/4"]
        assert row.import_job is not None
        assert len(row.import_job.errors) == 3


class AgainTests:
    def test_changes_nothing(self, project: Project) -> None:
        odd = {"text": "Odd.", "attributes": {"colour": "red", "age": "old"}, "tags": ["b", "a"]}
        package = jsonl(FULL, odd, {"text": "Plain."}, {"record": {"age": 3, "name": "x"}, "label": {"label": "normal"}})
        imported(project, package)
        before = held(project)
        assert imported(project, package) == {"entries": 4, "already_here": 4}
        assert held(project) == before

    def test_something_new_is_another_sighting_and_leaves_the_case(self, project: Project) -> None:
        imported(project, jsonl(FULL))
        assert imported(project, jsonl(FULL | {"reason": "other"})) == {"entries": 1, "seen_again": 1}
        case = Case.objects.get()
        assert (case.reason, case.sightings_count) == ("override", 2)

    def test_another_label_is_another_revision(self, project: Project) -> None:
        imported(project, jsonl(FULL))
        assert imported(project, jsonl(FULL | {"label": {"label": "normal"}})) == {"entries": 1, "labelled": 1}
        assert [revision.number for revision in Case.objects.get().label_revisions.all()] == [1, 2]

    def test_two_labels_of_one_case_in_one_file(self, project: Project) -> None:
        """Two pictures with the same bytes, each with a label of its own."""
        rows = jsonl(*({"text": "One.", "label": {"label": name}} for name in ("nodule", "normal", "nodule")), FULL)
        assert imported(project, rows) == {"entries": 4, "new": 2, "labelled": 2, "already_here": 1, "rejected": 1}
        case = Case.objects.get(text="One.")
        assert [revision.label for revision in case.label_revisions.all()] == [{"label": "nodule"}]
        (told,) = transfers.rows(Import.objects.get(), "rejected")
        assert (told["place"], "same case as rows/0" in told["problem"]) == ("rows/1", True)
        before = held(project)
        assert imported(project, rows) == {"entries": 4, "already_here": 3, "rejected": 1}
        assert held(project) == before

    def test_two_labels_of_one_case_far_apart(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(intake, "WITHOUT_CONTENT", 1)
        rows = jsonl(*({"text": "One.", "label": {"label": name}} for name in ("nodule", "normal")))
        assert imported(project, rows) == {"entries": 2, "new": 1, "labelled": 1, "rejected": 1}

    def test_a_part_of_what_is_known_is_nothing_new(self, project: Project) -> None:
        imported(project, jsonl(FULL))
        assert imported(project, jsonl({"text": FULL["text"], "attributes": {"age": 61}})) == {"entries": 1, "already_here": 1}


class WithoutContentTests:
    @pytest.fixture
    def case(self, project: Project) -> Case:
        return cases.a_case(project, "scan", external_id="req-9")

    @pytest.mark.parametrize("name", ["key", "external_id", "sha256", "file"])
    def test_a_label_by_each_name(self, project: Project, case: Case, name: str) -> None:
        said = {"key": case.key, "external_id": "req-9", "sha256": case.sha256, "file": "scan.png"}[name]
        rows = jsonl({name: said, "label": {"label": "nodule"}, "note": "seen"})
        assert imported(project, rows) == {"entries": 1, "labelled": 1}
        revision = case.label_revisions.get()
        assert (revision.label, revision.note) == ({"label": "nodule"}, "seen")
        assert Case.objects.get().sightings_count == 1
        assert imported(project, rows) == {"entries": 1, "already_here": 1}

    def test_annotations_of_pictures_that_are_not_packed(self, project: Project, case: Case) -> None:
        coco = {
            "images": [{"id": 1, "file_name": "train/scan.png", "width": 16, "height": 16}, {"id": 2, "file_name": "other.png"}],
            "categories": [{"id": 1, "name": "nodule"}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 1}, {"id": 2, "image_id": 2, "category_id": 1}],
        }
        counts = imported(project, jsonl(coco), name="instances.json")
        assert (counts["labelled"], counts["rejected"]) == (1, 1)
        assert set(case.external_ids.values_list("value", flat=True)) == {"req-9"}
        assert imported(project, jsonl(coco), name="instances.json")["already_here"] == 1

    def test_who_imports_is_who_labels(self, project: Project, case: Case) -> None:
        actor = people.actor(project, "curator")
        transfers.run(transfers.uploaded(project, jsonl({"key": case.key, "label": {"label": "nodule"}})), actor=actor)
        assert case.label_revisions.get().author_id == actor.user_id

    def test_a_prediction_stays_in_the_sighting(self, project: Project, case: Case) -> None:
        assert imported(project, jsonl({"key": case.key, "model": "net@2", "prediction": {"label": "normal"}})) == {
            "entries": 1,
            "seen_again": 1,
        }
        case.refresh_from_db()
        assert (case.prediction, case.model, case.sightings_count) == (None, "", 2)
        newest = case.sightings.order_by("-pk")[0]
        assert newest.body == {"model": "net@2", "prediction": {"label": "normal"}}

    @pytest.mark.parametrize(
        "row",
        [
            {"key": "XR-99"},
            {"key": "nonsense"},
            {"external_id": "nobody"},
            {"sha256": "0" * 64},
            {"file": "nowhere.png"},
        ],
    )
    def test_a_name_that_means_nothing(self, project: Project, case: Case, row: dict[str, Any]) -> None:
        assert imported(project, jsonl(row | {"label": {"label": "nodule"}})) == {"entries": 1, "rejected": 1}
        assert not LabelRevision.objects.exists()

    def test_names_that_mean_different_cases(self, project: Project, case: Case) -> None:
        other = cases.a_case(project, "other")
        assert imported(project, jsonl({"key": other.key, "external_id": "req-9", "label": {"label": "nodule"}})) == {
            "entries": 1,
            "rejected": 1,
        }
        assert imported(project, jsonl({"key": other.key, "sha256": case.sha256, "label": {"label": "nodule"}})) == {
            "entries": 1,
            "rejected": 1,
        }

    def test_a_file_name_of_two_cases(self, project: Project, case: Case) -> None:
        cases.report(project, "scan", content=cases.a_picture("else"))
        assert imported(project, jsonl({"file": "scan.png", "label": {"label": "nodule"}})) == {"entries": 1, "rejected": 1}
        (rejected,) = transfers.rows(Import.objects.get(), "rejected")
        assert "Several cases" in rejected["problem"]

    def test_a_new_name_becomes_an_alias(self, project: Project, case: Case) -> None:
        assert imported(project, jsonl({"key": case.key, "external_id": "also"})) == {"entries": 1, "seen_again": 1}
        assert set(case.external_ids.values_list("value", flat=True)) == {"req-9", "also"}

    def test_labels_of_the_same_case_that_contradict_each_other(self, project: Project, case: Case) -> None:
        rows = [{"key": case.key, "label": {"label": name}} for name in ("nodule", "nodule", "normal")]
        for again in ({"labelled": 1, "already_here": 1}, {"already_here": 2}):
            assert imported(project, jsonl(*rows)) == {"entries": 3, "rejected": 1, **again}
        assert case.label_revisions.count() == 1

    def test_an_erased_case(self, project: Project, case: Case) -> None:

        erase_case(actor=people.actor(project), case=case, reason="asked for")
        rows = jsonl({"key": case.key, "label": {"label": "nodule"}}, {"sha256": case.sha256, "reason": "x"})
        assert imported(project, rows) == {"entries": 2, "rejected": 2}


class ContentOfAnotherNameTests:
    def test_a_digest_that_does_not_fit_is_refused(self, project: Project) -> None:
        assert imported(project, jsonl({"text": "One.", "sha256": "0" * 64})) == {"entries": 1, "rejected": 1}
        assert not Case.objects.exists()

    def test_keys_of_another_installation_mean_nothing_beside_a_content(self, project: Project) -> None:
        other = cases.a_text(project, "Here first.")
        assert imported(project, jsonl({"text": "Brought along.", "key": other.key})) == {"entries": 1, "new": 1}

    def test_a_picture_kept_without_metadata_is_known_by_what_is_kept(self) -> None:
        project = people.a_project(strip_metadata=True)
        case = cases.report(project, content=cases.a_picture("meta", kind="PNG", pnginfo=_words())).case
        assert case.sha256 != case.stored_sha256
        package = a_zip(
            cases__jsonl=jsonl({"file": "a.png", "sha256": case.sha256, "label": {"label": "nodule"}}),
            a__png=get_store().read(case.stored_sha256),
        )
        assert imported(project, package, name="cases.zip", kind="jsonl") == {"entries": 1, "labelled": 1}
        assert Case.objects.count() == 1


def _words() -> Any:

    words = PngInfo()
    words.add_text("Patient", "Somebody")
    return words


class ChunkTests:
    def test_many_rows_in_several_transactions(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hardcases.transfers.intake.WITHOUT_CONTENT", 4)
        monkeypatch.setattr("hardcases.transfers.intake.CHUNK", 2)
        rows = [{"text": f"Text {number % 7}.", "external_id": f"e{number % 7}", "label": {"label": "nodule"}} for number in range(20)]
        assert imported(project, jsonl(*rows)) == {"entries": 20, "new": 7, "labelled": 7, "already_here": 13}
        job = Import.objects.get().import_job
        assert job is not None
        assert (job.done, job.total) == (20, 20)
        assert AuditEvent.objects.filter(action="case.batch_reported").count() == 3
        assert [row["place"] for row in transfers.rows(Import.objects.get())] == [f"rows/{number}" for number in range(20)]

    def test_one_event_for_many_labels(self, project: Project) -> None:
        made = [cases.a_text(project, f"Text {number}.") for number in range(30)]
        imported(project, jsonl(*({"key": case.key, "label": {"label": "normal"}} for case in made)))
        assert AuditEvent.objects.filter(action="case.batch_labelled").count() == 1
        assert not AuditEvent.objects.filter(action="case.labelled").exists()


class RefusedTests:
    def test_a_role_taken_away_meanwhile_stops_the_job(self, project: Project) -> None:

        actor = people.actor(project, "curator")
        job = actions.start_import(actor=actor, row=transfers.uploaded(project, jsonl(FULL)))
        Membership.objects.filter(user_id=actor.user_id).delete()
        transfers.done(job)
        assert job.state == "failed"
        assert "may not import" in job.failure
        assert not Case.objects.exists()

    def test_a_second_import_of_one_upload_is_the_first(self, project: Project) -> None:
        row = transfers.uploaded(project, jsonl(FULL))
        first = transfers.run(row)
        labels.label(Case.objects.get(), "normal")
        assert transfers.run(row).pk == first.pk
        assert Case.objects.get().current_label.value == "normal"
