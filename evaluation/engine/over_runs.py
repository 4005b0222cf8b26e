"""Several runs of one recipe, which differ by their seed: one figure with an interval in which runs *and* cases are random.

Every run has an interval of its own, made by the metric's own method. The mean of these intervals says what the cases leave open; it knows how little 13 positives
prove where nothing varies, as no variance does. On each side of the mean over runs its width is joined with that of Student's interval of the runs, squared and
added (for sums of variances Graybill & Wang 1980, JASA 75:869; for bounds of any shape Zou & Donner 2008). With one part alone that part's interval remains.

A case that one run has right and another wrong (the residual of runs and cases) is in both parts, and averages out over runs. What has been *seen* of it is
taken off both; where nothing was seen, nothing is, so that runs which agree leave the interval of one run.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from evaluation.engine.arrays import Floats, floats, optional
from evaluation.engine.entries import Entry
from evaluation.engine.estimates import Column, Estimate, Gap
from evaluation.engine.intervals import normal_quantile
from evaluation.engine.ranked import real
from evaluation.engine.replicates import LEAST_RUNS_FOR_SD, Scatter

METHOD = "mean of the runs' intervals, spread of runs"
LEAST_P = 1e-12  # no p is told below it


@dataclass(frozen=True, kw_only=True, eq=False)
class Runs:
    """Runs of one side, or pairs of runs of two: each one's `value` with its own interval `low` to `high`, arrays (runs, ...); NaN where there is none.

    `cases` (...) is the variance of their mean that cases alone give it, as far as it was seen. `residual` (...) is what the runs' disagreement case by
    case adds to the variance of their mean.
    """

    value: Floats
    low: Floats
    high: Floats
    cases: Floats
    residual: Floats

    @classmethod
    def of(cls, runs: Sequence[Sequence[Estimate | Gap | None]], cases: Floats, residual: Floats) -> "Runs":
        """From each run's estimates over strata."""
        found = {
            name: np.array([[getattr(each, name, None) for each in run] for run in runs], dtype=np.float64)
            for name in ("value", "low", "high")
        }
        return cls(**found, cases=cases, residual=residual)

    @property
    def count(self) -> int:
        return len(self.value)

    @property
    def mean(self) -> Floats:
        return np.asarray(self.value.mean(axis=0))

    @property
    def spread(self) -> Floats:
        """Variance of the mean over runs, as they were seen to spread; 0 for a single one."""
        if self.count < 2:
            return np.zeros(self.value.shape[1:])
        return real(self.value.var(axis=0, ddof=1) / self.count)


@dataclass(frozen=True, kw_only=True, eq=False)
class Joined:
    """A figure over runs: `value`, `low`, `high`, two-sided `p` of 0, arrays (...); NaN where there is none."""

    value: Floats
    low: Floats
    high: Floats
    p: Floats


def joined(own: Runs, sides: Sequence[Runs], value: Floats, level: float) -> Joined:
    """`own`: the runs of one side, or pairs of runs with their differences; `sides`: whose spread counts.

    p is the level at which the interval would touch 0, so that p ≤ 1 - level exactly where the interval leaves 0 out.
    """
    averaged = sum(((side.count - 1) * side.residual for side in sides), np.zeros(value.shape))
    spreads = [(side.count - 1, np.maximum(side.spread - side.residual, 0.0)) for side in sides if side.count > 1]
    cases = []
    for width in ((own.value - own.low).mean(axis=0), (own.high - own.value).mean(axis=0)):
        alone = (width / normal_quantile(level)) ** 2
        cases.append(np.maximum(alone - averaged, np.minimum(alone, own.cases)))
    low, high = (_half(1 - level, case, spreads) for case in cases)
    p = _touching(np.abs(value), np.where(value > 0, *cases), spreads)
    return Joined(value=value, low=value - low, high=value + high, p=p)


