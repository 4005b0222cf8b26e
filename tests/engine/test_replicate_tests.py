"""Runs compared by their values: published sizes, SciPy's permutation test, and enumeration."""

import numpy as np
import pytest
from scipy import stats

from evaluation.engine.arrays import BadInput
from evaluation.engine.replicate_tests import (
    detectable_drop,
    improvement,
    improvement_pairs,
    least_p,
    least_paired_p,
    paired_runs,
    permutation_p,
)


def test_how_little_few_runs_can_prove() -> None:
    assert [least_p(k, k) for k in (3, 4, 5)] == pytest.approx([1 / 20, 1 / 70, 1 / 252])
    assert least_paired_p(5) == 1 / 32
    assert permutation_p([1, 2, 3], [4, 5, 6]) == pytest.approx(least_p(3, 3))


@pytest.mark.parametrize(("runs", "drop"), [(3, 2.48), (5, 1.72), (10, 1.16)])
def test_the_detectable_drop_equals_the_table_and_statsmodels(runs: int, drop: float) -> None:
    found = detectable_drop(runs)
    assert found == pytest.approx(drop, abs=0.005)
    critical = stats.t.isf(0.05, 2 * runs - 2)
    assert stats.nct.sf(critical, 2 * runs - 2, found * (runs / 2) ** 0.5) == pytest.approx(0.8, abs=1e-6)
    assert detectable_drop(1) is None


def test_permutation_equals_scipys() -> None:
    rng = np.random.default_rng(0)
    new, old = rng.normal(0.89, 0.01, 4), rng.normal(0.9, 0.01, 5)
    theirs = stats.permutation_test((new, old), lambda a, b: a.mean() - b.mean(), alternative="less", n_resamples=np.inf)
    assert permutation_p(new, old) == pytest.approx(theirs.pvalue)
    with pytest.raises(BadInput, match="arrangements"):
        permutation_p(np.zeros(12), np.zeros(12))


def test_common_seeds_are_compared_pair_by_pair() -> None:
    rng = np.random.default_rng(1)
    old = rng.normal(0.9, 0.05, 6)
    new = old - 0.01 + rng.normal(0, 0.004, 6)
    found = paired_runs(new, old)
    theirs = stats.ttest_rel(new, old).confidence_interval()
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))
    exact = stats.permutation_test(
        (new, old), lambda a, b: (a - b).mean(), permutation_type="samples", alternative="less", n_resamples=np.inf
    )
    assert found.p_loss == pytest.approx(exact.pvalue)
    with pytest.raises(BadInput, match="2 to 17"):
        paired_runs([1.0], [1.0])
    with pytest.raises(BadInput, match="2 to 17"):
        paired_runs([1.0, 2.0], [1.0])


def test_probability_of_improvement() -> None:
    assert improvement_pairs() == 29
    rng = np.random.default_rng(2)
    better = improvement([0.93, 0.92, 0.94, 0.95], [0.9, 0.91, 0.89, 0.92], rng=rng)
    assert better.value == pytest.approx(15.5 / 16)
    assert better.meaningful
    equal = improvement([0.9] * 4, [0.9] * 4, rng=rng)
    assert (equal.value, equal.meaningful) == (0.5, False)
    with pytest.raises(BadInput, match="at least one"):
        improvement([], [1.0], rng=rng)
    with pytest.raises(BadInput, match="gamma"):
        improvement_pairs(0.5)
