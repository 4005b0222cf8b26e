"""Distances of single features: equal to independent implementations, honest about chance, and deaf to what does not matter."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.spatial import distance

from evaluation.engine.arrays import BadInput
from evaluation.engine.drift.distances import bin_counts, category_counts, independence, jensen_shannon, kolmogorov_smirnov, psi
from evaluation.engine.drift.features import feature_drift

TABLES = st.integers(2, 8).flatmap(lambda bins: arrays(np.int64, (2, bins), elements=st.integers(1, 400)))
LONG = st.integers(2, 60).flatmap(lambda n: arrays(np.float64, n, elements=st.integers(-5, 5).map(float)))


def test_psi_of_the_textbook_table() -> None:
    """Shares .25/.25/.25/.25 against .30/.20/.40/.10: four terms added by hand."""
    terms = [0.05 * np.log(0.30 / 0.25), -0.05 * np.log(0.20 / 0.25), 0.15 * np.log(0.40 / 0.25), -0.15 * np.log(0.10 / 0.25)]
    assert psi([[250, 250, 250, 250], [300, 200, 400, 100]]).value == pytest.approx(sum(terms), abs=1e-12)


@given(TABLES)
def test_psi_is_both_relative_entropies(table: np.ndarray) -> None:
    p, q = table / table.sum(axis=1, keepdims=True)
    assert psi(table).value == pytest.approx(stats.entropy(p, q) + stats.entropy(q, p), abs=1e-12)
    assert psi(table).value == pytest.approx(psi(table[::-1]).value, abs=1e-12)


@given(TABLES)
def test_jensen_shannon_equals_scipy(table: np.ndarray) -> None:
    assert jensen_shannon(table).value == pytest.approx(distance.jensenshannon(table[0], table[1], base=2), abs=1e-7)


@given(TABLES)
def test_chi_square_and_g_equal_scipy(table: np.ndarray) -> None:
    wide = table + 40  # every expected count is at least 5, so that no bin is pooled
    for statistic, power in (("chi2", 1), ("g", 0)):
        theirs, found = stats.chi2_contingency(wide, correction=False, lambda_=power), independence(wide, statistic)
        assert found.p == pytest.approx(theirs.pvalue, abs=1e-9)
        assert found.value == pytest.approx((max(theirs.statistic, 0) / wide.sum()) ** 0.5, abs=1e-7)


@given(TABLES)
def test_intervals_invert_the_noncentral_distribution(table: np.ndarray) -> None:
    wide = table + 40  # every expected count is at least 5, so that no bin is pooled
    found, degrees, total = independence(wide), wide.shape[1] - 1, wide.sum()
    observed = found.value**2 * total
    if found.low > 0:
        assert stats.ncx2.cdf(observed, degrees, found.low**2 * total) == pytest.approx(0.975, abs=1e-6)
    if 0 < found.high < 1:
        assert stats.ncx2.cdf(observed, degrees, found.high**2 * total) == pytest.approx(0.025, abs=1e-6)


@given(LONG, LONG)
def test_kolmogorov_smirnov_equals_scipy(ours: np.ndarray, theirs: np.ndarray) -> None:
    found, expected = kolmogorov_smirnov(ours, theirs), stats.ks_2samp(ours, theirs, method="asymp")
    effective = (ours.size * theirs.size / (ours.size + theirs.size)) ** 0.5
    assert found.value == pytest.approx(expected.statistic, abs=1e-12)
    assert found.p == pytest.approx(stats.kstwobign.sf(effective * found.value), abs=1e-9)


@given(TABLES, st.permutations(range(8)), st.integers(2, 5))
def test_laws_of_every_distance_of_counts(table: np.ndarray, order: list[int], copies: int) -> None:
    turned = table[:, [index for index in order if index < table.shape[1]]]
    for measure in (psi, jensen_shannon, independence):
        found, same, more = measure(table), measure(turned), measure(np.concatenate([table, [[0]] * 2], axis=1))
        assert found.low <= found.value + 1e-9
        assert (same.value, same.low, same.high) == pytest.approx((found.value, found.low, found.high), abs=1e-6)
        assert more == found  # a bin that is empty in both samples is no bin
        assert measure([table[0], table[0]]).value == pytest.approx(0, abs=1e-7)
        assert measure([table[0], table[0]]).low == 0
    assert psi(table * copies).value == pytest.approx(psi(table).value, abs=1e-9)
    assert psi(table * copies).p <= psi(table).p + 1e-12
    bins = table[:, table.any(axis=0)]
    pearson = stats.chi2_contingency(bins, correction=False).pvalue if bins.shape[1] > 1 else 1.0
    assert (psi(table).p, jensen_shannon(table).p) == pytest.approx((pearson, pearson), abs=1e-12)


def test_empty_bins_give_finite_values() -> None:
    assert np.isfinite(psi([[50, 50, 0], [0, 50, 50]]).value)
    assert jensen_shannon([[50, 0], [0, 50]]).value == 1
    assert independence([[50, 0], [0, 50]]).value == 1
    assert (psi([[7], [9]]).value, psi([[7], [9]]).p, independence([[7], [9]]).p) == (0, 1, 1)


@pytest.mark.parametrize("spread", [0.0, 0.1, 0.3, 0.6])
def test_intervals_cover(spread: float) -> None:
    rng = np.random.default_rng(11)
    p = np.full(8, 1 / 8)
    q = p * np.exp(spread * np.linspace(-1.5, 1.5, 8))
    q /= q.sum()
    middle = (p + q) / 2
    truth = ((p - q) * np.log(p / q)).sum(), ((p * np.log2(p / middle) + q * np.log2(q / middle)).sum() / 2) ** 0.5
    hit, rejected = np.zeros(2), 0
    for _ in range(400):
        found = [measure([rng.multinomial(600, p), rng.multinomial(300, q)]) for measure in (psi, jensen_shannon)]
        hit += [each.low - 1e-9 <= value <= each.high + 1e-9 for each, value in zip(found, truth, strict=True)]
        rejected += found[0].p <= 0.05
    assert (hit / 400 > 0.925).all()
    if spread == 0:
        assert rejected / 400 < 0.08


def test_kolmogorov_smirnov_covers_and_rejects_rarely() -> None:
    rng = np.random.default_rng(12)
    truth = stats.norm.cdf(0.25) - stats.norm.cdf(-0.25)
    found = [kolmogorov_smirnov(rng.normal(0, 1, 200), rng.normal(0.5, 1, 150)) for _ in range(200)]
    assert np.mean([each.low <= truth <= each.high for each in found]) > 0.95
    assert np.mean([kolmogorov_smirnov(rng.normal(0, 1, 200), rng.normal(0, 1, 150)).p <= 0.05 for _ in range(400)]) < 0.07


def test_the_interval_of_kolmogorov_smirnov_adds_both_massart_bounds() -> None:
    """Each sample's band at 97.5 %: sqrt(ln(2 / .025) / (2 n))."""
    found = kolmogorov_smirnov(np.arange(200.0), np.arange(200.0) + 100)
    half = (np.log(2 / 0.025) / 400) ** 0.5
    assert (found.low, found.high) == pytest.approx((0.5 - 2 * half, 0.5 + 2 * half), abs=1e-12)


