"""What a check is judged on: per stratum a difference or a level that can give one-sided bounds at any alpha.

Three kinds of difference (flips of right and wrong, a normal estimate, resampled draws) and of level answer the same questions, so that
the rules of `gates` are written once. Everything here is oriented: larger is better. The report itself is never flipped: `gather` does
it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import special

from evaluation.engine.arrays import Floats
from evaluation.engine.auc import auc_interval, difference_interval
from evaluation.engine.compare import mcnemar_loss, tango, tango_p_below
from evaluation.engine.intervals import exact_lower, exact_upper, expanded, expanded_p, seen, t_quantile
from evaluation.engine.power import detectable_loss, floor_cases, non_inferiority_cases, psi_upper
from evaluation.engine.resample import SAME


class Difference(Protocol):
    """Candidate - baseline of one stratum, larger is better."""

    @property
    def estimate(self) -> float: ...
    def bounds(self, alpha: float) -> tuple[float, float]:
        """One-sided lower and upper bound, each at confidence 1 - alpha."""

    def p_loss(self) -> float:
        """One-sided p of H0: d >= 0."""

    def p_below(self, limit: float) -> float:
        """One-sided p of H0: d >= limit."""

    def needed(self, margin: float, alpha: float) -> tuple[int | None, int | None]:
        """Cases needed to show "not worse than margin" at the observed flip rate and at its upper 80 % bound."""

    def detectable(self, alpha: float) -> float | None:
        """The loss that these cases would have shown with power 0.8."""


class Level(Protocol):
    """The candidate's own value in one stratum, larger is better."""

    @property
    def estimate(self) -> float: ...
    def bounds(self, alpha: float) -> tuple[float, float]: ...
    def needed(self, floor: float, alpha: float) -> int | None: ...


@dataclass(frozen=True, kw_only=True)
class FlipDifference:
    """Difference of two paired proportions. `design_effect` and `clusters` carry clustering; `loss_p` is then the sign-flip test's."""

    lost: int
    gained: int
    n: int
    design_effect: float = 1.0
    clusters: int | None = None
    loss_p: float | None = None

    @property
    def estimate(self) -> float:
        return (self.gained - self.lost) / self.n

    @property
    def psi(self) -> float:
        return (self.gained + self.lost) / self.n

    def _shrunk(self) -> Floats:
        return np.array([self.lost, self.gained, self.n]) / self.design_effect

    def _quantile(self, alpha: float) -> float:
        return float(t_quantile(1 - 2 * alpha, np.inf if self.clusters is None else self.clusters - 1))

    def bounds(self, alpha: float) -> tuple[float, float]:
        lost, gained, n = self._shrunk()
        low, high = tango(lost, gained, n, quantile=self._quantile(alpha))
        return float(low), float(high)

    def p_loss(self) -> float:
        return float(mcnemar_loss(self.lost, self.gained)) if self.loss_p is None else self.loss_p

    def p_below(self, limit: float) -> float:
        lost, gained, n = self._shrunk()
        p = float(tango_p_below(lost, gained, n, limit))
        return p if self.clusters is None else float(special.stdtr(max(self.clusters - 1, 1), special.ndtri(p)))

    def needed(self, margin: float, alpha: float) -> tuple[int | None, int | None]:
        upper = psi_upper((self.lost + self.gained) / self.design_effect, self.n / self.design_effect)
        now, worst = (non_inferiority_cases(psi, margin, alpha=alpha, design_effect=self.design_effect) for psi in (self.psi, upper))
        return now, worst

    def detectable(self, alpha: float) -> float | None:
        return detectable_loss(self.n / self.design_effect, gained=self.gained / self.n if self.gained else 0.02, alpha=alpha)


@dataclass(frozen=True, kw_only=True)
class NormalDifference:
    """A paired AUC difference with its variance; `smaller_class` serves the fallback where the variance is 0."""

    value: float
    variance: float
    smaller_class: int
    n: int

    @property
    def estimate(self) -> float:
        return self.value

    def bounds(self, alpha: float) -> tuple[float, float]:
        low, high = difference_interval(self.value, self.variance, self.smaller_class, 1 - 2 * alpha)
        return float(low), float(high)

    def p_loss(self) -> float:
        return 1.0 if self.value == 0 else self.p_below(0.0)

    def p_below(self, limit: float) -> float:
        if not self.variance > 0:
            return float(tango_p_below(0, 0, self.smaller_class, limit - self.value)) if -1 < limit - self.value < 0 else 1.0
        return float(special.ndtr((self.value - limit) / self.variance**0.5))

    def needed(self, margin: float, alpha: float) -> tuple[int | None, int | None]:
        if not (self.variance > 0 and margin > 0):
            return None, None
        needed = (special.ndtri(1 - alpha) + special.ndtri(0.8)) ** 2 * self.variance * self.n / margin**2
        return int(np.ceil(needed)), None

    def detectable(self, alpha: float) -> float | None:
        return float((special.ndtri(1 - alpha) + special.ndtri(0.8)) * self.variance**0.5) if self.variance > 0 else None


