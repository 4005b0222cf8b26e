"""Intervals of a proportion against statsmodels, and the rules of clustered data."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special
from statsmodels.stats.proportion import proportion_confint

from evaluation.engine.intervals import (
    clopper_pearson,
    clustered_share,
    exact_lower,
    exact_upper,
    expanded,
    expanded_p,
    seen,
    t_quantile,
    wilson,
)

share = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(share, st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_wilson_and_clopper_pearson_equal_statsmodels(kn: tuple[int, int], level: float) -> None:
    k, n = kn
    np.testing.assert_allclose(wilson(k, n, level), proportion_confint(k, n, 1 - level, "wilson"), atol=1e-12)
    np.testing.assert_allclose(clopper_pearson(k, n, level), proportion_confint(k, n, 1 - level, "beta"), atol=1e-9)


def test_arrays_equal_scalars() -> None:
    k, n = np.array([0, 3, 7, 9]), np.array([5, 9, 7, 0])
    together = np.stack(wilson(k, n))
    np.testing.assert_array_equal(together, np.stack([wilson(a, b) for a, b in zip(k, n, strict=True)], axis=1))
    assert np.isnan(together[:, 3]).all()


def test_rule_of_three() -> None:
    assert float(exact_upper(0, 299)) <= 0.01 < float(exact_upper(0, 298))
    assert float(exact_lower(20, 20, 0.025)) == pytest.approx(0.025 ** (1 / 20))


class ClusteredShareTests:
    def test_copies_of_a_case_add_no_information(self) -> None:
        hits = np.array([1.0] * 30 + [0.0] * 10)
        once = clustered_share(hits, np.ones(40), np.zeros(40, int), 1)
        thrice = clustered_share(3 * hits, np.full(40, 3.0), np.zeros(40, int), 1)
        assert thrice.n[0] == 120
        assert thrice.n_effective[0] == pytest.approx(once.n_effective[0])

    @pytest.mark.parametrize("hit", [0.0, 4.0])
    def test_at_the_edge_the_clusters_are_the_sample(self, hit: float) -> None:
        edge = clustered_share(np.full(25, hit), np.full(25, 4.0), np.zeros(25, int), 1)
        assert edge.n_effective[0] == 25

    def test_negatively_correlated_clusters_never_add_cases(self) -> None:
        assert clustered_share(np.full(20, 1.0), np.full(20, 2.0), np.zeros(20, int), 1).n_effective[0] == 40

    def test_clusters_outside_the_denominator_do_not_count(self) -> None:
        found = clustered_share([1, 0, 0], [2, 2, 0], [0, 0, 0], 1)
        assert found.clusters[0] == 2

    def test_strata_are_apart(self) -> None:
        rng = np.random.default_rng(3)
        sizes = rng.integers(1, 5, 60).astype(float)
        hits, stratum = rng.binomial(sizes.astype(int), 0.7).astype(float), np.arange(60) % 3
        together = clustered_share(hits, sizes, stratum, 3)
        for s in range(3):
            mine = stratum == s
            alone = clustered_share(hits[mine], sizes[mine], np.zeros(mine.sum(), int), 1)
            assert together.n_effective[s] == pytest.approx(alone.n_effective[0])

    def test_interval_covers_about_its_level(self) -> None:
        rng = np.random.default_rng(0)
        covered = []
        for _ in range(300):
            p = rng.beta(0.8 * 1.5, 0.2 * 1.5, 60)
            low, high = clustered_share(rng.binomial(5, p), np.full(60, 5), np.zeros(60, int), 1).wilson()
            covered.append(low[0] <= 0.8 <= high[0])
        assert 0.90 <= np.mean(covered) <= 0.99


@given(st.floats(0.5, 0.99), st.integers(5, 500))
def test_percentiles_of_few_units_read_at_the_expanded_level_are_students_of_a_mean(level: float, units: int) -> None:
    scatter = np.sqrt((units - 1) / units)  # of a bootstrapped mean, in standard errors
    end = special.ndtri(0.5 + expanded(level, units) / 2) * scatter
    assert end == pytest.approx(t_quantile(level, units - 1), rel=1e-6)
    # the two-sided p of a mean at that end is 1 - level: what excludes 0 and what is significant is the same
    plain = special.ndtr(-t_quantile(level, units - 1) / scatter)
    assert 2 * expanded_p(float(plain), units) == pytest.approx(1 - level, rel=1e-6)


@pytest.mark.parametrize(("units", "told"), [(2, False), (3, False), (4, False), (5, True), (math.inf, True)])
def test_two_thousand_draws_of_four_units_do_not_reach_as_far_as_they_are_read(units: float, told: bool) -> None:
    assert seen(expanded(0.95, units), 2000) == told
    assert (2 * expanded_p(1 / 2001, units) <= 0.05) == told


def test_nothing_is_expanded_where_there_are_units_enough_and_one_unit_says_nothing() -> None:
    assert (expanded(0.9, math.inf), expanded_p(0.2, math.inf)) == (0.9, 0.2)
    assert (expanded(0.9, 1), expanded_p(0.2, 1)) == (1.0, 1.0)
