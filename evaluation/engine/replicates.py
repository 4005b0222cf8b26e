"""Several runs of one recipe: what the seeds alone move, and intervals in which runs *and* cases are random.

Everything works on pseudo-values: a matrix (k runs, n cases) whose row means are the runs' values of a metric. For accuracy it is simply
correctness; for other metrics it is value + n * influence (the jackknife's pseudo-values). A plain interval over the cases of one run is
wrong for a recipe: in simulation two equal recipes "differ" in half of such comparisons.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from evaluation.engine.arrays import Codes, Floats, Ints, floats, optional, ratio, tally
from evaluation.engine.intervals import Pair, t_quantile, wilson
from evaluation.engine.ranks import spearman

ROUNDING = 1e-24


@dataclass(frozen=True, kw_only=True)
class RecipeEstimate:
    """Mean over runs (or difference of two such means) with its variance over runs and cases and Satterthwaite's degrees of freedom.

    `value`, `variance`, `degrees`, `cases`, `clusters` are scalars or arrays over strata; NaN where a stratum has no cases.
    """

    value: Floats
    variance: Floats
    degrees: Floats
    cases: Floats
    clusters: Floats
    runs: int
    baseline_runs: int | None

    def interval(self, level: float = 0.95, *, low: float = -1.0, high: float = 1.0) -> Pair:
        """Student interval cut to [low, high]; zero width where the variance is 0 (callers then fall back to a score bound)."""
        half = t_quantile(level, self.degrees) * np.sqrt(self.variance)
        return np.maximum(self.value - half, low), np.minimum(self.value + half, high)

    def share_interval(self, level: float = 0.95) -> Pair:
        """For a proportion: Wilson with the effective n = r(1-r)/variance, never above the cases; the clusters where the variance is 0."""
        spread = self.value * (1 - self.value)
        varied = (self.variance > 0) & (spread > 0)
        effective = np.where(varied, np.minimum(ratio(spread, np.where(varied, self.variance, 1.0)), self.cases), self.clusters)
        return wilson(self.value * effective, effective, level, quantile=t_quantile(level, self.degrees))

    def p(self) -> Floats:
        """Two-sided p of H0: no difference."""
        varied = self.variance > 0
        z = ratio(np.abs(self.value), np.sqrt(np.where(varied, self.variance, 0.0)))
        return np.where(varied, 2 * special.stdtr(self.degrees, -np.nan_to_num(z)), np.where(self.value == 0, 1.0, 0.0))


@dataclass(frozen=True)
class Layout:
    """Where the cases (n,) of pseudo-values belong: `codes` is each one's stratum of `size`, `unit` its cluster, `home` (units,) whose each is."""

    codes: Codes
    size: int
    unit: Ints
    home: Codes

    @cached_property
    def n(self) -> Floats:
        return tally(self.codes, None, self.size)

    @cached_property
    def clusters(self) -> Floats:
        """Per stratum those with a case here."""
        return tally(self.home[np.bincount(self.unit, minlength=self.home.size) > 0], None, self.size)

    def means(self, values: Floats) -> Floats:
        """Per stratum (size,) of `values` (n,)."""
        return ratio(tally(self.codes, values, self.size), self.n)

    def squares(self, values: Floats) -> Floats:
        """Per stratum the squares of the clusters' sums of `values` (n,)."""
        return tally(self.home, tally(self.unit, values, self.home.size) ** 2, self.size)


@dataclass(frozen=True)
class Side:
    """What a recipe's runs say: `cases` (n,) their mean on each case, `run` the variance of their mean, `residual` what both variances hold twice."""

    runs: int
    cases: Floats
    run: Floats
    residual: Floats


def side(matrix: Floats, layout: Layout) -> Side:
    """Of pseudo-values (k runs, n cases)."""
    runs, cases = len(matrix), matrix.mean(axis=0)
    nothing = np.zeros(layout.size)
    if runs < 2:
        return Side(runs, cases, nothing, nothing)
    per_run = np.stack([layout.means(row) for row in matrix])
    centre = cases - layout.means(cases)[layout.codes]
    squares = sum((layout.squares(row - mean[layout.codes] - centre) for row, mean in zip(matrix, per_run, strict=True)), nothing)
    scale = (layout.clusters - 1) * ((runs - 1) * runs) * layout.n**2
    return Side(runs, cases, per_run.var(axis=0, ddof=1) / runs, np.nan_to_num(ratio(layout.clusters * squares, scale)))


