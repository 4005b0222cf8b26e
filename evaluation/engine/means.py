"""Metrics that are functions of means over cases: their intervals and paired differences, in every stratum, with or without clusters.

An error averaged, a root of one, an R², an F1 over labels: each is f(mean of x1, mean of x2 …) of numbers that every case has. So one piece of
arithmetic serves them all. A plain mean has Student's interval on cluster sums. Other functions have the BCa bootstrap of clusters (Efron 1987) and, with very
many clusters, Student's on the jackknife, which then agrees with it. Candidate and baseline share their draws.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from scipy import special

from evaluation.engine.arrays import Bools, Floats, Ints, optional, ratio, tally
from evaluation.engine.caution import mean_caution
from evaluation.engine.compare import tango
from evaluation.engine.estimates import Settings, missing_reason
from evaluation.engine.intervals import clopper_pearson, ratio_variance, t_quantile
from evaluation.engine.recipes import Estimates
from evaluation.engine.replicates import Layout, estimate, side
from evaluation.engine.report import Entry, OverRuns
from evaluation.engine.resample import bca
from evaluation.engine.seeds import generator
from evaluation.engine.strata import Block

MOST_UNITS = 2000  # more clusters than this: the jackknife


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """One metric. `columns` are the rows of the cases' numbers (k, n) that `function` takes the means of: (..., columns) -> (...), NaN where undefined.

    `same` names the statistic whose difference is 0 exactly where this one's is (equal RMSE means equal MSE): its p
    is used.
    """

    id: str
    columns: tuple[int, ...]
    function: Callable[[Floats], Floats] = lambda means: means[..., 0]
    higher_is_better: bool = False
    low: float = -np.inf
    high: float = np.inf
    undefined: str = "the denominator is zero"
    same: str | None = None
    kind: Literal["mean"] = "mean"  # for intervals over replicates: neither a proportion nor a rank
    family: Literal["mean"] = "mean"
    paired: bool = False

    @property
    def name(self) -> str:
        """The id: no statistic is of one class."""
        return self.id

    @property
    def mean(self) -> bool:
        """The plain mean of one column."""
        return len(self.columns) == 1 and self.same is None


@dataclass(frozen=True)
class Bounds:
    """An interval and its method; NaN where there is none."""

    low: float
    high: float
    method: str | None


class Units:
    """One stratum's clusters (or cases, where all stand alone): `sizes` (G,), and per arm the sums of the cases' numbers (G, k)."""

    def __init__(self, sizes: Floats, sums: Sequence[Floats], settings: Settings) -> None:
        order = np.lexsort([sizes, *(column for arm in sums for column in arm.T)]) if sizes.size <= MOST_UNITS else slice(None)
        self.sizes, self.sums, self.settings = sizes[order], [arm[order] for arm in sums], settings  # draws see no order of rows

    @cached_property
    def weights(self) -> Floats:
        """(B, G): how often each unit is drawn; shared by arms and metrics."""
        count = self.sizes.size
        return generator(self.settings.seed).multinomial(count, np.full(count, 1 / count), self.settings.resamples).astype(np.float64)

    def value(self, statistic: Statistic, arm: int) -> float:
        return float(statistic.function(self.sums[arm][:, statistic.columns].sum(axis=0) / self.sizes.sum()))

    def left_out(self, statistic: Statistic, arm: int) -> Floats:
        """The metric without each unit (G,)."""
        sums = self.sums[arm][:, statistic.columns]
        rest = (self.sizes.sum() - self.sizes)[:, None]
        return np.asarray(statistic.function(ratio(sums.sum(axis=0) - sums, rest)))

    def drawn(self, statistic: Statistic, arm: int) -> Floats:
        """The metric of every resample (B,)."""
        return np.asarray(statistic.function((self.weights @ self.sums[arm][:, statistic.columns]) / (self.weights @ self.sizes)[:, None]))

    def deviation(self, statistic: Statistic, arms: Sequence[int]) -> float:
        """Standard error of the metric of one arm, or of the difference of two: cluster sums for a mean, the jackknife else; NaN below two units."""
        count = self.sizes.size
        if count < 2:
            return float("nan")
        if statistic.mean:
            sums = self.sums[arms[0]][:, statistic.columns[0]] - (self.sums[arms[1]][:, statistic.columns[0]] if len(arms) > 1 else 0.0)
            return float(np.sqrt(ratio_variance(sums, self.sizes)))
        left = self.left_out(statistic, arms[0]) - (self.left_out(statistic, arms[1]) if len(arms) > 1 else 0.0)
        return float(((count - 1) / count * np.square(left - left.mean()).sum()) ** 0.5)

    def bounds(self, statistic: Statistic, arms: Sequence[int], level: float) -> Bounds:
        """Of one arm's metric, or of the difference of two arms; never without width, never outside the range."""
        values = [self.value(statistic, arm) for arm in arms]
        value = values[0] - (values[1] if len(values) > 1 else 0.0)
        low, high = (statistic.low, statistic.high) if len(arms) == 1 else (statistic.low - statistic.high, statistic.high - statistic.low)
        if not statistic.mean and self.sizes.size <= MOST_UNITS:
            draws = self.drawn(statistic, arms[0]) - (self.drawn(statistic, arms[1]) if len(arms) > 1 else 0.0)
            left = self.left_out(statistic, arms[0]) - (self.left_out(statistic, arms[1]) if len(arms) > 1 else 0.0)
            found = bca(draws[None], np.array([value]), left[None], np.ones(left.size, dtype=np.int64), level)
            if not np.isnan(found[0][0]):
                return Bounds(max(float(found[0][0]), low), min(float(found[1][0]), high), "bca")
        half = float(t_quantile(level, self.sizes.size - 1)) * self.deviation(statistic, arms)
        if not half > 0:
            return self._exact(value, low, high, level, paired=len(arms) > 1)
        return Bounds(max(value - half, low), min(value + half, high), "student on cluster sums" if statistic.mean else "jackknife")

    def _exact(self, value: float, low: float, high: float, level: float, *, paired: bool) -> Bounds:
        """Where nothing varies: as if a share of its range, of as many cases as there are units; no interval without a range."""
        if not np.isfinite(high - low):
            return Bounds(np.nan, np.nan, None)
        units = self.sizes.size
        if paired:
            down, up = tango(0, 0, units, level)
            return Bounds(max(value + float(down), low), min(value + float(up), high), "tango, no flips")
        least, most = clopper_pearson((value - low) / (high - low) * units, units, level)
        return Bounds(low + (high - low) * float(least), low + (high - low) * float(most), "clopper-pearson")

    def p(self, statistic: Statistic) -> float:
        """Two-sided Student p of no difference; 1 where nothing differs, NaN where it cannot be said."""
        gap, error = self.value(statistic, 0) - self.value(statistic, 1), self.deviation(statistic, (0, 1))
        if not error > 0:
            return 1.0 if gap == 0 else float("nan")
        return float(2 * special.stdtr(self.sizes.size - 1, -abs(gap) / error))


