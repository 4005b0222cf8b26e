"""Laws of every other task's report, on awkward data: regression, several labels, detection. Warnings are errors, NaN is no JSON."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.engine import Stratum, Task, registry
from evaluation.engine.detection import metrics as detection_metrics
from evaluation.engine.detection.data import Detection, Scene, objects, predictions, scene
from evaluation.engine.detection.report import detection_report
from evaluation.engine.multilabel import answers, multilabel_report
from evaluation.engine.regression import STATISTICS, regression_report
from tests.engine.build import SEED, sites
from tests.engine.detection.scenes import Shape, guesses, truth_of

Report = dict[str, Any]
NAMES = ("effusion", "nodule", "mass")
KINDS = ["plain", "one class", "tied", "perfect", "missing", "one cluster", "heavy", "runs"]
RANGES = {each.id: (each.low, each.high) for each in STATISTICS} | {"p90_absolute_error": (0.0, np.inf)}
RANGES |= dict.fromkeys(("exact_match", "example_f1", "hamming_loss", "micro_f1", "macro_f1"), (0.0, 1.0))
RANGES |= {metric.name: (metric.low, metric.high) for metric in registry(Task(("no", "yes"), 1))}
RANGES |= {name: (0.0, np.inf if name == "fp_per_image" else 1.0) for name in detection_metrics.NAMES}


def _clusters(kind: str, n: int) -> Any:
    return {"one cluster": np.zeros(n), "heavy": np.minimum(np.arange(n), 2)}.get(kind)


def _regression(n: int, seed: int, kind: str) -> Report:
    rng = np.random.default_rng(seed)
    truth = np.full(n, 3.0) if kind == "one class" else rng.gamma(2, 1e3, n)
    runs = [truth + rng.normal(0, 10, n) for _ in range(4)]
    if kind == "tied":
        runs = [np.round(run, -3) for run in runs]
    if kind == "perfect":
        runs = [truth] * 4
    if kind == "missing":
        runs[0][:1] = np.nan
    new, old = (runs[:2], runs[2:]) if kind == "runs" else (runs[:1], runs[2:3])
    return regression_report(truth, new, old, [sites(n, seed), Stratum("none", [])], seed=SEED, resamples=40, clusters=_clusters(kind, n))


def _multilabel(n: int, seed: int, kind: str) -> Report:
    rng = np.random.default_rng(seed)
    truth = np.zeros((n, 3), dtype=bool) if kind == "one class" else rng.random((n, 3)) < [0.1, 0.5, 0.9]
    arms = []
    for _ in range(4):
        scores = np.clip(rng.random((n, 3)) * 0.6 + 0.4 * truth, 0, 1)
        scores = np.round(scores) if kind == "tied" else truth * 1.0 if kind == "perfect" else scores
        absent = (rng.random(n) < 0.3) if kind == "missing" else np.zeros(n, dtype=bool)
        arms.append(answers((scores > 0.5) & ~absent[:, None], scores, absent))
    new, old = (arms[:2], arms[2:]) if kind == "runs" else (arms[:1], arms[2:3])
    strata = [sites(n, seed), Stratum("none", [])]
    return multilabel_report(NAMES, truth, new, old, strata, seed=SEED, resamples=40, clusters=_clusters(kind, n))


def _detection(n: int, seed: int, kind: str) -> Report:
    rng = np.random.default_rng(seed)
    shape = Shape(images=n, classes=2, objects=2 * n, detections=3 * n, ties=1 if kind == "tied" else None)
    where = scene([f"image {i}" for i in range(n)], ("lump", "spot"), clusters=_clusters(kind, n))
    truth = truth_of(rng, where, shape)
    if kind == "one class":
        truth = objects(where, [], [], [])
    arms = [guesses(rng, where, truth, shape) for _ in range(4)]
    if kind == "missing":
        arms[0] = predictions(where, [], [], [], [], missing=where.images[:1], invalid=where.images[1:2])
    if kind == "perfect":
        named = [where.images[i] for i in truth.image], [where.classes[k] for k in truth.label]
        arms = [predictions(where, *named, truth.boxes, rng.random(truth.image.size)) for _ in range(4)]
    new, old = (arms[:2], arms[2:]) if kind == "runs" else (arms[:1], arms[2:3])
    return detection_report(Detection(where, truth, new, old), [sites(n, seed), Stratum("none", [])], seed=SEED, resamples=25)


TASKS: dict[str, Callable[[int, int, str], Report]] = {"regression": _regression, "multilabel": _multilabel, "detection": _detection}


@given(st.integers(1, 7), st.integers(0, 50), st.sampled_from(KINDS))
@settings(max_examples=8)
@pytest.mark.parametrize("task", TASKS)
def test_entries_are_numbers_in_order_or_none_with_a_reason(task: str, n: int, seed: int, kind: str) -> None:
    made = TASKS[task](n, seed, kind)
    json.dumps(made, allow_nan=False)
    assert {entry["stratum"] for entry in made["metrics"]} == {"all", "site=x", "site=y", "site=z", "none"}
    for entry in made["metrics"]:
        least, most = RANGES[entry["metric"].partition("[")[0]]
        assert (entry["value"] is None) == (entry["undefined"] is not None), entry
        assert entry["n"] or entry["value"] is None
        for side in (entry, entry["baseline"], entry.get("artefact")):
            if side is not None:
                _is_ordered(side, least, most, entry)
        if entry["difference"] is not None:
            assert entry["difference"]["value"] == pytest.approx(entry["value"] - entry["baseline"]["value"], abs=1e-9, rel=1e-9), entry
            assert entry["difference"]["p"] is None or 0 <= entry["difference"]["p"] <= 1, entry
            _is_ordered(entry["difference"], least - most, most - least, entry)


def _is_ordered(side: Report, least: float, most: float, entry: Report) -> None:
    if side["value"] is None:
        assert (side["low"], side["high"]) == (None, None), entry
        return
    slack = 1e-9 * max(abs(side["value"]), 1.0)
    assert least - slack <= side["value"] <= most + slack, entry
    if side["low"] is not None:
        assert least - slack <= side["low"] <= side["value"] + slack, entry
    if side["high"] is not None:
        assert side["value"] - slack <= side["high"] <= most + slack, entry


def _values(made: Report, keys: tuple[str, ...] = ("value",)) -> dict[tuple[str, str], list[float | None]]:
    return {(entry["metric"], entry["stratum"]): [entry[key] for key in keys] for entry in made["metrics"]}


def _same(one: Report, other: Report, keys: tuple[str, ...] = ("value",), factor: float = 1.0) -> None:
    ours, theirs = _values(one, keys), _values(other, keys)
    assert ours.keys() == theirs.keys()
    for key, numbers in ours.items():
        assert theirs[key] == pytest.approx([None if each is None else each * factor for each in numbers], rel=1e-9, abs=1e-12), key


class RegressionTests:
    RNG = np.random.default_rng(4)
    TRUTH, PREDICTED = RNG.gamma(2, 3, 120), RNG.gamma(2, 3, 120)
    GROUP = np.arange(120) % 2

    def _of(self, order: Any, factor: float = 1.0, shift: float = 0.0) -> Report:
        truth, predicted = self.TRUTH[order] * factor + shift, self.PREDICTED[order] * factor + shift
        strata = [Stratum("odd", self.GROUP[order] == 1)]
        return regression_report(truth, [predicted], [predicted * 1.01 - 0.01 * shift], strata, seed=SEED, resamples=200)

    def test_the_order_of_rows_does_not_matter(self) -> None:
        _same(self._of(np.arange(120)), self._of(np.random.default_rng(1).permutation(120)), ("value", "low", "high"))

    def test_copies_leave_values_and_narrow_intervals(self) -> None:
        once, often = self._of(np.arange(120)), self._of(np.tile(np.arange(120), 4))
        _same(once, often)
        for one, many in zip(once["metrics"], often["metrics"], strict=True):
            assert many["high"] - many["low"] < 0.8 * (one["high"] - one["low"]), one["metric"]

    def test_another_unit_changes_errors_by_its_factor_and_leaves_r2(self) -> None:
        keys = ("value", "low", "high")
        once, scaled, moved = self._of(np.arange(120)), self._of(np.arange(120), 1000.0), self._of(np.arange(120), shift=50.0)
        for name, power in (("mae", 1), ("rmse", 1), ("bias", 1), ("p90_absolute_error", 1), ("mse", 2), ("r2", 0)):
            one, other, third = ({"metrics": [e for e in made["metrics"] if e["metric"] == name]} for made in (once, scaled, moved))
            _same(one, other, keys, 1000.0**power)
            _same(one, third, keys)


class MultilabelTests:
    RNG = np.random.default_rng(5)
    TRUTH, SCORES = RNG.random((90, 3)) < [0.2, 0.5, 0.7], RNG.random((90, 3))

    def _of(self, rows: Any, columns: Any = (0, 1, 2), scores: Any = None) -> Report:
        columns = list(columns)
        truth, given = self.TRUTH[rows][:, columns], (self.SCORES if scores is None else scores)[rows][:, columns]
        said = answers(self.SCORES[rows][:, columns] > 0.5, given)
        return multilabel_report([NAMES[k] for k in columns], truth, [said], seed=SEED, resamples=100)

    def test_the_order_of_rows_does_not_matter(self) -> None:
        _same(self._of(np.arange(90)), self._of(np.random.default_rng(1).permutation(90)), ("value", "low", "high"))

    def test_the_order_of_labels_does_not_matter(self) -> None:
        _same(self._of(np.arange(90)), self._of(np.arange(90), (2, 0, 1)))

    def test_copies_leave_values(self) -> None:
        once, often = self._of(np.arange(90)), self._of(np.tile(np.arange(90), 3))
        for made in (once, often):
            made["metrics"] = [entry for entry in made["metrics"] if not entry["metric"].startswith("ece_debiased")]
        _same(once, often)

    def test_rank_metrics_see_only_the_order_of_scores(self) -> None:
        ranks = ("roc_auc", "partial_roc_auc", "average_precision")
        once, bent = self._of(np.arange(90)), self._of(np.arange(90), scores=self.SCORES**3)
        for made in (once, bent):
            made["metrics"] = [entry for entry in made["metrics"] if entry["metric"].startswith(ranks)]
        assert len(once["metrics"]) == 9
        _same(once, bent, ("value", "low", "high"))


class DetectionTests:
    def _of(self, order: Any, classes: tuple[str, ...] = ("lump", "spot"), bend: float = 1.0, copies: int = 1) -> Report:
        """The same objects and boxes, with images in another order, other names, or bent scores."""
        plain = scene(range(12), ("lump", "spot"))
        rng = np.random.default_rng(6)
        shape = Shape(images=12, classes=2, ties=None)
        truth = truth_of(rng, plain, shape)
        said = guesses(rng, plain, truth, shape)
        names = [(i, copy) for copy in range(copies) for i in order]
        where: Scene = scene(names, classes)
        made = []
        for boxes in (truth, said):
            image = [(int(i), copy) for copy in range(copies) for i in boxes.image]
            made.append((image, [classes[k] for k in np.tile(boxes.label, copies)], np.tile(boxes.boxes, (copies, 1))))
        found = objects(where, *made[0], crowd=np.tile(truth.crowd, copies))
        given = predictions(where, *made[1], np.tile(said.scores, copies) ** bend)
        return detection_report(Detection(where, found, [given]), [], seed=SEED, resamples=20)

    def test_the_order_of_images_does_not_matter(self) -> None:
        _same(self._of(range(12)), self._of(np.random.default_rng(2).permutation(12).tolist()), ("value", "low", "high"))

    def test_names_of_classes_do_not_matter(self) -> None:
        one, other = self._of(range(12)), self._of(range(12), ("z", "a"))
        assert [entry["value"] for entry in one["metrics"]] == [entry["value"] for entry in other["metrics"]]

    def test_only_the_order_of_scores_matters_beside_the_operating_point(self) -> None:
        one, other = self._of(range(12)), self._of(range(12), bend=3.0)
        for made in (one, other):
            made["metrics"] = [entry for entry in made["metrics"] if entry["metric"].startswith(("coco", "froc"))]
        _same(one, other, ("value", "low", "high"))

    def test_copies_of_the_images_leave_recall_and_precision(self) -> None:
        one, other = self._of(range(12)), self._of(range(12), copies=2)
        for made in (one, other):
            made["metrics"] = [
                entry for entry in made["metrics"] if entry["metric"].startswith(("recall", "precision", "f1", "fp", "coco_ar"))
            ]
        _same(one, other)
