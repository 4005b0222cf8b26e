"""The AUC of plain arrays with its variance, for those who have no comparison of models at hand."""

import numpy as np
from numpy.typing import ArrayLike

from evaluation.engine.arrays import BadInput, Bools, Floats, Ints, booleans, floats
from evaluation.engine.auc import auc_by_stratum
from evaluation.engine.data import cluster_codes
from evaluation.engine.ranked import RankMetric
from evaluation.engine.ranking import rank
from evaluation.engine.strata import Block


def plain_auc(scores: Floats, positive: Bools, clusters: Ints | None = None, fold: Ints | None = None) -> tuple[Floats, Floats, Floats]:
    """AUC, its DeLong variance and the size of the smaller class, each (folds,); one fold without `fold` (n,) codes from 0.

    `scores` (n,) finite, `positive` (n,), `clusters` (n,) dense codes or None. NaN where a fold lacks one of the classes.
    """
    found, _ = _of(scores, positive, clusters, np.zeros(scores.size, dtype=np.int64) if fold is None else fold)
    return found.value, found.variance, found.smaller_class.astype(np.float64)


def delong(scores: ArrayLike, positive: ArrayLike, clusters: ArrayLike | None = None) -> tuple[Floats, Floats]:
    """AUCs (k,) of k markers of the same cases, and their covariances (k, k) (DeLong, DeLong & Clarke-Pearson 1988; of clusters Obuchowski 1997).

    `scores` (n, k), or (n,) of one marker, higher for `positive` (n,); `clusters` (n,) name what belongs together. The variance of a contrast c is c @
    covariances @ c. AUCs are NaN without both classes, covariances also below two cases of each, with clusters below two that hold each. Raises BadInput
    that names the first row that is none.
    """
    columns, held = floats(scores), booleans(positive, "positive")
    if columns.ndim not in {1, 2} or held.shape != columns.shape[:1]:
        raise BadInput(f"scores have shape {columns.shape} and positive {held.shape}: one row for each case, one column for each marker")
    units, alone = cluster_codes(clusters, held.size), np.zeros(held.size, dtype=np.int64)
    found = [_of(column, held, units, alone) for column in np.atleast_2d(columns.T)]
    parts = [metric.influence.scaled if block.units is None else block.units.totals(metric.influence.scaled) for metric, block in found]
    values = np.array([metric.value[0] for metric, _ in found], dtype=np.float64)
    joint = np.array([[(ours * theirs).sum() for theirs in parts] for ours in parts], dtype=np.float64)
    return values, np.where(np.isnan(values).any(), np.nan, joint)


def _of(scores: Floats, positive: Bools, clusters: Ints | None, fold: Ints) -> tuple[RankMetric, Block]:
    names = tuple(str(each) for each in range(int(fold.max(initial=0)) + 1))
    block = Block(names, np.arange(scores.size), fold, scores.size, clusters)
    return auc_by_stratum(rank(scores), positive, block), block
