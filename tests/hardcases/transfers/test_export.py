"""Exporting: what is in the file, for whom it is made, and that importing it again changes nothing."""

import hashlib
import io
import json
import zipfile
from typing import Any

import pytest

from hardcases.audit.models import AuditEvent
from hardcases.blobs.owners import orphans
from hardcases.blobs.store import get_store
from hardcases.cases.actions import erase_case
from hardcases.cases.models import Case
from hardcases.errors import Forbidden, Invalid
from hardcases.formats.registry import READERS, WRITERS
from hardcases.labels.actions import LabelItem, label_case
from hardcases.labels.models import CurrentLabel
from hardcases.projects.authentication import person
from hardcases.projects.models import Project
from hardcases.testsets.models import Version
from hardcases.transfers import actions, expiry
from hardcases.transfers.models import Export, Import, ReportPart
from tests.builders import cases, labels, people, testsets, transfers
from tests.builders.http import Api, problem
from tests.builders.transfers import exported, imported, jsonl
from tests.hardcases.transfers.test_import import held

pytestmark = pytest.mark.django_db
BOTH_WAYS = sorted(set(WRITERS) & set(READERS))
CLASSES = [kind for kind in BOTH_WAYS if kind != "yolo"]  # which holds boxes only
OTHERS_TOO = {"text": "=2+3 unclear\r\nsecond line, “quoted”", "reason": "override", "tags": ["a", "b"]}


BOXES = [{"x": 2, "y": 3, "width": 8, "height": 4.5, "label": "nodule"}, {"x": 0, "y": 0, "width": 16, "height": 16, "label": "normal"}]


def with_boxes(**columns: Any) -> Project:
    """A detection project with one picture whose boxes are labelled, one on which nothing is, and one without a label."""
    made = people.a_project(task="detection", positive_class=None, **columns)
    first = cases.a_case(made, "first", external_id="req-1", attributes={"site": "clinic-7"})
    for case, boxes in ((first, BOXES), (cases.a_case(made, "second"), [])):
        label_case(actor=person(made.owner), project=made, item=LabelItem(case=case.key, label={"boxes": boxes}))
    cases.a_case(made, "third")
    return made


@pytest.fixture
def project() -> Project:
    """Pictures with and without labels, under names and without."""
    made = people.a_project()
    attributes = {"site": "clinic-7", "age": 61, "portable": True}
    first = cases.a_case(made, "first", external_id="req-1", attributes=attributes, prediction={"scores": {"normal": 0.25, "nodule": 0.75}})
    cases.a_case(made, "second", tags=["night"], captured_at=first.received_at)
    labels.label(first, "nodule", note="seen")
    return made


def with_words(project: Project) -> Project:
    """And texts and records, where the format has a place for them."""
    text = cases.a_text(project, str(OTHERS_TOO["text"]), reason="override", tags=["a", "b"], correction={"label": "normal"})
    labels.label(text, "normal")
    cases.a_record(project, {"age": 3, "name": "=x", "score": 0.5, "smoker": None})
    cases.a_text(project, "word " * 5_000)
    return project


class AgainTests:
    @pytest.mark.parametrize("kind", CLASSES)
    @pytest.mark.parametrize("media", [True, False])
    def test_importing_an_own_export_changes_nothing(self, project: Project, kind: str, media: bool) -> None:
        if kind in {"csv", "jsonl", "parquet"}:
            with_words(project)
        content = exported(project, kind=kind, media=media)
        before = held(project)
        counts = imported(project, content, name=f"again.{'zip' if media else kind}", kind=kind)
        assert held(project) == before
        assert not {"new", "seen_again", "labelled", "rejected"} & set(counts), transfers.rows(Import.objects.get())
        assert counts["already_here"] >= 1

    @pytest.mark.parametrize("kind", BOTH_WAYS)
    @pytest.mark.parametrize("media", [True, False])
    def test_importing_own_boxes_changes_nothing(self, kind: str, media: bool) -> None:
        project = with_boxes()
        content, before = exported(project, kind=kind, media=media), held(project)
        counts = imported(project, content, name=f"again.{'zip' if media else kind}", kind=kind)
        assert held(project) == before
        assert not {"new", "seen_again", "labelled", "rejected"} & set(counts), transfers.rows(Import.objects.get())

    @pytest.mark.parametrize("kind", CLASSES)
    def test_another_project_gets_the_same_cases_and_labels(self, project: Project, kind: str) -> None:
        other = people.a_project(key_prefix="OT")
        imported(other, exported(project, kind=kind, media=True), name="x.zip", kind=kind)
        assert set(Case.objects.filter(project=other).values_list("sha256", flat=True)) == set(
            Case.objects.filter(project=project).values_list("sha256", flat=True)
        )
        given = CurrentLabel.objects.filter(case__project=other).values_list("case__sha256", "revision__label")
        assert dict(given) == dict(CurrentLabel.objects.filter(case__project=project).values_list("case__sha256", "revision__label"))

    @pytest.mark.parametrize("kind", CLASSES)
    def test_a_picture_kept_without_metadata(self, kind: str) -> None:
        project = people.a_project(strip_metadata=True)
        case = cases.report(project, content=cases.a_picture("meta", kind="JPEG", comment=b"Somebody")).case
        labels.label(case, "nodule")
        assert case.sha256 != case.stored_sha256
        content, before = exported(project, kind=kind, media=True), held(project)
        imported(project, content, name="x.zip", kind=kind)
        assert held(project) == before


