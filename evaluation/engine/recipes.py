"""Estimates over several replicates: the pseudo-values of every metric, fed to `replicates.recipe` stratum by stratum."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy import special

from evaluation.engine.arrays import Floats, Ints
from evaluation.engine.data import Arm, Comparison
from evaluation.engine.figures import RankFigures, cells_of, rank_figures, table_of
from evaluation.engine.intervals import t_quantile
from evaluation.engine.metrics import Metric, Table
from evaluation.engine.replicates import RecipeEstimate, recipe
from evaluation.engine.strata import Block


@dataclass(frozen=True, eq=False)
class Recipes:
    """All replicates of both sides on one block."""

    comparison: Comparison
    block: Block
    _ranks: dict[tuple[bool, int, str], RankFigures] = field(default_factory=dict, repr=False)
    _left_out: dict[tuple[bool, int, int], tuple[Table, Table]] = field(default_factory=dict, repr=False)

    def arms(self, baseline: bool) -> Sequence[Arm]:
        return self.comparison.baseline if baseline else self.comparison.candidate

    @cached_property
    def members(self) -> list[Ints]:
        return self.block.members()

    @cached_property
    def tables(self) -> tuple[list[Table], list[Table]]:
        """Confusion tables of every replicate: (candidate, baseline)."""
        ours, theirs = ([table_of(self.comparison, self.block, arm) for arm in self.arms(side)] for side in (False, True))
        return ours, theirs

    @cached_property
    def _cells(self) -> tuple[list[Ints], list[Ints]]:
        ours, theirs = ([cells_of(self.comparison, self.block, arm) for arm in self.arms(side)] for side in (False, True))
        return ours, theirs

    def ranks(self, metric: Metric, baseline: bool, run: int) -> RankFigures:
        key = (baseline, run, metric.id)
        if key not in self._ranks:
            self._ranks[key] = rank_figures(self.comparison, self.block, self.arms(baseline)[run], metric)
        return self._ranks[key]

    def values(self, metric: Metric, baseline: bool) -> Floats:
        """The metric of every replicate: (runs, strata), NaN where undefined."""
        if metric.kind == "rank":
            return np.stack([self.ranks(metric, baseline, run).value for run in range(len(self.arms(baseline)))])
        return np.stack([metric.value(table) for table in self.tables[baseline]])

    def hits(self, metric: Metric, baseline: bool) -> tuple[Floats, Ints]:
        """Of a paired proportion: correctness (runs, rows) and its denominator (rows,)."""
        truth = np.asarray(self.block.pick(self.comparison.truth))
        rows = [metric.rows(truth, np.asarray(self.block.pick(arm.labels))) for arm in self.arms(baseline)]
        return np.stack([hit for hit, _ in rows]).astype(np.float64), np.asarray(rows[0][1])

    def pseudo_values(self, metric: Metric, baseline: bool, stratum: int) -> Floats:
        """(runs, cases of the stratum) whose row means are (nearly) the runs' values.

        Value + n * influence, by the jackknife for count metrics.
        """
        here = self.members[stratum]
        n = here.size
        if metric.kind == "rank":
            figures = [self.ranks(metric, baseline, run) for run in range(len(self.arms(baseline)))]
            return np.stack([figure.value[stratum] + n * figure.raw[here] for figure in figures])
        out = []
        for run, table in enumerate(self.tables[baseline]):
            whole, reduced = self._reduced(table, baseline, run, stratum)
            value, left_out = float(metric.value(whole)), np.asarray(metric.value(reduced))
            per_cell = n * value - (n - 1) * np.where(np.isnan(left_out), value, left_out)
            out.append(per_cell[self._cells[baseline][run][here]])
        return np.stack(out)

    def _reduced(self, table: Table, baseline: bool, run: int, stratum: int) -> tuple[Table, Table]:
        """The stratum's table, and the tables with one case of each cell left out (cells, K, K + 1)."""
        key = (baseline, run, stratum)
        if key not in self._left_out:
            counts = table.counts[stratum]
            one = np.eye(counts.size).reshape(counts.size, *counts.shape)
            self._left_out[key] = Table(counts), Table(np.maximum(counts - one, 0.0))
        return self._left_out[key]

    def estimates(self, metric: Metric) -> "list[Estimates]":
        """Per stratum the recipe's own estimate, the baseline's and their difference."""
        compare = bool(self.comparison.baseline)
        ours = self.hits(metric, False) if metric.paired else None
        theirs = self.hits(metric, True) if metric.paired and compare else None
        out = []
        for stratum, members in enumerate(self.members):
            here = members if ours is None else members[ours[1][members]]
            if not here.size:
                out.append(Estimates(None, None, None))
                continue
            new = ours[0][:, here] if ours is not None else self.pseudo_values(metric, False, stratum)
            old = theirs[0][:, here] if theirs is not None else self.pseudo_values(metric, True, stratum) if compare else None
            groups = self.block.clusters[here] if self.block.clusters is not None and self.block.clustered[stratum] else None
            out.append(
                Estimates(
                    recipe(new, None, groups),
                    recipe(old, None, groups) if old is not None else None,
                    recipe(new, old, groups) if old is not None else None,
                )
            )
        return out


@dataclass(frozen=True)
class Estimates:
    """Of one stratum; None where there is nothing to estimate from."""

    candidate: RecipeEstimate | None
    baseline: RecipeEstimate | None
    difference: RecipeEstimate | None


def recipe_interval(estimate: RecipeEstimate, metric: Metric, value: float, level: float) -> tuple[float, float] | None:
    """Interval of a level.

    Effective-n Wilson for proportions, the logit scale for AUC, Student cut to the range else. None where nothing varies.
    """
    if metric.paired or (metric.kind == "share" and estimate.variance > 0):
        return estimate.share_interval(level)
    if estimate.variance <= 0 or np.isnan(estimate.variance):
        return None
    half = float(t_quantile(level, estimate.degrees)) * estimate.variance**0.5
    if metric.kind == "rank" and 0 < value < 1:
        width = half / (value * (1 - value))
        return float(special.expit(special.logit(value) - width)), float(special.expit(special.logit(value) + width))
    return max(value - half, metric.low), min(value + half, metric.high)
