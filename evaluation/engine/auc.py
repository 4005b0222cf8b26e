"""ROC AUC with DeLong's variance, and the partial AUC, for all strata of a block in one pass over scores that were sorted once.

AUC = P(s+ > s-) + P(s+ = s-)/2 by midranks (Sun & Xu 2014). The variance is a sum of squared influences, one per case: (placement - AUC)
/ n of its class, times sqrt(m/(m-1)) with m the class's number of clusters. Summed per cluster first it is Obuchowski's (1997) clustered
form; with every case its own cluster it is DeLong's (1988) exactly; averaged over classes it serves the macro AUC (LeDell 2015).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from evaluation.engine.arrays import Bools, Floats, floats, ratio
from evaluation.engine.compare import tango
from evaluation.engine.intervals import Pair, clopper_pearson, normal_quantile
from evaluation.engine.ranked import Influence, Ranked, RankMetric
from evaluation.engine.ranking import Ranking
from evaluation.engine.strata import Block

MOST_FALSE_POSITIVES = 0.1  # up to which rate the partial AUC looks


def auc_by_stratum(ranking: Ranking, positive: Bools, block: Block) -> RankMetric:
    """Of one class: `positive` (cases,) marks it; the ranking is of all cases, so that nothing is sorted by score again."""
    return auc_of(Ranked(ranking, positive, block))


def auc_of(ranked: Ranked) -> RankMetric:
    """AUC of one class in every stratum of a block; NaN without both classes."""
    steps = ranked.steps
    ours, theirs = floats(steps.positives), floats(steps.negatives)
    value = ratio(steps.wins, 2 * ours * theirs)

    def influence() -> Influence:
        at = steps.stratum
        each = ratio(1.0, ours * theirs)  # the weight of a pair
        mine, other = value * ratio(1.0, ours), value * ratio(1.0, theirs)
        return Influence(
            ranked,
            held=(steps.below + steps.tied / 2) * each[at] - mine[at],
            tied=(steps.above + steps.held / 2) * each[at] - other[at],
            gap=steps.above * each[at] - other[at],
            head=ratio(1 - value, theirs),
        )

    def spread() -> Floats:
        """DeLong's from whole numbers: the mean squared distance of each class's placements, over the number of its pairs of cases."""
        held, others = (ratio(each, 4.0 * n * (n - 1)) for each, n in zip(steps.deviations(), (ours, theirs), strict=True))
        return ratio(held, theirs**2) + ratio(others, ours**2)

    alone = ranked.block.units is None and steps.countable
    return RankMetric(value, steps, influence, spread if alone else None)


def partial_auc_of(ranked: Ranked, most: float = MOST_FALSE_POSITIVES) -> RankMetric:
    """Area under the ROC curve up to the false positive rate `most`, standardised so that chance is 0.5 and perfection 1 (McClish 1989).

    Influences include the estimated end of the curve (Dodd & Pepe 2003): a negative above it moves the area by the curve's height where
    the negative stands, less the height at the end.
    """
    steps = ranked.steps
    at, ours, theirs = steps.stratum, floats(steps.positives), floats(steps.negatives)
    room = most * theirs  # negatives that the curve may pass, a real number
    passed = theirs[at] - steps.below - steps.tied  # negatives above each step
    beyond = room[at] - passed
    tied = np.where(steps.tied > 0, np.clip(ratio(beyond, steps.tied), 0, 1), beyond >= 0)  # share of the step that counts
    gap = np.nan_to_num(np.clip(ratio(beyond + steps.gap, steps.gap), 0, 1))
    head = np.nan_to_num(np.clip(ratio(room - theirs + steps.head, steps.head), 0, 1))
    slope = tied * (steps.above + tied * steps.held / 2)
    area = ratio(steps.sums(steps.tied * slope + steps.gap * gap * steps.above) + steps.head * head * ours, ours * theirs)
    chance = most**2 / 2
    scale = 0.5 / (most - chance)

    def influence() -> Influence:
        end = steps.sums(tied * steps.held)
        each = scale * ratio(1.0, ours * theirs)  # the weight of a pair
        return Influence.centred(
            ranked,
            held=(np.maximum(beyond - steps.tied, 0) + steps.tied * tied**2 / 2) * each[at],
            tied=(slope - tied * end[at]) * each[at],
            gap=gap * (steps.above - end[at]) * each[at],
            head=head * (ours - end) * each,
        )

    return RankMetric(0.5 + scale * (area - chance), steps, influence)


FEW = 50  # cases of a class below which the score interval takes DeLong's place


def score_interval(value: Floats, variance: Floats, smaller: Floats, larger: Floats, level: float) -> Pair:
    """The AUCs that the estimate does not contradict at z (Newcombe 2006, Stat Med 25:559, method 5); arrays of one shape, value in (0, 1).

    The variance at each AUC is that of exponential scores (Hanley & McNeil 1982), raised in proportion where `variance`, which knows the scores and their
    clusters, is larger at the estimate. A variance from ten positives is itself uncertain and correlates with the AUC; this one does not.
    """
    z2 = normal_quantile(level) ** 2 * np.maximum(ratio(variance, _exponential(value, smaller, larger)), 1.0)
    ends = []
    for far in (0.0, 1.0):
        inside, outside = value.copy(), np.full(value.shape, far)
        for _ in range(40):
            middle = (inside + outside) / 2
            near = (middle - value) ** 2 <= z2 * _exponential(middle, smaller, larger)
            inside, outside = np.where(near, middle, inside), np.where(near, outside, middle)
        ends.append(inside)
    return ends[0], ends[1]


def _exponential(area: Floats, ours: Floats, theirs: Floats) -> Floats:
    """Variance of the AUC of exponential scores, with the mean of both class sizes in both places (Newcombe 2006)."""
    others = (ours + theirs) / 2 - 1
    return ratio(area * (1 - area) * (1 + others * (1 - area) / (2 - area) + others * area / (1 + area)), ours * theirs)


def few_interval(
    value: ArrayLike, variance: ArrayLike, smaller: ArrayLike, larger: ArrayLike, level: float = 0.95
) -> tuple[Floats, Floats, Bools]:
    """`auc_interval`, with the score interval where the smaller class has fewer than 50 cases; (low, high, few) marks where that is."""
    value, variance, smaller, larger = (floats(x) for x in np.broadcast_arrays(value, variance, smaller, larger))
    low, high, exact = auc_interval(value, variance, smaller, level)
    few = np.asarray(~exact & ~np.isnan(value) & (smaller < FEW))
    if not few.any():
        return low, high, few
    low, high = low.copy(), high.copy()
    low[few], high[few] = score_interval(value[few], variance[few], smaller[few], larger[few], level)
    return low, high, few


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
