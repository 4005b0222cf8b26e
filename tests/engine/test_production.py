"""Production figures, the spread over strata, and their overlap; values of groups against fairlearn."""

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from evaluation.engine import (
    BadInput,
    Grouping,
    Settings,
    Stratum,
    hajek,
    overlap,
    post_stratified,
    predictive_values,
    share_variance,
    spread,
    values,
)
from evaluation.engine.intervals import clustered_share
from tests.engine.build import BINARY, comparison

GROUPS = [f"g{i}" for i in range(6)]
SETTINGS = Settings(seed=b"tests")


def test_values_of_groups_equal_fairlearn() -> None:
    found = comparison(BINARY, 500, 2)
    codes = np.random.default_rng(0).integers(0, 6, 500)
    labels, chance = found.candidate[0].labels, found.candidate[0].scores[:, 1]
    frame = MetricFrame(
        metrics={"accuracy": sk.accuracy_score, "sensitivity": sk.recall_score, "ppv": sk.precision_score, "f1": sk.f1_score},
        y_true=found.truth,
        y_pred=labels,
        sensitive_features=codes,
    )
    ranks = MetricFrame(
        metrics={"roc_auc": sk.roc_auc_score, "average_precision": sk.average_precision_score, "brier": sk.brier_score_loss},
        y_true=found.truth,
        y_pred=chance,
        sensitive_features=codes,
    )
    names = [*frame.by_group.columns, *ranks.by_group.columns]
    ours = values(found, [Grouping(GROUPS, codes)], names)
    theirs = np.concatenate([frame.by_group.to_numpy(dtype=float), ranks.by_group.to_numpy(dtype=float)], axis=1)
    np.testing.assert_allclose(np.stack([ours[name] for name in GROUPS]), theirs, atol=1e-12)
    accuracy = np.stack([ours[name] for name in GROUPS])[:, 0]
    made = spread(GROUPS, accuracy, share_variance(accuracy, np.bincount(codes)), SETTINGS)
    assert made.gap == pytest.approx(frame.difference()["accuracy"], abs=1e-12)
    assert made.worst_value == pytest.approx(frame.group_min()["accuracy"], abs=1e-12)


class SpreadTests:
    def test_equal_strata_have_a_gap_whose_interval_reaches_down(self) -> None:
        rng = np.random.default_rng(1)
        reached = 0
        for _ in range(40):
            accuracy = rng.binomial(100, 0.9, 8) / 100
            reached += spread([str(i) for i in range(8)], accuracy, share_variance(accuracy, np.full(8, 100)), SETTINGS).low <= 0.05
        assert reached >= 32  # though the largest difference of eight equal strata is about 0.09

    def test_where_small_is_good_the_worst_is_the_largest(self) -> None:
        made = spread(["a", "b"], [0.1, 0.3], [1e-4, 1e-4], SETTINGS, higher_is_better=False)
        assert (made.worst, made.best) == ("b", "a")
        assert made.low < made.gap < made.high

    def test_small_and_undefined_strata_take_no_part(self) -> None:
        made = spread(["a", "b", "c"], [0.1, 0.9, np.nan], [1e-4, 1e-4, np.nan], SETTINGS, least=10, n=[3, 50, 90])
        assert (made.worst, made.gap, made.strata) == (None, None, 1)


class PostStratifiedTests:
    @given(st.lists(st.floats(0, 1), min_size=2, max_size=6))
    def test_is_the_weighted_mean_with_the_variance_of_independent_strata(self, m: list[float]) -> None:
        w, v = np.arange(1, len(m) + 1) / np.arange(1, len(m) + 1).sum(), np.full(len(m), 1e-4)
        made = post_stratified(w, m, v)
        assert made.value == pytest.approx(np.average(m, weights=w))
        assert made.se == pytest.approx(np.sqrt((w**2 * v).sum()))

    def test_covers_the_production_value(self) -> None:
        rng = np.random.default_rng(2)
        shares, truth, n = np.array([0.9, 0.09, 0.01]), np.array([0.97, 0.8, 0.5]), np.array([60, 100, 200])
        covered = 0
        for _ in range(200):
            seen = rng.binomial(n, truth) / n
            made = post_stratified(shares, seen, share_variance(seen, n))
            covered += made.low <= shares @ truth <= made.high
        assert covered >= 182

    def test_a_stratum_that_cannot_be_measured_is_not_spread_over_the_others(self) -> None:
        made = post_stratified([0.7, 0.3], [0.9, np.nan], [1e-3, np.nan])
        assert (made.value, made.undefined) == (None, "stratum 1 is 30.0% of production, but has no value")
        assert post_stratified([1.0, 0.0], [0.9, np.nan], [1e-3, np.nan]).value == 0.9

    @pytest.mark.parametrize(("shares", "why"), [([0.5, 0.4], "add up to 0.9"), ([1.5, -0.5], "row 1: -0.5"), ([1.0], "shapes")])
    def test_shares_that_are_none(self, shares: list[float], why: str) -> None:
        with pytest.raises(BadInput, match=why):
            post_stratified(shares, [0.9, 0.8], [1e-3, 1e-3])


