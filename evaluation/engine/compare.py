"""Candidate against baseline on the same cases: tests and intervals of a difference of two paired proportions.

Words used throughout: `lost` = newly wrong (baseline right, candidate wrong), `gained` = newly right, `n` all pairs. The difference is
candidate - baseline = (gained - lost) / n. Functions are vectorised over strata. Sources: McNemar 1947; Fagerland, Lydersen & Laake 2013
(mid-P); Tango 1998 (score interval); Newcombe 1998b (square-and-add); Yan 2021 (negative flips); Bansal 2019 (compatibility).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft, special

from evaluation.engine.arrays import BadInput, Floats, Ints, floats, integers, ratio
from evaluation.engine.intervals import Pair, counts, normal_quantile, wilson

FARTHEST = 50_000_000  # of the exact test of cluster sums: five times what ten million cases can come to


def mcnemar(lost: ArrayLike, gained: ArrayLike) -> Pair:
    """Two-sided p-values (mid-P, exact conditional). Both are 1 where nothing differs. Raises BadInput for what is no count."""
    lost, gained = (floats(integers(each, name)) for each, name in ((lost, "lost"), (gained, "gained")))
    counts(lost, lost + gained)
    counts(gained, lost + gained)
    total, least = lost + gained, np.minimum(lost, gained)
    tail, inner = fair_tail(least, total), fair_tail(least - 1, total)
    return np.clip(tail + inner, 0.0, 1.0), np.minimum(2 * tail, 1.0)


def fair_tail(least: ArrayLike, total: ArrayLike) -> Floats:
    """P(X <= least) of X ~ binomial(total, 1/2), for integers. Mid-P is the mean of two such tails, so no point probability is needed."""
    least, total = np.broadcast_arrays(floats(least), floats(total))
    inside = (least >= 0) & (least < total)
    tail = special.betainc(np.where(inside, total - least, 1.0), np.where(inside, least + 1, 1.0), 0.5)
    return np.where(inside, tail, np.where(least < 0, 0.0, 1.0))


def mcnemar_loss(lost: ArrayLike, gained: ArrayLike) -> Floats:
    """One-sided mid-P of H0: difference >= 0 against a loss; 1 where nothing differs."""
    lost, gained = np.broadcast_arrays(floats(lost), floats(gained))
    total = lost + gained
    p = (fair_tail(gained - 1, total) + fair_tail(gained, total)) / 2  # losses of at least `lost` are gains of at most `gained`
    return np.where(total > 0, p, 1.0)


def tango_score(lost: ArrayLike, gained: ArrayLike, n: ArrayLike, difference: ArrayLike) -> Floats:
    """Tango's score statistic z of H0: d = `difference` in (-1, 1); positive when the data lie above it. Counts may be fractional."""
    lost, gained, n, d = (floats(x) for x in np.broadcast_arrays(lost, gained, n, difference))
    linear = -lost - gained + (2 * n - gained + lost) * d
    constant = -lost * d * (1 - d)
    root = np.sqrt(np.maximum(linear**2 - 8 * n * constant, 0.0))
    cell = np.where(
        linear > 0, ratio(-2 * constant, linear + root), ratio(root - linear, 4 * n)
    )  # stable: no difference of near-equal numbers
    cell = np.maximum(np.nan_to_num(cell), 0.0)
    variance = np.maximum(n * (2 * cell + d * (1 - d)), 0.0)
    excess = gained - lost - n * d
    return np.where(variance > 0, ratio(excess, np.sqrt(variance)), np.where(excess == 0, 0.0, np.copysign(np.inf, excess)))


