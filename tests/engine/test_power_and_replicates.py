"""Sample sizes and seeds: against simulation-based tables, exact enumeration and the textbook."""

import numpy as np
import pytest
from scipy import stats

from evaluation.engine.compare import tango_score
from evaluation.engine.power import detectable_loss, floor_cases, non_inferiority_cases, psi_upper
from evaluation.engine.replicates import residual_variance, spread_interval, underspecification


@pytest.mark.parametrize(("n", "points"), [(30, 22), (50, 15), (100, 9), (200, 6), (500, 3), (1000, 2)])
def test_detectable_loss_equals_the_simulated_table(n: int, points: int) -> None:
    assert detectable_loss(n) == pytest.approx(points / 100, abs=0.011)


def test_detectable_loss_is_continuous_where_the_method_changes_and_shrinks() -> None:
    assert detectable_loss(2001) == pytest.approx(detectable_loss(2000), rel=0.03)
    losses = [detectable_loss(n) for n in (20, 60, 200, 2000, 20_000)]
    assert losses == sorted(losses, reverse=True)
    assert detectable_loss(3) is None


@pytest.mark.parametrize(("margin", "n"), [(0.10, 58), (0.05, 181), (0.03, 453)])
def test_non_inferiority_equals_the_simulated_table(margin: float, n: int) -> None:
    assert non_inferiority_cases(0.06, margin) == pytest.approx(n, rel=0.03)


def test_the_number_asked_for_has_the_power_it_promises() -> None:
    n = non_inferiority_cases(0.1, 0.08)
    flips = np.arange(n + 1)
    power = 0.0
    for total, chance in zip(flips, stats.binom.pmf(flips, n, 0.1), strict=True):
        lost = np.arange(total + 1)
        passed = tango_score(lost, total - lost, n, -0.08) > stats.norm.isf(0.05)
        power += chance * float((stats.binom.pmf(lost, total, 0.5) * passed).sum())
    assert power == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize(
    ("floor", "share", "n", "least"),
    [
        (0.05, 0.2, 27, 4),
        (0.1, 0.3, 25, 6),
        (0.2, 0.4, 35, 12),
        (0.3, 0.5, 39, 17),
        (0.5, 0.7, 37, 24),
        (0.7, 0.9, 28, 24),
        (0.8, 0.95, 30, 28),
    ],
)
def test_a_floor_needs_what_an_exact_single_stage_design_needs(floor: float, share: float, n: int, least: int) -> None:
    """Fleming 1982 with exact binomial errors (A'Hern 2001, Stat Med 20:859): alpha .05, power .8, n cases of which `least` must be right."""
    assert floor_cases(share, floor) == n
    assert stats.binom.sf(least - 1, n, floor) <= 0.05 < stats.binom.sf(least - 2, n, floor)
    assert stats.binom.sf(least - 1, n, share) >= 0.8


def power_of_a_floor(n: int, floor: float, share: float) -> float:
    """By enumeration: the chance that so many of n are right that the floor is proven."""
    least = np.arange(n + 1)
    allowed = least[stats.binom.sf(least - 1, n, floor) <= 0.05]
    return float(stats.binom.sf(allowed[0] - 1, n, share)) if allowed.size else 0.0


def test_no_smaller_number_of_cases_has_the_power() -> None:
    """Every smaller one, by enumeration: power goes up and down with each case, so that bisection alone finds a larger one."""
    for floor, share in ((0.05, 0.2), (0.62, 0.81), (0.9, 0.97), (0.5, 0.6)):
        found = floor_cases(share, floor)
        assert power_of_a_floor(found, floor, share) >= 0.8 > max(power_of_a_floor(n, floor, share) for n in range(1, found))


def test_beyond_two_thousand_cases_some_percent_fewer_may_do() -> None:
    found, smallest = floor_cases(0.95, 0.94), 3242
    assert power_of_a_floor(smallest, 0.94, 0.95) >= 0.8 > power_of_a_floor(smallest - 1, 0.94, 0.95)
    assert power_of_a_floor(found, 0.94, 0.95) >= 0.8
    assert smallest <= found < 1.05 * smallest


def test_edges_of_sample_size() -> None:
    assert non_inferiority_cases(0.0, 0.02) == 133  # z²(1 - margin)/margin: no flip seen
    assert non_inferiority_cases(0.06, 0.0) is None
    assert non_inferiority_cases(0.06, 0.05, design_effect=2.0) == pytest.approx(2 * non_inferiority_cases(0.06, 0.05), abs=1)
    assert psi_upper(0, 100) == pytest.approx(1 - 0.2 ** (1 / 100))
    assert floor_cases(0.9, 0.95) is None
    n = floor_cases(1.0, 0.95)
    assert n == 59  # the rule of three


@pytest.mark.parametrize(("runs", "low", "high"), [(5, 0.60, 2.87), (3, 0.52, 6.28)])
def test_a_standard_deviation_has_its_own_interval(runs: int, low: float, high: float) -> None:
    found = spread_interval(1.0, runs)
    assert (float(found[0]), float(found[1])) == (pytest.approx(low, abs=0.005), pytest.approx(high, abs=0.006))


def test_residual_variance_is_the_two_way_anova() -> None:
    matrix = np.random.default_rng(2).normal(size=(4, 30))
    total = ((matrix - matrix.mean()) ** 2).sum()
    rows, columns = 30 * matrix.mean(axis=1).var() * 4, 4 * matrix.mean(axis=0).var() * 30
    assert residual_variance(matrix) == pytest.approx((total - rows - columns) / (3 * 29))


class UnderspecificationTests:
    def test_seeds_that_agree_at_home_and_part_under_stress_are_flagged(self) -> None:
        home, stress = np.array([0.97, 0.972, 0.969, 0.971, 0.97]), np.array([0.70, 0.80, 0.65, 0.77, 0.72])
        found = underspecification(home, stress, 0.001, 200)
        assert found.flagged
        assert found.low < found.index < found.high
        edge = stats.f.ppf(0.975, 4, 4)
        assert found.high / found.low == pytest.approx(edge)

    def test_equal_spread_is_not_flagged(self) -> None:
        values = np.array([0.90, 0.92, 0.91, 0.93, 0.89])
        assert not underspecification(values, values - 0.2, 0.0, 200).flagged

    def test_no_spread_at_home_is_floored_by_the_residual(self) -> None:
        found = underspecification(np.full(5, 0.97), np.array([0.9, 0.91, 0.92, 0.93, 0.94]), 0.02, 200)
        assert found.index == pytest.approx((np.var([0.9, 0.91, 0.92, 0.93, 0.94], ddof=1) / 1e-4) ** 0.5)
        assert underspecification(np.full(5, 0.97), np.full(5, 0.9), 0.0, 200).index is None