def test_bins_are_quantiles_of_the_reference() -> None:
    counts = bin_counts(np.arange(100.0), np.full(50, 1e9))
    assert counts[0].tolist() == [10] * 10
    assert counts[1].tolist() == [0] * 9 + [50]
    assert bin_counts([1.0, 1, 2, 2, 2], [1.0, 2, 3, 0.5]).tolist() == [
        [2, 3, 0],
        [1, 1, 2],
    ]  # few values: one bin each, and one for all others
    assert bin_counts(np.zeros(5), np.zeros(4)).tolist() == [[5], [4]]
    merged = bin_counts(np.concatenate([np.zeros(500), np.arange(1, 100)]), np.zeros(10))
    assert merged.shape[1] < 10
    assert merged.sum(axis=1).tolist() == [599, 10]


def test_categories_of_either_sample_count() -> None:
    names, counts = category_counts(["a", "a", "b"], ["b", "c"])
    assert (names, counts.tolist()) == (["a", "b", "c"], [[2, 1, 0], [0, 1, 1]])


def test_numbers_that_are_equal_are_one_category() -> None:
    third = [0.1, 1 / 3]
    for ours, theirs in (
        ([True, False], [1, 0]),
        ([1, 0], [1.0, 0.0]),
        ([False, True], [0.0, 1.0]),
        (np.array(third, np.float32), np.array(third)),
        ([1, 2**60], [1.0, 2.0**60]),
        ([0.0, 1.0], [-0.0, 1.0]),
    ):
        assert category_counts(ours, theirs)[1].tolist() == [[1, 1], [1, 1]]
        assert category_counts(theirs, ours)[1].tolist() == [[1, 1], [1, 1]]
    large = np.array([2**53, 2**53 + 1])
    assert category_counts(large, large.astype(np.uint64))[1].tolist() == [[1, 1], [1, 1]]
    names, counts = category_counts(large, [2.0**53, 0.5])
    assert (names, counts.tolist()) == (["0.5", str(2**53), str(2**53 + 1)], [[0, 1, 1], [1, 1, 0]])
    (same,) = feature_drift([[True, False] * 40], [[1, 0] * 40], ["flag"])
    assert (same.verdict, same.test.value) == ("not proven", 0.0)


