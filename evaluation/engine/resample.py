"""Bootstrap and permutation for functions of the confusion matrix: draws of counts, not of cases.

The unit is the cluster (the case, where all stand alone). Units with the same counts are one *type*, so a resample is one multinomial
draw over the types and costs nothing per case. Candidate, baseline and all metrics share the draws of a stratum, which makes differences
paired and consistent. Sources: Efron 1987 (BCa); the permutation swaps the two models' answers within a unit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special

from evaluation.engine.arrays import Floats, Ints
from evaluation.engine.intervals import clopper_pearson, t_quantile
from evaluation.engine.metrics import Table

MOST_TYPES = 2000  # beyond it the jackknife's normal interval is as good and needs no draws


@dataclass(frozen=True, eq=False)
class Sample:
    """The units of one stratum: `tables` (types, arms, K, K + 1) counts of each type, `repeats` (types,) how many units have them."""

    tables: Floats
    repeats: Ints
    seed: bytes
    make: Callable[[bytes], np.random.Generator]
    resamples: int

    @property
    def units(self) -> int:
        return int(self.repeats.sum())

    @property
    def arms(self) -> int:
        return int(self.tables.shape[1])

    @cached_property
    def total(self) -> Floats:
        return np.tensordot(self.repeats.astype(np.float64), self.tables, axes=1)

    def table(self, arm: int) -> Table:
        return self._cached(("observed", arm), lambda: self.total[arm])

    @property
    def resampled(self) -> bool:
        """False where there are too many types: intervals then come from the jackknife."""
        return self.repeats.size <= MOST_TYPES

    @cached_property
    def _flat(self) -> Floats:
        return self.tables.reshape(self.repeats.size, -1)

    @cached_property
    def _bootstrap(self) -> Floats:
        counts = self.make(self.seed).multinomial(self.units, self.repeats / self.units, size=self.resamples)
        return (counts.astype(np.float64) @ self._flat).reshape(self.resamples, *self.tables.shape[1:])

    @cached_property
    def _swapped(self) -> Floats:
        """Tables (resamples, 2, K, K + 1) with the two arms' answers exchanged in a random half of the units."""
        moves = self.tables[:, 1] - self.tables[:, 0]
        moved = np.flatnonzero(np.any(moves != 0, axis=(1, 2)))
        flips = self.make(self.seed + b"swap").binomial(self.repeats[moved], 0.5, size=(self.resamples, moved.size))
        shift = (flips.astype(np.float64) @ moves[moved].reshape(moved.size, moves[0].size)).reshape(self.resamples, *moves.shape[1:])
        return np.stack([self.total[0] + shift, self.total[1] - shift], axis=1)

    @cached_property
    def _cache(self) -> dict[tuple[str, int], Table]:
        return {}

    def _cached(self, key: tuple[str, int], counts: Callable[[], Floats]) -> Table:
        if key not in self._cache:
            self._cache[key] = Table(counts())
        return self._cache[key]

    def drawn(self, arm: int) -> Table:
        return self._cached(("bootstrap", arm), lambda: self._bootstrap[:, arm])

    def swapped(self, arm: int) -> Table:
        return self._cached(("swapped", arm), lambda: self._swapped[:, arm])

    def left_out(self, arm: int) -> Table:
        """Tables with one unit of each type left out."""
        return self._cached(("left_out", arm), lambda: self.total[arm] - self.tables[:, arm])


def units_of_cases(counts: Ints, classes: int, arms: int) -> tuple[Floats, Ints]:
    """Types and repeats where every case is its own unit; `counts` (K * (K + 1) ** arms,) of the cells of truth, candidate, baseline."""
    kinds = np.flatnonzero(counts)
    return _one_hot(kinds, classes, arms), counts[kinds].astype(np.int64)


def units_of_clusters(joint: Ints, unit: Ints, classes: int, arms: int) -> tuple[Floats, Ints]:
    """Types and repeats of clusters. `joint` (rows,) is each case's joint cell, `unit` (rows,) its cluster."""
    kinds, cell = np.unique(joint, return_inverse=True)
    types, repeats = _types(cell, unit, kinds.size)
    cells = _one_hot(kinds, classes, arms)
    return (types @ cells.reshape(kinds.size, -1)).reshape(len(types), *cells.shape[1:]), repeats