class WhatIsInItTests:
    def test_of_a_search(self, project: Project) -> None:
        lines = [json.loads(line) for line in exported(project, kind="jsonl", q="label:nodule").splitlines()]
        (line,) = lines
        case = Case.objects.get(number=1)
        assert (line["key"], line["external_id"], line["sha256"], line["file"]) == ("XR-1", "req-1", case.sha256, "XR-1.png")
        assert (line["label"], line["note"], line["attributes"]["age"]) == ({"label": "nodule"}, "seen", 61)

    def test_of_a_version_is_what_was_frozen(self) -> None:
        project = people.a_project()
        kept = testsets.a_case(project, label="normal", site="clinic-1")
        gone = testsets.a_case(project, label="nodule", site="clinic-2")
        version = testsets.a_version(project, [kept, gone])
        testsets.relabel(kept, "nodule")
        Case.objects.filter(pk=kept.pk).update(attributes={"site": "elsewhere"})
        erase_case(actor=people.actor(project), case=gone, reason="asked for")
        Case.objects.filter(pk=kept.pk).update(text="Unclear.")
        (line,) = [json.loads(line) for line in exported(project, kind="jsonl", version=version).splitlines()]
        assert (line["key"], line["label"], line["attributes"]) == (kept.key, {"label": "normal"}, {"site": "clinic-1"})

    def test_every_file_of_an_archive_has_its_digest(self, project: Project) -> None:
        with zipfile.ZipFile(io.BytesIO(exported(project, kind="jsonl", media=True))) as archive:
            told = dict(reversed(line.split("  ")) for line in archive.read("SHA256SUMS").decode().splitlines())
            assert told == {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist() if name != "SHA256SUMS"}
            assert {"images/XR-1.png", "images/XR-2.png", "cases.jsonl"} == set(told)
            assert archive.read("images/XR-1.png") == cases.a_picture("first")

    def test_a_spreadsheet_runs_nothing(self, project: Project) -> None:
        cases.a_text(project, "=cmd|' /C calc'!A0", source="@evil", attributes={"site": "+1"})
        table = exported(project, kind="csv", q="kind:text").decode()
        assert "'=cmd" in table
        assert "'@evil" in table
        assert "'+1" in table

    def test_the_same_bytes_each_time(self, project: Project) -> None:
        assert exported(project, kind="jsonl", media=True) == exported(project, kind="jsonl", media=True)

    def test_more_cases_than_are_read_at_once(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hardcases.transfers.members.AT_ONCE", 3)
        for number in range(10):
            cases.a_text(project, f"Text {number}.", external_id=f"t{number}")
        lines = [json.loads(line) for line in exported(project, kind="jsonl", q="kind:text").splitlines()]
        assert [line["external_id"] for line in lines] == [f"t{number}" for number in range(10)]
        job = Export.objects.get().job
        assert (job.done, job.total, job.result["cases"]) == (10, 10, 10)


class AskingTests:
    def ask(self, project: Project, **other: Any) -> Export:
        asked = {"actor": people.actor(project, "curator"), "version": None, "q": "", "format_name": "jsonl", "media": False} | other
        return actions.start_export(project=project, **asked)

    def test_pictures_need_the_right_to_originals(self, project: Project) -> None:
        auditor = people.actor(project, "auditor")
        with pytest.raises(Forbidden, match="as they were received"):
            self.ask(project, actor=auditor, media=True)
        assert self.ask(project, actor=auditor).media is False

    def test_downloading_pictures_needs_it_too_and_is_written_down(self, project: Project) -> None:
        exported(project, kind="jsonl", media=True)
        export = Export.objects.get()
        with pytest.raises(Forbidden):
            actions.download(actor=people.actor(project, "viewer"), export=export)
        actions.download(actor=people.actor(project, "engineer"), export=export).file.close()
        assert AuditEvent.objects.filter(action="export.downloaded", object_id=str(export.pk)).count() == 1

    @pytest.mark.parametrize("wrong", [{"format_name": "docx"}, {"q": None}])
    def test_what_cannot_be_made(self, project: Project, wrong: dict[str, Any]) -> None:
        with pytest.raises(Invalid):
            self.ask(project, **wrong)
        assert not Export.objects.exists()


class ExpiryTests:
    def test_files_go_when_their_time_is_over(self, project: Project) -> None:
        exported(project, kind="jsonl")
        row = transfers.uploaded(project, jsonl({"text": "One."}))
        transfers.run(row)
        assert expiry.expire() == 0
        Export.objects.update(expires_at=row.created_at)
        Import.objects.update(expires_at=row.created_at)
        assert expiry.expire() == 2
        assert not ReportPart.objects.exists()
        export = Export.objects.get()
        with pytest.raises(actions.reading.NoLongerKept):
            actions.download(actor=people.actor(project, "curator"), export=export)

    def test_a_waiting_import_keeps_its_file(self, project: Project) -> None:
        row = transfers.uploaded(project, jsonl({"text": "One."}))
        job = actions.start_import(actor=people.actor(project, "curator"), row=row)
        Import.objects.update(expires_at=row.created_at)
        assert expiry.expire() == 0
        assert transfers.done(job).state == "done"
        assert expiry.expire() == 1

    def test_the_store_keeps_what_a_row_names(self, project: Project) -> None:
        row = transfers.uploaded(project, jsonl({"text": "One."}))
        after = row.expires_at
        assert row.sha256 not in set(orphans(get_store(), untouched_since=after))
        Import.objects.update(sha256=None)
        assert row.sha256 in set(orphans(get_store(), untouched_since=after))

    @pytest.mark.django_db(transaction=True)
    def test_an_erasure_takes_the_files_that_may_hold_the_case(self, project: Project) -> None:
        exported(project, kind="jsonl", media=True)
        row = transfers.uploaded(project, jsonl({"text": "One."}))
        transfers.run(row)
        digests = {row.sha256, Export.objects.get().sha256}
        erase_case(actor=people.actor(project), case=Case.objects.get(project=project, number=1), reason="asked for")
        assert not any(get_store().exists(str(digest)) for digest in digests)
        assert not ReportPart.objects.exists()
        assert (Import.objects.get().sha256, Export.objects.get().sha256) == (None, None)


class CroissantTests:
    def described(self, project: Project, version: Version) -> dict[str, Any]:
        with zipfile.ZipFile(io.BytesIO(exported(project, kind="croissant", version=version, media=True))) as archive:
            document: dict[str, Any] = json.loads(archive.read("croissant.json"))
            document["table"] = hashlib.sha256(archive.read("cases.jsonl")).hexdigest()
        return document

    def test_everything_that_is_known_is_told(self, project: Project) -> None:
        cases.a_case(project, "third")
        labels.label(Case.objects.get(number=2), "normal")
        version = testsets.a_version(project, list(Case.objects.filter(number__lte=2)))
        told = self.described(project, version)
        day = version.frozen_at.date().isoformat()
        team = {"@type": "sc:Organization", "name": "Radiology"}
        assert {name: told[name] for name in ("conformsTo", "description", "version", "datePublished", "dateModified")} == {
            "conformsTo": "http://mlcommons.org/croissant/1.1",
            "description": f"{version.test_set.purpose} No licence was named when this was exported.",
            "version": "1.0.0",
            "datePublished": day,
            "dateModified": day,
        }
        assert told["creator"] == told["publisher"] == team
        assert told["citeAs"] == f"{told['name']}, sha256:{version.digest}"
        assert told["url"].endswith(f"/p/{project.slug}/")
        assert told["name"] == f"{project.slug}-{version.test_set.slug}-1-croissant"
        assert told["distribution"][0]["sha256"] == told["table"]

    def test_the_licence_is_the_one_that_was_named(self, project: Project) -> None:
        api = Api(project)
        answer = api.post("exports/", {"q": "", "format": "croissant", "license": "CC-BY-4.0"})
        assert (answer.status_code, answer.json()["license"]) == (202, "CC-BY-4.0")
        export = Export.objects.get()
        transfers.done(export.job)
        export.refresh_from_db()
        assert export.sha256 is not None
        with zipfile.ZipFile(io.BytesIO(get_store().read(export.sha256))) as archive:
            document = json.loads(archive.read("croissant.json"))
        assert (document["license"], "No licence" in document["description"]) == ("CC-BY-4.0", False)

    def test_a_format_without_a_place_for_a_licence(self, project: Project) -> None:
        answer = Api(project).post("exports/", {"q": "", "format": "csv", "license": "CC-BY-4.0"})
        assert "no place for a licence" in problem(answer, 422)["detail"]
        assert not Export.objects.exists()

    def test_its_versions_tell_additions_from_edits(self, project: Project) -> None:
        made = [cases.a_text(project, f"Text {number}.") for number in range(4)]
        for case in made:
            labels.label(case, "normal")
        test_set = testsets.a_test_set(project, made[:2])
        found = []
        for add, remove, relabelled in (
            ([], [], None),
            (made[2:3], [], None),
            (made[3:], [], None),
            ([], [], made[0]),
            ([], made[1:2], None),
        ):
            testsets.draft(test_set, add=add, remove=remove)
            if relabelled is not None:
                labels.label(relabelled, "nodule")
            version = testsets.actions.freeze(actor=people.actor(project), test_set=test_set, reason="next")
            found.append(self.described(project, version)["version"])
        assert found == ["1.0.0", "1.1.0", "1.2.0", "2.0.0", "3.0.0"]
