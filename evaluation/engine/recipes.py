"""Estimates over several replicates: the pseudo-values of every metric, fed to `replicates.estimate` for all strata of a block at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from evaluation.engine.arrays import Bools, Floats, Ints
from evaluation.engine.data import Arm, Comparison
from evaluation.engine.figures import cells_of, confusion_of
from evaluation.engine.intervals import Pair, t_quantile
from evaluation.engine.metrics import Metric
from evaluation.engine.precision import logit_interval
from evaluation.engine.replicates import Layout, RecipeEstimate, estimate, side
from evaluation.engine.scored import Scored, Scorer
from evaluation.engine.strata import Block
from evaluation.engine.tables import Table, margins_of

LeftOut = tuple[Ints, Table, Ints]
MOST_KEPT = 100_000  # confusion counts of a replicate


@dataclass(frozen=True, eq=False)
class Recipes:
    """All replicates of both sides on one block."""

    comparison: Comparison
    block: Block
    _scored: dict[tuple[bool, int, str], Scored] = field(default_factory=dict, repr=False)
    _confusions: dict[tuple[bool, int], Floats] = field(default_factory=dict, repr=False)

    @cached_property
    def scorer(self) -> Scorer:
        return Scorer(self.comparison, self.block)

    def arms(self, baseline: bool) -> Sequence[Arm]:
        return self.comparison.baseline if baseline else self.comparison.candidate

    @cached_property
    def members(self) -> list[Ints]:
        return self.block.members()

    def confusion(self, baseline: bool, run: int) -> Floats:
        """Confusion counts (strata, K, K + 1) of one replicate; kept where they are few."""
        if (baseline, run) in self._confusions:
            return self._confusions[baseline, run]
        found = confusion_of(self.comparison, self.block, self.arms(baseline)[run])
        if found.size <= MOST_KEPT:
            self._confusions[baseline, run] = found
        return found

    @cached_property
    def tables(self) -> tuple[list[Table], list[Table]]:
        """What metrics are read off: of every replicate, (candidate, baseline)."""
        ours, theirs = ([Table.of(self.confusion(side, run)) for run in range(len(self.arms(side)))] for side in (False, True))
        return ours, theirs

    def scored(self, metric: Metric, baseline: bool, run: int) -> Scored:
        """A metric of scores of one replicate; only the last metric's are kept."""
        key = (baseline, run, metric.id)
        if key not in self._scored:
            for other in [known for known in self._scored if known[2] != metric.id]:
                del self._scored[other]
            self._scored[key] = self.scorer.of(self.arms(baseline)[run], metric)
        return self._scored[key]

    def values(self, metric: Metric, baseline: bool) -> Floats:
        """The metric of every replicate: (runs, strata), NaN where undefined."""
        if metric.kind == "score":
            return np.stack([self.scored(metric, baseline, run).value for run in range(len(self.arms(baseline)))])
        return np.stack([metric.value(table) for table in self.tables[baseline]])

    def hits(self, metric: Metric, baseline: bool) -> tuple[Floats, Bools]:
        """Of a paired proportion: correctness (runs, rows) and its denominator (rows,)."""
        truth = np.asarray(self.block.pick(self.comparison.truth))
        rows = [metric.rows(truth, np.asarray(self.block.pick(arm.labels))) for arm in self.arms(baseline)]
        return np.stack([hit for hit, _ in rows]).astype(np.float64), np.asarray(rows[0][1])

    def pseudo_values(self, metric: Metric, baseline: bool) -> Floats:
        """(runs, rows) whose means over a stratum's rows are (nearly) the runs' values there.

        Value + n * influence, by the jackknife for count metrics: a case's influence depends on its cell of the confusion table alone.
        """
        codes, n = self.block.codes, self.block.n
        if metric.kind == "score":
            figures = [self.scored(metric, baseline, run) for run in range(len(self.arms(baseline)))]
            return np.stack([figure.value[codes] + n[codes] * figure.influence(scaled=False) for figure in figures])
        out = []
        for table, (stratum, reduced, row) in zip(self.tables[baseline], self._left_out[baseline], strict=True):
            value, left_out = metric.value(table)[stratum], metric.value(reduced)
            per_cell = n[stratum] * value - (n[stratum] - 1) * np.where(np.isnan(left_out), value, left_out)
            out.append(per_cell[row])
        return np.stack(out)

    @cached_property
    def _left_out(self) -> tuple[list[LeftOut], list[LeftOut]]:
        ours, theirs = (
            [self._reduced(table, arm) for table, arm in zip(self.tables[side], self.arms(side), strict=True)] for side in (False, True)
        )
        return ours, theirs

    def _reduced(self, table: Table, arm: Arm) -> LeftOut:
        """One case left out of each cell that a stratum has: (stratum of each such table, the tables, each row's table)."""
        classes = len(self.comparison.task.classes)
        cells = classes * (classes + 1)
        kinds, row = np.unique(self.block.codes.astype(np.int64) * cells + cells_of(self.comparison, self.block, arm), return_inverse=True)
        stratum, cell = np.divmod(kinds, cells)
        one = np.zeros((kinds.size, cells))
        one[np.arange(kinds.size), cell] = 1.0
        return stratum, Table(table.margins[stratum] - margins_of(one.reshape(-1, classes, classes + 1))), row

    def estimates(self, metric: Metric) -> "Estimates":
        """The recipe's own estimate, the baseline's and their difference, each over all strata."""
        ours, chosen = self.hits(metric, False) if metric.paired else (self.pseudo_values(metric, False), None)
        layout = self._layout(chosen)
        new = side(ours if chosen is None else ours[:, chosen], layout)
        if not self.comparison.baseline:
            return Estimates(estimate(layout, new), None, None)
        theirs = self.hits(metric, True)[0] if metric.paired else self.pseudo_values(metric, True)
        old = side(theirs if chosen is None else theirs[:, chosen], layout)
        return Estimates(estimate(layout, new), estimate(layout, old), estimate(layout, new, old))

    def _layout(self, chosen: Bools | None) -> Layout:
        """Of the block's rows, or of the `chosen` (rows,) ones of them."""
        block = self.block
        unit, home = (np.arange(block.rows.size), block.codes) if block.units is None else (block.units.unit, block.units.stratum)
        return (
            Layout(block.codes, block.size, unit, home) if chosen is None else Layout(block.codes[chosen], block.size, unit[chosen], home)
        )


