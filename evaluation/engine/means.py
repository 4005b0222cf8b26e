"""Metrics that are functions of means over cases: their intervals and paired differences, in every stratum, with or without clusters.

An error averaged, a root of one, an R², an F1 over labels: each is f(mean of x1, mean of x2 …) of numbers that every case has. So one piece of
arithmetic serves them all. A plain mean has Student's interval on cluster sums. Other functions have the BCa bootstrap of clusters (Efron 1987) and, with very
many clusters, Student's on the jackknife, which then agrees with it. Candidate and baseline share their draws.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import special

from evaluation.engine.arrays import Bools, Floats, optional, ratio, tally
from evaluation.engine.caution import mean_caution
from evaluation.engine.compare import tango
from evaluation.engine.entries import Entry, entry_of
from evaluation.engine.estimates import Column, Estimate, Gap, Settings, column_of, missing_reason, nothing
from evaluation.engine.intervals import clopper_pearson, ratio_variance, t_quantile
from evaluation.engine.over_runs import over_runs
from evaluation.engine.replicates import Layout, Scatter, scatter
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

    @property
    def mean(self) -> bool:
        """The plain mean of one column."""
        return len(self.columns) == 1 and self.same is None


class Ranged(Protocol):
    """What an entry needs to know about a metric."""

    @property
    def id(self) -> str: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


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

    @property
    def pairs(self) -> int:
        """Of replicates, one of each side: as many as the larger side has."""
        return max(len(self.candidate), len(self.baseline))

    def pair(self, number: int, *, missing: bool = False) -> list[NDArray[Any]]:
        """One replicate of each side; the shorter side begins anew when it is at its end."""
        sides = (self.candidate_missing, self.baseline_missing) if missing else (self.candidate, self.baseline)
        return [side[number % len(side)] for side in sides if side]


class BlockMeans:
    """The entries of one block of strata."""

    def __init__(self, numbers: Numbers, block: Block, statistics: Sequence[Statistic], settings: Settings) -> None:
        self.numbers, self.block, self.statistics = numbers, block, statistics
        self.settings, self.level = settings, settings.level
        self.by_id = {statistic.id: statistic for statistic in statistics}
        self.members = block.members()

    def entries(self) -> dict[str, list[Entry]]:
        """By stratum, in the order of the statistics."""
        pairs = [self._columns(number) for number in range(self.numbers.pairs)]
        out: dict[str, list[Entry]] = {name: [] for name in self.block.names}
        for number, statistic in enumerate(self.statistics):
            columns = [columns[number] for columns in pairs]
            self.enter(out, statistic, columns, self._scatter(statistic, columns) if len(pairs) > 1 else None)
        return out

    def enter(self, out: dict[str, list[Entry]], metric: Ranged, columns: Sequence[Column], scatter: Scatter | None) -> None:
        """One metric's entries from its column for each pair of replicates; `scatter` where there are several."""
        counts = [len(side) for side in (self.numbers.candidate, self.numbers.baseline) if side]
        joined = None if scatter is None else over_runs(columns, counts, scatter, (metric.low, metric.high), self.level)
        for stratum, name in enumerate(self.block.names):
            sides, gap = columns[0].at(stratum)
            n, clusters = int(self.block.n[stratum]), int(self.block.clusters_per_stratum[stratum])
            doubt = mean_caution(metric.id, cases=n, clusters=clusters if clusters < n else None)
            entry = entry_of(
                metric.id, name, sides, gap, level=self.level, n=n, clusters=clusters, caution=doubt, replicates=[sides[0].value]
            )
            if joined is not None:
                joined.enter(entry, stratum)
            out[name].append(entry)

    def absent(self, pair: int, stratum: int) -> list[str | None]:
        """Of each side why a stratum has no figures at all."""
        rows = self.block.rows[self.members[stratum]]
        if not rows.size:
            return ["no cases"] * (1 + bool(self.numbers.baseline))
        return [missing_reason(int(missing[rows].sum())) for missing in self.numbers.pair(pair, missing=True)]

    def _columns(self, pair: int) -> list[Column]:
        """What one replicate against one says, statistic by statistic."""
        found: list[list[tuple[list[Estimate], Gap | None]]] = [[] for _ in self.statistics]
        for stratum in range(self.block.size):
            units, absent = self._units(pair, stratum), self.absent(pair, stratum)
            for column, statistic in zip(found, self.statistics, strict=True):
                sides = [self._side(statistic, units, side, why) for side, why in enumerate(absent)]
                both = len(sides) > 1 and all(side.value is not None for side in sides)
                column.append((sides, self._gap(statistic, units) if both else None))
        return [column_of(each, compared=bool(self.numbers.baseline)) for each in found]

    def _units(self, pair: int, stratum: int) -> Units:
        rows, arms = self.block.rows[self.members[stratum]], self.numbers.pair(pair)
        if self.block.clusters is None or not self.block.clustered[stratum]:
            return Units(np.ones(rows.size), [arm[:, rows].T for arm in arms], self.settings)
        keys, group = np.unique(self.block.clusters[self.members[stratum]], return_inverse=True)
        sums = [np.stack([tally(group, column, keys.size) for column in arm[:, rows]], axis=1) for arm in arms]
        return Units(tally(group, None, keys.size), sums, self.settings)

    def _side(self, statistic: Statistic, units: Units, arm: int, why: str | None) -> Estimate:
        value = np.nan if why else units.value(statistic, arm)
        if np.isnan(value):
            return nothing(why or statistic.undefined)
        bounds = units.bounds(statistic, [arm], self.level)
        return Estimate(value=value, low=optional(bounds.low), high=optional(bounds.high), method=bounds.method)

    def _gap(self, statistic: Statistic, units: Units) -> Gap:
        bounds = units.bounds(statistic, [0, 1], self.level)
        p = units.p(self.by_id.get(statistic.same or "", statistic))
        value = units.value(statistic, 0) - units.value(statistic, 1)
        return Gap(value=value, low=optional(bounds.low), high=optional(bounds.high), p=optional(p), method=bounds.method)

    def _scatter(self, statistic: Statistic, columns: Sequence[Column]) -> Scatter:
        """How the runs scatter, from the jackknife's pseudo-values."""
        sides = [(arms, side) for side, arms in enumerate((self.numbers.candidate, self.numbers.baseline)) if arms]
        return scatter(
            [
                np.stack([self._pseudo(statistic, arm, column.sides[side]) for arm, column in zip(arms, columns, strict=False)])
                for arms, side in sides
            ],
            Layout.of(self.block),
        )

    def _pseudo(self, statistic: Statistic, arm: Floats, estimates: Sequence[Estimate]) -> Floats:
        """The jackknife's pseudo-values (rows,) of one run: their means over a stratum are the run's values to first order."""
        block = self.block
        columns = arm[:, block.rows][list(statistic.columns)].T
        sums = np.stack([np.bincount(block.codes, column, block.size) for column in columns.T], axis=-1)
        n = block.n[block.codes]
        left = statistic.function(ratio(sums[block.codes] - columns, (n - 1)[:, None]))
        here = np.array([each.value for each in estimates], dtype=np.float64)[block.codes]
        return np.asarray(np.nan_to_num(n * here - (n - 1) * np.where(np.isnan(left), here, left)))
