"""Intervals over several runs: against the textbook where one part is alone, against an ANOVA by hand, and what runs that agree say."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from evaluation.engine.data import Task, arm
from evaluation.engine.over_runs import METHOD, OverRuns, Runs, joined
from evaluation.engine.regression import regression_report
from evaluation.engine.replicates import Layout, scatter
from evaluation.engine.report import comparison_of, report
from evaluation.engine.strata import Grouping, Stratum, blocks

TASK = Task(("negative", "positive"), 1)
SEED = b"over runs"


def runs(values: list[float], below: float = 0.0, above: float = 0.0, cases: float = 0.0, residual: float = 0.0) -> Runs:
    value = np.array(values)[:, None]
    return Runs(value=value, low=value - below, high=value + above, cases=np.array([cases]), residual=np.array([residual]))


class JoinedTests:
    def test_without_an_interval_of_cases_it_is_students_of_the_runs(self) -> None:
        values = [0.81, 0.84, 0.8, 0.86]
        found, want = joined(runs(values), [runs(values)], np.array([np.mean(values)]), 0.9), stats.ttest_1samp(values, 0)
        assert (found.low[0], found.high[0]) == pytest.approx(tuple(want.confidence_interval(0.9)))
        assert found.p[0] == pytest.approx(want.pvalue, rel=1e-9)

    def test_runs_that_agree_leave_the_interval_of_one(self) -> None:
        found = joined(runs([0.98] * 3, 0.2, 0.01), [runs([0.98] * 3)], np.array([0.98]), 0.95)
        assert (found.low[0], found.high[0]) == pytest.approx((0.78, 0.99))

    def test_both_parts_are_squared_and_added_on_each_side(self) -> None:
        values, z = [0.90, 0.92, 0.97], stats.norm.isf(0.025)
        own = runs(values, 0.2, 0.05, cases=0.0001, residual=0.0001)
        found = joined(own, [own], own.mean, 0.95)
        student = stats.t.isf(0.025, 2) ** 2 * (np.var(values, ddof=1) / 3 - 0.0001)
        halves = [(z**2 * max((half / z) ** 2 - 2 * 0.0001, 0.0001) + student) ** 0.5 for half in (0.2, 0.05)]
        assert (own.mean[0] - found.low[0], found.high[0] - own.mean[0]) == pytest.approx(tuple(halves))

    def test_what_was_seen_to_average_out_is_taken_off_and_never_more(self) -> None:
        short = joined(runs([0.9] * 5, 0.01, 0.01, cases=1.0, residual=1.0), [runs([0.9] * 5, residual=1.0)], np.array([0.9]), 0.95)
        assert float(short.high[0] - short.low[0]) == pytest.approx(0.02), (
            "the variance of cases is no excuse for more than one run's interval"
        )

    @pytest.mark.parametrize("level", [0.8, 0.95])
    def test_p_is_where_the_interval_touches_zero(self, level: float) -> None:
        own = runs([0.1, 0.13, 0.11], 0.08, 0.3)
        p = float(joined(own, [own], own.mean, level).p[0])
        at = joined(runs([0.1, 0.13, 0.11], *(half * stats.norm.isf(p / 2) / stats.norm.isf((1 - level) / 2) for half in (0.08, 0.3))),
                    [own], own.mean, 1 - p)  # fmt: skip
        assert at.low[0] == pytest.approx(0.0, abs=1e-9)

    def test_no_difference_and_no_interval(self) -> None:
        assert joined(runs([0.0, 0.0], 0.1, 0.1), [runs([0.0, 0.0])], np.array([0.0]), 0.95).p[0] == 1.0
        unknown = joined(runs([0.1, 0.2], np.nan, 0.1), [runs([0.1, 0.2])], np.array([0.15]), 0.95)
        assert np.isnan(unknown.low[0])
        assert np.isnan(unknown.p[0])

    def test_ends_stay_in_the_range(self) -> None:
        found = OverRuns(runs([0.9, 1.0], 0.1, 0.0), runs([0.1, 0.0], 0.0, 0.1), runs([0.8, 1.0], 0.1, 0.0), (0.0, 1.0), 0.95)
        assert (found.sides[0].high[0], found.sides[1].low[0], found.gap.high[0]) == (1.0, 0.0, 1.0)


class ScatterTests:
    def test_the_parts_are_those_of_the_two_way_layout(self) -> None:
        rng = np.random.default_rng(3)
        matrix, n = rng.normal(size=(4, 50)) + rng.normal(size=50), 50
        block = blocks([Stratum("all", np.ones(n, dtype=bool))], n)[0]
        found = scatter([matrix], Layout.of(block))
        rest = matrix - matrix.mean(axis=1, keepdims=True) - matrix.mean(axis=0) + matrix.mean()
        assert found.cases[0][0] == pytest.approx(matrix.mean(axis=0).var(ddof=1) / n)
        assert found.residual[0][0] == pytest.approx((rest**2).sum() / (3 * (n - 1)) / (4 * n))
        one_run = np.mean([row.var(ddof=1) / n for row in matrix])
        assert one_run - found.cases[0][0] == pytest.approx(3 * found.residual[0][0]), "averaging four runs takes off three residuals"

    def test_copies_in_clusters_add_nothing(self) -> None:
        matrix = np.random.default_rng(1).normal(size=(3, 40))
        everyone = [Stratum("all", np.ones(40, dtype=bool))], [Stratum("all", np.ones(120, dtype=bool))]
        once = scatter([matrix], Layout.of(blocks(everyone[0], 40)[0]))
        thrice = scatter([np.repeat(matrix, 3, axis=1)], Layout.of(blocks(everyone[1], 120, np.repeat(np.arange(40), 3))[0]))
        assert (thrice.cases[0][0], thrice.residual[0][0]) == pytest.approx((once.cases[0][0], once.residual[0][0]))


def classification(count: int, baselines: int, *, equal: bool, seed: int = 4, n: int = 120) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    truth, common = (np.arange(n) % 9 == 0).astype(int), rng.normal(size=n)

    def run(shift: float) -> Any:
        scores = 1 / (1 + np.exp(-(common + 0.5 * rng.normal(size=n) + shift * truth - 2)))
        return arm(TASK, n, (scores >= 0.5).astype(int), scores)

    ours, theirs = ([run(shift)] * k if equal else [run(shift) for _ in range(k)] for shift, k in ((4.0, count), (3.0, baselines)))
    found = comparison_of(TASK, truth, ours, theirs, np.arange(n) // 2)
    return report(found, [Grouping(["a", "b"], np.arange(n) % 4 // 2)], seed=SEED, resamples=200)["metrics"]


@pytest.mark.parametrize("baselines", [0, 1, 4])
def test_runs_that_agree_say_what_one_run_says(baselines: int) -> None:
    """Every metric of every family, each with the interval of its own method."""
    for entry in classification(3, baselines, equal=True):
        artefact, key = entry["artefact"], (entry["metric"], entry["stratum"])
        for side, alone in ((entry, artefact), (entry["difference"], artefact["difference"])):
            assert (side is None) == (alone is None), key
            for name in ("value", "low", "high") if side is not None else ():
                assert side[name] == (None if alone[name] is None else pytest.approx(alone[name], abs=1e-9)), (key, name)
        if entry["value"] is not None:
            assert entry["method"] == METHOD


def test_no_interval_over_runs_is_far_narrower_than_the_cases_allow() -> None:
    """13 positives that every run ranks nearly perfectly: variances vanish there, the runs' own intervals do not."""
    seen = 0
    for entry in classification(5, 5, equal=False):
        for side, alone in ((entry, entry["artefact"]), (entry["difference"], entry["artefact"]["difference"])):
            if side is not None and alone is not None and None not in (side["low"], alone["low"], side["high"], alone["high"]):
                seen += 1
                assert side["high"] - side["low"] > (alone["high"] - alone["low"]) / 4, (entry["metric"], entry["stratum"])
    assert seen > 70


