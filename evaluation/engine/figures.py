"""Artefact figures of one block: every metric of replicate 0, per stratum, with intervals and paired differences, as arrays over strata.

`report` turns them into JSON and `evidence_of` into what checks judge, so that both say the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.engine.arrays import Bools, Floats, Ints, ratio, tally
from evaluation.engine.compare import design_effect, mcnemar, mcnemar_loss, sign_flip, tango
from evaluation.engine.data import MISSING, Arm, Comparison
from evaluation.engine.intervals import clustered_share, normal_quantile, t_quantile, wilson
from evaluation.engine.metrics import Metric
from evaluation.engine.strata import Block
from evaluation.engine.tables import Table, counted


def confusion_of(comparison: Comparison, block: Block, arm: Arm) -> Floats:
    """Confusion counts (strata, K, K + 1) of one replicate, missing predictions last."""
    classes = len(comparison.task.classes)
    found = counted(block.codes, block.size, np.asarray(block.pick(arm.cells(comparison.truth, classes))), classes * (classes + 1))
    return found.reshape(block.size, classes, classes + 1)


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Proportions of one arm.

    Arrays (metrics, strata). `n` is the denominator, `effective` its effective size, `clusters` those that hold a case of it.
    """

    value: Floats
    n: Floats
    effective: Floats
    clusters: Floats

    @property
    def clustered(self) -> Bools:
        return np.asarray(self.clusters < self.n)

    def of(self, row: int, stratum: int) -> "Shares":
        """One metric in one stratum; arrays ()."""
        at = row, stratum
        return Shares(value=self.value[at], n=self.n[at], effective=self.effective[at], clusters=self.clusters[at])

    def interval(self, level: float) -> tuple[Floats, Floats]:
        """Wilson; with clusters on the effective n and the t quantile of clusters - 1."""
        quantile = np.where(self.clustered, t_quantile(level, self.clusters - 1), normal_quantile(level))
        return wilson(self.value * self.effective, self.effective, level, quantile=quantile)


@dataclass(frozen=True, kw_only=True)
class FlipFigures:
    """Paired differences of proportions.

    Arrays (metrics, strata). `p` is two-sided, `p_loss` one-sided against a loss in the metric's own value.
    """

    lost: Floats
    gained: Floats
    n: Floats
    clusters: Floats
    design_effect: Floats
    p: Floats
    p_loss: Floats
    p_gain: Floats
    p_exact: Floats

    @property
    def clustered(self) -> Bools:
        return np.asarray(self.clusters < self.n)

    def interval(self, level: float) -> tuple[Floats, Floats]:
        """Tango; with clusters on counts divided by the design effect and the t quantile of clusters - 1."""
        quantile = np.where(self.clustered, t_quantile(level, self.clusters - 1), normal_quantile(level))
        shrink = self.design_effect
        return tango(self.lost / shrink, self.gained / shrink, self.n / shrink, level, quantile=quantile)

    def method(self, row: int, stratum: int) -> str:
        """How the interval and p of one metric in one stratum were made."""
        return "tango, sign-flip, clusters" if self.clustered[row, stratum] else "tango, mcnemar mid-p"


def shares_of(comparison: Comparison, block: Block, arm: Arm, metrics: Sequence[Metric], table: Table) -> Shares:
    """The proportions among `metrics` for one arm."""
    parts = [metric.parts(table) for metric in metrics]
    top, n = np.stack([p[0] for p in parts]), np.stack([p[1] for p in parts])
    if block.units is None:
        return Shares(value=ratio(top, n), n=n, effective=n, clusters=n)
    truth, labels = np.asarray(block.pick(comparison.truth)), np.asarray(block.pick(arm.labels))
    value, effective, clusters = ratio(top, n), n.copy(), n.copy()
    for row, metric in enumerate(metrics):
        hit, denominator = metric.rows(truth, labels)
        share = clustered_share(block.units.totals(hit), block.units.totals(denominator), block.units.stratum, block.size)
        clusters[row] = share.clusters
        effective[row] = np.where(share.clusters < n[row], share.n_effective, n[row])
    return Shares(value=value, n=n, effective=effective, clusters=clusters)


