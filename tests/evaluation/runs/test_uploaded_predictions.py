"""Predictions that come as a file: all or nothing, joined by id, and the run starts with the last of them."""

import pytest

from evaluation.runs import reports, steps
from evaluation.runs.actions import PredictionsTooLate
from evaluation.runs.models import Run
from evaluation.runs.queries import flips, latest_run
from hardcases.cases.models import ExternalId
from hardcases.errors import Conflict
from hardcases.formats.findings import TableRefused
from tests.builders import people
from tests.builders import runs as build

pytestmark = pytest.mark.django_db

LABELS = ("normal", "nodule") * 10


class UploadTests:
    def setup_method(self) -> None:
        self.project = people.a_project()
        self.version = build.a_version(self.project, LABELS)
        self.keys = [f"XR-{number}" for number in range(1, 21)]
        self.model = build.a_model(self.project)
        self.baseline = build.a_replicate(self.model, "1.0").model_version
        self.candidate = build.a_replicate(self.model, "2.0").model_version

    def finished(self, version: object, wrong: tuple[int, ...] = (), **options: object) -> Run:
        run = build.start(version, self.version, **options)  # type: ignore[arg-type]
        scores = [(0.9 if label == "nodule" else 0.1) for label in LABELS]
        for index in wrong:
            scores[index] = 1 - scores[index]
        build.upload(run, build.csv(self.keys, scores))
        build.work()
        run.refresh_from_db()
        return run

    def test_run_waits_for_its_file_then_reports(self) -> None:
        run = build.start(self.candidate, self.version)
        assert (run.state, steps.waiting_for(run), run.deadline) == ("queued", [0], None)
        build.work()
        run.refresh_from_db()
        assert run.state == "queued"
        run = self.finished(self.candidate, wrong=(0,))
        assert (run.state, run.coverage) == ("succeeded", 1.0)
        entry = reports.entry(reports.report_of(run), "accuracy", "all")
        assert entry is not None
        assert (entry["value"], entry["n"]) == (0.95, 20)

    def test_flips_against_the_baseline(self) -> None:
        self.finished(self.baseline, wrong=(3,))
        run = self.finished(self.candidate, wrong=(0, 2), baseline=self.baseline)
        report = reports.report_of(run)
        assert (report["flips"]["newly_wrong"], report["flips"]["newly_right"]) == (2, 1)
        assert [row.key for row in flips(run, "newly_wrong").rows] == ["XR-1", "XR-3"]
        assert flips(run, "newly_wrong", "class=nodule").total == 0
        assert latest_run(self.candidate, self.baseline, self.version) == run
        assert reports.evidence_of(run).answered == 20

    def test_baseline_without_a_finished_run_is_refused(self) -> None:
        with pytest.raises(Conflict, match=r"Run .* first"):
            build.start(self.candidate, self.version, baseline=self.baseline)
        assert not Run.objects.exists()

    def test_every_fault_is_listed_and_nothing_stored(self) -> None:
        run = build.start(self.candidate, self.version)
        body = b"case,label,score:nodule\nXR-1,,nan\nXR-2,lesion,\nXR-2,,0.4\nXR-99,,0.4\n,,0.3\nXR-3,,\n"
        with pytest.raises(TableRefused) as refused:
            build.upload(run, body)
        said = {(finding.pointer, finding.detail.split(".")[0]) for finding in refused.value.errors}
        pointers = {pointer for pointer, _ in said}
        assert {f"/rows/{row}" for row in range(6)} <= pointers
        assert "/cases/XR-20" in pointers
        assert not run.parts.exists()
        assert steps.waiting_for(run) == [0]

    def test_external_ids_and_digests_name_cases(self) -> None:
        run = build.start(self.candidate, self.version)
        first, second = (entry.case for entry in self.version.test_set.entries.select_related("case").order_by("case__number")[:2])
        ExternalId.objects.create(project=self.project, case=first, value="req-1")
        names = ["req-1", second.sha256, *self.keys[2:]]
        accepted = build.upload(run, build.csv(names, [0.5] * 20))
        assert accepted.rows == 20

    def test_file_may_be_replaced_until_the_last_replicate_came(self) -> None:
        build.a_replicate(self.model, "2.0", replicate=1)
        run = build.start(self.candidate, self.version)
        build.upload(run, build.csv(self.keys, [0.1] * 20))
        build.upload(run, build.csv(self.keys, [0.2] * 20))
        assert steps.waiting_for(run) == [1]
        last = build.csv(self.keys, [0.3] * 20)
        build.upload(run, last, replicate=1)
        assert build.upload(run, last, replicate=1).rows == 20  # the same bytes again
        with pytest.raises(PredictionsTooLate):
            build.upload(run, build.csv(self.keys, [0.4] * 20), replicate=1)
        build.work()
        run.refresh_from_db()
        assert run.state == "succeeded"

    def test_missing_cases_count_as_wrong_and_are_listed(self) -> None:
        run = build.start(self.candidate, self.version)
        scores = [(0.9 if label == "nodule" else 0.1) for label in LABELS]
        build.upload(run, build.csv(self.keys[:15], scores[:15]), missing="wrong")
        build.work()
        run.refresh_from_db()
        assert (run.state, run.coverage) == ("succeeded", 0.75)
        report = reports.report_of(run)
        assert report["coverage"]["missing"]["reasons"] == {"no_prediction": 5}
        entry, auc = reports.entry(report, "accuracy", "all"), reports.entry(report, "roc_auc", "all")
        assert entry is not None
        assert auc is not None
        assert entry["value"] == 0.75
        assert (auc["value"], auc["undefined"]) == (None, "5 predictions missing")

    def test_equal_evidence_gives_equal_bytes(self) -> None:
        one, other = self.finished(self.candidate, wrong=(1,)), self.finished(self.candidate, wrong=(1,))
        assert one.report_sha256 == other.report_sha256
        assert one.pk != other.pk
