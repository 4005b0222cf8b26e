"""What the engine finds out about answers is said in sentences: every code of it, with its numbers."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation.engine import Task, arm
from evaluation.engine.autopsy import outputs
from evaluation.engine.autopsy.outputs import output_autopsy
from evaluation.engine.detection import data as detection
from evaluation.engine.detection.sanity import findings as detection_findings
from evaluation.engine.sanity import Finding, answer_findings, canary_findings, label_findings, score_findings
from evaluation.runs import presenting
from evaluation.runs.findings import FINDINGS, HYPOTHESES, diagnosis_sentence, finding_cure, finding_sentence
from evaluation.runs.models import Run
from evaluation.runs.reports import report_of
from tests.builders import people
from tests.builders import runs as build

ENGINE = Path(outputs.__file__).parents[1]
RNG = np.random.default_rng(3)


def _of(scores: Any, truth: Any, positive: int | None = None) -> list[Finding]:
    classes = ("a", "b", "c")[: 2 if positive is not None else 3]
    return score_findings(scores, truth, classes, positive=positive, answered=np.ones(len(truth), dtype=bool))


def _classification() -> list[Finding]:
    truth, spread = np.arange(300) % 3, RNG.dirichlet(np.ones(3), 300)
    binary, fine = np.arange(300) % 2, RNG.random(300)
    ties = np.where(RNG.random(300) < 0.5, 0.123456789, fine)
    cached = spread.copy()
    cached[:20] = cached[0]
    return [
        *_of(np.full((300, 3), np.nan), truth),
        *_of(spread * 7, truth),
        *_of(np.full((300, 3), 1 / 3), truth),
        *_of(np.round(fine, 1), binary, 1),
        *_of(ties, binary, 1),
        *_of(np.where(fine > 0.5, 1.0, fine), binary, 1),
        *_of(spread * 0.9, truth),
        *label_findings(np.zeros(300, dtype=int), truth, ("a", "b", "c")),
        *answer_findings(cached),
        *canary_findings([0.1, 0.9], ["a", "b"]),
    ]


def _detection() -> list[Finding]:
    scene = detection.scene(range(60), ("lump", "spot"), sizes=[[200, 100]] * 60)
    corner, size = RNG.uniform(5, 60, (60, 2)), RNG.uniform(10, 30, (60, 2))
    truth = detection.objects(scene, range(60), ["lump", "spot"] * 30, np.concatenate([corner, size], axis=1))

    def said(labels: list[str], boxes: Any, scores: Any, images: Any = range(60), **options: Any) -> list[Finding]:
        return detection_findings(scene, truth, detection.predictions(scene, images, labels, boxes, scores, **options))

    scores, right = RNG.random(60), np.concatenate([corner, size], axis=1)
    return [
        *said(["lump", "spot"] * 30, np.concatenate([corner, corner + size], axis=1), scores),
        *said(["spot", "lump"] * 30, right, scores),
        *said(["lump"] * 60, right + np.array([500, 0, 0, 0]), np.round(scores, 1)),
        *said(["lump"] * 60, np.ones((60, 4)), np.full(60, 0.5)),
        *said(["lump"] * 60, np.ones((60, 4)), np.full(60, 3.5)),
        *said(["lump"] * 120, np.tile([1.0, 1, 5, 5], (120, 1)), RNG.random(120), images=[0] * 120, missing=[7], invalid=[8]),
    ]


def test_every_finding_has_a_sentence_with_its_numbers_and_a_cure() -> None:
    found = [*_classification(), *_detection()]
    assert {finding.code for finding in found} == set(FINDINGS)
    for finding in found:
        said = finding_sentence(asdict(finding))
        assert said.endswith(".")
        assert "%(" not in said
        assert finding_cure(asdict(finding)).endswith(".")


def test_every_code_in_the_engine_is_known_here() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in ENGINE.rglob("*.py"))
    assert set(re.findall(r'(?:Finding\(\s*code=|_finding\()"(\w+)"', source)) == set(FINDINGS)
    assert {*outputs.LABELS, "rounded_scores"} < set(HYPOTHESES)


def test_the_range_of_a_tied_auc_is_told() -> None:
    tied = next(finding for finding in _classification() if finding.code == "tied_scores")
    assert f"from {tied.numbers['auc_low']:.3f} to {tied.numbers['auc_high']:.3f}." in finding_sentence(asdict(tied))


def test_a_diagnosis_names_fault_restored_value_and_cases() -> None:
    task, truth = Task(("a", "b", "c")), np.arange(300) % 3
    scores = 0.6 * np.eye(3)[truth] + 0.4 * RNG.dirichlet(np.ones(3), 300)
    (found, *_) = output_autopsy(task, truth, arm(task, 300, (truth + 1) % 3, scores))
    said = diagnosis_sentence(asdict(found), "Accuracy")
    assert said.endswith("in place of 0.000, on 300 cases.")
    assert "Accuracy would be 1.000 (0.987 to 1.000)" in said
    for hypothesis in HYPOTHESES:
        numbers = {"rows": 1, "from_row": 2, "mapping": "1→2", "distinct": 3}
        for restored, value in ((0.9, 0.1), (0.9, None), (None, 0.1)):
            made = {"hypothesis": hypothesis, "numbers": numbers, "restored": restored, "value": value, "low": 0.8, "high": 1.0, "n": 40}
            assert "40 cases" in diagnosis_sentence(made, "Accuracy")


@pytest.mark.django_db
class ReportTests:
    """Through a run: the report holds the findings, and the page says them."""

    LABELS = ("normal", "nodule") * 30
    KEYS = [f"XR-{number}" for number in range(1, 61)]

    def _run(self, scores: list[float]) -> Run:
        project = people.a_project()
        version = build.a_version(project, self.LABELS)
        run = build.start(build.a_replicate(build.a_model(project, "net"), "1").model_version, version)
        build.upload(run, build.csv(self.KEYS, scores))
        build.work()
        run.refresh_from_db()
        return run

    def _scores(self, wrong: bool) -> list[float]:
        rng = np.random.default_rng(5)
        return [float(rng.uniform(0.55, 0.95) if (label == "nodule") != wrong else rng.uniform(0.05, 0.45)) for label in self.LABELS]

    def test_an_honest_model_has_neither_findings_nor_explanations(self) -> None:
        run = self._run(self._scores(wrong=False))
        assert (report_of(run)["sanity"], report_of(run)["autopsy"]) == ([], [])

    def test_a_score_that_means_the_other_class_is_explained(self) -> None:
        run = self._run(self._scores(wrong=True))
        assert "inverted_score" in {found["hypothesis"] for found in report_of(run)["autopsy"]}
        assert any(said.startswith("High scores seem to mean low ones.") for said in presenting.report_page(run)["autopsy"])

    def test_answers_shared_by_different_inputs_are_found(self) -> None:
        scores = self._scores(wrong=False)
        scores[1:21:2] = [scores[1]] * 10
        page = presenting.report_page(self._run(scores))
        assert any(said["sentence"].startswith("10 of 60 different inputs share an answer.") for said in page["sanity"])


@pytest.mark.django_db
def test_losses_are_plain_numbers_and_the_largest_comes_first() -> None:
    project = people.a_project()
    version = build.a_version(project, ("normal", "nodule") * 20, attributes=[{"site": f"clinic {i // 20}"} for i in range(40)])
    scores = [0.4, 0.6] * 10 + [0.05, 0.95] * 10
    run = build.start(build.a_replicate(build.a_model(project, "net"), "1").model_version, version)
    build.upload(run, build.csv([f"XR-{i}" for i in range(1, 41)], scores))
    build.work()
    run.refresh_from_db()
    page = presenting.report_page(run, metric="log_loss")
    assert (page["plain"], page["metric_name"]) == (True, "Log loss")
    rows = [row["stratum"] for group in page["strata_groups"] for row in group["rows"] if row["stratum"].startswith("site=")]
    assert rows == ['site="clinic 0"', 'site="clinic 1"']
    best = presenting.report_page(run, metric="roc_auc")
    assert best["plain"] is False
