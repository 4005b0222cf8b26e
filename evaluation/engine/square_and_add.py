"""A difference of two estimates on the same cases from the interval of each and how they correlate: for PPV, F1, AUC of few, where no score interval of the
difference exists.

A normal or bootstrapped interval of such a difference is too narrow in small sets, because it scatters around two estimates that are themselves off centre. The
intervals of the two numbers know their skewness and pass it on (MOVER: Zou & Donner 2008; for proportions Newcombe 1998).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.engine.arrays import Floats, floats, ratio
from evaluation.engine.compare import square_and_add as square_and_add  # noqa: PLC0414 - the package takes it from here: a module of this name would hide it
from evaluation.engine.evidence import NormalDifference

Ends = tuple[float, float]
Triple = tuple[Floats, Floats, Floats]  # value, low, high
NEAR = 1e-6  # p is told this closely


def capped(correlation: ArrayLike, smaller: ArrayLike) -> Floats:
    """A correlation of 1 would leave no width. Two answers of the smallest group that differ next time would end it: at most 1 - 2 / `smaller`, at least 0."""
    return np.minimum(floats(correlation), np.maximum(1 - 2 / np.maximum(floats(smaller), 1.0), 0.0))


def implied_correlation(ours: ArrayLike, theirs: ArrayLike, difference: ArrayLike) -> Floats:
    """Of two estimates, from their variances and that of their difference; 0 where one of them does not vary."""
    ours, theirs = floats(ours), floats(theirs)
    return np.asarray(np.clip(np.nan_to_num(ratio(ours + theirs - floats(difference), 2 * np.sqrt(ours * theirs))), -1.0, 1.0))


@dataclass(frozen=True, kw_only=True)
class SquareAndAdd:
    """Candidate - baseline, larger is better; judged by checks and shown in reports.

    `levels` maps alpha to the two estimates' (low, high), each bound one-sided at 1 - alpha. `correlation` in [-1, 1]; `smaller` is the size of the smallest
    group that the estimates stand on (cases of a class, clusters, answers of a kind). `cases` of the stratum. `finest`: no p is told below it.
    """

    values: tuple[float, float]
    levels: Callable[[float], tuple[Ends, Ends]]
    correlation: float
    smaller: float
    cases: int
    finest: float = NEAR

    @property
    def estimate(self) -> float:
        return self.values[0] - self.values[1]

    def bounds(self, alpha: float) -> tuple[float, float]:
        sides = [(floats(value), floats(low), floats(high)) for value, (low, high) in zip(self.values, self.levels(alpha), strict=True)]
        low, high = square_and_add(sides[0], sides[1], capped(self.correlation, self.smaller))
        return float(low), float(high)

    def p_loss(self) -> float:
        return 1.0 if self.estimate == 0 else self.p_below(0.0)

    def p_below(self, limit: float) -> float:
        """The alpha at which the bound would touch the limit."""
        side = 1 if limit > self.estimate else 0
        small, large = 0.0, 0.5
        while large - small > NEAR:
            alpha = (small + large) / 2
            bound = self.bounds(alpha)[side]
            excluded = bound < limit if side else bound > limit
            small, large = (small, alpha) if excluded else (alpha, large)
        return max(large, self.finest) if side else 1 - max(large, self.finest)

    def _as_normal(self) -> NormalDifference:
        low, high = self.bounds(0.025)
        return NormalDifference(value=self.estimate, variance=((high - low) / 3.92) ** 2, smaller_class=self.cases, n=self.cases)

    def needed(self, margin: float, alpha: float) -> tuple[int | None, int | None]:
        return self._as_normal().needed(margin, alpha)

    def detectable(self, alpha: float) -> float | None:
        return self._as_normal().detectable(alpha)