@dataclass(frozen=True, kw_only=True)
class MeanDifference:
    """A difference of means over cases with its variance and Student's degrees of freedom; `spare` answers where nothing varies."""

    value: float
    variance: float
    degrees: float
    n: int
    spare: FlipDifference

    @property
    def estimate(self) -> float:
        return self.value

    def bounds(self, alpha: float) -> tuple[float, float]:
        if not self.variance > 0:
            low, high = self.spare.bounds(alpha)
            return min(low, self.value), max(high, self.value)
        half = float(t_quantile(1 - 2 * alpha, self.degrees)) * self.variance**0.5
        return self.value - half, self.value + half

    def p_loss(self) -> float:
        return self.p_below(0.0)

    def p_below(self, limit: float) -> float:
        if not self.variance > 0:
            return self.spare.p_below(limit) if limit else self.spare.p_loss()
        return float(special.stdtr(max(self.degrees, 1.0), (self.value - limit) / self.variance**0.5))

    def _as_normal(self) -> NormalDifference:
        return NormalDifference(value=self.value, variance=self.variance, smaller_class=self.n, n=self.n)

    def needed(self, margin: float, alpha: float) -> tuple[int | None, int | None]:
        return self._as_normal().needed(margin, alpha)

    def detectable(self, alpha: float) -> float | None:
        return self._as_normal().detectable(alpha)


@dataclass(frozen=True, kw_only=True)
class ResampledDifference:
    """A difference with bootstrap draws (percentile bounds). Draws without width never prove or exclude anything: `spare` then answers.

    Of few `units` the percentiles are expanded; where that leads beyond all draws, `spare` answers too.
    """

    value: float
    draws: Floats
    n: int
    spare: FlipDifference
    units: float = np.inf

    @property
    def estimate(self) -> float:
        return self.value

    @property
    def _flat(self) -> bool:
        return self.draws.size < 20 or bool(np.ptp(self.draws) <= SAME)

    def bounds(self, alpha: float) -> tuple[float, float]:
        level = expanded(1 - 2 * alpha, self.units)
        if self._flat or not seen(level, self.draws.size):
            low, high = self.spare.bounds(alpha)
            return min(low, self.value), max(high, self.value)
        tail = (1 - level) / 2
        low, high = np.quantile(self.draws, [tail, 1 - tail])
        return min(float(low), self.value), max(float(high), self.value)

    def p_loss(self) -> float:
        return self.spare.p_loss() if self._flat else self.p_below(0.0)

    def p_below(self, limit: float) -> float:
        if self._flat:
            return self.spare.p_below(limit)
        return expanded_p(float((1 + np.sum(self.draws >= limit)) / (1 + self.draws.size)), self.units)

    def _as_normal(self) -> NormalDifference:
        return NormalDifference(value=self.value, variance=0.0 if self._flat else float(self.draws.var()), smaller_class=self.n, n=self.n)

    def needed(self, margin: float, alpha: float) -> tuple[int | None, int | None]:
        return self._as_normal().needed(margin, alpha)

    def detectable(self, alpha: float) -> float | None:
        return self._as_normal().detectable(alpha)


@dataclass(frozen=True, kw_only=True)
class ShareLevel:
    """A proportion, bounded by Clopper–Pearson; with clusters on the effective n."""

    share: float
    n: float
    design_effect: float = 1.0

    @property
    def estimate(self) -> float:
        return self.share

    def bounds(self, alpha: float) -> tuple[float, float]:
        effective = self.n / self.design_effect
        k = self.share * effective
        return float(exact_lower(k, effective, alpha)), float(exact_upper(k, effective, alpha))

    def needed(self, floor: float, alpha: float) -> int | None:
        return floor_cases(self.share, floor, alpha=alpha, design_effect=self.design_effect)


@dataclass(frozen=True, kw_only=True)
class AucLevel:
    """An AUC on the logit scale. A floor on it needs 50 cases of each class: with 10 positives the nominal .05 was .15 in simulation."""

    value: float
    variance: float
    smaller_class: int

    LEAST_PER_CLASS = 50

    @property
    def estimate(self) -> float:
        return self.value

    def bounds(self, alpha: float) -> tuple[float, float]:
        low, high, _ = auc_interval(self.value, self.variance, self.smaller_class, 1 - 2 * alpha)
        return float(low), float(high)

    def needed(self, floor: float, alpha: float) -> int | None:
        return None


@dataclass(frozen=True, kw_only=True)
class ResampledLevel:
    """A metric whose bounds were resampled: `lower_upper` maps alpha to (lower, upper)."""

    value: float
    lower_upper: Callable[[float], tuple[float, float]]

    @property
    def estimate(self) -> float:
        return self.value

    def bounds(self, alpha: float) -> tuple[float, float]:
        return self.lower_upper(alpha)

    def needed(self, floor: float, alpha: float) -> int | None:
        return None
