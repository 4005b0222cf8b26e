"""Average precision of one class against the others: the step form, for all strata of a block, and under resampling.

AP = mean over positives of the precision at their score, sum over steps of (recall gained) * precision, as scikit-learn has it and never
by trapezoids. Above `MOST_DRAWN` units its interval comes from influence functions on the logit scale (the delta method; Boyd, Eng & Page
2013 for the scale), below from a bootstrap.
"""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from evaluation.engine.arrays import Bools, Floats, floats, ratio
from evaluation.engine.ranked import Influence, Ranked, RankMetric


def precision_of(ranked: Ranked) -> RankMetric:
    """Average precision in every stratum; NaN without both classes: with positives alone every order of the scores gives 1.

    A case moves it in two ways: a positive by the precision at its own score, every case by what it does to the precision of the positives
    below it. Influences are the derivative of the step form, with each class's mean taken off.
    """
    steps = ranked.steps
    at, ours = steps.stratum, floats(steps.positives)
    hits = (steps.above + steps.held).astype(np.float64)  # positives at or above a step
    cases = hits + steps.negatives[at] - steps.below  # all cases at or above it
    precision = ratio(hits, cases)
    value = np.where(steps.negatives > 0, ratio(steps.sums(steps.held * precision), ours), np.nan)

    def influence() -> Influence:
        gained, lost = steps.running(ratio(steps.held, cases)), steps.running(ratio(steps.held * precision, cases))
        each = ratio(1.0, ours)[at]
        moved = -lost * each
        return Influence.centred(ranked, held=(precision + gained) * each + moved, tied=moved, gap=moved, head=np.zeros(steps.size))

    return RankMetric(value, steps, influence)


def drawn_precision(scores: Floats, positive: Bools, weights: NDArray[np.uint8]) -> Floats:
    """Average precision of each resample (draws,): `weights` (cases, draws) say how often a case was drawn; NaN without both classes.

    Equal to the step form on a data set in which the cases are physically repeated.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), order.size - 1) if order.size else np.zeros(0, dtype=np.int64)
    counts = _running(weights[order])[ends]
    marked = np.flatnonzero(positive[order])
    step = np.searchsorted(ends, marked)  # of each positive
    kinds, starts = np.unique(step, return_index=True)
    if not kinds.size:
        return np.full(weights.shape[1], np.nan)
    held = weights[order[marked]]
    if kinds.size < marked.size:
        held = np.add.reduceat(held, starts, axis=0, dtype=np.int32)
    hits = _running(held)
    value = ratio((held * np.nan_to_num(ratio(hits, counts[kinds]))).sum(axis=0), hits[-1])
    return np.where(counts[-1] > hits[-1], value, np.nan)


def _running(rows: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
    """Sum of the rows (n, draws) up to each, row by row: `cumsum` walks down one column after the other, which takes eight times as long."""
    out = rows.astype(np.int32)
    for before, here in pairwise(out):
        np.add(before, here, out=here)
    return out


def logit_interval(value: Floats, half: Floats) -> tuple[Floats, Floats]:
    """(low, high) of a value strictly inside 0..1 plus or minus `half`, on the logit scale and back."""
    width = half / (value * (1 - value))
    centre = special.logit(value)
    return special.expit(centre - width), special.expit(centre + width)
