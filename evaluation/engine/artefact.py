"""Replicate 0 against replicate 0 on one block: every metric's value, interval, paired difference and p, per stratum."""

import math
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from evaluation.engine.arrays import Floats, Ints
from evaluation.engine.data import Comparison
from evaluation.engine.estimates import Column, Estimate, Gap, Settings, nothing
from evaluation.engine.figures import FlipFigures, Shares, cells_of, flips_of, shares_of
from evaluation.engine.from_shares import cautious, made_of_shares
from evaluation.engine.metrics import Metric
from evaluation.engine.recipes import Recipes
from evaluation.engine.resample import (
    Intervals,
    Sample,
    Values,
    jackknife_correlation,
    level_intervals,
    smallest,
    swap_p,
    table_levels,
    together,
    units_of_cases,
    units_of_clusters,
)
from evaluation.engine.score_columns import ScoreColumns
from evaluation.engine.scored import Scored
from evaluation.engine.seeds import generator
from evaluation.engine.square_and_add import NEAR, Ends, SquareAndAdd
from evaluation.engine.strata import Block
from evaluation.engine.tables import Table, counted

MOST_COUNTERS = 20_000_000
AT_ONCE = 1 << 16  # numbers of resampled tables that are made at once: they stay in the processor's cache


@dataclass(frozen=True)
class Resampled:
    """What resampling says about one metric in one stratum: an estimate for each arm, and their difference."""

    sides: list[Estimate]
    gap: Gap | None


NOTHING = Resampled([], None)


