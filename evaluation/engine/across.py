"""Across strata: which is worst, how far it is from the best, and how far strata share their cases."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.engine.arrays import BadInput, Floats, Ints, floats
from evaluation.engine.data import Comparison
from evaluation.engine.estimates import Settings
from evaluation.engine.intervals import normal_quantile
from evaluation.engine.seeds import generator
from evaluation.engine.strata import Strata, layers, names_of


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The worst stratum of several by a metric, the best, and the distance between them; None where fewer than two have a value.

    `low`, `high` bound the gap of *these* strata with the choice of worst and best made again in every draw.
    """

    worst: str | None
    worst_value: float | None
    best: str | None
    best_value: float | None
    gap: float | None
    low: float | None
    high: float | None
    strata: int


def spread(
    names: Sequence[str],
    values: ArrayLike,
    variances: ArrayLike,
    settings: Settings,
    *,
    higher_is_better: bool = True,
    least: int = 0,
    n: ArrayLike | None = None,
) -> Spread:
    """Worst, best and gap of disjoint strata, each with a value and its sampling variance (S,); NaN where undefined.

    Strata with fewer than `least` cases (`n`) take no part: the smallest one would always be the worst. The largest of several noisy values
    lies too far out, so the interval is the percentile bootstrap (independent normals) of the gap, moved down by the gap that the draws
    add. Ties go to the stratum named first.
    """
    value, variance = floats(values), floats(variances)
    if not value.shape == variance.shape == (len(names),):
        raise BadInput(f"there are {len(names)} strata, but values of shape {value.shape} and variances of shape {variance.shape}")
    if (variance < 0).any():
        raise BadInput(f"row {np.flatnonzero(variance < 0)[0]}: {variance[variance < 0][0]} is not a variance")
    counted = np.full(value.shape, np.inf) if n is None else floats(n)
    usable = np.flatnonzero(np.isfinite(value) & np.isfinite(variance) & (counted >= least))
    if usable.size < 2:
        return Spread(worst=None, worst_value=None, best=None, best_value=None, gap=None, low=None, high=None, strata=int(usable.size))
    chosen = value[usable]
    lowest, highest = int(usable[chosen.argmin()]), int(usable[chosen.argmax()])
    gap = float(value[highest] - value[lowest])
    draws = chosen + generator(settings.seed + b"gap").standard_normal((settings.resamples, usable.size)) * np.sqrt(variance[usable])
    drawn = np.ptp(draws, axis=1)
    extra = float(drawn.mean()) - gap
    low, high = np.quantile(drawn, [0.5 - settings.level / 2, 0.5 + settings.level / 2]) - extra
    worst, best = (lowest, highest) if higher_is_better else (highest, lowest)
    return Spread(
        worst=names[worst],
        worst_value=float(value[worst]),
        best=names[best],
        best_value=float(value[best]),
        gap=gap,
        low=max(min(float(low), gap), 0.0),
        high=max(float(high), gap),
        strata=int(usable.size),
    )


def variance_of(low: ArrayLike, high: ArrayLike, level: float = 0.95) -> Floats:
    """The variance of a normal estimate with this interval (S,): what `spread` and `post_stratified` take where only bounds are at hand."""
    return np.asarray(((floats(high) - floats(low)) / (2 * normal_quantile(level))) ** 2)


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """How strata share cases. `shared` (S, S) counts the cases in both; its diagonal is each one's size."""

    names: tuple[str, ...]
    shared: Ints

    @property
    def jaccard(self) -> Floats:
        """Shared cases over those in either (S, S); 0 where both are empty."""
        sizes = np.diag(self.shared)
        union = sizes[:, None] + sizes - self.shared
        return np.where(union > 0, self.shared / np.maximum(union, 1), 0.0)

    @property
    def inside(self) -> Floats:
        """Share of the row's stratum that is also in the column's (S, S); 0 for an empty stratum."""
        sizes = np.diag(self.shared)
        return np.asarray(self.shared / np.maximum(sizes, 1)[:, None])


def overlap(comparison: Comparison, strata: Strata) -> Overlap:
    """Count the cases that each two strata have in common. Strata are in the order given. Cost: one pass over the
    cases for each two groups of strata that do not overlap.
    """
    names, placed = names_of(strata), []
    number = {name: at for at, name in enumerate(names)}
    for group, codes in layers(strata, comparison.cases):
        place = np.array([*(number[name] for name in group), -1], dtype=np.int64)  # the last one serves cases in none of them
        placed.append(place[codes])
    size = len(names)
    shared = np.zeros(size * size, dtype=np.int64)
    for ours in placed:
        for theirs in placed:
            both = (ours >= 0) & (theirs >= 0)
            shared += np.bincount(ours[both] * size + theirs[both], minlength=size * size)
    return Overlap(names=tuple(names), shared=shared.reshape(size, size))