def _one_hot(kinds: Ints, classes: int, arms: int) -> Floats:
    """Each joint cell as one count in the table of every arm: (kinds, arms, K, K + 1)."""
    width = classes + 1
    truth, rest = np.divmod(kinds, width**arms)
    tables = np.zeros((kinds.size, arms, classes, width))
    for arm in range(arms):
        tables[np.arange(kinds.size), arm, truth, rest // width ** (arms - 1 - arm) % width] = 1.0
    return tables


def _types(cell: Ints, unit: Ints, kinds: int) -> tuple[Floats, Ints]:
    """Distinct count vectors of the clusters and how often each occurs; clusters are told apart by a 64-bit signature of their counts."""
    order = np.argsort(unit, kind="stable")
    starts = np.flatnonzero(np.diff(unit[order], prepend=-1))
    weights = np.random.Generator(np.random.PCG64(kinds)).integers(1, 2**63, size=kinds, dtype=np.uint64)
    _, first, repeats = np.unique(np.add.reduceat(weights[cell[order]], starts), return_index=True, return_counts=True)
    ends = np.append(starts[1:], order.size)
    types = np.stack([np.bincount(cell[order[starts[i] : ends[i]]], minlength=kinds) for i in first])
    return types.astype(np.float64), repeats.astype(np.int64)


def bca(draws: Floats, estimate: float, left_out: Floats, repeats: Ints, level: float = 0.95) -> tuple[float, float] | None:
    """Bias-corrected accelerated bootstrap interval (Efron 1987); None where it is degenerate.

    `draws` (B,) may hold NaN (a draw in which the metric is undefined), which are left out. Acceleration from the jackknife over units:
    `left_out` (types,) values with weights `repeats`.
    """
    usable = np.sort(draws[~np.isnan(draws)])
    if usable.size < max(20, draws.size // 2) or usable[0] == usable[-1]:
        return None
    share = (np.searchsorted(usable, estimate, "left") + np.searchsorted(usable, estimate, "right")) / (2 * usable.size)
    if not 0 < share < 1:
        return None
    bias = float(special.ndtri(share))
    defined = ~np.isnan(left_out)
    weights = repeats[defined].astype(np.float64)
    if not weights.size:
        return None
    gap = (weights @ left_out[defined]) / weights.sum() - left_out[defined]
    spread = float(weights @ gap**2)
    acceleration = float(weights @ gap**3) / (6 * spread**1.5) if spread > 0 else 0.0
    z = bias + special.ndtri(np.array([0.5 - level / 2, 0.5 + level / 2]))
    quantiles = special.ndtr(bias + z / (1 - acceleration * z))
    if not np.all(np.isfinite(quantiles)) or np.any(acceleration * z >= 1):
        return None
    low, high = np.quantile(usable, quantiles)
    return float(low), float(high)


def jackknife_variance(left_out: Floats, repeats: Ints) -> float:
    """Delete-one-unit variance: (G-1)/G * sum (value without g - their mean)²; units without which the metric is undefined are left out."""
    defined = ~np.isnan(left_out)
    weights = repeats[defined].astype(np.float64)
    total = float(weights.sum())
    if total < 2:
        return 0.0
    mean = float(weights @ left_out[defined]) / total
    return (total - 1) / total * float(weights @ (left_out[defined] - mean) ** 2)


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Bounds with the method that made them."""

    low: float
    high: float
    method: str


def level_interval(
    sample: Sample, arm: int, value: Callable[[Table], Floats], bounds: tuple[float, float], level: float = 0.95
) -> Interval | None:
    """Interval of a metric of one arm.

    BCa; the jackknife with very many different clusters; where degenerate an exact bound on the smallest class.
    """
    estimate = float(value(sample.table(arm)))
    if np.isnan(estimate):
        return None
    left_out = np.asarray(value(sample.left_out(arm)))
    found = None
    if sample.resampled:
        found, method = bca(np.asarray(value(sample.drawn(arm))), estimate, left_out, sample.repeats, level), "bca"
    else:
        half = float(t_quantile(level, sample.units - 1)) * jackknife_variance(left_out, sample.repeats) ** 0.5
        found, method = ((estimate - half, estimate + half) if half > 0 else None), "jackknife"
    if found is not None:
        return Interval(low=max(found[0], bounds[0]), high=min(found[1], bounds[1]), method=method)
    support = sample.table(arm).support
    n = min(float(support[support > 0].min()), float(sample.units))
    low, high = bounds
    share = (estimate - low) / (high - low)
    exact_low, exact_high = clopper_pearson(share * n, n, level)
    return Interval(low=low + (high - low) * float(exact_low), high=low + (high - low) * float(exact_high), method="clopper-pearson")


def difference_draws(sample: Sample, value: Callable[[Table], Floats]) -> Floats:
    """Bootstrap draws of candidate - baseline with common counts, NaN left out.

    Empty where there are too many types or half are undefined.
    """
    if not sample.resampled:
        return np.empty(0)
    draws = np.asarray(value(sample.drawn(0))) - np.asarray(value(sample.drawn(1)))
    usable = draws[~np.isnan(draws)]
    return usable if usable.size >= max(20, draws.size // 2) else np.empty(0)


def swap_p(sample: Sample, value: Callable[[Table], Floats]) -> float:
    """Two-sided permutation p of H0: the models' answers are exchangeable within a unit; +1 in numerator and denominator."""
    observed = abs(float(value(sample.table(0))) - float(value(sample.table(1))))
    shifted = np.abs(np.asarray(value(sample.swapped(0))) - np.asarray(value(sample.swapped(1))))
    return float((1 + np.sum(~(shifted < observed - 1e-12))) / (1 + shifted.size))


def difference_interval(
    sample: Sample, value: Callable[[Table], Floats], level: float = 0.95, *, corrected: bool = False
) -> Interval | None:
    """Interval of candidate - baseline: percentiles of common draws, or BCa with `corrected`. None where it would have no width."""
    left_out = np.asarray(value(sample.left_out(0))) - np.asarray(value(sample.left_out(1)))
    estimate = float(value(sample.table(0))) - float(value(sample.table(1)))
    if not sample.resampled:
        half = float(t_quantile(level, sample.units - 1)) * jackknife_variance(left_out, sample.repeats) ** 0.5
        return Interval(low=estimate - half, high=estimate + half, method="jackknife") if half > 0 else None
    draws = difference_draws(sample, value)
    if draws.size == 0 or np.ptp(draws) == 0:
        return None
    found = bca(draws, estimate, left_out, sample.repeats, level) if corrected else None
    low, high = found or np.quantile(draws, [0.5 - level / 2, 0.5 + level / 2])
    return Interval(low=float(low), high=float(high), method="bca" if found else "bootstrap percentile")
