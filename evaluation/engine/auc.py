"""ROC AUC with DeLong's variance, for all strata of a block in one pass over scores that were sorted once.

AUC = P(s+ > s-) + P(s+ = s-)/2 by midranks (Sun & Xu 2014). The variance is a sum of squared influences, one per case: (placement - AUC)
/ n of its class, times sqrt(m/(m-1)) with m the class's number of clusters. Summed per cluster first it is Obuchowski's (1997) clustered
form; with every case its own cluster it is DeLong's (1988) exactly; averaged over classes it serves the macro AUC (LeDell 2015).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from evaluation.engine.arrays import BadInput, Bools, Floats, Ints, floats, ratio, tally
from evaluation.engine.compare import tango
from evaluation.engine.intervals import Pair, clopper_pearson, normal_quantile
from evaluation.engine.strata import Block


@dataclass(frozen=True)
class Ranking:
    """Scores (n,) sorted once: `order` sorts the cases, `tie` (n,) is the dense rank of each case, equal for equal scores."""

    order: Ints
    tie: Ints


def rank(scores: ArrayLike) -> Ranking:
    """Sort finite scores. Raises BadInput that names the first row which is not finite."""
    values = floats(scores)
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        raise BadInput(f"row {wrong[0]}: the score is not finite")
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    tie = np.empty(values.size, dtype=np.int64)
    tie[order] = np.cumsum(np.concatenate([[False], ordered[1:] != ordered[:-1]])[: values.size])
    return Ranking(order, tie)


@dataclass(frozen=True)
class AucByStratum:
    """AUC per stratum (NaN without both classes) with the influence of every row of the block on its own stratum's AUC."""

    value: Floats
    positives: Ints
    negatives: Ints
    influence: Floats
    tied_pairs: Floats

    @property
    def smaller_class(self) -> Ints:
        return np.minimum(self.positives, self.negatives)


def auc_by_stratum(ranking: Ranking, positive: Bools, block: Block) -> AucByStratum:
    """One pass: `positive` (cases,) marks the class; the ranking is of all cases, so that nothing is sorted by score again."""
    order = block.sorted_by(ranking.order)
    is_positive = np.asarray(block.pick(positive))[order]
    stratum, tie = block.codes[order], np.asarray(block.pick(ranking.tie))[order]
    starts = np.flatnonzero(np.concatenate([[True], (stratum[1:] != stratum[:-1]) | (tie[1:] != tie[:-1])])[: order.size])
    group = stratum[starts]
    below = np.concatenate([[0], np.cumsum(is_positive)])
    ends = np.append(starts[1:], order.size)
    positives_tied = (below[ends] - below[starts]).astype(np.float64)
    negatives_tied = (ends - starts) - positives_tied
    first = np.concatenate([[0], np.cumsum(block.n)])[group]
    positives_below = (below[starts] - below[first]).astype(np.float64)
    negatives_below = (starts - first) - positives_below
    positives = np.bincount(group, positives_tied, block.size)
    negatives = block.n - positives
    wins = np.bincount(group, positives_tied * (negatives_below + negatives_tied / 2), block.size)
    value = ratio(wins, positives * negatives)
    lead = ratio(negatives_below + negatives_tied / 2, negatives[group]) - value[group]
    trail = ratio(positives[group] - positives_below - positives_tied / 2, positives[group]) - value[group]
    lengths = ends - starts
    influence = np.empty(order.size)
    influence[order] = np.where(
        is_positive, np.repeat(ratio(lead, positives[group]), lengths), np.repeat(ratio(trail, negatives[group]), lengths)
    )
    tied = ratio(np.bincount(group, positives_tied * negatives_tied, block.size), positives * negatives)
    return AucByStratum(value, positives.astype(np.int64), negatives.astype(np.int64), np.nan_to_num(influence), tied)


def scaled_influence(auc: AucByStratum, positive: Bools, block: Block) -> Floats:
    """Influences times sqrt(m/(m-1)) per class, m its number of clusters in the stratum, so that singletons give DeLong.

    NaN where m < 2.
    """
    is_positive = np.asarray(block.pick(positive))
    if block.units is None:
        ours, theirs = auc.positives, auc.negatives
    else:
        present = block.units.totals(is_positive)
        ours = np.bincount(block.units.stratum, present > 0, block.size).astype(np.int64)
        theirs = np.bincount(block.units.stratum, block.units.totals() > present, block.size).astype(np.int64)
    factor_ours, factor_theirs = np.sqrt(ratio(ours, ours - 1)), np.sqrt(ratio(theirs, theirs - 1))
    return auc.influence * np.where(is_positive, factor_ours[block.codes], factor_theirs[block.codes])


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
