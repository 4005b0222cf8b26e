"""Artefact figures of one block: every metric of replicate 0, per stratum, with intervals and paired differences, as arrays over strata.

`report` turns them into JSON and `evidence_of` into what checks judge, so that both say the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.engine.arrays import Bools, Floats, Ints, ratio
from evaluation.engine.auc import AucByStratum, auc_by_stratum, influence_variance, scaled_influence
from evaluation.engine.compare import design_effect, mcnemar, mcnemar_loss, sign_flip, tango
from evaluation.engine.data import MISSING, Arm, Comparison
from evaluation.engine.intervals import clustered_share, normal_quantile, t_quantile, wilson
from evaluation.engine.metrics import Metric, Table, confusion
from evaluation.engine.strata import Block


def table_of(comparison: Comparison, block: Block, arm: Arm) -> Table:
    """Confusion tables (strata, K, K + 1) of one replicate."""
    truth, labels = np.asarray(block.pick(comparison.truth)), np.asarray(block.pick(arm.labels))
    return Table.of(confusion(block.codes, block.size, truth, labels, len(comparison.task.classes)))


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
    cells = np.asarray(counts, dtype=np.float64).reshape(block.size, -1)
    shape = (len(metrics), block.size)
    lost, gained, n, clusters = np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape)
    effect, signed = np.ones(shape), np.full((3, *shape), np.nan)
    for row, metric in enumerate(metrics):
        (new_hit, denominator), (old_hit, _) = metric.rows(cell_truth, cell_new), metric.rows(cell_truth, cell_old)
        lost[row], gained[row] = cells @ (old_hit & ~new_hit), cells @ (new_hit & ~old_hit)
        n[row] = clusters[row] = cells @ denominator
        if block.units is not None:
            (new_hit, denominator), (old_hit, _) = metric.rows(truth, new), metric.rows(truth, old)
            sums = block.units.totals(new_hit.astype(np.float64) - old_hit)
            _clustered_flips(
                block, sums, block.units.totals(denominator), (lost[row], gained[row]), (clusters[row], effect[row], signed[:, row])
            )
    p, exact = mcnemar(lost, gained)
    loss = mcnemar_loss(lost, gained)
    grouped = ~np.isnan(signed[0])
    return FlipFigures(
        lost=lost,
        gained=gained,
        n=n,
        clusters=clusters,
        design_effect=effect,
        p=np.where(grouped, signed[0], p),
        p_loss=np.where(grouped, signed[1], loss),
        p_gain=np.where(grouped, signed[2], mcnemar_loss(gained, lost)),
        p_exact=np.where(grouped, signed[0], exact),
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


@dataclass(frozen=True, kw_only=True)
class RankFigures:
    """ROC AUC of one arm per stratum (mean over classes for the macro). `influence` (rows,) is scaled for the variance, `raw` is not."""

    value: Floats
    variance: Floats
    smaller_class: Floats
    influence: Floats
    raw: Floats
    undefined: list[str | None]


@dataclass(frozen=True)
class ClassAuc:
    """One class against the others, per stratum, with each row's influence scaled for the variance."""

    auc: AucByStratum
    scaled: Floats


def rank_figures(
    comparison: Comparison, block: Block, arm: Arm, metric: Metric, known: dict[tuple[int, int], ClassAuc] | None = None
) -> RankFigures:
    """AUC of one class against the others, or the mean over the classes that have both positives and negatives.

    `known` keeps the classes' figures by (arm, class), so that the mean does not compute them again.
    """
    task, size = comparison.task, block.size
    known = {} if known is None else known
    missing = np.bincount(block.codes[np.asarray(block.pick(arm.labels)) == MISSING], minlength=size)
    indices = range(len(task.classes)) if metric.index is None else [metric.index]
    total, used, smaller = np.zeros(size), np.zeros(size), np.full(size, np.inf)
    influence, raw = np.zeros(block.rows.size), np.zeros(block.rows.size)
    for index in indices if arm.scores is not None else []:
        key = (id(arm), index)
        if key not in known:
            positive = comparison.truth == index
            found = auc_by_stratum(arm.ranking(index, task), positive, block)
            known[key] = ClassAuc(found, scaled_influence(found, positive, block))
        auc = known[key].auc
        defined = ~np.isnan(auc.value)
        total += np.where(defined, auc.value, 0.0)
        used += defined
        smaller = np.where(defined, np.minimum(smaller, auc.smaller_class), smaller)
        influence += known[key].scaled
        raw += auc.influence
    bad = (missing > 0) | (used == 0)
    if metric.index is None:
        weight = (1 / np.maximum(used, 1))[block.codes]
        influence, raw = influence * weight, raw * weight
    return RankFigures(
        value=np.where(bad, np.nan, ratio(total, used)),
        variance=np.where(bad, np.nan, influence_variance(influence, block)),
        smaller_class=np.where(np.isfinite(smaller), smaller, 0.0),
        influence=influence,
        raw=raw,
        undefined=[_no_rank(arm, metric, comparison, int(missing[s]), bool(bad[s])) for s in range(size)],
    )


def _no_rank(arm: Arm, metric: Metric, comparison: Comparison, missing: int, bad: bool) -> str | None:
    if arm.scores is None:
        return "no scores were given"
    if missing:
        return f"{missing} prediction{'' if missing == 1 else 's'} missing"
    return metric.reason(comparison.task) if bad else None


def cells_of(comparison: Comparison, block: Block, arm: Arm) -> Ints:
    """Per row the cell truth * (K + 1) + prediction, missing predictions last."""
    classes = len(comparison.task.classes)
    labels = np.asarray(block.pick(arm.labels))
    return np.asarray(np.asarray(block.pick(comparison.truth)) * (classes + 1) + np.where(labels == MISSING, classes, labels))
