"""What a test set of hard cases says about production: never the plain figure, which is of the cases that somebody collected.

Post-stratification weighs each stratum's figure by its share of production; Bayes' rule turns sensitivity and specificity into the
predictive values at a stated prevalence. Both hold only as far as the strata, or the two error rates, are the same in production.
Where every case was kept with a known chance, weighing each by one over that chance gives the figure of everything that arrived.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from evaluation.engine.arrays import BadInput, Floats, floats, optional, ratio
from evaluation.engine.data import cluster_codes
from evaluation.engine.intervals import ROUNDING, counts, normal_quantile, ratio_variance, t_quantile, wilson

SHARES_SUM = 1e-6


@dataclass(frozen=True, kw_only=True)
class Weighted:
    """A post-stratified value with its standard error and interval; `undefined` says why there is none."""

    value: float | None
    se: float | None
    low: float | None
    high: float | None
    undefined: str | None = None


def post_stratified(
    shares: ArrayLike, values: ArrayLike, variances: ArrayLike, *, level: float = 0.95, low: float = 0.0, high: float = 1.0
) -> Weighted:
    """Sum of W_h m_h over disjoint strata with variance sum of W_h² v_h (Cochran 1977), and a normal interval cut to [low, high].

    `shares` (H,): the strata's shares of production, at least 0 and adding up to 1; they are taken as known. `values`, `variances` (H,):
    the metric in each stratum and its sampling variance, NaN where undefined. A stratum that production has and the test set cannot
    measure leaves the whole undefined: its share is not spread over the others. Raises BadInput for shares that are none and values outside [low, high].
    """
    w, m, v = (np.atleast_1d(floats(column)) for column in (shares, values, variances))
    if not w.shape == m.shape == v.shape or w.ndim != 1:
        raise BadInput(
            f"shares, values and variances have shapes {w.shape}, {m.shape} and {v.shape}, but there is one of each for a stratum"
        )
    outside = (m < low - ROUNDING) | (m > high + ROUNDING)
    for fault, at, what in ((~(w >= 0), w, "a share"), (outside, m, f"a value between {low:g} and {high:g}"), (v < 0, v, "a variance")):
        wrong = np.flatnonzero(fault)
        if wrong.size:
            raise BadInput(f"row {wrong[0]}: {at[wrong[0]]} is not {what}")
    if not abs(w.sum() - 1) <= SHARES_SUM:
        raise BadInput(f"the shares add up to {w.sum():g}, not to 1; name every stratum of production, once")
    used = w > 0
    for fault, what in ((~np.isfinite(m), "value"), (~np.isfinite(v), "variance")):
        lacking = np.flatnonzero(used & fault)
        if lacking.size:
            why = f"stratum {lacking[0]} is {w[lacking[0]]:.1%} of production, but has no {what}"
            return Weighted(value=None, se=None, low=None, high=None, undefined=why)
    value, se = float(w[used] @ m[used]), float(np.sqrt(w[used] ** 2 @ v[used]))
    half = normal_quantile(level) * se
    return Weighted(value=value, se=se, low=max(value - half, low), high=min(value + half, high))


def share_variance(value: ArrayLike, n: ArrayLike) -> Floats:
    """Variance of a proportion for `post_stratified`, from its (effective) n, after adding two successes and two failures.

    The plain r(1-r)/n is 0 where all are right or all wrong, which would call a stratum of five cases certain (Agresti & Coull 1998).
    """
    value, n = floats(value), floats(n)
    counts(value * n, n)
    more = n + 4
    share = (value * n + 2) / more
    return np.where(n > 0, share * (1 - share) / more, np.nan)


@dataclass(frozen=True, kw_only=True)
class WeightedMean:
    """A mean over everything that arrived. `n_effective` is Kish's (sum w)² / sum w²: how many cases kept with one chance would tell as much.

    `largest` is the share of the weight that one cluster carries. All numbers are None but the counts where `undefined` says why.
    """

    value: float | None
    se: float | None
    low: float | None
    high: float | None
    n: int
    n_effective: float | None
    clusters: int
    largest: float | None = None
    undefined: str | None = None


def hajek(values: ArrayLike, probabilities: ArrayLike, clusters: ArrayLike | None = None, *, level: float = 0.95) -> WeightedMean:
    """Sum of y/p over sum of 1/p (Hájek 1971), with the linearised variance of cluster sums (Särndal, Swensson & Wretman 1992, 5.7).

    `values` (n,): one finite number a case, such as right (1) or wrong (0). `probabilities` (n,): the chance with which each was kept, in (0, 1];
    NaN where it is not known, and then there is no value, since no weight can stand in for it. `clusters` (n,): codes of what belongs together. Zeros
    and ones have Wilson's interval with the n of `_worth`; where all are equal with the number of clusters, at most `n_effective`. Other values have
    Student's. Raises BadInput for a value or probability that is none.
    """
    y, p = np.atleast_1d(floats(values)), np.atleast_1d(floats(probabilities))
    if y.shape != p.shape or y.ndim != 1:
        raise BadInput(f"values and probabilities have shapes {y.shape} and {p.shape}, but there is one of each for a case")
    wrong = np.flatnonzero(~np.isfinite(y) | (p <= 0) | (p > 1))
    if wrong.size:
        raise BadInput(f"row {wrong[0]}: {y[wrong[0]]} with probability {p[wrong[0]]} cannot be weighed")
    codes = cluster_codes(clusters, y.size)
    unit = np.arange(y.size) if codes is None else codes
    count, unknown = int(unit.max(initial=-1)) + 1, int(np.isnan(p).sum())
    if unknown or not y.size:
        why = f"{unknown} of {y.size} cases have no known chance" if unknown else "there is no case"
        return WeightedMean(value=None, se=None, low=None, high=None, n=y.size, n_effective=None, clusters=count, undefined=why)
    w = 1 / p
    sums, sizes = np.bincount(unit, w * y, count), np.bincount(unit, w, count)
    value, variance = float(sums.sum() / sizes.sum()), float(ratio_variance(sums, sizes))
    low, high = _ends(y, w, value, variance, count, level)
    return WeightedMean(
        value=value,
        se=optional(np.sqrt(variance)),
        low=low,
        high=high,
        n=y.size,
        n_effective=_kish(w),
        clusters=count,
        largest=float(sizes.max() / sizes.sum()),
    )


def _kish(w: Floats) -> float:
    return float(w.sum() ** 2 / (w * w).sum())  # not w @ w, whose last digit depends on the number of threads


def _ends(y: Floats, w: Floats, value: float, variance: float, count: int, level: float) -> tuple[float | None, float | None]:
    quantile = t_quantile(level, count - 1)
    if count < 2:
        return None, None
    if ((y == 0) | (y == 1)).all():
        n = _worth(w, value, variance) if variance > 0 else min(float(count), _kish(w))
        low, high = wilson(value * n, n, level, quantile=quantile)
        return float(low), float(high)
    half = float(quantile) * variance**0.5
    return (value - half, value + half) if half > 0 else (None, None)


def _worth(w: Floats, share: float, variance: float) -> float:
    """How many cases drawn at random would vary as much as this share: r(1-r)/se², at most the number of cases.

    Above Kish's number only as far as it still says so with one more right and one more wrong case of typical weight, sum w² / sum w. Where the few cases
    that carry the weight are all right, se² is blind to what they might have been: without this, 10 cases kept with 1 % among 100 that were
    kept for certain hold the truth in 71 of 100 draws.
    """
    spread, kish = share * (1 - share), _kish(w)
    cautious = variance + (share**2 + (1 - share) ** 2) / kish**2
    return float(min(spread / variance, w.size, max(kish, spread / cautious)))


@dataclass(frozen=True, kw_only=True)
class PredictiveValues:
    """PPV and NPV at a prevalence, each with an interval; None where the model calls nothing so."""

    prevalence: float
    ppv: float | None
    ppv_low: float | None
    ppv_high: float | None
    npv: float | None
    npv_low: float | None
    npv_high: float | None


def predictive_values(
    true_positives: float, positives: float, true_negatives: float, negatives: float, prevalence: float, level: float = 0.95
) -> PredictiveValues:
    """PPV and NPV by Bayes' rule from sensitivity and specificity of two independent samples, at a stated `prevalence` in (0, 1).

    Counts may be effective ones of clustered data. Interval: normal on the logit scale (Mercaldo, Lau & Zhou 2007), where the logit of the
    PPV is log(sensitivity) - log(1 - specificity) + logit(prevalence); where a rate is 0 or 1, with z²/2 added to every cell. Raises
    BadInput for impossible counts or a prevalence that is none.
    """
    if not 0 < prevalence < 1:
        raise BadInput(f"a prevalence lies between 0 and 1, and {prevalence} does not")
    for right, total in ((true_positives, positives), (true_negatives, negatives)):
        if not (total > 0 and 0 <= right <= total):
            raise BadInput(f"{right} right of {total} is not possible; both classes need cases")
    se, sp = true_positives / positives, true_negatives / negatives
    z, odds = normal_quantile(level), float(special.logit(prevalence))
    more = 0.0 if 0 < se < 1 and 0 < sp < 1 else z**2 / 2
    hits, misses = true_positives + more, positives - true_positives + more
    passes, alarms = true_negatives + more, negatives - true_negatives + more
    of_ppv = (
        np.log(hits / (hits + misses) * (passes + alarms) / alarms) + odds,
        misses / hits / (hits + misses) + passes / alarms / (passes + alarms),
    )
    of_npv = (
        np.log(passes / (passes + alarms) * (hits + misses) / misses) - odds,
        hits / misses / (hits + misses) + alarms / passes / (passes + alarms),
    )
    found: list[float | None] = []
    for hit, missed, (centre, spread) in (
        (se * prevalence, (1 - sp) * (1 - prevalence), of_ppv),
        (sp * (1 - prevalence), (1 - se) * prevalence, of_npv),
    ):
        value = optional(ratio(hit, hit + missed))
        half = z * np.sqrt(spread)
        ends = (float(special.expit(centre - half)), float(special.expit(centre + half)))
        found += [None, None, None] if value is None else [value, min(ends[0], value), max(ends[1], value)]
    return PredictiveValues(
        prevalence=prevalence, ppv=found[0], ppv_low=found[1], ppv_high=found[2], npv=found[3], npv_low=found[4], npv_high=found[5]
    )