def tango(lost: ArrayLike, gained: ArrayLike, n: ArrayLike, level: float = 0.95, *, quantile: ArrayLike | None = None) -> Pair:
    """Tango's score interval of the difference; at lost = gained = 0 it is ± z²/(n + z²). NaN where n is 0."""
    lost, gained, n = (floats(x) for x in np.broadcast_arrays(lost, gained, n))
    counts(lost, n)
    counts(gained, n - lost)
    z = np.broadcast_to(floats(normal_quantile(level) if quantile is None else quantile), n.shape)
    low, high = -_tango_upper(gained, lost, n, z), _tango_upper(lost, gained, n, z)
    known = (n > 0) & ~np.isnan(lost + gained)
    return np.where(known, low, np.nan), np.where(known, high, np.nan)


def _tango_upper(lost: Floats, gained: Floats, n: Floats, z: Floats) -> Floats:
    """The d above the estimate at which the score falls to -z, for all strata at once: bisection to 1e-6, then false position twice."""
    below, above = np.nan_to_num(ratio(gained - lost, n)), np.ones(n.shape)
    for step in range(22):
        middle = (below + above) / 2
        if step >= 20:
            first, last = (tango_score(lost, gained, n, end) + z for end in (below, above))
            guess = below + (above - below) * ratio(first, first - last)
            middle = np.where((guess >= below) & (guess <= above), guess, middle)
        inside = tango_score(lost, gained, n, middle) > -z
        below, above = np.where(inside, middle, below), np.where(inside, above, middle)
    return np.where(gained >= n, 1.0, middle)


def tango_bound(lost: ArrayLike, gained: ArrayLike, n: ArrayLike, alpha: float = 0.05) -> Pair:
    """One-sided bounds (lower, upper), each at confidence 1 - alpha: what checks use."""
    return tango(lost, gained, n, 1 - 2 * alpha)


def tango_p_below(lost: ArrayLike, gained: ArrayLike, n: ArrayLike, limit: ArrayLike) -> Floats:
    """One-sided p of H0: d >= `limit` (a negative margin): small when the loss is proven to exceed it."""
    return np.asarray(special.ndtr(tango_score(lost, gained, n, limit)), dtype=np.float64)


def newcombe(both_right: ArrayLike, lost: ArrayLike, gained: ArrayLike, both_wrong: ArrayLike, level: float = 0.95) -> Pair:
    """Newcombe's square-and-add interval (method 10, continuity-corrected phi): an independent cross-check of Tango."""
    right, lost, gained, wrong = (floats(x) for x in np.broadcast_arrays(both_right, lost, gained, both_wrong))
    n = right + lost + gained + wrong
    for each in (right, lost, gained, wrong):
        counts(each, n)
    new, old = ratio(right + gained, n), ratio(right + lost, n)
    (new_low, new_high), (old_low, old_high) = wilson(right + gained, n, level), wilson(right + lost, n, level)
    product = (right + lost) * (gained + wrong) * (right + gained) * (lost + wrong)
    cross = right * wrong - lost * gained
    cross = np.where(cross > 0, np.maximum(cross - n / 2, 0.0), cross)
    phi = np.nan_to_num(ratio(cross, np.sqrt(product)))
    return square_and_add((new, new_low, new_high), (old, old_low, old_high), phi)


def square_and_add(
    new: tuple[ArrayLike, ArrayLike, ArrayLike], old: tuple[ArrayLike, ArrayLike, ArrayLike], correlation: ArrayLike = 0.0
) -> Pair:
    """Interval of new - old from an interval of each, both (value, low, high), and the correlation of the two estimates in [-1, 1]: 0 if independent.

    The distance from each estimate to the end of its interval stands for its standard error on that side (MOVER: Zou & Donner 2008, Stat Med 27:1693).
    """
    (ours, ours_low, ours_high), (theirs, theirs_low, theirs_high) = (tuple(floats(each) for each in side) for side in (new, old))
    r = floats(correlation)
    down, up = (ours - ours_low, theirs_high - theirs), (ours_high - ours, theirs - theirs_low)
    low = ours - theirs - np.sqrt(np.maximum(down[0] ** 2 - 2 * r * down[0] * down[1] + down[1] ** 2, 0.0))
    high = ours - theirs + np.sqrt(np.maximum(up[0] ** 2 - 2 * r * up[0] * up[1] + up[1] ** 2, 0.0))
    return low, high


