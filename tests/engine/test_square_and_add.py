"""Square-and-add and the score interval of an AUC, each computed again in the plainest way: by the formula, and by a root finder."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from evaluation.engine.auc import FEW, few_interval, score_interval
from evaluation.engine.data import Task, arm
from evaluation.engine.intervals import wilson
from evaluation.engine.report import comparison_of, report
from evaluation.engine.square_and_add import NEAR, SquareAndAdd, capped, implied_correlation

Ends = tuple[float, float]
TASK = Task(("negative", "positive"), 1)


def of_shares(new: tuple[int, int], old: tuple[int, int], correlation: float, smaller: float) -> SquareAndAdd:
    def levels(alpha: float) -> tuple[Ends, Ends]:
        ours, theirs = (wilson(*share, 1 - 2 * alpha) for share in (new, old))
        return (float(ours[0]), float(ours[1])), (float(theirs[0]), float(theirs[1]))

    return SquareAndAdd(values=(new[0] / new[1], old[0] / old[1]), levels=levels, correlation=correlation, smaller=smaller, cases=new[1])


def by_hand(new: tuple[int, int], old: tuple[int, int], r: float, alpha: float) -> Ends:
    """Zou and Donner 2008, equations for a difference, with Wilson's ends from his quadratic equation."""
    z = stats.norm.isf(alpha)

    def ends(k: int, n: int) -> Ends:
        low, high = sorted(np.roots([1 + z**2 / n, -(2 * k / n + z**2 / n), (k / n) ** 2]).real)
        return float(low), float(high)

    (a, b), (l1, u1), (l2, u2) = (new[0] / new[1], old[0] / old[1]), ends(*new), ends(*old)
    low = a - b - np.sqrt((a - l1) ** 2 + (u2 - b) ** 2 - 2 * r * (a - l1) * (u2 - b))
    high = a - b + np.sqrt((u1 - a) ** 2 + (b - l2) ** 2 - 2 * r * (u1 - a) * (b - l2))
    return float(low), float(high)


SHARES = st.tuples(st.integers(0, 40), st.integers(1, 40)).map(lambda pair: (min(pair), max(pair)))


class SquareAndAddTests:
    @given(SHARES, SHARES, st.floats(-0.9, 0.9), st.sampled_from([0.025, 0.05, 0.2]))
    def test_bounds_are_the_formula(self, new: tuple[int, int], old: tuple[int, int], r: float, alpha: float) -> None:
        assert of_shares(new, old, r, 1000).bounds(alpha) == pytest.approx(by_hand(new, old, r, alpha), abs=1e-7)

    def test_the_published_interval_of_two_independent_proportions(self) -> None:
        """Newcombe 1998, Stat Med 17:873, method 10, 56/70 against 48/80."""
        assert of_shares((56, 70), (48, 80), 0.0, 1000).bounds(0.025) == pytest.approx((0.0524, 0.3339), abs=5e-5)

    def test_models_that_go_together_leave_the_width_of_two_answers_of_the_smallest_group(self) -> None:
        whole, group = of_shares((18, 20), (18, 20), 1.0, 10), of_shares((18, 20), (18, 20), 0.8, 1000)
        assert whole.bounds(0.025) == pytest.approx(group.bounds(0.025))
        assert whole.bounds(0.025)[0] < 0 < whole.bounds(0.025)[1]
        assert capped([0.99, -0.5, 0.99], [100, 100, 1]).tolist() == pytest.approx([0.98, -0.5, 0.0])

    @pytest.mark.parametrize("limit", [-0.1, 0.0, 0.05])
    def test_p_is_the_alpha_at_which_the_bound_touches_the_limit(self, limit: float) -> None:
        found = of_shares((45, 60), (39, 60), 0.4, 50)
        side = 1 if limit > found.estimate else 0
        alpha = optimize.brentq(lambda a: by_hand((45, 60), (39, 60), 0.4, a)[side] - limit, 1e-9, 0.4999)
        assert found.p_below(limit) == pytest.approx(alpha if side else 1 - alpha, abs=2 * NEAR)

    def test_p_of_no_loss(self) -> None:
        assert of_shares((5, 10), (5, 10), 0.0, 10).p_loss() == 1.0
        worse = of_shares((1, 60), (50, 60), 0.0, 60)
        assert worse.p_loss() == pytest.approx(NEAR, abs=NEAR)

    @given(st.integers(0, 1000))
    def test_the_correlation_is_the_one_that_makes_the_variance_of_the_difference(self, seed: int) -> None:
        pairs = np.random.default_rng(seed).multivariate_normal([0, 0], [[2.0, 0.7], [0.7, 1.0]], 30)
        ours, theirs = pairs.T
        variances = [np.var(each, ddof=1) for each in (ours, theirs, ours - theirs)]
        assert float(implied_correlation(*variances)) == pytest.approx(np.corrcoef(ours, theirs)[0, 1])


