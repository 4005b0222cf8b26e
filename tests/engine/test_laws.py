"""Laws over the whole registry on awkward data. Warnings are errors here, so none of this may divide by zero or take a logarithm of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.engine import Comparison, Grouping, Stratum, Task, arm, comparison_of, gather, metric_of, registry, report, values
from evaluation.engine.metrics import DEFINITIONS, Metric
from tests.engine.build import BINARY, DIGITS, SEED, comparison, sites

RANKS = {"roc_auc", "partial_roc_auc", "average_precision", "macro_roc_auc", "macro_average_precision", "top_2_accuracy"}
NOT_OF_COPIES = {"ece_debiased"}  # its bias is that of so many cases


def awkward(n: int, seed: int, kind: str, task: Task) -> Comparison:
    """Few cases with something wrong about them."""
    rng = np.random.default_rng(seed)
    classes = len(task.classes)
    truth = np.zeros(n, dtype=int) if kind == "one class" else rng.integers(0, classes, n)
    arms = []
    for _ in range(2):
        chance = rng.dirichlet(np.ones(classes), n)
        if kind == "constant":
            chance = np.full((n, classes), 1 / classes)
        if kind == "certain":
            chance = np.eye(classes)[rng.integers(0, classes, n)]
        if kind == "tied":
            chance = np.eye(classes)[rng.integers(0, classes, n)] * 0.5 + 0.5 / classes
        if kind == "perfect":
            chance = np.eye(classes)[truth]
        labels = chance.argmax(axis=1)
        if kind == "missing":
            labels[rng.random(n) < 0.3] = -1
        arms.append(arm(task, n, labels, None if kind == "labels only" else chance))
    clusters = {"one cluster": np.zeros(n), "heavy": np.minimum(np.arange(n), 2)}.get(kind)
    return comparison_of(task, truth, arms[:1], arms[1:], clusters)


KINDS = ["one class", "constant", "certain", "tied", "perfect", "missing", "labels only", "one cluster", "heavy"]


@given(st.integers(1, 9), st.integers(0, 50), st.sampled_from(KINDS), st.sampled_from([BINARY, DIGITS]))
@settings(max_examples=20)
def test_awkward_sets_are_none_with_a_reason_or_inside_their_interval(n: int, seed: int, kind: str, task: Task) -> None:
    strata = [sites(n, seed), Stratum("none", [])]
    made = report(awkward(n, seed, kind, task), strata, seed=SEED, resamples=40, only=_of_one_class(task))
    json.dumps(made, allow_nan=False)
    bounds = {metric.id: metric for metric in registry(task)}
    for entry in made["metrics"]:
        assert (entry["value"] is None) == (entry["undefined"] is not None)
        _is_sound(entry, bounds[entry["metric"]])


def _of_one_class(task: Task) -> list[str]:
    """The metrics over all classes and those of one: the others are no different."""
    return [metric.id for metric in registry(task) if metric.index in {None, 1}]


def _is_sound(entry: dict[str, Any], metric: Metric) -> None:
    for side in (entry, entry["baseline"]):
        if side["value"] is not None and side["low"] is not None:
            assert metric.low - 1e-9 <= side["low"] <= side["value"] + 1e-9, entry
            assert side["value"] - 1e-9 <= side["high"] <= metric.high + 1e-9, entry
            assert side["low"] < side["high"], entry
        elif side["value"] is not None:
            assert metric.name == "log_loss", entry  # nothing else is without an end
    change = entry["difference"]
    if change is not None:
        assert change["value"] == pytest.approx(entry["value"] - entry["baseline"]["value"], abs=1e-12), entry
        assert change["low"] is None or change["low"] - 1e-9 <= change["value"] <= change["high"] + 1e-9, entry
        assert change["p"] is None or 0 <= change["p"] <= 1, entry


@pytest.mark.parametrize("task", [BINARY, DIGITS])
@pytest.mark.parametrize("kind", KINDS)
def test_checks_never_stumble(task: Task, kind: str) -> None:
    found = awkward(9, 1, kind, task)
    names = {
        BINARY: ["accuracy", "ppv", "f1", "roc_auc", "average_precision", "brier", "ece"],
        DIGITS: ["macro_f1", "macro_roc_auc", "top_2_accuracy", "log_loss", "ece_debiased"],
    }
    for name in names[task]:
        metric = metric_of(task, name)
        for item in gather(found, metric.id, [Stratum("all", np.ones(9, dtype=bool))], seed=SEED, resamples=40):
            if item.level is not None:
                low, high = item.level.bounds(0.05)
                assert low <= high or np.isnan(low), metric.id
            if item.difference is not None:
                low, high = item.difference.bounds(0.05)
                assert low <= item.difference.estimate <= high, metric.id
                assert 0 <= item.difference.p_loss() <= 1
                assert 0 <= item.difference.p_below(-0.05) <= 1


@pytest.mark.parametrize("task", [BINARY, DIGITS])
def test_copying_all_cases_leaves_the_values_and_narrows_the_intervals(task: Task) -> None:
    found = comparison(task, 90, 4)
    order = np.tile(np.arange(90), 4)
    copied = comparison_of(
        task,
        found.truth[order],
        [arm(task, 360, a.labels[order], a.scores[order]) for a in found.candidate],
        [arm(task, 360, a.labels[order], a.scores[order]) for a in found.baseline],
    )
    once, often = (report(each, [], seed=SEED, resamples=400)["metrics"] for each in (found, copied))
    for one, many in zip(once, often, strict=True):
        if one["metric"].partition("[")[0] not in NOT_OF_COPIES:
            assert many["value"] == pytest.approx(one["value"], abs=1e-12), one["metric"]
        assert many["high"] - many["low"] < 0.85 * (one["high"] - one["low"]), one["metric"]


@pytest.mark.parametrize("task", [BINARY, DIGITS])
def test_metrics_of_ranks_see_only_the_order_of_each_case_or_class(task: Task) -> None:
    found = comparison(task, 200, 6)
    moved = comparison_of(task, found.truth, [arm(task, 200, a.labels, np.exp(3 * a.scores) - 7) for a in found.candidate])
    names = [metric.id for metric in registry(task) if metric.name in RANKS]
    whole = [Stratum("all", np.ones(200, dtype=bool)), sites(200)]
    ours, theirs = values(found, whole, names), values(moved, whole, names)
    for stratum, row in ours.items():
        np.testing.assert_array_equal(row, theirs[stratum])


def test_all_definitions_are_used_and_complete() -> None:
    used = {metric.name for task in (BINARY, DIGITS, Task(tuple("abcdefg"))) for metric in registry(task)}
    assert used == set(DEFINITIONS)
    for definition in DEFINITIONS.values():
        assert definition.interval
        assert definition.difference
        assert definition.source
        assert definition.low < definition.high


def test_large_numbers_of_classes_and_strata_are_counted_without_overflow() -> None:
    """130 classes and 300 strata: codes no longer fit into a byte."""
    many = Task(tuple(f"c{i}" for i in range(130)))
    rng = np.random.default_rng(0)
    truth, labels, group = (rng.integers(0, most, 3000) for most in (130, 130, 300))
    labels[::2] = truth[::2]
    found = values(
        comparison_of(many, truth, [arm(many, 3000, labels)]), [Grouping([f"s{i}" for i in range(300)], group)], ["accuracy", "micro_f1"]
    )
    for stratum in (0, 137, 299):
        here = group == stratum
        assert found[f"s{stratum}"] == pytest.approx([(truth == labels)[here].mean()] * 2)


def test_every_metric_has_a_row_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs/statistics/classification.md").read_text(encoding="utf-8")
    assert [name for name in DEFINITIONS if f"\n| `{name}` |" not in page] == []