class Artefact:
    """Figures of the artefacts on one block; everything is computed once, when first asked for.

    Where they are not `tested` there are no p from exchanging answers, which cost as much as the intervals.
    """

    def __init__(self, comparison: Comparison, block: Block, settings: Settings, metrics: Sequence[Metric], *, tested: bool = True) -> None:
        self.comparison, self.block, self.settings, self.metrics, self.tested = comparison, block, settings, metrics, tested
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
            alone = len(self.comparison.artefacts) == 1
            found = self.recipes.confusion(False, 0) if alone else counted(self.block.codes, self.block.size, self._joint, cells)
            return list(found.reshape(self.block.size, cells).astype(np.int64))
        return [np.bincount(self._joint[here], minlength=cells) for here in self.recipes.members]

    def scored(self, metric: Metric) -> list[Scored]:
        """A metric of scores: the candidate's figures, and the baseline's."""
        return [self.recipes.scored(metric, side == 1, 0) for side in range(len(self.comparison.artefacts))]

    @cached_property
    def scores(self) -> ScoreColumns:
        """Intervals and differences of the metrics of scores."""
        recipes, me = self.recipes, weakref.proxy(self)  # no cycle: a block's arrays go when the block is done
        return ScoreColumns(
            self.comparison,
            self.block,
            self.settings,
            recipes.scorer,
            members=lambda: recipes.members,
            spare=lambda: (me.flip_intervals[0][0], me.flip_intervals[1][0]),
        )

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
        filled = np.flatnonzero(self.block.n)
        at_once = max(1, AT_ONCE // self._drawn_numbers)
        found = [
            each for start in range(0, filled.size, at_once) for each in self._resample(filled[start : start + at_once], tables, drawn)
        ]
        by_stratum = dict(zip(filled.tolist(), found, strict=True))
        for stratum in range(self.block.size):
            for name, columns in out.items():
                columns.append(by_stratum[stratum][name] if stratum in by_stratum else NOTHING)
        return out

    @property
    def _drawn_numbers(self) -> int:
        """How many numbers the resampled tables of one stratum are."""
        return self.settings.resamples * len(self.comparison.artefacts) * 4 * len(self.comparison.task.classes)

    def _resample(self, strata: Ints, tables: Sequence[Metric], drawn: Sequence[Metric]) -> list[dict[str, Resampled]]:
        """Of a few strata at once, each by metric id."""
        samples = [self.sample(stratum) for stratum in strata.tolist()]
        out: list[dict[str, Resampled]] = [{} for _ in samples]
        if tables:
            several = together(samples, tables)
            sides = [level_intervals(several, arm, self.settings.level) for arm in range(samples[0].arms)]
            for number, (stratum, values) in enumerate(zip(strata.tolist(), several, strict=True)):
                values.keep(self.settings.level, [of_arm[number] for of_arm in sides])
                levels = [self._levels(values, arm, found[number]) for arm, found in enumerate(sides)]
                gaps = self._gaps(values, stratum) if len(sides) > 1 else [None] * len(tables)
                out[number] |= {metric.id: Resampled([side[row] for side in levels], gaps[row]) for row, metric in enumerate(tables)}
        if drawn:
            for found, stratum, sample in zip(out, strata.tolist(), samples, strict=True):
                gaps = self._gaps(Values(sample, drawn), stratum)
                found |= {metric.id: Resampled([], gap) for metric, gap in zip(drawn, gaps, strict=True)}
        return out

    def _levels(self, values: Values, arm: int, found: Intervals) -> list[Estimate]:
        rows = zip(values.metrics, values.observed[arm].tolist(), found.low.tolist(), found.high.tolist(), found.method, strict=True)
        return [
            self._undefined(metric) if math.isnan(value) else Estimate(value=value, low=low, high=high, method=method)
            for metric, value, low, high, method in rows
        ]

    def _undefined(self, metric: Metric) -> Estimate:
        return nothing(metric.reason(self.comparison.task))

    def differences(self, values: Values, stratum: int) -> list[SquareAndAdd | None]:
        """The two models' difference in each of the metrics of `values`, which are shares or tables of one stratum."""
        correlations, few = jackknife_correlation(values), smallest(values.sample)
        out: list[SquareAndAdd | None] = []
        for row, metric in enumerate(values.metrics):
            share = metric.kind == "share"
            found = SquareAndAdd(
                values=(float(values.observed[0][row]), float(values.observed[1][row])),
                levels=partial(self._share_levels, self._share_rows[metric.id], stratum) if share else partial(table_levels, values, row),
                correlation=float(cautious(correlations[row], few) if made_of_shares(metric) else correlations[row]),
                smaller=min(float(side.effective[self._share_rows[metric.id], stratum]) for side in self.shares) if share else few,
                cases=int(self.block.n[stratum]),
                finest=NEAR if share else 1 / (1 + values.sample.resamples),
            )
            out.append(None if np.isnan(found.estimate) else found)
        return out

    def _share_levels(self, row: int, stratum: int, alpha: float) -> tuple[Ends, Ends]:
        new, old = (side.of(row, stratum).interval(1 - 2 * alpha) for side in self.shares)
        return (float(new[0]), float(new[1])), (float(old[0]), float(old[1]))

    def _gaps(self, values: Values, stratum: int) -> list[Gap | None]:
        """Differences of numbers whose denominators are the models' own, or that have none: square-and-add; p by exchanging the models' answers."""
        gaps: list[Gap | None] = []
        exchanged = swap_p(values).tolist() if self.tested else [None] * len(values.metrics)
        for found, p in zip(self.differences(values, stratum), exchanged, strict=True):
            if found is None:
                gaps.append(None)
                continue
            low, high = found.bounds((1 - self.settings.level) / 2)
            gaps.append(Gap(value=found.estimate, low=low, high=high, p=p, method="square-and-add, swap permutation"))
        return gaps

    def column(self, metric: Metric) -> Column:
        make: Callable[[Metric], Column] = {"share": self._share, "table": self._table, "score": self._score}[metric.kind]
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
            value = float((flips.gained[paired, s] - flips.lost[paired, s]) / n)
            p = float(flips.p[paired, s])
            gaps.append(Gap(value=value, low=float(low[paired, s]), high=float(high[paired, s]), p=p, method=flips.method(paired, s)))
        return Column(sides[0], sides[1], gaps)

    def _share_side(self, metric: Metric, row: int, share: Shares, bounds: tuple[Floats, Floats]) -> list[Estimate]:
        columns = (share.n, share.value, *bounds, share.clustered)
        rows = zip(*(column[row].tolist() for column in columns), strict=True)
        return [
            Estimate(value=value, low=low, high=high, method="wilson, effective n of clusters" if clustered else "wilson", n=int(n))
            if n
            else nothing(self._no_cases(s) or metric.reason(self.comparison.task), 0)
            for s, (n, value, low, high, clustered) in enumerate(rows)
        ]

    def _score(self, metric: Metric) -> Column:
        return self.scores.column(metric, self.scored(metric))

    def _table(self, metric: Metric) -> Column:
        found = self._resampled[metric.id]
        sides = [[each.sides[arm] if each.sides else nothing("no cases") for each in found] for arm in range(len(self.tables))]
        return Column(sides[0], sides[1], [each.gap for each in found]) if len(sides) > 1 else Column(sides[0], None, None)
