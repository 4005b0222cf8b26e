"""The report as a whole: laws over every metric and stratum, undefined values, replicates, resampling."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evaluation.engine.arrays import BadInput
from evaluation.engine.data import Arm, Comparison, Task, arm
from evaluation.engine.gather import gather
from evaluation.engine.metrics import registry
from evaluation.engine.report import comparison_of, report
from evaluation.engine.resample import bca
from evaluation.engine.seeds import generator, seed_from
from evaluation.engine.strata import Grouping, Strata, Stratum, blocks
from tests.engine.build import BINARY, DIGITS, SEED, comparison, sites


def run(found: Comparison, strata: Strata = (), **more: Any) -> dict[str, Any]:
    return report(found, strata, seed=SEED, resamples=more.pop("resamples", 200), **more)


def numbers(made: dict[str, Any], *, skip: tuple[str, ...] = ()) -> dict[tuple[str, str], Any]:
    return {(e["metric"], e["stratum"]): {k: v for k, v in e.items() if k not in skip} for e in made["metrics"]}


def reordered(found: Comparison, order: np.ndarray) -> Comparison:
    def turn(arms: tuple[Arm, ...]) -> list[Arm]:
        return [arm(found.task, found.cases, a.labels[order], None if a.scores is None else a.scores[order]) for a in arms]

    clusters = None if found.clusters is None else found.clusters[order]
    return comparison_of(found.task, found.truth[order], turn(found.candidate), turn(found.baseline), clusters)


class LawTests:
    @pytest.mark.parametrize("task", [BINARY, DIGITS])
    @pytest.mark.parametrize("clusters", [False, True])
    @pytest.mark.parametrize("runs", [1, 3])
    def test_the_order_of_the_rows_does_not_matter(self, task: Task, clusters: bool, runs: int) -> None:
        found, strata = comparison(task, 200, clusters=clusters, runs=runs), sites(200)
        order = np.random.default_rng(9).permutation(200)
        ours = numbers(run(found, [strata]))
        theirs = numbers(run(reordered(found, order), [Grouping(strata.names, np.asarray(strata.codes)[order])]))
        assert ours.keys() == theirs.keys()
        for key, entry in ours.items():
            _close(entry, theirs[key], key)

    def test_the_same_evidence_gives_the_same_bytes(self) -> None:
        made = [json.dumps(run(comparison(clusters=True, runs=2), [sites(300)]), allow_nan=False) for _ in range(2)]
        assert made[0] == made[1]

    @pytest.mark.parametrize("task", [BINARY, DIGITS])
    def test_a_stratum_does_not_depend_on_how_it_is_given_nor_on_the_others(self, task: Task) -> None:
        found, grouping = comparison(task), sites(300)
        codes = np.asarray(grouping.codes)
        together = numbers(run(found, [grouping]))
        alone = numbers(run(found, [Stratum("site=y", codes == 1), Stratum("site=x", np.flatnonzero(codes == 0))]))
        for key, entry in alone.items():
            assert entry == together[key], key

    def test_copying_every_case_leaves_values_and_clusters_keep_the_interval(self) -> None:
        found = comparison(BINARY, 120)
        order = np.repeat(np.arange(120), 3)
        copied = comparison_of(
            BINARY,
            found.truth[order],
            [arm(BINARY, 360, a.labels[order], a.scores[order]) for a in found.candidate],
            [arm(BINARY, 360, a.labels[order], a.scores[order]) for a in found.baseline],
            order,
        )
        once, thrice = (numbers(run(each, resamples=4000)) for each in (found, copied))
        for key, entry in once.items():
            assert thrice[key]["value"] == pytest.approx(entry["value"], abs=1e-12)
            assert thrice[key]["clusters"] == 120
            assert thrice[key]["high"] - thrice[key]["low"] == pytest.approx(entry["high"] - entry["low"], rel=0.1), key

    @pytest.mark.parametrize("change", [lambda s: s**3, lambda s: np.exp(s) / 10, lambda s: 5 * s - 2])
    def test_rank_metrics_see_only_the_order_of_scores(self, change: Any) -> None:
        found = comparison(BINARY)
        moved = comparison_of(BINARY, found.truth, [arm(BINARY, 300, a.labels, change(a.scores)) for a in found.candidate])
        assert numbers(run(moved))["roc_auc", "all"]["value"] == numbers(run(found))["roc_auc", "all"]["value"]

    def test_naming_the_classes_otherwise_permutes_the_metrics(self) -> None:
        found = comparison()
        turn = np.array([2, 0, 3, 1])
        back = np.argsort(turn)
        task = Task(tuple(DIGITS.classes[i] for i in back))
        renamed = comparison_of(
            task,
            turn[found.truth],
            [arm(task, 300, turn[a.labels], a.scores[:, back]) for a in found.candidate],
            [arm(task, 300, turn[a.labels], a.scores[:, back]) for a in found.baseline],
        )
        ours, theirs = numbers(run(found)), numbers(run(renamed))
        for key, entry in ours.items():
            assert theirs[key]["value"] == pytest.approx(entry["value"], abs=1e-12), key

    @given(st.integers(1, 6), st.integers(0, 50), st.booleans())
    @settings(max_examples=15)
    def test_tiny_sets_are_none_with_a_reason_or_inside_their_interval(self, n: int, seed: int, clusters: bool) -> None:
        made = run(comparison(BINARY if seed % 2 else DIGITS, n, seed, clusters=clusters), [sites(n, seed)], resamples=50)
        json.dumps(made, allow_nan=False)
        bounds = {m.id: (m.low, m.high) for m in registry(BINARY if seed % 2 else DIGITS)}
        for entry in made["metrics"]:
            assert (entry["value"] is None) == (entry["undefined"] is not None)
            if entry["value"] is not None and entry["low"] is None:
                assert entry["metric"].startswith("log_loss")  # no other metric is without an end
                assert entry["method"] is None
            elif entry["value"] is not None:
                low, high = bounds[entry["metric"]]
                assert low - 1e-9 <= entry["low"] <= entry["value"] + 1e-9
                assert entry["value"] - 1e-9 <= entry["high"] <= high + 1e-9


def _close(a: Any, b: Any, where: object) -> None:
    if isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            _close(a[key], b[key], (where, key))
    elif isinstance(a, list):
        for x, y in zip(a, b, strict=True):
            _close(x, y, where)
    elif isinstance(a, float):
        assert b == pytest.approx(a, abs=1e-9), where
    else:
        assert a == b, where


class UndefinedTests:
    def test_missing_predictions_count_as_wrong_and_leave_no_rank_metric(self) -> None:
        made = numbers(run(comparison(BINARY, missing=17)))
        auc = made["roc_auc", "all"]
        assert (auc["value"], auc["difference"], auc["undefined"]) == (None, None, "17 predictions missing")
        assert made["accuracy", "all"]["n"] == 300
        assert made["accuracy", "all"]["value"] < numbers(run(comparison(BINARY)))["accuracy", "all"]["value"]

    def test_empty_and_one_class_strata(self) -> None:
        found = comparison(BINARY)
        made = numbers(run(found, [Stratum("none", np.zeros(300, dtype=bool)), Stratum("class=nodule", found.truth == 1)]))
        assert {e["undefined"] for (_, stratum), e in made.items() if stratum == "none"} == {"no cases"}
        assert made["specificity", "class=nodule"]["undefined"] == "no case that is not nodule"
        assert made["roc_auc", "class=nodule"]["undefined"] == "needs cases of nodule and others"
        assert made["sensitivity", "class=nodule"]["value"] == made["sensitivity", "all"]["value"]

    def test_labels_without_scores(self) -> None:
        found = comparison(BINARY)
        made = numbers(run(comparison_of(BINARY, found.truth, [arm(BINARY, 300, found.candidate[0].labels)])))
        assert made["roc_auc", "all"]["undefined"] == "no scores were given"
        assert made["accuracy", "all"]["baseline"] is None
        assert made["accuracy", "all"]["difference"] is None

    def test_bad_input_is_refused_in_words(self) -> None:
        found = comparison(BINARY)
        with pytest.raises(BadInput, match="at least one replicate"):
            comparison_of(BINARY, found.truth, [])
        with pytest.raises(BadInput, match="baseline replicate 0 has 5 predictions"):
            comparison_of(BINARY, found.truth, found.candidate, [arm(BINARY, 5, np.zeros(5, int))])
        with pytest.raises(BadInput, match="given twice"):
            blocks([Stratum("a", [0]), Grouping(["a"], np.zeros(2, int))], 2)
        with pytest.raises(BadInput, match="listed twice"):
            blocks([Stratum("a", [0, 0])], 2)
        with pytest.raises(BadInput, match="row 1: code 7"):
            blocks([Grouping(["a"], np.array([0, 7]))], 2)


class ReplicateTests:
    def test_the_value_is_the_mean_and_the_artefact_is_replicate_zero(self) -> None:
        found = comparison(runs=5, baseline_runs=3)
        made, first = numbers(run(found)), numbers(run(comparison_of(DIGITS, found.truth, found.candidate[:1], found.baseline[:1])))
        for key, entry in made.items():
            assert entry["value"] == pytest.approx(np.mean(entry["replicates"])), key
            assert entry["artefact"]["value"] == pytest.approx(entry["replicates"][0])
            assert entry["artefact"]["difference"] == first[key]["difference"]
            assert len(entry["replicates"]) == 5
        entry = made["accuracy", "all"]
        assert entry["difference"]["value"] == pytest.approx(entry["value"] - entry["baseline"]["value"])

    def test_two_runs_show_no_standard_deviation_and_three_do(self) -> None:
        assert run(comparison(runs=2))["replicates"]["strata"][0]["sd"] is None
        shown = run(comparison(runs=3), [sites(300)], home="all")["replicates"]["strata"]
        assert shown[0]["sd_low"] < shown[0]["sd"] < shown[0]["sd_high"]
        assert shown[1]["underspecification"]["index"] > 0

    def test_flips_add_up(self) -> None:
        flips = run(comparison(), [sites(300)])["flips"]
        assert flips["newly_wrong"] + flips["newly_right"] + flips["both_right"] + flips["both_wrong"] == flips["n"] == 300
        assert flips["negative_flip_rate"] < flips["negative_flip_rate_high"]
        assert [s["stratum"] for s in flips["strata"]] == ["all", "site=x", "site=y", "site=z"]


class ResampleTests:
    def test_bca_of_a_mean_equals_the_published_interval(self) -> None:
        values = np.array([10, 12, 12.5, 12.5, 13.9, 15, 21, 22, 23, 34, 50, 81, 89, 121, 134, 213])
        draws = values[np.random.default_rng(0).integers(0, 16, (100_000, 16))].mean(axis=1)
        left_out = (values.sum() - values) / 15
        low, high = bca(draws[None], values.mean(keepdims=True), left_out[None], np.ones(16, int))
        np.testing.assert_allclose([low[0], high[0]], [32.31, 91.43], atol=0.46)

    def test_a_degenerate_bootstrap_has_no_interval(self) -> None:
        assert np.isnan(bca(np.ones((1, 100)), np.ones(1), np.ones((1, 5)), np.ones(5, int))).all()

    def test_draws_that_differ_by_rounding_only_are_equal(self) -> None:
        rng = np.random.default_rng(0)
        draws, left_out = np.round(rng.normal(0.5, 0.1, (1, 2000)), 2), rng.normal(0.5, 0.001, (1, 40))
        exact = bca(draws, np.array([0.5]), left_out, np.ones(40, int))
        np.testing.assert_allclose(exact, bca(draws, np.array([np.nextafter(0.5, 1)]), left_out, np.ones(40, int)), rtol=0, atol=0)

    def test_f1_interval_equals_case_resampling(self) -> None:
        from sklearn.metrics import f1_score

        found = comparison(BINARY, 400)
        entry = numbers(run(found, resamples=4000))["f1", "all"]
        rng = np.random.default_rng(1)
        labels = found.candidate[0].labels
        draws = [f1_score(found.truth[pick], labels[pick]) for pick in rng.integers(0, 400, (600, 400))]
        assert entry["high"] - entry["low"] == pytest.approx(np.ptp(np.quantile(draws, [0.025, 0.975])), rel=0.12)

    def test_all_right_still_has_an_interval(self) -> None:
        truth = np.arange(40) % 4
        made = numbers(run(comparison_of(DIGITS, truth, [arm(DIGITS, 40, truth)])))
        entry = made["macro_f1", "all"]
        assert (entry["value"], entry["high"], entry["method"]) == (1.0, 1.0, "clopper-pearson")
        assert entry["low"] == pytest.approx(0.025 ** (1 / 10))

    def test_swapping_equal_models_proves_nothing(self) -> None:
        found = comparison(DIGITS)
        same = comparison_of(DIGITS, found.truth, found.candidate, found.candidate)
        for entry in numbers(run(same)).values():
            if entry["difference"] is not None:
                assert entry["difference"]["value"] == 0
                assert entry["difference"]["p"] == 1
                assert entry["difference"]["low"] < 0 < entry["difference"]["high"]


class GatherTests:
    @pytest.mark.parametrize("clusters", [False, True])
    @pytest.mark.parametrize("task", [BINARY, DIGITS])
    def test_checks_see_the_same_numbers_as_the_report(self, task: Task, clusters: bool) -> None:
        found, strata = comparison(task, clusters=clusters), [sites(300)]
        made = numbers(run(found, strata))
        for metric in registry(task)[:22]:
            sign = 1 if metric.higher_is_better else -1
            for item in gather(found, metric.id, strata, seed=SEED, resamples=200):
                entry = made[metric.id, item.stratum]
                assert item.difference is not None, (metric.id, item)
                low, high = item.difference.bounds(0.025)
                assert item.difference.estimate == pytest.approx(sign * entry["difference"]["value"]), metric.id
                if "bca" not in entry["difference"]["method"]:
                    want = sorted([sign * entry["difference"]["low"], sign * entry["difference"]["high"]])
                    assert [low, high] == pytest.approx(want, abs=1e-9), metric.id

    def test_a_rate_that_should_be_low_is_turned_round(self) -> None:
        found = comparison(BINARY)
        rate, specificity = (gather(found, name, [sites(300)], seed=SEED)[0] for name in ("false_positive_rate", "specificity"))
        assert rate.difference == specificity.difference
        assert rate.level.estimate == pytest.approx(specificity.level.estimate)

    def test_missing_predictions_leave_a_rank_check_without_evidence(self) -> None:
        item = gather(comparison(BINARY, missing=3), "roc_auc", [Stratum("all", np.ones(300, dtype=bool))], seed=SEED)[0]
        assert item.undefined == "3 predictions missing"

    def test_invalid_answers_of_a_served_model_are_counted(self) -> None:
        found = comparison(BINARY)
        labels = found.candidate[0].labels.copy()
        labels[5] = -1
        bad = comparison_of(BINARY, found.truth, [arm(BINARY, 300, labels, found.candidate[0].scores, np.arange(300) == 5)], found.baseline)
        item = gather(bad, "accuracy", [Stratum("all", np.ones(300, dtype=bool))], seed=SEED)[0]
        assert item.invalid == 1
        assert run(bad)["sanity"][0]["code"] == "non_finite"


def test_seeds_come_from_the_evidence_alone() -> None:
    assert seed_from("sha256:m", ["b", "a"]) == seed_from("sha256:m", ["a", "b"])
    assert seed_from("sha256:m", ["a"]) != seed_from("sha256:n", ["a"])
    assert generator(b"x").random() == generator(b"x").random()


def test_accuracy_difference_of_one_run_is_the_mcnemar_test() -> None:
    found = comparison(DIGITS, 500)
    entry = numbers(run(found))["accuracy", "all"]
    new, old = (a.labels == found.truth for a in found.artefacts)
    lost, gained = int((old & ~new).sum()), int((new & ~old).sum())
    want = 2 * stats.binom.cdf(min(lost, gained), lost + gained, 0.5) - stats.binom.pmf(min(lost, gained), lost + gained, 0.5)
    assert entry["difference"]["p"] == pytest.approx(want, abs=1e-12)


class PackedTests:
    def test_strata_say_the_same_alone_and_side_by_side(self) -> None:
        n = 300
        clusters = np.arange(n) // 3
        found = replicated(n, clusters)
        strata = [sites(n), Grouping(["even", "odd"], np.arange(n) % 2), Stratum("last", np.arange(n) >= 250)]
        together = numbers(run(found, strata))
        for item in strata:
            for key, entry in numbers(run(found, [item])).items():
                assert_same(entry, together[key])

    def test_runs_that_agree_on_everything_are_not_certain(self) -> None:
        """Rounding noise is no variance: five runs with AUC 1 keep an interval of their own."""
        truth = np.arange(60) % 4
        rng = np.random.default_rng(3)
        arms = []
        for _ in range(5):
            scores = rng.random((60, 4)) * 0.1 + np.eye(4)[truth]
            arms.append(arm(DIGITS, 60, truth, scores))
        entries = numbers(run(comparison_of(DIGITS, truth, arms)))
        for (metric, _), entry in entries.items():
            if entry["undefined"] is None:
                assert entry["high"] - entry["low"] > 0.01, metric


def replicated(n: int, clusters: Any) -> Comparison:
    rng = np.random.default_rng(11)
    truth = rng.integers(0, 4, n)
    arms = []
    for number in range(4):
        labels = np.where(rng.random(n) < 0.8 - number * 0.02, truth, rng.integers(0, 4, n))
        arms.append(arm(DIGITS, n, labels, rng.random((n, 4)) + np.eye(4)[labels]))
    return comparison_of(DIGITS, truth, arms[:3], arms[3:], clusters)


def assert_same(one: Any, other: Any) -> None:
    """Equal but for rounding."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list):
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    else:
        assert one == (pytest.approx(other, abs=1e-10) if isinstance(one, float) else other)
