"""ROC AUC with DeLong's variance, for all strata of a block in one pass over scores that were sorted once.

AUC = P(s+ > s-) + P(s+ = s-)/2 by midranks (Sun & Xu 2014). The variance is a sum of squared influences, one per case: (placement - AUC)
/ n of its class, times sqrt(m/(m-1)) with m the class's number of clusters. Summed per cluster first it is Obuchowski's (1997) clustered
form; with every case its own cluster it is DeLong's (1988) exactly; averaged over classes it serves the macro AUC (LeDell 2015).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from evaluation.engine.arrays import BadInput, Bools, Floats, Ints, floats, ratio, tally
from evaluation.engine.compare import tango
from evaluation.engine.intervals import Pair, clopper_pearson, normal_quantile
from evaluation.engine.strata import Block


@dataclass(frozen=True)
class Ranking:
    """Scores (n,) sorted once: `order` sorts the cases, `tie` (n,) is the dense rank in that order, equal for equal scores."""

    order: Ints
    tie: NDArray[np.int32]

    @property
    def distinct(self) -> int:
        return int(self.tie[-1]) + 1 if self.tie.size else 0


def rank(scores: ArrayLike) -> Ranking:
    """Sort finite scores. Raises BadInput that names the first row which is not finite."""
    values = floats(scores)
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        raise BadInput(f"row {wrong[0]}: the score is not finite")
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    steps = np.zeros(values.size, dtype=np.int32)
    steps[1:] = ordered[1:] != ordered[:-1]
    return Ranking(order, np.cumsum(steps, dtype=np.int32))


@dataclass(frozen=True)
class AucByStratum:
    """AUC per stratum (NaN without both classes).

    `influence` (rows,) is each case's influence on its own stratum's AUC, 0 where that is undefined;
    `side` (rows,) is 2 * stratum + positive.
    """

    value: Floats
    positives: Ints
    negatives: Ints
    influence: Floats
    side: Ints
    tied_pairs: Floats

    @property
    def smaller_class(self) -> Ints:
        return np.minimum(self.positives, self.negatives)


def auc_by_stratum(ranking: Ranking, positive: Bools, block: Block) -> AucByStratum:
    """One pass: `positive` (cases,) marks the class; the ranking is of all cases, so that nothing is sorted by score again."""
    rows, ranked, stratum = block.sorted_by(ranking.order)
    tie, is_positive = ranking.tie[ranked], np.asarray(block.pick(positive))[rows]
    fresh = np.ones(rows.size, dtype=np.bool_)
    fresh[1:] = (stratum[1:] != stratum[:-1]) | (tie[1:] != tie[:-1])
    starts = np.flatnonzero(fresh)  # of each group of equal scores inside a stratum
    lengths = np.diff(starts, append=rows.size)
    group = stratum[starts]
    below = np.concatenate([[0], np.cumsum(is_positive, dtype=np.int64)])
    offsets = np.concatenate([[0], np.cumsum(block.n)])
    positives = np.diff(below[offsets])
    negatives = block.n - positives
    positives_tied = below[starts + lengths] - below[starts]
    positives_below = below[starts] - below[offsets[:-1]][group]
    negatives_tied = lengths - positives_tied
    if_positive = (starts - offsets[:-1][group]) - positives_below + negatives_tied / 2  # negatives it beats
    if_negative = positives[group] - positives_below - positives_tied / 2  # positives that beat it
    pairs = positives.astype(np.float64) * negatives
    value = ratio(tally(group, positives_tied * if_positive, block.size), pairs)
    if starts.size < rows.size:
        if_positive, if_negative = np.repeat(if_positive, lengths), np.repeat(if_negative, lengths)
    side = 2 * stratum.astype(np.int64) + is_positive
    shift = np.nan_to_num(np.stack([ratio(value, negatives), ratio(value, positives)], axis=1)).ravel()
    influence = np.empty(rows.size)
    influence[rows] = np.where(is_positive, if_positive, if_negative) * np.nan_to_num(ratio(1.0, pairs))[stratum] - shift[side]
    sides = np.empty(rows.size, dtype=np.int64)
    sides[rows] = side
    tied = ratio(tally(group, positives_tied * negatives_tied, block.size), pairs)
    return AucByStratum(value, positives, negatives, influence, sides, tied)


def scaled_influence(auc: AucByStratum, positive: Bools, block: Block) -> Floats:
    """Influences times sqrt(m/(m-1)) per class, m its number of clusters in the stratum: singletons then give DeLong. NaN where m < 2."""
    if block.units is None:
        ours, theirs = auc.positives, auc.negatives
    else:
        present = block.units.totals(np.asarray(block.pick(positive)))
        ours = np.bincount(block.units.stratum, present > 0, block.size).astype(np.int64)
        theirs = np.bincount(block.units.stratum, block.units.totals() > present, block.size).astype(np.int64)
    factor = np.sqrt(np.stack([ratio(theirs, theirs - 1), ratio(ours, ours - 1)], axis=1))
    factor[np.isnan(auc.value)] = 0.0
    return np.asarray(auc.influence * factor.ravel()[auc.side])


def influence_variance(influence: Floats, block: Block) -> Floats:
    """Variance per stratum of an estimate with these scaled influences (rows,): squares summed over clusters."""
    if block.units is None:
        return tally(block.codes, influence**2, block.size)
    return tally(block.units.stratum, block.units.totals(influence) ** 2, block.size)


def auc_interval(value: ArrayLike, variance: ArrayLike, smaller_class: ArrayLike, level: float = 0.95) -> tuple[Floats, Floats, Bools]:
    """DeLong on the logit scale, back-transformed; (low, high, exact). `exact` marks Clopper–Pearson on the smaller class instead.

    The fallback is used where the AUC is 0 or 1 or its variance is 0 or undefined; it is conservative. `level` 1 - 2 alpha gives one-
    sided bounds.
    """
    value, variance, smaller = (floats(x) for x in np.broadcast_arrays(value, variance, smaller_class))
    exact = ~np.isnan(value) & ((value <= 0) | (value >= 1) | ~(variance > 0))
    inner = np.where(exact | np.isnan(value), 0.5, value)
    width = normal_quantile(level) * np.sqrt(np.where(exact, 0.0, np.nan_to_num(variance))) / (inner * (1 - inner))
    low, high = special.expit(special.logit(inner) - width), special.expit(special.logit(inner) + width)
    exact_low, exact_high = clopper_pearson(np.nan_to_num(value) * smaller, smaller, level)
    undefined = np.isnan(value)
    low, high = np.where(exact, exact_low, low), np.where(exact, exact_high, high)
    return np.where(undefined, np.nan, low), np.where(undefined, np.nan, high), exact


def difference_interval(difference: ArrayLike, variance: ArrayLike, smaller_class: ArrayLike, level: float = 0.95) -> Pair:
    """Normal interval of a paired AUC difference, cut to [-1, 1].

    Where the variance is 0 or undefined Tango's of no flips in the smaller class.
    """
    d, variance, smaller = (floats(x) for x in np.broadcast_arrays(difference, variance, smaller_class))
    usable = variance > 0
    half = normal_quantile(level) * np.sqrt(np.where(usable, variance, 0.0))
    spare_low, spare_high = tango(0, 0, smaller, level)
    low = np.where(usable, d - half, d + spare_low)
    high = np.where(usable, d + half, d + spare_high)
    return np.clip(low, -1, 1), np.clip(high, -1, 1)


def difference_p(difference: ArrayLike, variance: ArrayLike) -> Floats:
    """Two-sided normal p of H0: no difference; 1 where the difference is exactly 0, NaN where the variance cannot be estimated."""
    d, variance = (floats(x) for x in np.broadcast_arrays(difference, variance))
    z = ratio(np.abs(d), np.sqrt(np.where(variance > 0, variance, 0.0)))
    return np.where(d == 0, 1.0, 2 * special.ndtr(-z))
