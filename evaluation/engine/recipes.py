"""All replicates of both sides on one block: their tables and scores, and how they scatter case by case (`replicates`, on the pseudo-values of every metric)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from evaluation.engine.arrays import Bools, Floats, Ints
from evaluation.engine.data import Arm, Comparison
from evaluation.engine.figures import cells_of, confusion_of
from evaluation.engine.metrics import Metric
from evaluation.engine.replicates import Layout, Scatter, scatter
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

    def scatter(self, metric: Metric) -> Scatter:
        """How the runs scatter, over all strata."""
        sides = (False, True) if self.comparison.baseline else (False,)
        if not metric.paired:
            return scatter([self.pseudo_values(metric, side) for side in sides], self._layout(None))
        rows = [self.hits(metric, side) for side in sides]
        chosen = rows[0][1]
        return scatter([hits[:, chosen] for hits, _ in rows], self._layout(chosen))

    def _layout(self, chosen: Bools | None) -> Layout:
        """Of the block's rows, or of the `chosen` (rows,) ones of them."""
        layout = Layout.of(self.block)
        return layout if chosen is None else Layout(layout.codes[chosen], layout.size, layout.unit[chosen], layout.home)
