"""Replicate 0 against replicate 0 on one block: every metric's value, interval, paired difference and p, per stratum."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from evaluation.engine.arrays import Floats, Ints, optional
from evaluation.engine.auc import auc_interval, difference_interval, difference_p, influence_variance
from evaluation.engine.data import Comparison
from evaluation.engine.figures import FlipFigures, RankFigures, Shares, cells_of, flips_of, shares_of
from evaluation.engine.metrics import Metric, Table
from evaluation.engine.recipes import Recipes
from evaluation.engine.resample import (
    Sample,
    Values,
    difference_intervals,
    level_intervals,
    swap_p,
    units_of_cases,
    units_of_clusters,
)
from evaluation.engine.seeds import generator
from evaluation.engine.strata import Block

MOST_COUNTERS = 20_000_000


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What makes a report reproducible: seed bytes, confidence level, number of resamples."""

    seed: bytes
    level: float = 0.95
    resamples: int = 2000


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """One number with its interval; all None but `undefined` where it does not exist. `n` is the denominator of a proportion."""

    value: float | None
    low: float | None
    high: float | None
    method: str | None
    n: int | None = None
    undefined: str | None = None


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Candidate - baseline, never sign-flipped, with a two-sided p."""

    value: float
    low: float | None
    high: float | None
    p: float | None
    method: str


@dataclass(frozen=True)
class Resampled:
    """What resampling says about one metric in one stratum: an estimate for each arm, and their difference."""

    sides: list[Estimate]
    gap: Gap | None


NOTHING = Resampled([], None)


@dataclass(frozen=True)
class Column:
    """One metric over the strata of a block."""

    candidate: list[Estimate]
    baseline: list[Estimate] | None
    difference: list[Gap | None] | None


class Artefact:
    """Figures of the artefacts on one block; everything is computed once, when first asked for."""

    def __init__(self, comparison: Comparison, block: Block, settings: Settings, metrics: Sequence[Metric]) -> None:
        self.comparison, self.block, self.settings, self.metrics = comparison, block, settings, metrics
        self.share_metrics = [metric for metric in metrics if metric.kind == "share"]
        self.paired_metrics = [metric for metric in metrics if metric.paired]
        self.recipes = Recipes(comparison, block)
        self._share_rows = {metric.id: row for row, metric in enumerate(self.share_metrics)}
        self._paired_rows = {metric.id: row for row, metric in enumerate(self.paired_metrics)}

    @cached_property
    def tables(self) -> list[Table]:
        return [tables[0] for tables in self.recipes.tables if tables]

    @cached_property
    def shares(self) -> list[Shares]:
        pairs = zip(self.comparison.artefacts, self.tables, strict=True)
        return [shares_of(self.comparison, self.block, arm, self.share_metrics, table) for arm, table in pairs]

    @cached_property
    def share_intervals(self) -> list[tuple[Floats, Floats]]:
        return [share.interval(self.settings.level) for share in self.shares]

    @cached_property
    def flips(self) -> FlipFigures:
        return flips_of(self.comparison, self.block, self.paired_metrics, self._joint_counts)

    @cached_property
    def flip_intervals(self) -> tuple[Floats, Floats]:
        return self.flips.interval(self.settings.level)

    @cached_property
    def _joint(self) -> Ints:
        """Per row the joint cell of truth, candidate and baseline."""
        width = len(self.comparison.task.classes) + 1
        ours, *theirs = [cells_of(self.comparison, self.block, arm) for arm in self.comparison.artefacts]
        return ours * width + theirs[0] % width if theirs else ours

    @cached_property
    def _joint_counts(self) -> list[Ints]:
        """Per stratum how many cases each joint cell holds; counted in one pass where that many counters fit."""
        classes = len(self.comparison.task.classes)
        cells = classes * (classes + 1) ** len(self.comparison.artefacts)
        if self.block.size * cells <= MOST_COUNTERS:
            return list(np.bincount(self.block.codes * cells + self._joint, minlength=self.block.size * cells).reshape(-1, cells))
        return [np.bincount(self._joint[here], minlength=cells) for here in self.recipes.members]

    def ranks(self, metric: Metric) -> list[RankFigures]:
        return [self.recipes.ranks(metric, side == 1, 0) for side in range(len(self.comparison.artefacts))]

    def sample(self, stratum: int) -> Sample:
        """The stratum's units for resampling; common to all metrics, with the same seed in every stratum."""
        classes, arms = len(self.comparison.task.classes), len(self.comparison.artefacts)
        if self.block.clusters is not None and self.block.clustered[stratum]:
            here = self.recipes.members[stratum]
            types, repeats = units_of_clusters(self._joint[here], self.block.clusters[here], classes, arms)
        else:
            types, repeats = units_of_cases(self._joint_counts[stratum], classes, arms)
        return Sample(types, repeats, self.settings.seed, generator, self.settings.resamples)

    @cached_property
    def _resampled(self) -> dict[str, list[Resampled]]:
        """By metric id over the strata. One stratum's draws serve all of its metrics and are then forgotten."""
        tables = [metric for metric in self.metrics if metric.kind == "table"]
        drawn = [metric for metric in self.share_metrics if not metric.paired] if self.comparison.baseline else []
        out: dict[str, list[Resampled]] = {metric.id: [] for metric in (*tables, *drawn)}
        for stratum in range(self.block.size):
            found = self._resample(stratum, tables, drawn) if self.block.n[stratum] else {}
            for name, columns in out.items():
                columns.append(found.get(name, NOTHING))
        return out

    def _resample(self, stratum: int, tables: Sequence[Metric], drawn: Sequence[Metric]) -> dict[str, Resampled]:
        sample, out = self.sample(stratum), {}
        for metrics, corrected in ((tables, False), (drawn, True)):
            if metrics:
                values = Values(sample, metrics)
                sides = [] if corrected else [self._levels(values, arm) for arm in range(sample.arms)]
                gaps = self._gaps(values, stratum, corrected=corrected) if sample.arms > 1 else [None] * len(metrics)
                for row, metric in enumerate(metrics):
                    out[metric.id] = Resampled([side[row] for side in sides], gaps[row])
        return out

    def _levels(self, values: Values, arm: int) -> list[Estimate]:
        found = level_intervals(values, arm, self.settings.level)
        return [
            self._undefined(metric)
            if np.isnan(value)
            else Estimate(value=float(value), low=float(found.low[row]), high=float(found.high[row]), method=found.method[row])
            for row, (metric, value) in enumerate(zip(values.metrics, values.observed[arm], strict=True))
        ]

    def _undefined(self, metric: Metric) -> Estimate:
        return Estimate(value=None, low=None, high=None, method=None, undefined=metric.reason(self.comparison.task))

    def _gaps(self, values: Values, stratum: int, *, corrected: bool) -> list[Gap | None]:
        """Differences by common draws; without width they fall back to Tango on the stratum's flips of right and wrong."""
        found, p = difference_intervals(values, self.settings.level, corrected=corrected), swap_p(values)
        gaps: list[Gap | None] = []
        for row, value in enumerate(values.gap.tolist()):
            low, high, method = float(found.low[row]), float(found.high[row]), f"{found.method[row]}, swap permutation"
            if np.isnan(low):
                low, high = (float(bound[0, stratum]) for bound in self.flip_intervals)
                low, high, method = min(low, value), max(high, value), "tango on flips"
            gaps.append(None if np.isnan(value) else Gap(value=value, low=low, high=high, p=float(p[row]), method=method))
        return gaps

    def column(self, metric: Metric) -> Column:
        make: Callable[[Metric], Column] = {"share": self._share, "table": self._table, "rank": self._rank}[metric.kind]
        return make(metric)

    def _no_cases(self, stratum: int) -> str | None:
        return None if self.block.n[stratum] else "no cases"

    def _share(self, metric: Metric) -> Column:
        row = self._share_rows[metric.id]
        sides = [self._share_side(metric, row, share, bounds) for share, bounds in zip(self.shares, self.share_intervals, strict=True)]
        if len(sides) == 1:
            return Column(sides[0], None, None)
        if not metric.paired:
            return Column(sides[0], sides[1], [found.gap for found in self._resampled[metric.id]])
        paired, flips, (low, high) = self._paired_rows[metric.id], self.flips, self.flip_intervals
        gaps: list[Gap | None] = []
        for s in range(self.block.size):
            n = flips.n[paired, s]
            if not n:
                gaps.append(None)
                continue
            method = "tango, sign-flip, clusters" if flips.clustered[paired, s] else "tango, mcnemar mid-p"
            value = float((flips.gained[paired, s] - flips.lost[paired, s]) / n)
            p = float(flips.p[paired, s])
            gaps.append(Gap(value=value, low=float(low[paired, s]), high=float(high[paired, s]), p=p, method=method))
        return Column(sides[0], sides[1], gaps)

    def _share_side(self, metric: Metric, row: int, share: Shares, bounds: tuple[Floats, Floats]) -> list[Estimate]:
        out = []
        for s in range(self.block.size):
            n = int(share.n[row, s])
            if not n:
                why = self._no_cases(s) or metric.reason(self.comparison.task)
                out.append(Estimate(value=None, low=None, high=None, method=None, n=0, undefined=why))
                continue
            method = "wilson, effective n of clusters" if share.clustered[row, s] else "wilson"
            low, high = float(bounds[0][row, s]), float(bounds[1][row, s])
            out.append(Estimate(value=float(share.value[row, s]), low=low, high=high, method=method, n=n))
        return out

    def _table(self, metric: Metric) -> Column:
        found = self._resampled[metric.id]
        empty = Estimate(value=None, low=None, high=None, method=None, undefined="no cases")
        sides = [[each.sides[arm] if each.sides else empty for each in found] for arm in range(len(self.tables))]
        return Column(sides[0], sides[1], [each.gap for each in found]) if len(sides) > 1 else Column(sides[0], None, None)

    def _rank(self, metric: Metric) -> Column:
        figures = self.ranks(metric)
        sides = [self._rank_side(side) for side in figures]
        if len(figures) == 1:
            return Column(sides[0], None, None)
        new, old = figures
        difference = new.value - old.value
        variance = influence_variance(new.influence - old.influence, self.block)
        low, high = difference_interval(difference, variance, new.smaller_class, self.settings.level)
        p = difference_p(difference, variance)
        gaps: list[Gap | None] = []
        for s, value in enumerate(difference):
            method = "delong paired" if variance[s] > 0 else "tango on the smaller class"
            gap = Gap(value=float(value), low=optional(low[s]), high=optional(high[s]), p=optional(p[s]), method=method)
            gaps.append(None if np.isnan(value) else gap)
        return Column(sides[0], sides[1], gaps)

    def _rank_side(self, figures: RankFigures) -> list[Estimate]:
        low, high, exact = auc_interval(figures.value, figures.variance, figures.smaller_class, self.settings.level)
        clustered = self.block.clustered
        out = []
        for s, value in enumerate(figures.value):
            if np.isnan(value):
                why = self._no_cases(s) or figures.undefined[s]
                out.append(Estimate(value=None, low=None, high=None, method=None, undefined=why))
                continue
            method = "clopper-pearson on the smaller class" if exact[s] else "delong, clusters" if clustered[s] else "delong"
            out.append(Estimate(value=float(value), low=float(low[s]), high=float(high[s]), method=method))
        return out