def _half(alpha: Floats | float, case: Floats, spreads: Sequence[tuple[int, Floats]]) -> Floats:
    """Half a width: the cases' with the normal quantile, that of each side's runs with Student's, squared and added."""
    squares = special.ndtri(floats(alpha) / 2) ** 2 * case
    return np.sqrt(sum((special.stdtrit(degrees, floats(alpha) / 2) ** 2 * spread for degrees, spread in spreads), squares))


def _touching(distance: Floats, case: Floats, spreads: Sequence[tuple[int, Floats]]) -> Floats:
    """The alpha at which half a width is the distance, between LEAST_P and 1; NaN where that is not known."""
    small, large = np.full(distance.shape, np.log(LEAST_P)), np.zeros(distance.shape)
    for _ in range(50):
        middle = (small + large) / 2
        wide = _half(np.exp(middle), case, spreads) > distance
        small, large = np.where(wide, middle, small), np.where(wide, large, middle)
    return np.where(distance == 0, 1.0, np.where(np.isnan(distance + case), np.nan, np.exp(large)))


class OverRuns:
    """What several runs say about one metric: of the candidate, of the baseline, and of their difference (in all cells of an array at once)."""

    def __init__(
        self, ours: Runs, theirs: Runs | None, pairs: Runs | None, limits: tuple[Floats | float, Floats | float], level: float
    ) -> None:
        """`pairs`: as many as the larger side has runs; `limits` of the metric."""
        self.runs = ours.value
        low, high = limits
        self.sides = [_cut(joined(side, [side], side.mean, level), low, high) for side in (ours, theirs) if side is not None]
        self.several = [side.count > 1 for side in (ours, theirs) if side is not None]
        self.sd = np.std(ours.value, axis=0, ddof=1) if ours.count >= LEAST_RUNS_FOR_SD else np.full(ours.mean.shape, np.nan)
        self.gap, self.method = None, METHOD
        if theirs is not None and pairs is not None:
            self.gap = _cut(joined(pairs, [ours, theirs], ours.mean - theirs.mean, level), low - high, high - low)
            self.method = METHOD if theirs.count > 1 else f"{METHOD}, recipe against this artefact"

    def enter(self, entry: Entry, at: int | tuple[int, ...]) -> None:
        """Replace the artefact's figures by those over replicates and keep the former under `artefact`."""
        entry["replicates"] = [optional(run[at]) for run in self.runs]
        entry["artefact"] = {key: entry[key] for key in ("value", "low", "high", "method", "difference")}
        entry["sd"] = optional(self.sd[at])
        for side, several, target in zip(self.sides, self.several, (entry, entry["baseline"]), strict=False):
            if several:
                target |= {name: optional(getattr(side, name)[at]) for name in ("value", "low", "high")}
        if entry["value"] is None:
            entry |= {"method": None, "difference": None, "undefined": entry["undefined"] or "undefined in some replicates"}
        else:
            entry["method"] = None if entry["low"] is None and entry["high"] is None else METHOD if self.several[0] else entry["method"]
        if self.gap is not None and not np.isnan(self.gap.value[at]):
            entry["difference"] = {name: optional(getattr(self.gap, name)[at]) for name in ("value", "low", "high", "p")} | {
                "method": self.method
            }
        else:
            entry["difference"] = None


def over_runs(columns: Sequence[Column], counts: Sequence[int], scatter: Scatter, limits: tuple[float, float], level: float) -> OverRuns:
    """From one column for each pair of replicates; `counts` says how many of each side are different."""
    sides = [
        Runs.of([column.sides[side] for column in columns[:count]], scatter.cases[side], scatter.residual[side])
        for side, count in enumerate(counts)
    ]
    if len(sides) < 2:
        return OverRuns(sides[0], None, None, limits, level)
    pairs = Runs.of([column.difference or [] for column in columns], scatter.cases[2], np.zeros(scatter.cases[2].shape))
    return OverRuns(sides[0], sides[1], pairs, limits, level)


def _cut(found: Joined, low: Floats | float, high: Floats | float) -> Joined:
    return Joined(value=found.value, low=np.maximum(found.low, low), high=np.minimum(found.high, high), p=found.p)