def test_a_single_baseline_run_is_named() -> None:
    entry = next(each for each in classification(3, 1, equal=False) if each["metric"] == "roc_auc")
    assert entry["difference"]["method"] == f"{METHOD}, recipe against this artefact"


def test_numbers_of_runs_that_agree_say_what_one_run_says() -> None:
    rng = np.random.default_rng(5)
    truth = rng.normal(size=80)
    ours, theirs = truth + rng.normal(size=80), truth + rng.normal(size=80)
    made = regression_report(truth, [ours] * 3, [theirs] * 3, seed=SEED, resamples=200)["metrics"]
    assert {entry["metric"] for entry in made} == {"mae", "bias", "mse", "rmse", "r2", "p90_absolute_error"}
    for entry in made:
        for name in ("value", "low", "high"):
            assert entry[name] == pytest.approx(entry["artefact"][name]), entry["metric"]
            assert entry["difference"][name] == pytest.approx(entry["artefact"]["difference"][name]), entry["metric"]


def test_equal_recipes_seldom_differ() -> None:
    """Runs that differ by chance: cases alone would call a third of these different."""
    rng, sets, n = np.random.default_rng(3), 120, 300
    easy, rows = rng.normal(1.5, 1.0, sets * n), sets * n
    sides = [
        [
            arm(TASK, rows, (rng.random(rows) < 1 / (1 + np.exp(-(easy + np.repeat(rng.normal(0, 0.3, sets), n))))).astype(int))
            for _ in range(5)
        ]
        for _ in range(2)
    ]
    found = comparison_of(TASK, np.ones(rows, dtype=int), *sides)
    made = report(found, [Grouping([f"set={i}" for i in range(sets)], np.repeat(np.arange(sets), n))], seed=SEED, only=["accuracy"])[
        "metrics"
    ]
    gaps = [entry for entry in made if entry["metric"] == "accuracy" and entry["stratum"] != "all"]
    assert sum(entry["difference"]["p"] <= 0.05 for entry in gaps) <= 12
    assert all((entry["difference"]["p"] <= 0.05) == (not entry["difference"]["low"] <= 0 <= entry["difference"]["high"]) for entry in gaps)
    assert sum(entry["artefact"]["difference"]["p"] <= 0.05 for entry in gaps) > 12
