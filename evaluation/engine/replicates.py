"""How the runs of one recipe differ: what they disagree on case by case, and what the seeds alone move.

Everything works on pseudo-values: a matrix (k runs, n cases) whose row means are the runs' values of a metric. For accuracy it is simply
correctness; for other metrics it is value + n * influence (the jackknife's pseudo-values). The intervals over runs are made in `over_runs`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from evaluation.engine.arrays import Codes, Floats, Ints, floats, optional, ratio, tally
from evaluation.engine.intervals import Pair
from evaluation.engine.ranks import spearman
from evaluation.engine.strata import Block

LEAST_RUNS_FOR_SD = 3


@dataclass(frozen=True)
class Layout:
    """Where the cases (n,) of pseudo-values belong: `codes` is each one's stratum of `size`, `unit` its cluster, `home` (units,) whose each is."""

    codes: Codes
    size: int
    unit: Ints
    home: Codes

    @classmethod
    def of(cls, block: Block) -> "Layout":
        if block.units is None:
            return cls(block.codes, block.size, np.arange(block.rows.size), block.codes)
        return cls(block.codes, block.size, block.units.unit, block.units.stratum)

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

    def variance(self, values: Floats) -> Floats:
        """Per stratum of the mean of `values` (n,), from sums of clusters; 0 where it cannot be estimated."""
        centred = values - self.means(values)[self.codes]
        squares = tally(self.home, tally(self.unit, centred, self.home.size) ** 2, self.size)
        return np.nan_to_num(ratio(self.clusters * squares, (self.clusters - 1) * self.n**2))


def residual(matrix: Floats, layout: Layout) -> Floats:
    """Per stratum what the runs' disagreement on each case adds to the variance of their mean, from pseudo-values (k runs, n cases); 0 for one run.

    The two-way layout's residual (run + case), summed per cluster like everything else, so that copies of a case add nothing.
    """
    runs, cases = len(matrix), matrix.mean(axis=0)
    if runs < 2:
        return np.zeros(layout.size)
    return np.asarray(sum((layout.variance(row - cases) for row in matrix), np.zeros(layout.size)) / ((runs - 1) * runs))


@dataclass(frozen=True)
class Scatter:
    """Variances per stratum: `cases` of the mean over runs of the candidate, the baseline and their difference, as far as there are; `residual` of each side."""

    cases: list[Floats]
    residual: list[Floats]


def scatter(sides: Sequence[Floats], layout: Layout) -> Scatter:
    """Of pseudo-values (runs, n) of the candidate, and of the baseline where there is one."""
    means = [matrix.mean(axis=0) for matrix in sides]
    means += [means[0] - means[1]] if len(sides) > 1 else []
    return Scatter([layout.variance(mean) for mean in means], [residual(matrix, layout) for matrix in sides])


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


RunValues = tuple[Floats, float, int]  # each run's value (k,), the residual variance of its cases, and their number


def replicates_entry(
    metric: str, counts: tuple[int, int], runs: Mapping[str, RunValues], order: Sequence[str], home: str | None, level: float
) -> dict[str, Any]:
    """How far the seeds spread in each stratum, and whether they agree at home and disagree elsewhere, as plain JSON values.

    `counts`: replicates of candidate and baseline; `runs`: by stratum, empty for a single run; `home` names the stratum where seeds should agree.
    """
    strata = []
    for name in order if runs else []:
        values, _, n = runs[name]
        shown = values.size >= LEAST_RUNS_FOR_SD and n
        sd = float(np.std(values, ddof=1)) if shown else float("nan")
        low, high = spread_interval(sd, values.size, level)
        entry: dict[str, Any] = {"stratum": name, "n": n, "values": [optional(v) for v in values], "mean": optional(values.mean())}
        entry |= {"sd": optional(sd), "sd_low": optional(low), "sd_high": optional(high)}
        if home is not None and home in runs and name != home and n:
            at_home, residual, cases = runs[home]
            entry["underspecification"] = asdict(underspecification(at_home, values, residual, cases, level))
        strata.append(entry)
    return {"candidate": counts[0], "baseline": counts[1], "metric": metric, "home": home, "strata": strata}