class Ranged(Protocol):
    """What an interval over replicates needs to know about a metric."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def family(self) -> str: ...
    @property
    def paired(self) -> bool: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


@dataclass(frozen=True)
class Estimates:
    """Over strata; None without a baseline."""

    candidate: RecipeEstimate
    baseline: RecipeEstimate | None
    difference: RecipeEstimate | None


def recipe_interval(estimate: RecipeEstimate, metric: Ranged, value: Floats, level: float) -> Pair:
    """Intervals (strata,) of a level.

    Effective-n Wilson for proportions, the logit scale for AUC, Student cut to the range else. NaN where nothing varies.
    """
    varied = estimate.variance > 0
    half = t_quantile(level, estimate.degrees) * np.sqrt(np.where(varied, estimate.variance, np.nan))
    low, high = np.maximum(value - half, metric.low), np.minimum(value + half, metric.high)
    if metric.family == "rank" or metric.name == "average_precision":
        inner = (value > 0) & (value < 1)
        middle = np.where(inner, value, 0.5)
        by_logit = logit_interval(middle, half)
        low, high = np.where(inner, by_logit[0], low), np.where(inner, by_logit[1], high)
    if metric.kind == "share" or metric.family == "hits":
        share_low, share_high = estimate.share_interval(level)
        by_score = varied | metric.paired | (metric.family == "hits")
        low, high = np.where(by_score, share_low, low), np.where(by_score, share_high, high)
    return low, high