def estimate(layout: Layout, ours: Side, theirs: Side | None = None) -> RecipeEstimate:
    """Section "several runs": variance = cases + runs - residual, floored at the larger of the first two. All strata at once.

    One baseline run makes the claim "this recipe against that artefact": its run-to-run variance is then 0, not estimated.
    """
    sides = [ours] if theirs is None else [ours, theirs]
    signed = ours.cases if theirs is None else ours.cases - theirs.cases
    value, groups, more = layout.means(signed), layout.clusters, layout.clusters - 1
    case = _real(ratio(groups * layout.squares(signed - value[layout.codes]), more * layout.n**2))
    run, residual = (sum((getattr(each, name) for each in sides), np.zeros(layout.size)) for name in ("run", "residual"))
    run = _real(run)
    squares = np.nan_to_num(ratio(case**2, more)) + sum(each.run**2 / (each.runs - 1) for each in sides if each.runs > 1)
    return RecipeEstimate(
        value=value,
        variance=np.where(layout.n > 0, np.maximum(case + run - residual, np.maximum(case, run)), np.nan),
        degrees=np.where(squares > 0, ratio((case + run) ** 2, squares), np.maximum(more, 1.0)),
        cases=layout.n,
        clusters=groups,
        runs=ours.runs,
        baseline_runs=None if theirs is None else theirs.runs,
    )


def _real(variance: Floats) -> Floats:
    """0 for undefined, and for what rounding leaves where nothing varies: a variance of a share of 10⁸ cases is still far larger."""
    return np.where(np.nan_to_num(variance) > ROUNDING, variance, 0.0)


def recipe(candidate: ArrayLike, baseline: ArrayLike | None = None, clusters: Ints | None = None) -> RecipeEstimate:
    """`estimate` of one stratum: `candidate` (k, n) and `baseline` (k', n) are pseudo-values on the same cases, `clusters` (n,) codes."""
    arms = [np.atleast_2d(floats(arm)) for arm in (candidate, baseline) if arm is not None]
    n = arms[0].shape[1]
    unit = np.arange(n) if clusters is None else np.unique(clusters, return_inverse=True)[1].astype(np.int64)
    layout = Layout(np.zeros(n, dtype=np.int64), 1, unit, np.zeros(int(unit.max(initial=-1)) + 1, dtype=np.int64))
    found = estimate(layout, *(side(arm, layout) for arm in arms))
    names = ("value", "variance", "degrees", "cases", "clusters")
    return replace(found, **{name: getattr(found, name)[0] for name in names})


def residual_variance(matrix: Floats) -> float:
    """Residual variance of the two-way layout (run + case), with (k-1)(n-1) degrees of freedom; 0 where it cannot be estimated."""
    runs, cases = matrix.shape
    if runs < 2 or cases < 2:
        return 0.0
    rest = matrix - matrix.mean(axis=1, keepdims=True) - matrix.mean(axis=0) + matrix.mean()
    return float((rest**2).sum() / ((runs - 1) * (cases - 1)))


def spread_interval(sd: ArrayLike, runs: int, level: float = 0.95) -> Pair:
    """Chi-square interval of a standard deviation seen over `runs` runs: 0.60 to 2.87 times it for five runs."""
    tail, sd = (1 - level) / 2, floats(sd)
    degrees = runs - 1
    if degrees < 1:
        return np.full(sd.shape, np.nan), np.full(sd.shape, np.nan)
    scale = np.sqrt(degrees / special.chdtri(degrees, [tail, 1 - tail]))
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
    edge = float(special.fdtri(runs - 1, runs - 1, 0.5 + level / 2))
    low = (squared / edge) ** 0.5
    agreement = optional(spearman(home, stress)) if runs > 2 else None
    return Underspecification(index=squared**0.5, low=low, high=(squared * edge) ** 0.5, spearman=agreement, flagged=low > 1)