@dataclass(frozen=True, eq=False)
class Numbers:
    """Per replicate the cases' numbers (k, n): `candidate` and `baseline`; `missing` (n,) per replicate marks cases without a prediction."""

    candidate: Sequence[Floats]
    baseline: Sequence[Floats]
    candidate_missing: Sequence[Bools]
    baseline_missing: Sequence[Bools]

    def side(self, baseline: bool) -> Sequence[Floats]:
        return self.baseline if baseline else self.candidate


class BlockMeans:
    """The entries of one block of strata."""

    def __init__(self, numbers: Numbers, block: Block, statistics: Sequence[Statistic], settings: Settings) -> None:
        self.numbers, self.block, self.statistics = numbers, block, statistics
        self.settings, self.level = settings, settings.level
        self.by_id = {statistic.id: statistic for statistic in statistics}
        self.members = block.members()
        self.several = len(numbers.candidate) > 1 or len(numbers.baseline) > 1

    def entries(self) -> dict[str, list[Entry]]:
        """By stratum, in the order of the statistics."""
        out: dict[str, list[Entry]] = {}
        for stratum, name in enumerate(self.block.names):
            rows = self.block.rows[self.members[stratum]]
            units = self._units(stratum, rows)
            out[name] = [self._entry(statistic, units, stratum, rows, name) for statistic in self.statistics]
        if self.several:
            for statistic in self.statistics:
                self._over_runs(statistic, out)
        return out

    def _units(self, stratum: int, rows: Ints) -> Units:
        arms = [self.numbers.candidate[0], *self.numbers.baseline[:1]]
        if self.block.clusters is None or not self.block.clustered[stratum]:
            return Units(np.ones(rows.size), [arm[:, rows].T for arm in arms], self.settings)
        keys, group = np.unique(self.block.clusters[self.members[stratum]], return_inverse=True)
        sums = [np.stack([tally(group, column, keys.size) for column in arm[:, rows]], axis=1) for arm in arms]
        return Units(tally(group, None, keys.size), sums, self.settings)

    def _absent(self, missing: Sequence[Bools], rows: Ints) -> str | None:
        count = int(missing[0][rows].sum())
        return missing_reason(count)

    def _side(self, statistic: Statistic, units: Units, arm: int, why: str | None) -> Entry:
        value = np.nan if why else units.value(statistic, arm)
        if np.isnan(value):
            return {"value": None, "low": None, "high": None, "method": None, "undefined": why or statistic.undefined}
        bounds = units.bounds(statistic, [arm], self.level)
        return {"value": value, "low": optional(bounds.low), "high": optional(bounds.high), "method": bounds.method, "undefined": None}

    def _entry(self, statistic: Statistic, units: Units, stratum: int, rows: Ints, name: str) -> Entry:
        empty = None if rows.size else "no cases"
        ours = self._side(statistic, units, 0, empty or self._absent(self.numbers.candidate_missing, rows))
        theirs, gap = None, None
        if self.numbers.baseline:
            theirs = self._side(statistic, units, 1, empty or self._absent(self.numbers.baseline_missing, rows))
            if ours["value"] is not None and theirs["value"] is not None:
                gap = self._gap(statistic, units)
        return {
            "metric": statistic.id,
            "stratum": name,
            **{key: ours[key] for key in ("value", "low", "high")},
            "level": self.level,
            "method": ours["method"],
            "n": int(rows.size),
            "n_positive": None,
            "denominator": None,
            "clusters": int(self.block.clusters_per_stratum[stratum]),
            "baseline": None if theirs is None else {key: theirs[key] for key in ("value", "low", "high")} | {"n": int(rows.size)},
            "difference": gap,
            "undefined": ours["undefined"],
            "caution": None
            if ours["low"] is None
            else mean_caution(statistic.id, cases=int(rows.size), clusters=self._grouped(stratum, rows.size)),
            "replicates": [],
        }

    def _grouped(self, stratum: int, cases: int) -> int | None:
        clusters = int(self.block.clusters_per_stratum[stratum])
        return clusters if clusters < cases else None

    def _gap(self, statistic: Statistic, units: Units) -> Entry:
        bounds = units.bounds(statistic, [0, 1], self.level)
        p = units.p(self.by_id.get(statistic.same or "", statistic))
        value = units.value(statistic, 0) - units.value(statistic, 1)
        return {"value": value, "low": optional(bounds.low), "high": optional(bounds.high), "p": optional(p), "method": bounds.method}

    # --- several runs ---------------------------------------------------------------------------------------------------------------------

    def _values(self, statistic: Statistic, baseline: bool) -> Floats:
        """The metric of every replicate (runs, strata), NaN where undefined or a prediction is missing."""
        block, missing = self.block, self.numbers.baseline_missing if baseline else self.numbers.candidate_missing
        out = []
        for arm, absent in zip(self.numbers.side(baseline), missing, strict=True):
            rows = np.stack([np.bincount(block.codes, arm[column][block.rows], block.size) for column in statistic.columns], axis=-1)
            value = statistic.function(ratio(rows, block.n[:, None]))
            out.append(np.where(np.bincount(block.codes, absent[block.rows], block.size) > 0, np.nan, value))
        return np.stack(out)

    def _pseudo(self, statistic: Statistic, baseline: bool, values: Floats) -> Floats:
        """The jackknife's pseudo-values (runs, rows): their means over a stratum are the runs' values to first order."""
        block, out = self.block, []
        for arm, value in zip(self.numbers.side(baseline), values, strict=True):
            columns = arm[:, block.rows][list(statistic.columns)].T
            sums = np.stack([np.bincount(block.codes, column, block.size) for column in columns.T], axis=-1)
            n = block.n[block.codes]
            left = statistic.function(ratio(sums[block.codes] - columns, (n - 1)[:, None]))
            here = value[block.codes]
            out.append(n * here - (n - 1) * np.where(np.isnan(left), here, left))
        return np.asarray(np.nan_to_num(np.stack(out)))

    def _over_runs(self, statistic: Statistic, out: dict[str, list[Entry]]) -> None:
        """Replace the artefact's figures by those over replicates and keep the former under `artefact`."""
        block, ours, theirs = self.block, self._values(statistic, False), None
        unit, home = (np.arange(block.rows.size), block.codes) if block.units is None else (block.units.unit, block.units.stratum)
        layout = Layout(block.codes, block.size, unit, home)
        new = side(self._pseudo(statistic, False, ours), layout)
        estimates = Estimates(estimate(layout, new), None, None)
        if self.numbers.baseline:
            theirs = self._values(statistic, True)
            old = side(self._pseudo(statistic, True, theirs), layout)
            estimates = Estimates(estimate(layout, new), estimate(layout, old), estimate(layout, new, old))
        over = OverRuns(statistic, ours, theirs, estimates, self.level)
        for stratum, name in enumerate(block.names):
            entry = next(entry for entry in out[name] if entry["metric"] == statistic.id)
            entry["replicates"] = [optional(value) for value in ours[:, stratum]]
            over.enter(entry, stratum)