def test_absent_numbers_are_refused_however_the_column_is_held() -> None:
    """As objects they were names: two samples of different numbers, nothing in common, and moved."""
    for column in ([1.0, None] * 20, pd.Series([1, None] * 20, dtype="Int64"), pd.Series([1.0, None] * 20, dtype="Float64")):
        with pytest.raises(BadInput, match="reference, row 1: not a finite number"):
            feature_drift([column], [np.arange(40)], ["a"])
    (words,) = feature_drift([[1, "x", True] * 10], [[1, "x", True] * 10], ["a"])
    assert words.test.statistic == "cramers_v_chi2"


def test_absent_flags_and_words_are_no_categories() -> None:
    """True and false against 1 and NaN, or some of them absent, had moved; of words and NaN numpy makes the word nan."""
    flags = [True, False] * 20
    for absent in ([1.0, np.nan] * 20, [True, None] * 20, np.array([True, None] * 20), pd.Series([True, None] * 20, dtype="boolean")):
        with pytest.raises(BadInput, match="production, row 1: not a finite number"):
            feature_drift([flags], [absent], ["a"])
    for column in (
        ["x", None] * 20,
        ["x", np.nan] * 20,
        pd.Series(["x", None] * 20),
        pd.Series(["x", None] * 20, dtype="category"),
        [None, None] * 20,
    ):
        with pytest.raises(BadInput, match=r"reference, row [01]: the value is absent .*under a name"):
            feature_drift([column], [["x", "y"] * 20], ["a"])
    for column in ([1.0, np.nan], [True, None], ["x", None]):
        with pytest.raises(BadInput, match="production, row 1: the value is absent"):
            category_counts([1, 2], column)
    with pytest.raises(BadInput, match="row 1: reference is masked"):
        feature_drift([np.ma.masked_array([1.0] * 40, [False, True] * 20)], [np.ones(40)], ["a"])
    (same,) = feature_drift([np.array(flags, dtype=object)], [flags], ["a"])
    assert (same.test.statistic, same.test.value) == ("cramers_v_chi2", 0.0)
    (mixed,) = feature_drift([np.array(flags, dtype=object)], [np.array([1, False] * 20, dtype=object)], ["a"])
    assert (mixed.test.statistic, mixed.test.value) == ("kolmogorov_smirnov", 0.0)


def test_small_bins_are_pooled() -> None:
    found = independence([[50, 40, 4, 3, 5], [45, 45, 3, 4, 4]])
    assert found.bins == 3
    assert independence([[1, 1, 1], [1, 0, 2]]).bins == 2


def test_many_features_by_effect_and_not_by_rows() -> None:
    rng = np.random.default_rng(1)
    ours, theirs = rng.normal(0, 1, (6, 20_000)), rng.normal(0, 1, (6, 20_000))
    theirs[1] += 0.05  # proven with so many rows, and nothing to lose sleep over
    theirs[2] += 0.5
    sites = np.array(["x", "y", "z"])
    found = feature_drift(
        [*ours, sites[rng.integers(0, 3, 500)], ours[0, :10]],
        [*theirs, sites[rng.integers(0, 2, 500)], theirs[0]],
        [*"abcdef", "site", "rare"],
    )
    assert [each.verdict for each in found] == [
        "not proven",
        "proven but small",
        "moved",
        *["not proven"] * 3,
        "moved",
        "too few",
    ]
    assert (found[6].test.statistic, found[6].n_production, found[7].test) == ("cramers_v_chi2", 500, None)
    assert found[2].p >= found[2].test.p


def test_a_family_of_features_rarely_cries_wolf() -> None:
    rng = np.random.default_rng(2)
    cries = 0
    for _ in range(60):
        ours, theirs = rng.normal(0, 1, (14, 80)), rng.normal(0, 1, (14, 80))
        cries += any(each.verdict == "moved" for each in feature_drift(list(ours), list(theirs), [str(k) for k in range(14)]))
    assert cries <= 6


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(BadInput, match="production, row 1: not a finite number"):
        bin_counts([1.0, 2], [1.0, np.nan])
    with pytest.raises(BadInput, match="at least two numbers"):
        kolmogorov_smirnov([1.0], [1.0, 2])
    with pytest.raises(BadInput, match="not negative"):
        psi([[1, -1], [1, 1]])
    with pytest.raises(BadInput, match="samples is empty"):
        psi([[0, 0], [1, 1]])
    with pytest.raises(BadInput, match="row 0: these are shares of 1, not counts"):
        psi([[0.2, 0.3, 0.5], [30, 30, 40]])
    with pytest.raises(BadInput, match="1 bins tell nothing"):
        bin_counts([1.0, 2], [1.0, 2], 1)
    with pytest.raises(BadInput, match="2 names, 1 reference"):
        feature_drift([[1.0] * 40], [[1.0] * 40], ["a", "b"])
