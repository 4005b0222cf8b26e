"""ROC AUC, DeLong and its clustered form against independent implementations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from evaluation.engine.arrays import BadInput
from evaluation.engine.auc import (
    auc_by_stratum,
    auc_interval,
    difference_interval,
    difference_p,
)
from evaluation.engine.data import cluster_codes
from evaluation.engine.ranked import Steps, influence_variance
from evaluation.engine.ranking import ascending, rank
from evaluation.engine.strata import Grouping, Stratum, blocks
from tests.engine.build import whole


def delong(positive: NDArray[np.bool_], *columns: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """DeLong 1988 from its definition: the whole kernel matrix, quadratic in the cases."""
    v10, v01 = [], []
    for s in columns:
        kernel = (s[positive][:, None] > s[~positive]) + 0.5 * (s[positive][:, None] == s[~positive])
        v10.append(kernel.mean(axis=1))
        v01.append(kernel.mean(axis=0))
    m, k = positive.sum(), (~positive).sum()
    return np.mean(v10, axis=1), np.atleast_2d(np.cov(v10)) / m + np.atleast_2d(np.cov(v01)) / k


def draw(seed: int, n: int, decimals: int | None) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.4
    positive[:4] = [True, True, False, False]
    base = rng.normal(0, 1, n) + positive
    a, b = base + rng.normal(0, 0.5, n), base + rng.normal(0, 0.7, n)
    return positive, *(x if decimals is None else np.round(x, decimals) for x in (a, b))


@given(st.integers(0, 10_000), st.integers(4, 60), st.sampled_from([None, 0, 1]))
def test_value_and_paired_variance_equal_the_definition(seed: int, n: int, decimals: int | None) -> None:
    positive, a, b = draw(seed, n, decimals)
    block = whole(n)
    value, covariance = delong(positive, a, b)
    one, two = auc_by_stratum(rank(a), positive, block), auc_by_stratum(rank(b), positive, block)
    assert one.value[0] == pytest.approx(value[0], abs=1e-12)
    assert one.value[0] == pytest.approx(roc_auc_score(positive, a), abs=1e-12)
    ours, theirs = one.influence.scaled, two.influence.scaled
    assert influence_variance(ours, block)[0] == pytest.approx(covariance[0, 0], abs=1e-12)
    paired = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert influence_variance(ours - theirs, block)[0] == pytest.approx(paired, abs=1e-12)


@given(st.integers(0, 10_000), st.integers(0, 12_000), st.sampled_from([1.0, 1e-13, 1e-300, 1e300]), st.sampled_from([0.0, 1.0, -1.0]))
@settings(max_examples=40)
def test_scores_are_in_order_to_their_last_bit(seed: int, n: int, scale: float, centre: float) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.choice([0.0, -0.0, 1.0], n) * rng.normal(0, 1, n) * scale + rng.choice([0.0, centre], n)
    order, ordered = ascending(scores)
    assert np.array_equal(np.sort(order), np.arange(n))
    assert np.array_equal(scores[order], np.sort(scores))
    assert np.array_equal(ordered, scores[order])
    assert np.array_equal(rank(scores).levels(), np.unique(scores, return_inverse=True)[1])


@pytest.mark.parametrize("share", [0.0, 0.2, 0.97], ids=["every case", "most", "few"])
@pytest.mark.parametrize("decimals", [None, 1])
def test_strata_of_a_grouping_equal_each_alone(decimals: int | None, share: float) -> None:
    positive, a, _ = draw(7, 2000, decimals)
    rng = np.random.default_rng(1)
    codes = np.where(rng.random(2000) < share, -1, rng.integers(0, 4, 2000))
    block = blocks([Grouping(["w", "x", "y", "z"], codes)], 2000)[0]
    together = auc_by_stratum(rank(a), positive, block)
    influence = np.zeros(2000)
    influence[block.rows] = together.influence.scaled
    for s in range(4):
        alone = auc_by_stratum(rank(a[codes == s]), positive[codes == s], whole(int((codes == s).sum())))
        assert influence[codes == s] == pytest.approx(alone.influence.scaled, abs=1e-12)
        assert together.value[s] == pytest.approx(roc_auc_score(positive[codes == s], a[codes == s]), abs=1e-12)


def test_singleton_clusters_give_delong_exactly() -> None:
    positive, a, _ = draw(3, 80, 1)
    alone, pairs = whole(80), whole(80, cluster_codes(np.arange(80) // 2, 80))
    shuffled = whole(80, np.random.default_rng(0).permutation(80))
    found = auc_by_stratum(rank(a), positive, alone)
    plain = influence_variance(found.influence.scaled, alone)[0]
    assert influence_variance(found.influence.scaled, shuffled)[0] == pytest.approx(plain, rel=1e-12)
    assert influence_variance(found.influence.scaled, pairs)[0] != pytest.approx(plain, rel=1e-3)


def test_copying_every_case_leaves_the_clustered_variance() -> None:
    positive, a, _ = draw(3, 60, None)
    alone = whole(60)
    once = auc_by_stratum(rank(a), positive, alone).influence.variance[0]
    copies, clusters = np.repeat(positive, 3), np.repeat(np.arange(60), 3)
    block = whole(180, clusters)
    thrice = auc_by_stratum(rank(np.repeat(a, 3)), copies, block).influence.variance[0]
    assert thrice == pytest.approx(once, rel=1e-12)


@given(st.integers(0, 10_000), st.integers(4, 400), st.sampled_from([None, 0, 1]), st.sampled_from([0.0, 1.0, 4.0]))
def test_variance_from_counts_equals_that_from_influences(seed: int, n: int, decimals: int | None, apart: float) -> None:
    """Cases that stand alone have no influences made for their variance; in every stratum it is what they would give."""
    positive, a, _ = draw(seed, n, decimals)
    a += apart * positive
    codes = np.random.default_rng(seed).integers(-1, 3, n)
    block = blocks([Grouping(["x", "y", "z"], codes), Stratum("all", np.ones(n, dtype=np.bool_))], n)[0]
    found = auc_by_stratum(rank(a), positive, block)
    plain = np.where(np.isnan(found.value), np.nan, found.influence.variance)
    np.testing.assert_allclose(found.variance, plain, rtol=1e-12, atol=1e-18)


def test_perfect_separation_has_no_variance_at_all() -> None:
    """Not even that of rounding: whether a model varies decides how its difference from another is told."""
    for positives in range(2, 30):
        positive = np.arange(100) >= 100 - positives
        assert auc_by_stratum(rank(np.arange(100.0)), positive, whole(100)).variance[0] == 0


def test_counts_whose_sums_pass_64_bits_on_the_way() -> None:
    """2.7 million cases in two strata, some positives among the negatives: against sums in extended precision."""
    positives, negatives = 1_800_000, 900_000
    below = np.sort(np.r_[np.arange(1000), np.full(positives - 1000, negatives)])  # negatives below each positive
    start = np.concatenate([below + np.arange(positives) + offset for offset in (0, positives + negatives)])
    edges = np.array([0, 1, 2])
    steps = Steps(start, np.arange(2 * positives), edges * (positives + negatives), edges * positives)
    assert steps.countable
    assert 4.0 * negatives * positives**2 > 2**63
    passed = np.searchsorted(below, np.arange(negatives), side="right")  # positives below each negative
    for found, each in zip(steps.deviations(), (below, passed), strict=True):
        wide = 2 * each.astype(np.longdouble)
        np.testing.assert_allclose(found, float(((wide - wide.mean()) ** 2).sum()), rtol=1e-13)


def test_a_stratum_too_large_for_counts_has_its_variance_from_influences(monkeypatch: pytest.MonkeyPatch) -> None:
    positive, a, _ = draw(5, 300, 1)
    counted = auc_by_stratum(rank(a), positive, whole(300))
    monkeypatch.setattr(Steps, "countable", False)
    other = auc_by_stratum(rank(a), positive, whole(300))
    assert (counted.spread is None, other.spread is None) == (False, True)
    assert other.variance[0] == pytest.approx(counted.variance[0], rel=1e-12)


class IntervalTests:
    def test_perfect_separation_falls_back_to_the_smaller_class(self) -> None:
        low, high, exact = auc_interval(1.0, 0.0, 12)
        assert (float(low), float(high), bool(exact)) == (pytest.approx(0.025 ** (1 / 12)), 1.0, True)

    def test_undefined_stays_undefined(self) -> None:
        assert np.isnan(auc_interval(np.nan, np.nan, 0)[0])

    def test_identical_models_do_not_get_a_zero_width(self) -> None:
        low, high = difference_interval(0.0, 0.0, 40)
        assert low < 0 < high
        assert float(difference_p(0.0, 0.0)) == 1.0

    @given(st.floats(0.51, 0.99), st.floats(1e-5, 0.02))
    def test_logit_interval_lies_inside_and_holds_the_value(self, value: float, variance: float) -> None:
        low, high, _ = auc_interval(value, variance, 30)
        assert 0 < low < value < high < 1


def test_a_score_that_is_not_finite_is_named() -> None:
    with pytest.raises(BadInput, match="row 2"):
        rank([0.1, 0.2, np.nan])