def sign_flip(cluster_sums: ArrayLike) -> tuple[float, float]:
    """Exact sign-flip test of integer cluster sums D_g: (two-sided p, one-sided p of a loss).

    Under H0 each D_g is as likely as -D_g. The null distribution of their sum is the Fourier inverse of prod cos(D_g t) on the integers,
    so it is exact for any number of clusters and needs no random draws. Tails below about 1e-14 are rounding noise. Raises BadInput for sums that are no whole
    numbers, or whose sizes come to more than FARTHEST: memory grows with it, about 40 bytes for each.
    """
    sums = integers(cluster_sums, "a cluster's sum")
    if sums.ndim != 1:
        raise BadInput(f"the sums have shape {sums.shape}, but there is one for each cluster")
    sizes, repeats = np.unique(np.abs(sums[sums != 0]), return_counts=True)
    reach = sum(size * repeat for size, repeat in zip(sizes.tolist(), repeats.tolist(), strict=True))  # may be more than 64 bits hold
    if reach == 0:
        return 1.0, 1.0
    if reach > FARTHEST:
        raise BadInput(
            f"the sums reach {reach:,} in all, but the exact test takes {FARTHEST:,} at most; compare the clusters' means instead"
        )
    observed, length = int(sums.sum()), fft.next_fast_len(2 * reach + 1)
    angle = 2 * np.pi * np.arange(length // 2 + 1) / length
    transform = np.ones(angle.size)
    for size, repeat in zip(sizes, repeats, strict=True):
        transform *= np.cos(size * angle) ** repeat
    density = np.maximum(fft.irfft(transform, length), 0.0)  # index s holds P(S = s), negative s wrap around
    upper = float(density[abs(observed) : reach + 1].sum())
    loss = upper if observed <= 0 else 1.0 - float(density[observed + 1 : reach + 1].sum())
    return min(2 * upper, 1.0) if observed else 1.0, min(loss, 1.0)


@dataclass(frozen=True, kw_only=True)
class Flips:
    """Paired outcomes per stratum; every field is an array over strata."""

    both_right: Ints
    lost: Ints
    gained: Ints
    both_wrong: Ints

    @property
    def n(self) -> Ints:
        return self.both_right + self.lost + self.gained + self.both_wrong

    @property
    def trust_compatibility(self) -> Floats:
        """Share of the baseline's right cases that stay right (BTC); NaN where the baseline has none right."""
        return ratio(self.both_right, self.both_right + self.lost)

    @property
    def error_compatibility(self) -> Floats:
        """Share of the candidate's errors that the baseline made too (BEC); NaN where the candidate has none wrong."""
        return ratio(self.both_wrong, self.both_wrong + self.lost)


def design_effect(cluster_sums: ArrayLike, cluster_sizes: ArrayLike, lost: ArrayLike, gained: ArrayLike) -> Floats:
    """How much clusters inflate the variance of the difference, at least 1. `cluster_sums` (..., G), `cluster_sizes` (G,), the flips (...).

    (G/(G-1) * sum_g (D_g - dbar m_g)^2) / (lost + gained - (lost - gained)^2 / n). Where nothing differs (0/0) it is n/G, which makes n
    effective = G.
    """
    sums, sizes, down, up = floats(cluster_sums), floats(cluster_sizes), floats(lost), floats(gained)
    n, clusters = float(sizes.sum()), int((sizes > 0).sum())
    if clusters == 0:
        return np.ones(down.shape)
    plain = down + up - (down - up) ** 2 / n
    if clusters < 2:
        return np.full(plain.shape, n)
    centred = sums - ((up - down) / n)[..., None] * sizes
    inflated = clusters / (clusters - 1) * ratio((centred**2).sum(axis=-1), plain)
    return np.where(plain > 0, np.maximum(inflated, 1.0), n / clusters)