def exponential(area: float, ours: float, theirs: float) -> float:
    """Hanley and McNeil 1982, with N* = (m + n) / 2 - 1 in place of both sizes (Newcombe 2006)."""
    q1, q2, others = area / (2 - area), 2 * area**2 / (1 + area), (ours + theirs) / 2 - 1
    return (area * (1 - area) + others * (q1 - area**2) + others * (q2 - area**2)) / (ours * theirs)


class ScoreIntervalTests:
    @given(st.floats(0.02, 0.999), st.integers(2, 60), st.integers(2, 400), st.floats(0.2, 4.0), st.sampled_from([0.8, 0.95]))
    def test_ends_are_where_the_estimate_is_just_not_contradicted(
        self, value: float, few: int, many: int, more: float, level: float
    ) -> None:
        variance, z = more * exponential(value, few, many), stats.norm.isf((1 - level) / 2)
        found = score_interval(np.array([value]), np.array([variance]), np.array([float(few)]), np.array([float(many)]), level)

        def apart(area: float) -> float:
            return (area - value) ** 2 - z**2 * max(more, 1.0) * exponential(area, few, many)

        for end, far in zip(found, (0.0, 1.0), strict=True):
            want = optimize.brentq(apart, value, far) if apart(far) > 0 else far
            assert float(end[0]) == pytest.approx(want, abs=1e-9)

    def test_it_is_symmetrical_about_one_half_and_wider_towards_it(self) -> None:
        ends = partial(score_interval, variance=np.zeros(1), smaller=np.full(1, 13.0), larger=np.full(1, 100.0), level=0.95)
        (low,), (high,) = ends(np.array([0.8]))
        (mirrored_low,), (mirrored_high,) = ends(np.array([0.2]))
        assert (mirrored_low, mirrored_high) == pytest.approx((1 - high, 1 - low))
        (low,), (high,) = ends(np.array([0.99]))
        assert 0.99 - low > 3 * (high - 0.99)

    def test_it_stands_in_below_fifty_cases_of_a_class_only(self) -> None:
        low, high, few = few_interval([0.9, 0.9, 1.0], [0.002, 0.002, 0.0], [FEW - 1, FEW, 10], [200, 200, 200])
        assert few.tolist() == [True, False, False]
        want = score_interval(np.array([0.9]), np.array([0.002]), np.array([FEW - 1.0]), np.array([200.0]), 0.95)
        assert (low[0], high[0]) == (want[0][0], want[1][0])
        assert low[2] == pytest.approx(0.025 ** (1 / 10)), "the exact bound on the smaller class"


def test_one_perfect_model_leaves_the_difference_its_width() -> None:
    """A model without an error has no variance, but few cases do not prove that it makes none: its exact interval counts, not the other model's variance alone."""
    truth = np.array([1] * 12 + [0] * 60)
    perfect, good = np.linspace(0.9, 0.1, 72), np.r_[np.linspace(0.9, 0.6, 10), 0.3, 0.25, np.linspace(0.5, 0.1, 60)]
    sides = [[arm(TASK, 72, scores > 0.5, scores)] for scores in (perfect, good)]
    found = report(comparison_of(TASK, truth, *sides), [], seed=b"few", only=["roc_auc"])
    (entry,) = [entry for entry in found["metrics"] if entry["metric"] == "roc_auc"]
    gap, theirs = entry["difference"], entry["baseline"]
    assert entry["value"] == 1
    assert gap["method"].startswith("square-and-add")
    assert gap["low"] == pytest.approx(gap["value"] - np.hypot(1 - entry["low"], theirs["high"] - theirs["value"]), abs=1e-9)
    assert gap["high"] == pytest.approx(gap["value"] + theirs["value"] - theirs["low"], abs=1e-9)
