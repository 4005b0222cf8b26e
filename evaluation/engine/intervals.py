"""Intervals of a proportion. Every function takes scalars or arrays of any one shape and returns a pair of float64 arrays of that shape.

Counts may be fractional (effective counts of clustered data). `n == 0` gives NaN. Methods: Wilson 1927 (Newcombe 1998, Stat Med 17:857),
Clopper & Pearson 1934, the ratio estimator of cluster samples with an effective sample size (Rao & Scott 1992).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from evaluation.engine.arrays import BadInput, Floats, Ints, floats, integers, ratio, tally

Pair = tuple[Floats, Floats]
ROUNDING = 1e-9


def normal_quantile(level: float) -> float:
    """z of a two-sided interval at `level` in (0, 1): 1.96 for 0.95. Raises BadInput for a level that is none."""
    if not -1 < level < 1:  # one-sided bounds beyond the estimate have levels below 0
        raise BadInput(f"a level lies between 0 and 1, and {level} does not")
    return float(special.ndtri(0.5 + level / 2))


def t_quantile(level: float, degrees: ArrayLike) -> Floats:
    """Two-sided Student quantile; infinite degrees give the normal one, degrees below 1 are taken as 1."""
    degrees = np.maximum(floats(degrees), 1.0)
    finite = np.where(np.isfinite(degrees), degrees, 1.0)
    return np.where(np.isfinite(degrees), special.stdtrit(finite, 0.5 + level / 2), normal_quantile(level))


def expanded(level: float, units: float) -> float:
    """The level at which percentiles of draws of few units are read: of a mean they give Student's t then (Hesterberg 2015, "expanded percentile").

    Draws scatter like a sum over n where it should be n - 1, and their tails are a normal's. `level` as it is where there are any number of units, 1 below two.
    """
    if units == np.inf:
        return level
    return float(1 - 2 * special.ndtr(-np.sqrt(units / (units - 1)) * t_quantile(level, units - 1))) if units >= 2 else 1.0


def expanded_p(p: float, units: float) -> float:
    """The same of a one-sided p: below (1 - level) / 2 where the interval read at `expanded(level, units)` lies beyond the limit."""
    if units == np.inf:
        return p
    if units < 2:
        return 1.0
    return float(special.stdtr(units - 1, special.ndtri(p) / np.sqrt(units / (units - 1))))


def seen(level: float, draws: int) -> bool:
    """Whether so many draws have quantiles at both ends of an interval of this level, or only their least and largest."""
    return (1 - level) / 2 * (1 + draws) >= 1


def counts(k: ArrayLike, n: ArrayLike) -> Pair:
    """k of n as arrays of one shape; NaN is not known. Raises BadInput where k is not between 0 and a finite n, but for rounding of fractional counts."""
    k, n = np.broadcast_arrays(floats(k), floats(n))
    wrong = (n != 0) & ((k < 0) | (k > n + ROUNDING * np.abs(n)) | np.isinf(n))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise BadInput(f"row {row}: {k.flat[row]:g} of {n.flat[row]:g} is not possible")
    return k, n


def open_share(name: str, value: float) -> float:
    """`value`, such as an alpha or a power. Raises BadInput where it does not lie between 0 and 1: 5 percent are 0.05."""
    if not 0 < value < 1:
        raise BadInput(f"{name} lies between 0 and 1, and {value} does not")
    return value


def wilson(k: ArrayLike, n: ArrayLike, level: float = 0.95, *, quantile: ArrayLike | None = None) -> Pair:
    """Wilson score interval of k successes in n; `quantile` replaces z (a t quantile for clustered data)."""
    k, n = counts(k, n)
    z = floats(normal_quantile(level) if quantile is None else quantile)
    share, z2 = ratio(k, n), z * z
    centre = ratio(k + z2 / 2, n + z2)
    half = ratio(z, n + z2) * np.sqrt(np.maximum(n * share * (1 - share) + z2 / 4, 0.0))
    low = np.where(k <= 0, 0.0, np.maximum(centre - half, 0.0))
    high = np.where(k >= n, 1.0, np.minimum(centre + half, 1.0))
    return np.where(n > 0, low, np.nan), np.where(n > 0, high, np.nan)


def clopper_pearson(k: ArrayLike, n: ArrayLike, level: float = 0.95) -> Pair:
    """Exact two-sided interval: two one-sided bounds at half the error each."""
    alpha = (1 - level) / 2
    if not 0 < alpha < 0.5:
        raise BadInput(f"a level lies between 0 and 1, and {level} does not")
    return exact_lower(k, n, alpha), exact_upper(k, n, alpha)


def exact_lower(k: ArrayLike, n: ArrayLike, alpha: float = 0.05) -> Floats:
    """One-sided Clopper–Pearson lower bound at confidence 1 - alpha; 0 when k is 0."""
    k, n, alpha = *counts(k, n), open_share("alpha", alpha)
    inner = (k > 0) & (n > 0)
    low = special.betaincinv(np.where(inner, k, 1.0), np.where(inner, n - k, 0.0) + 1.0, alpha)
    return np.where((n > 0) & (k >= 0), np.where(inner, low, 0.0), np.nan)


def exact_upper(k: ArrayLike, n: ArrayLike, alpha: float = 0.05) -> Floats:
    """One-sided Clopper–Pearson upper bound at confidence 1 - alpha; 1 when k is n, 1 - alpha**(1/n) when k is 0."""
    k, n, alpha = *counts(k, n), open_share("alpha", alpha)
    inner = (k < n) & (n > 0)
    high = special.betaincinv(np.where(inner, k, 0.0) + 1.0, np.where(inner, n - k, 1.0), 1 - alpha)
    return np.where((n > 0) & (k >= 0), np.where(inner, high, 1.0), np.nan)


def ratio_variance(sums: ArrayLike, sizes: ArrayLike) -> Floats:
    """Variance of sum(`sums`) / sum(`sizes`) over clusters: G/(G-1) * sum (s_g - r m_g)^2 / M^2 (Cochran 1977); NaN below two clusters.

    `sums` (G, ...) of any numbers of the cases, `sizes` (G,) cases of each cluster.
    """
    total, size = floats(sums), floats(sizes)
    size = size.reshape(-1, *[1] * (total.ndim - 1))
    squares = ((total - ratio(total.sum(axis=0), size.sum()) * size) ** 2).sum(axis=0)
    return ratio(len(total) * squares, (len(total) - 1) * size.sum() ** 2)


@dataclass(frozen=True, kw_only=True)
class ClusteredShare:
    """A proportion per stratum as the ratio estimator of its clusters; every field is an array over strata."""

    value: Floats
    n: Floats
    n_effective: Floats
    clusters: Ints

    def wilson(self, level: float = 0.95) -> Pair:
        """Wilson with the effective n and the t quantile on clusters - 1 degrees of freedom."""
        return wilson(self.value * self.n_effective, self.n_effective, level, quantile=t_quantile(level, self.clusters - 1))


def clustered_share(hits: ArrayLike, sizes: ArrayLike, stratum: ArrayLike | None = None, strata: int = 1) -> ClusteredShare:
    """Ratio estimator from one row per (stratum, cluster): `hits` successes among `sizes` cases, `stratum` in 0..strata-1, all in one by default.

    r = K/M, se = sqrt(G/(G-1) * sum (k_g - r m_g)^2) / M, effective n = r(1-r)/se^2 capped at M. Where r is 0 or 1 the design effect is 0/0
    and the effective n is the number of clusters, never of cases. Clusters without a case in the denominator (`sizes` 0) do not count. Raises BadInput
    for more hits than cases, for a stratum that there is not and for fewer strata than one.
    """
    hits, sizes = counts(hits, sizes)
    stratum = np.zeros(sizes.shape, dtype=np.int64) if stratum is None else integers(stratum, "the stratum")
    if sizes.ndim != 1 or stratum.shape != sizes.shape:
        raise BadInput(f"sizes and strata have shapes {sizes.shape} and {stratum.shape}; there is one of each for a cluster")
    if strata < 1:
        raise BadInput(f"{strata} strata hold no cluster; there is at least one")
    wrong = np.flatnonzero((stratum < 0) | (stratum >= strata))
    if wrong.size:
        raise BadInput(f"row {wrong[0]}: there is no stratum {stratum[wrong[0]]} among {strata}")
    n = tally(stratum, sizes, strata)
    value = ratio(tally(stratum, hits, strata), n)
    clusters = np.bincount(stratum[sizes > 0], minlength=strata).astype(np.int64)
    squares = tally(stratum, (hits - np.nan_to_num(value)[stratum] * sizes) ** 2, strata)
    variance = ratio(clusters * squares, (clusters - 1) * n**2)
    spread = value * (1 - value)
    effective = np.minimum(np.where(variance > 0, ratio(spread, variance), n), n)
    degenerate = (spread <= 0) | (clusters < 2)
    return ClusteredShare(value=value, n=n, n_effective=np.where(degenerate, clusters, effective), clusters=clusters)
