"""Regression and multi-label reports: scikit-learn and SciPy as oracles, laws, and what is missing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from evaluation.engine.arrays import BadInput
from evaluation.engine.multilabel import answers, multilabel_report
from evaluation.engine.regression import quantile, regression_report
from evaluation.engine.strata import Grouping, Stratum
from tests.engine.build import SEED

LABELS = ("effusion", "nodule", "mass")


def _entry(report: dict, metric: str, stratum: str = "all") -> dict:
    return next(e for e in report["metrics"] if (e["metric"], e["stratum"]) == (metric, stratum))


def _values(seed: int, n: int, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.gamma(3, scale, n)
    return truth, truth + rng.normal(0.1, 0.5, n) * scale, truth + rng.normal(0, 0.6, n) * scale


class RegressionTests:
    @given(seed=st.integers(0, 10_000), n=st.integers(2, 200), scale=st.sampled_from([1e-6, 1.0, 1e6]))
    def test_values_equal_scikit_learns(self, seed: int, n: int, scale: float) -> None:
        truth, new, _ = _values(seed, n, scale)
        found = regression_report(truth, [new], seed=SEED, resamples=50)
        wanted = {
            "mae": sk.mean_absolute_error(truth, new),
            "mse": sk.mean_squared_error(truth, new),
            "rmse": sk.root_mean_squared_error(truth, new),
            "r2": sk.r2_score(truth, new),
            "bias": float((new - truth).mean()),
        }
        for metric, value in wanted.items():
            assert _entry(found, metric)["value"] == pytest.approx(value, rel=1e-9)

    def test_means_have_students_interval_and_the_paired_test(self) -> None:
        truth, new, old = _values(1, 80)
        found = _entry(regression_report(truth, [new], [old], seed=SEED, resamples=50), "mae")
        single, paired = np.abs(new - truth), np.abs(new - truth) - np.abs(old - truth)
        wanted = stats.ttest_1samp(single, 0).confidence_interval()
        assert (found["low"], found["high"]) == pytest.approx((wanted.low, wanted.high))
        test = stats.ttest_1samp(paired, 0)
        ends = test.confidence_interval()
        gap = found["difference"]
        assert (gap["low"], gap["high"], gap["p"]) == pytest.approx((ends.low, ends.high, test.pvalue))

    def test_the_bootstrap_of_a_root_agrees_with_scipys(self) -> None:
        truth, new, _ = _values(2, 150)
        found = _entry(regression_report(truth, [new], seed=SEED), "rmse")
        theirs = stats.bootstrap(
            (new - truth,), lambda e, axis: np.sqrt((e**2).mean(axis=axis)), method="BCa", rng=np.random.default_rng(0)
        )
        assert found["method"] == "bca"
        assert (found["low"], found["high"]) == pytest.approx(tuple(theirs.confidence_interval), abs=0.01)

    def test_equal_rmse_means_equal_mse(self) -> None:
        truth, new, old = _values(3, 60)
        found = regression_report(truth, [new], [old], seed=SEED, resamples=50)
        assert len({_entry(found, metric)["difference"]["p"] for metric in ("mse", "rmse", "r2")}) == 1

    def test_order_of_rows_does_not_matter_and_copies_in_clusters_add_nothing(self) -> None:
        truth, new, old = _values(4, 90)
        turn = np.random.default_rng(0).permutation(90)
        first = regression_report(truth, [new], [old], [Grouping(["a", "b"], np.arange(90) % 2)], seed=SEED, resamples=200)
        second = regression_report(truth[turn], [new[turn]], [old[turn]], [Grouping(["a", "b"], turn % 2)], seed=SEED, resamples=200)
        copies = regression_report(
            *(np.repeat(truth, 3), [np.repeat(new, 3)], [np.repeat(old, 3)], [Grouping(["a", "b"], np.repeat(np.arange(90) % 2, 3))]),
            seed=SEED,
            clusters=np.repeat(np.arange(90), 3),
            resamples=200,
        )
        for metric in ("mae", "bias", "mse"):
            for other in (second, copies):
                assert _entry(other, metric, "b")["high"] == pytest.approx(_entry(first, metric, "b")["high"])
        assert _entry(copies, "rmse")["high"] == pytest.approx(_entry(first, "rmse")["high"], rel=1e-6)

    @pytest.mark.parametrize("n", [50, 400])
    def test_nine_of_ten_errors_with_the_interval_of_order_statistics(self, n: int) -> None:
        rng, held = np.random.default_rng(5), 0
        for _ in range(400):
            found = quantile(rng.exponential(1, n), None)
            assert found.low <= found.value <= found.high
            held += found.low <= -np.log(0.1) <= found.high
        assert 0.93 <= held / 400 <= 0.995
        assert quantile(rng.exponential(1, 20), None).high is None  # 1 - .9^20 is only .88

    def test_missing_predictions_make_their_strata_undefined(self) -> None:
        truth, new, old = _values(6, 40)
        new[:2] = np.nan
        found = regression_report(truth, [new], [old], [Stratum("late", np.arange(40) >= 2)], seed=SEED, resamples=50)
        for metric in ("mae", "r2", "p90_absolute_error"):
            entry = _entry(found, metric)
            assert (entry["value"], entry["difference"], entry["undefined"]) == (None, None, "2 predictions missing")
            assert _entry(found, metric, "late")["value"] is not None

    def test_several_runs_show_mean_and_spread_and_keep_the_artefact(self) -> None:
        truth, new, old = _values(7, 120)
        runs = [new + np.random.default_rng(seed).normal(0, 0.1, 120) for seed in range(3)]
        entry = _entry(regression_report(truth, runs, [old], seed=SEED, resamples=50), "rmse")
        each = [sk.root_mean_squared_error(truth, run) for run in runs]
        assert entry["replicates"] == pytest.approx(each)
        assert (entry["value"], entry["sd"]) == pytest.approx((np.mean(each), np.std(each, ddof=1)))
        assert entry["artefact"]["value"] == pytest.approx(each[0])
        assert entry["low"] < entry["value"] < entry["high"]
        assert "recipe against this artefact" in entry["difference"]["method"]

    def test_what_does_not_vary_or_exist_is_none_with_a_reason(self) -> None:
        found = regression_report([2.0] * 25, [[1.0] * 25], strata=[Stratum("none", [])], seed=SEED, resamples=50)
        assert (_entry(found, "r2")["value"], _entry(found, "r2")["undefined"]) == (None, "the truth does not vary")
        assert _entry(found, "mae")["low"] is None
        assert _entry(found, "mae", "none")["undefined"] == "no cases"
        assert [finding["code"] for finding in found["sanity"]] == ["constant_output"]
        one = regression_report([1.0], [[2.0]], seed=SEED, resamples=50)
        assert (_entry(one, "mae")["value"], _entry(one, "mae")["low"]) == (1.0, None)

    @pytest.mark.parametrize(
        ("truth", "prediction", "message"),
        [
            ([1.0, np.nan], [1.0, 1.0], "row 1: the true"),
            ([1.0, 2.0], [1.0, np.inf], "row 1: the pred"),
            ([1.0], [1.0, 2.0], "there are 1 cases"),
        ],
    )
    def test_bad_input_is_named(self, truth: list, prediction: list, message: str) -> None:
        with pytest.raises(BadInput, match=message):
            regression_report(truth, [prediction], seed=SEED)


def _labels(seed: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.random((n, 3)) < [0.4, 0.2, 0.1]
    scores = np.clip(truth * 0.4 + rng.random((n, 3)) * 0.6, 0, 1)
    return truth, scores >= 0.5, scores


class MultilabelTests:
    @given(seed=st.integers(0, 10_000), n=st.integers(20, 120))
    def test_values_equal_scikit_learns(self, seed: int, n: int) -> None:
        truth, said, scores = _labels(seed, n)
        found = multilabel_report(LABELS, truth, [answers(said, scores)], seed=SEED, resamples=20)
        with_support = (truth | said).any(axis=0)
        wanted = {
            "exact_match": sk.accuracy_score(truth, said),
            "hamming_loss": sk.hamming_loss(truth, said),
            "example_f1": sk.f1_score(truth, said, average="samples", zero_division=1.0),
            "micro_f1": sk.f1_score(truth, said, average="micro", zero_division=0.0),
        }
        for metric, value in wanted.items():
            assert _entry(found, metric)["value"] == pytest.approx(value)
        positive = truth.any(axis=0)
        if positive.all() and with_support.all():
            assert _entry(found, "macro_f1")["value"] == pytest.approx(sk.f1_score(truth, said, average="macro"))
            assert _entry(found, "roc_auc[mass]")["value"] == pytest.approx(sk.roc_auc_score(truth[:, 2], scores[:, 2]))
        assert _entry(found, "sensitivity[effusion]")["value"] == pytest.approx(sk.recall_score(truth[:, 0], said[:, 0]))

    def test_each_label_is_asked_and_averages_come_first(self) -> None:
        truth, said, scores = _labels(1, 60)
        found = multilabel_report(LABELS, truth, [answers(said, scores)], seed=SEED, resamples=20)
        names = [entry["metric"] for entry in found["metrics"]]
        assert names[:5] == ["exact_match", "example_f1", "hamming_loss", "micro_f1", "macro_f1"]
        assert {name.split("[")[1][:-1] for name in names[5:]} == set(LABELS)

    def test_flips_are_counted_by_exact_match(self) -> None:
        truth, said, _ = _labels(2, 80)
        other = truth.copy()
        other[:7, 0] ^= True
        found = multilabel_report(LABELS, truth, [answers(said)], [answers(other)], seed=SEED, resamples=20)
        right, was = (truth == said).all(axis=1), (truth == other).all(axis=1)
        assert (found["flips"]["newly_wrong"], found["flips"]["newly_right"]) == ((was & ~right).sum(), (right & ~was).sum())
        gap = _entry(found, "hamming_loss")["difference"]
        assert gap["low"] <= gap["value"] <= gap["high"]

    def test_a_missing_prediction_is_wrong_everywhere(self) -> None:
        truth, said, _ = _labels(3, 30)
        missing = np.arange(30) < 5
        gone = answers(np.where(missing[:, None], False, said), missing=missing)
        empty = truth.copy()
        empty[:5] = False  # a true "nothing" is not matched by no answer
        found = multilabel_report(LABELS, empty, [gone], seed=SEED, resamples=20)
        assert _entry(found, "exact_match")["value"] == pytest.approx((empty[5:] == said[5:]).all(axis=1).sum() / 30)

    def test_bad_input_is_named(self) -> None:
        truth, said, scores = _labels(4, 10)
        scores[3, 1] = np.nan
        with pytest.raises(BadInput, match="row 3"):
            answers(said, scores)
        with pytest.raises(BadInput, match="row 0"):
            answers(np.ones((4, 3)), missing=np.ones(4))
        with pytest.raises(BadInput, match="3 labels"):
            multilabel_report(LABELS, truth[:, :2], [answers(said)], seed=SEED)
        with pytest.raises(BadInput, match="replicate 0"):
            multilabel_report(LABELS, truth, [answers(said[:5])], seed=SEED)
