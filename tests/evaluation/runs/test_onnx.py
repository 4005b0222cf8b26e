"""Models that run in process: bad cases fail alone, bad models fail the run, and the postcode story comes out as it is told."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from evaluation.demo import story
from evaluation.runs import jobs, reports, states, steps
from evaluation.runs.models import Run, Shard
from evaluation.runs.onnx import _session
from evaluation.runs.predictors import ModelUnusable
from hardcases.blobs.backends import LocalBackend
from hardcases.blobs.store import get_store
from hardcases.errors import Conflict
from hardcases.testsets.models import Version
from tests.builders import people
from tests.builders import runs as build

pytestmark = pytest.mark.django_db


def done(run: Run) -> Run:
    build.work()
    run.refresh_from_db()
    return run


def blob_path(sha256: str) -> Path:
    backend = get_store().backend
    assert isinstance(backend, LocalBackend)
    return backend._path(sha256)


class PredictorTests:
    def setup_method(self) -> None:
        self.project = build.postcode_project(plain=True)
        self.model = build.a_model(self.project, "reader")

    def version(self, every: int = 40) -> Version:
        return build.postcode_version(self.project, every=every)

    def test_scores_are_those_of_the_model_itself(self) -> None:
        import onnxruntime

        run = done(build.start(build.demo_replicate(self.model, "v1").model_version, self.version()))
        pictures = story.load().image[::40].reshape(-1, 64).astype(np.float32)
        session = onnxruntime.InferenceSession(str(story.model_versions()[0].artefact))
        wanted = session.run(["probabilities"], {session.get_inputs()[0].name: pictures})[0]
        answers = reports.material_of(run).candidate[0]
        np.testing.assert_allclose(answers.scores, wanted, atol=1e-6)
        assert run.coverage == 1.0

    def test_bad_bytes_fail_their_case_and_no_other(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(jobs, "MOST_FAILED", 0.2)
        version = self.version()
        digests = list(version.test_set.entries.order_by("case__number").values_list("content_digest", flat=True))
        blob_path(digests[3]).write_bytes(b"something else")
        blob_path(digests[5]).unlink()
        run = done(build.start(build.demo_replicate(self.model, "v1").model_version, version))
        report = reports.report_of(run)
        assert report["coverage"]["missing"]["reasons"] == {"blob_damaged": 1, "blob_missing": 1}
        assert [item["case"] for item in report["coverage"]["missing"]["first"]] == ["PC-4", "PC-6"]
        assert run.coverage == pytest.approx(1 - 2 / len(digests))
        for index in (3, 5):
            get_store().put_bytes(list(story.cases())[index * 40].png)
        again = done(build.actions.retry_run(actor=people.actor(self.project), run=run))
        assert (again.coverage, again.retry_of_id) == (1.0, run.pk)

    def test_beyond_the_stated_share_the_run_fails_and_names_cases(self) -> None:
        version = self.version()
        for digest in version.test_set.entries.values_list("content_digest", flat=True)[:10]:
            blob_path(digest).unlink()
        run = done(build.start(build.demo_replicate(self.model, "v1").model_version, version))
        assert run.state == "failed"
        assert "10 blob_missing" in run.failure
        assert "PC-1" in run.failure

    def test_file_that_is_no_model_fails_the_run(self, tmp_path: Path) -> None:
        (tmp_path / "x.onnx").write_bytes(b"no model")
        replicate = build.a_replicate(self.model, "9", artefact=tmp_path / "x.onnx", adapter={"kind": "onnx"})
        run = done(build.start(replicate.model_version, self.version()))
        assert run.state == "failed"
        assert "no ONNX model" in run.failure
        assert set(run.shards.values_list("state", flat=True)) == {"cancelled"}

    def test_model_of_another_shape_fails_the_run(self) -> None:
        wide = {"kind": "onnx", "input": {"mode": "RGB", "size": [9, 9], "layout": "flat"}, "output": "probabilities"}
        replicate = build.a_replicate(self.model, "9", artefact=story.model_versions()[0].artefact, adapter=wide)
        run = done(build.start(replicate.model_version, self.version()))
        assert run.state == "failed"
        assert "model_error" in run.failure

    def test_poison_shard_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(steps, "SHARD_ROWS", 10)
        run = build.start(build.demo_replicate(self.model, "v1").model_version, self.version())
        Shard.objects.filter(run=run, index=0).update(attempt=3)
        assert done(run).state == "failed"
        assert "10 no_prediction" in run.failure

    def test_baseline_is_evaluated_along_and_waited_for(self) -> None:
        version = self.version()
        baseline = build.demo_replicate(self.model, "v1").model_version
        run = build.start(build.demo_replicate(self.model, "v2").model_version, version, baseline=baseline)
        along = run.baseline_run
        assert along is not None
        assert (along.model_version, along.baseline_run) == (baseline, None)
        for shard in run.shards.all():
            jobs.predict_shard(shard.pk)
        assert jobs.finalise_run(run.pk) is False
        assert done(run).state == "succeeded"
        other = build.start(build.demo_replicate(self.model, "v3").model_version, version, baseline=baseline)
        assert other.baseline_run == along

    def test_run_whose_baseline_failed_says_so(self) -> None:
        version = self.version()
        baseline = build.demo_replicate(self.model, "v1").model_version
        run = build.start(build.demo_replicate(self.model, "v2").model_version, version, baseline=baseline)
        assert run.baseline_run is not None
        build.actions.cancel_run(actor=people.actor(self.project), run=run.baseline_run)
        assert done(run).state == "failed"
        assert "ended as cancelled" in run.failure

    def test_overdue_run_ends(self) -> None:
        run = build.start(build.demo_replicate(self.model, "v1").model_version, self.version())
        Run.objects.filter(pk=run.pk).update(deadline="2020-01-01T00:00:00Z")
        assert jobs.end_overdue(run.pk)
        run.refresh_from_db()
        assert run.state == "failed"
        with pytest.raises(Conflict):
            build.actions.cancel_run(actor=people.actor(self.project), run=run)


class FinishedTests:
    def test_final_states_never_change(self) -> None:
        from django.db import DatabaseError, transaction

        project = people.a_project()
        version = build.a_version(project)
        run = build.start(build.a_replicate(build.a_model(project)).model_version, version)
        assert states.cancel(run.pk)
        assert not states.start(run.pk)
        assert not states.fail(run.pk, "x")
        assert states.claim_finalisation(run.pk) is None
        for change in ({"state": "succeeded", "report_sha256": "0" * 64}, {"state": "queued"}, {"manifest_digest": "0" * 64}):
            with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
                Run.objects.filter(pk=run.pk).update(**change)
        with pytest.raises(DatabaseError, match="never deleted"), transaction.atomic():
            run.delete()


class StoryTests:
    def test_the_postcode_story(self) -> None:
        """v2 is better on average and proven worse on grey paper and low contrast; v3 loses nowhere."""
        project = build.postcode_project()
        version = build.postcode_version(project, strata=True)
        model = build.a_model(project, "reader")
        baseline = build.demo_replicate(model, "v1").model_version
        v2, v3 = (done(build.start(build.demo_replicate(model, name).model_version, version, baseline=baseline)) for name in ("v2", "v3"))
        flips = {
            name: {
                item["stratum"]: (item["newly_wrong"], item["newly_right"], item["n"]) for item in reports.report_of(run)["flips"]["strata"]
            }
            for name, run in (("v2", v2), ("v3", v3))
        }
        assert flips["v2"]["stratum:grey-paper"] == (22, 2, 200)
        assert flips["v2"]["stratum:low-contrast"] == (19, 5, 200)
        assert flips["v3"]["stratum:new-writer-8"] == (6, 1, 138)
        overall = {name: reports.entry(reports.report_of(run), "accuracy", "all") for name, run in (("v2", v2), ("v3", v3))}
        assert overall["v2"] is not None
        assert overall["v3"] is not None
        assert round(overall["v2"]["value"], 3) == 0.859
        assert round(overall["v2"]["baseline"]["value"], 3) == 0.849
        assert round(overall["v3"]["value"], 3) == 0.897
        worse = {
            name: [
                item["stratum"]
                for item in reports.report_of(run)["metrics"]
                if item["metric"] == "accuracy" and item["stratum"].startswith("stratum:") and item["difference"]["high"] < 0
            ]
            for name, run in (("v2", v2), ("v3", v3))
        }
        assert {"stratum:grey-paper", "stratum:low-contrast", "stratum:rotated-plus-10"} <= set(worse["v2"])


def _field(number: int, value: int | str | bytes) -> bytes:
    """One field of a protocol buffer; numbers below 128 only, which is all that is needed here."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    content = value.encode() if isinstance(value, str) else value
    return bytes([number << 3 | 2, len(content)]) + content


def test_a_model_file_reads_no_file_of_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX lets weights lie in a file beside the model; a model from outside would answer with whatever lies in the working directory."""
    (tmp_path / "secret").write_bytes(b"0123456789abcdef")
    monkeypatch.chdir(tmp_path)
    outside = b"".join(_field(13, _field(1, name) + _field(2, value)) for name, value in (("location", "secret"), ("length", "16")))
    weights = _field(1, 16) + _field(2, 2) + _field(8, "w") + outside + _field(14, 1)
    output = _field(1, "y") + _field(2, _field(1, _field(1, 2) + _field(2, _field(1, _field(1, 16)))))
    node = _field(1, "w") + _field(2, "y") + _field(4, "Identity")
    graph = _field(1, node) + _field(2, "g") + _field(5, weights) + _field(12, output)
    model = _field(1, 8) + _field(8, _field(1, "") + _field(2, 13)) + _field(7, graph)
    assert onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {})[0].tobytes() == b"0123456789abcdef"
    with pytest.raises(ModelUnusable):
        _session(get_store().put_bytes(model))