class PredictiveValueTests:
    def test_bayes_rule(self) -> None:
        made = predictive_values(90, 100, 950, 1000, 0.01)
        assert made.ppv == pytest.approx(0.9 * 0.01 / (0.9 * 0.01 + 0.05 * 0.99))
        assert made.npv == pytest.approx(0.95 * 0.99 / (0.95 * 0.99 + 0.1 * 0.01))
        assert made.ppv_low < made.ppv < made.ppv_high

    def test_interval_covers(self) -> None:
        rng = np.random.default_rng(3)
        want = 0.9 * 0.05 / (0.9 * 0.05 + 0.05 * 0.95)
        made = [predictive_values(rng.binomial(80, 0.9), 80, rng.binomial(200, 0.95), 200, 0.05) for _ in range(300)]
        assert np.mean([each.ppv_low <= want <= each.ppv_high for each in made]) >= 0.92

    def test_no_error_at_all_still_has_an_interval(self) -> None:
        made = predictive_values(20, 20, 50, 50, 0.1)
        assert made.ppv == made.ppv_high == 1.0
        assert 0.3 < made.ppv_low < 0.95

    def test_what_is_called_nothing_has_no_value(self) -> None:
        assert predictive_values(0, 20, 50, 50, 0.1).ppv is None

    @pytest.mark.parametrize("counts", [(5, 4, 1, 2, 0.1), (1, 2, 1, 0, 0.1), (1, 2, 1, 2, 0.0), (1, 2, 1, 2, float("nan"))])
    def test_impossible_counts(self, counts: tuple[float, ...]) -> None:
        with pytest.raises(BadInput):
            predictive_values(*counts)


def arrived(rng: np.random.Generator, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Right or wrong, patient, and the chance of being kept: low where the model was right, as when failures are sent more often."""
    patients = rng.integers(0, number // 6, number)
    right = (rng.random(number) < rng.beta(8, 2, number // 6)[patients]).astype(float)
    return right, patients, np.where(right > 0, rng.choice([0.05, 0.2, 0.4], number), rng.choice([0.5, 1.0], number))


class HajekTests:
    def test_equal_chances_give_the_clustered_share(self) -> None:
        rng = np.random.default_rng(5)
        right, clusters = (rng.random(80) < 0.8).astype(float), np.sort(rng.integers(0, 20, 80))
        made = hajek(right, np.full(80, 0.3), clusters)
        codes = np.unique(clusters, return_inverse=True)[1]
        share = clustered_share(np.bincount(codes, right), np.bincount(codes), np.zeros(codes.max() + 1, dtype=int), 1)
        assert (made.value, made.n_effective, made.clusters) == (pytest.approx(right.mean()), pytest.approx(80), codes.max() + 1)
        np.testing.assert_allclose([made.low, made.high], np.ravel(share.wilson()), atol=1e-12)

    def test_is_unbiased_and_covers_where_the_plain_figure_does_neither(self) -> None:
        rng = np.random.default_rng(6)
        found, plain = [], []
        for _ in range(400):
            right, patients, chance = arrived(rng, 4_000)
            kept = rng.random(4_000) < chance
            made = hajek(right[kept], chance[kept], patients[kept])
            found.append((made.value - 0.8, made.low <= 0.8 <= made.high))
            plain.append(right[kept].mean() - 0.8)
        bias = np.mean([error for error, _ in found])
        assert abs(bias) < 4 * np.std([error for error, _ in found]) / 20
        assert np.mean(plain) < -0.2
        assert 0.92 <= np.mean([covered for _, covered in found]) <= 0.985

    def test_few_patients_still_cover(self) -> None:
        rng = np.random.default_rng(7)
        covered = []
        for _ in range(400):
            right, patients, chance = arrived(rng, 400)
            kept = rng.random(400) < chance
            made = hajek(right[kept], chance[kept], patients[kept])
            covered.append(made.low <= 0.8 <= made.high)
        assert np.mean(covered) >= 0.92

    def test_numbers_have_students_interval(self) -> None:
        made = hajek([1.0, 2.0, 4.0], [0.5, 1.0, 0.25])
        assert made.value == pytest.approx((2 + 2 + 16) / 7)
        assert made.n_effective == pytest.approx(49 / 21)
        assert made.low < made.value < made.high

    def test_what_cannot_be_weighed_has_no_value_and_says_why(self) -> None:
        made = hajek([1, 0, 1], [0.5, np.nan, np.nan])
        assert (made.value, made.undefined) == (None, "2 of 3 cases have no known chance")
        assert hajek([], []).undefined == "there is no case"
        all_right = hajek(np.ones(50), np.full(50, 0.1), np.zeros(50))
        assert (all_right.value, all_right.low) == (1.0, None)
        assert 0.8 < hajek(np.ones(50), np.full(50, 0.1)).low < 1

    @pytest.mark.parametrize(("y", "p"), [([1.0], [0.0]), ([1.0], [1.5]), ([np.nan], [0.5]), ([1.0, 0.0], [0.5])])
    def test_values_and_chances_that_are_none(self, y: list[float], p: list[float]) -> None:
        with pytest.raises(BadInput):
            hajek(y, p)


def test_overlap_counts_common_cases() -> None:
    found = comparison(BINARY, 60)
    masks = {"even": np.arange(60) % 2 == 0, "third": np.arange(60) % 3 == 0, "none": np.zeros(60, dtype=bool)}
    strata = [Grouping(["low", "high"], (np.arange(60) >= 40).astype(int)), *(Stratum(name, mask) for name, mask in masks.items())]
    made = overlap(found, strata)
    sets = {"low": np.arange(60) < 40, "high": np.arange(60) >= 40} | masks
    for i, one in enumerate(made.names):
        for j, other in enumerate(made.names):
            assert made.shared[i, j] == (sets[one] & sets[other]).sum()
    at = {name: i for i, name in enumerate(made.names)}
    assert made.inside[at["third"], at["even"]] == 0.5
    assert made.jaccard[at["even"], at["third"]] == pytest.approx(10 / 40)
    assert made.jaccard[at["none"], at["none"]] == 0