def flips_of(comparison: Comparison, block: Block, metrics: Sequence[Metric], counts: Sequence[Ints]) -> FlipFigures:
    """Case-by-case differences of the paired proportions among `metrics`, replicate 0 against replicate 0.

    `counts`: per stratum the cases in each joint cell of (truth, candidate, baseline). The metrics' rule for cases serves for cells too.
    """
    truth = np.asarray(block.pick(comparison.truth))
    new, old = (np.asarray(block.pick(arm.labels)) for arm in comparison.artefacts)
    classes = len(comparison.task.classes)
    cell_truth, cell_new, cell_old = np.indices((classes, classes + 1, classes + 1)).reshape(3, -1)
    cell_new, cell_old = (np.where(labels == classes, MISSING, labels) for labels in (cell_new, cell_old))
    held = np.asarray(counts, dtype=np.float64).reshape(block.size, -1)
    sums = _Flips(block, len(metrics))
    for row, metric in enumerate(metrics):
        (new_hit, denominator), (old_hit, _) = metric.rows(cell_truth, cell_new), metric.rows(cell_truth, cell_old)
        sums.enter(row, held @ (old_hit & ~new_hit), held @ (new_hit & ~old_hit), held @ denominator)
        if block.units is not None:
            (new_hit, denominator), (old_hit, _) = metric.rows(truth, new), metric.rows(truth, old)
            sums.cluster(row, new_hit, old_hit, denominator)
    return sums.figures()


def flips_of_hits(block: Block, new_hit: Bools, old_hit: Bools) -> FlipFigures:
    """The same of one proportion over all cases: per row whether each model is right. Arrays (1, strata)."""
    sums = _Flips(block, 1)
    lost, gained = (tally(block.codes, changed, block.size) for changed in (old_hit & ~new_hit, new_hit & ~old_hit))
    sums.enter(0, lost, gained, block.n.astype(np.float64))
    if block.units is not None:
        sums.cluster(0, new_hit, old_hit, np.ones(new_hit.size, dtype=np.bool_))
    return sums.figures()


class _Flips:
    """Counts of flips, (metrics, strata), until they are tested."""

    def __init__(self, block: Block, metrics: int) -> None:
        self.block, shape = block, (metrics, block.size)
        self.lost, self.gained, self.n, self.clusters = np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self.effect, self.signed = np.ones(shape), np.full((3, *shape), np.nan)

    def enter(self, row: int, lost: Floats, gained: Floats, n: Floats) -> None:
        self.lost[row], self.gained[row], self.n[row], self.clusters[row] = lost, gained, n, n

    def cluster(self, row: int, new_hit: Bools, old_hit: Bools, denominator: Bools) -> None:
        """Where some cluster holds more than one case of the denominator."""
        assert self.block.units is not None  # the caller has looked
        units = self.block.units
        sums, sizes = units.totals(new_hit.astype(np.float64) - old_hit), units.totals(denominator)
        _clustered_flips(
            self.block, sums, sizes, (self.lost[row], self.gained[row]), (self.clusters[row], self.effect[row], self.signed[:, row])
        )

    def figures(self) -> FlipFigures:
        p, exact = mcnemar(self.lost, self.gained)
        grouped = ~np.isnan(self.signed[0])
        return FlipFigures(
            lost=self.lost,
            gained=self.gained,
            n=self.n,
            clusters=self.clusters,
            design_effect=self.effect,
            p=np.where(grouped, self.signed[0], p),
            p_loss=np.where(grouped, self.signed[1], mcnemar_loss(self.lost, self.gained)),
            p_gain=np.where(grouped, self.signed[2], mcnemar_loss(self.gained, self.lost)),
            p_exact=np.where(grouped, self.signed[0], exact),
        )


def _clustered_flips(block: Block, sums: Floats, sizes: Floats, flips: tuple[Floats, Floats], out: tuple[Floats, Floats, Floats]) -> None:
    """Fill clusters, design effect and sign-flip p of the strata in which some cluster holds more than one case of the denominator."""
    assert block.units is not None  # the caller has looked
    clusters, effect, signed = out
    present = sizes > 0
    n = np.bincount(block.units.stratum, sizes, block.size)
    clusters[:] = np.bincount(block.units.stratum[present], minlength=block.size)
    starts = np.searchsorted(block.units.stratum, np.arange(block.size + 1))
    for stratum in np.flatnonzero(clusters < n):
        here = slice(starts[stratum], starts[stratum + 1])
        effect[stratum] = design_effect(sums[here], sizes[here], flips[0][stratum], flips[1][stratum])
        change = sums[here].astype(np.int64)
        signed[:2, stratum], signed[2, stratum] = sign_flip(change), sign_flip(-change)[1]


def cells_of(comparison: Comparison, block: Block, arm: Arm) -> Ints:
    """Per row the cell truth * (K + 1) + prediction, missing predictions last."""
    return np.asarray(block.pick(arm.cells(comparison.truth, len(comparison.task.classes)))).astype(np.int64)
