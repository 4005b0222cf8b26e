"""The AUC of plain arrays with its variance, for those who have no comparison of models at hand."""

import numpy as np

from evaluation.engine.arrays import Bools, Floats, Ints
from evaluation.engine.auc import auc_by_stratum
from evaluation.engine.ranking import rank
from evaluation.engine.strata import Block


def plain_auc(scores: Floats, positive: Bools, clusters: Ints | None = None, fold: Ints | None = None) -> tuple[Floats, Floats, Floats]:
    """AUC, its DeLong variance and the size of the smaller class, each (folds,); one fold without `fold` (n,) codes from 0.

    `scores` (n,) finite, `positive` (n,), `clusters` (n,) dense codes or None. NaN where a fold lacks one of the classes.
    """
    codes = np.zeros(scores.size, dtype=np.int64) if fold is None else fold
    names = tuple(str(each) for each in range(int(codes.max(initial=0)) + 1))
    block = Block(names, np.arange(scores.size), codes, scores.size, clusters)
    found = auc_by_stratum(rank(scores), positive, block)
    return found.value, found.variance, found.smaller_class.astype(np.float64)
