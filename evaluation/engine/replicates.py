"""Several runs of one recipe: what the seeds alone move, and intervals in which runs *and* cases are random.

Everything works on pseudo-values: a matrix (k runs, n cases) whose row means are the runs' values of a metric. For accuracy it is simply
correctness; for other metrics it is value + n * influence (the jackknife's pseudo-values). A plain interval over the cases of one run is
wrong for a recipe: in simulation two equal recipes "differ" in half of such comparisons.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from evaluation.engine.arrays import Floats, Ints, floats, optional
from evaluation.engine.intervals import Pair, t_quantile, wilson


@dataclass(frozen=True, kw_only=True)
class RecipeEstimate:
    """Mean over runs (or difference of two such means) with its variance over runs and cases and Satterthwaite's degrees of freedom."""

    value: float
    variance: float
    degrees: float
    cases: int
    clusters: int
    runs: int
    baseline_runs: int | None

    def interval(self, level: float = 0.95, *, low: float = -1.0, high: float = 1.0) -> tuple[float, float]:
        """Student interval cut to [low, high]; zero width where the variance is 0 (callers then fall back to a score bound)."""
        half = float(t_quantile(level, self.degrees)) * self.variance**0.5
        return max(self.value - half, low), min(self.value + half, high)

    def share_interval(self, level: float = 0.95) -> tuple[float, float]:
        """For a proportion: Wilson with the effective n = r(1-r)/variance, never above the cases; the clusters where the variance is 0."""
        spread = self.value * (1 - self.value)
        effective = min(spread / self.variance, float(self.cases)) if self.variance > 0 and spread > 0 else float(self.clusters)
        low, high = wilson(self.value * effective, effective, level, quantile=t_quantile(level, self.degrees))
        return float(low), float(high)

    def p(self) -> float:
        """Two-sided p of H0: no difference."""
        if self.variance <= 0:
            return 1.0 if self.value == 0 else 0.0
        return float(2 * special.stdtr(self.degrees, -abs(self.value) / self.variance**0.5))


def recipe(candidate: ArrayLike, baseline: ArrayLike | None = None, clusters: Ints | None = None) -> RecipeEstimate:
    """Section "several runs": variance = cases + runs - residual, floored at the larger of the first two.

    `candidate` (k, n) and `baseline` (k', n) are pseudo-values on the same cases, `clusters` (n,) codes. One baseline run makes the claim
    "this recipe against that artefact": its run-to-run variance is then 0, not estimated.
    """
    arms = [np.atleast_2d(floats(candidate))] + ([] if baseline is None else [np.atleast_2d(floats(baseline))])
    n = arms[0].shape[1]
    signed = arms[0].mean(axis=0) - (arms[1].mean(axis=0) if len(arms) > 1 else 0.0)
    value = float(signed.mean())
    centred = signed - value
    sums = centred if clusters is None else np.bincount(np.unique(clusters, return_inverse=True)[1], centred)
    groups = sums.size
    case = groups / (groups - 1) * float((sums**2).sum()) / n**2 if groups > 1 else 0.0
    parts = [(float(np.var(arm.mean(axis=1), ddof=1)) / len(arm), len(arm) - 1) for arm in arms if len(arm) > 1]
    run = float(np.sum([variance for variance, _ in parts]))
    residual = sum(_residual_share(arm, clusters) for arm in arms if len(arm) > 1)
    squares: float = sum(variance**2 / degrees for variance, degrees in parts) + (case**2 / (groups - 1) if groups > 1 else 0.0)
    return RecipeEstimate(
        value=value,
        variance=max(case + run - residual, case, run),
        degrees=(case + run) ** 2 / squares if squares > 0 else float(max(groups - 1, 1)),
        cases=n,
        clusters=groups,
        runs=len(arms[0]),
        baseline_runs=len(arms[1]) if len(arms) > 1 else None,
    )


def _residual_share(matrix: Floats, clusters: Ints | None) -> float:
    """What both other terms contain of the residual: residual_variance / (n k), its squares summed over clusters first."""
    runs, cases = matrix.shape
    if clusters is None:
        return residual_variance(matrix) / matrix.size
    rest = _rest(matrix)
    codes = np.unique(clusters, return_inverse=True)[1]
    groups = int(codes.max(initial=0)) + 1
    if groups < 2:
        return 0.0
    squares = np.array([(np.bincount(codes, row) ** 2).sum() for row in rest]).sum()
    return float(groups * squares / ((groups - 1) * (runs - 1) * cases**2 * runs))


def residual_variance(matrix: Floats) -> float:
    """Residual variance of the two-way layout (run + case), with (k-1)(n-1) degrees of freedom; 0 where it cannot be estimated."""
    runs, cases = matrix.shape
    return float((_rest(matrix) ** 2).sum() / ((runs - 1) * (cases - 1))) if runs > 1 and cases > 1 else 0.0


def _rest(matrix: Floats) -> Floats:
    """What run and case together leave over."""
    return np.asarray(matrix - matrix.mean(axis=1, keepdims=True) - matrix.mean(axis=0) + matrix.mean())


def spread_interval(sd: ArrayLike, runs: int, level: float = 0.95) -> Pair:
    """Chi-square interval of a standard deviation seen over `runs` runs: 0.60 to 2.87 times it for five runs."""
    tail, sd = (1 - level) / 2, floats(sd)
    degrees = runs - 1
    if degrees < 1:
        return np.full(sd.shape, np.nan), np.full(sd.shape, np.nan)
    scale = np.sqrt(degrees / stats.chi2.ppf([1 - tail, tail], degrees))
    return sd * scale[0], sd * scale[1]


@dataclass(frozen=True, kw_only=True)
class Underspecification:
    """How much further the seeds spread under stress than at home. `flagged` where even the lower bound is above 1."""

    index: float | None
    low: float | None
    high: float | None
    spearman: float | None
    flagged: bool


def underspecification(
    home: ArrayLike, stress: ArrayLike, home_residual: float, home_cases: int, level: float = 0.95
) -> Underspecification:
    """U² = s²(stress) / max(s²(home), home_residual / home_cases) over the same runs, with the F interval on k-1, k-1 degrees of freedom.

    `home`, `stress`: each run's value on the two strata (k,). The floor keeps the index finite where all runs agree at home by luck.
    """
    home, stress = floats(home), floats(stress)
    runs = home.size
    if runs < 2 or home_cases < 1:
        return Underspecification(index=None, low=None, high=None, spearman=None, flagged=False)
    bottom = max(float(np.var(home, ddof=1)), home_residual / home_cases)
    if bottom <= 0:
        return Underspecification(index=None, low=None, high=None, spearman=None, flagged=False)
    squared = float(np.var(stress, ddof=1)) / bottom
    edge = float(stats.f.ppf(0.5 + level / 2, runs - 1, runs - 1))
    low = (squared / edge) ** 0.5
    varied = runs > 2 and np.ptp(home) > 0 and np.ptp(stress) > 0
    spearman = optional(np.corrcoef(stats.rankdata(home), stats.rankdata(stress))[0, 1]) if varied else None
    return Underspecification(index=squared**0.5, low=low, high=(squared * edge) ** 0.5, spearman=spearman, flagged=low > 1)
