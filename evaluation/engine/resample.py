"""Bootstrap and permutation for functions of the confusion matrix: draws of counts, not of cases.

The unit is the cluster (the case, where all stand alone). Units with the same counts are one *type*, so a resample is one multinomial
draw over the types and costs nothing per case; types of few units are drawn unit by unit, which is the same and quicker. Candidate,
baseline and all metrics share the draws of a stratum, which makes differences paired and consistent. Sources: Efron 1987 (BCa); the
permutation swaps the two models' answers within a unit.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy import special

from evaluation.engine.arrays import Bools, Floats, Ints, ratio
from evaluation.engine.from_shares import METHOD, from_shares, made_of_shares
from evaluation.engine.intervals import Pair, clopper_pearson, t_quantile
from evaluation.engine.metrics import Metric
from evaluation.engine.tables import Table, margins_of

SAME = 1e-12  # values closer than this are equal: they were added up in different orders
FEW_UNITS = 10  # units a type, up to which it is quicker to draw them one by one: a binomial costs as much as some twenty of them
IN_CACHE = 1 << 15  # units drawn at a time
MOST_TYPES = 2000  # beyond it the jackknife's normal interval is as good and needs no draws


@dataclass(frozen=True, eq=False)
class Sample:
    """The units of one stratum: `tables` (types, arms, 4, K) margins of each type, `repeats` (types,) how many units have them."""

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

    @property
    def alone(self) -> bool:
        """Every unit is one case."""
        return self.units == int(self.observed[0].n)

    @property
    def resampled(self) -> bool:
        """False where there are too many types: intervals then come from the jackknife."""
        return self.repeats.size <= MOST_TYPES

    @cached_property
    def total(self) -> Floats:
        return np.tensordot(self.repeats.astype(np.float64), self.tables, axes=1)

    @cached_property
    def observed(self) -> list[Table]:
        """Per arm."""
        return [Table(self.total[arm]) for arm in range(self.arms)]

    @cached_property
    def left_out(self) -> list[Table]:
        """Per arm the tables with one unit of each type left out."""
        return [Table(self.total[arm] - self.tables[:, arm]) for arm in range(self.arms)]

    @cached_property
    def drawn(self) -> list[Table]:
        """Per arm the tables of all resamples; the arms share the draws."""
        return self._summed(self._counts(), self.tables)

    def _counts(self) -> Ints:
        """(resamples, types): how often each type is drawn, by one binomial a type or, where types have few units, unit by unit."""
        draw, types = self.make(self.seed), self.repeats.size
        if not self.resampled or self.units > FEW_UNITS * types:
            return draw.multinomial(self.units, self.repeats / self.units, size=self.resamples)
        kind, out = np.repeat(np.arange(types), self.repeats), np.empty((self.resamples, types), dtype=np.int64)
        few = max(IN_CACHE // self.units, 1)
        for start in range(0, self.resamples, few):
            count = min(few, self.resamples - start)
            picks = kind[draw.integers(0, self.units, size=(count, self.units), dtype=np.uint16)] + types * np.arange(count)[:, None]
            out[start : start + count] = np.bincount(picks.ravel(), minlength=count * types).reshape(count, types)
        return out

    def _flips(self, repeats: Ints) -> Ints:
        """(resamples, types): how many units of each type are swapped, each with probability 1/2."""
        draw, units = self.make(self.seed + b"swap"), int(repeats.sum())
        if not self.resampled or not 0 < units <= FEW_UNITS * repeats.size:
            return draw.binomial(repeats, 0.5, size=(self.resamples, repeats.size))
        swapped = draw.integers(0, 2, size=(self.resamples, units), dtype=np.uint8)
        return np.add.reduceat(swapped, np.cumsum(repeats) - repeats, axis=1, dtype=np.int64)

    @cached_property
    def swapped(self) -> list[Table]:
        """Tables with the two arms' answers exchanged in a random half of the units."""
        moves = self.tables[:, 1] - self.tables[:, 0]
        moved = np.flatnonzero(np.any(moves != 0, axis=(1, 2)))
        shift = self._summed(self._flips(self.repeats[moved]), moves[moved, None])[0].margins
        return [Table(self.total[0] + shift), Table(self.total[1] - shift)]

    def sums(self) -> Floats:
        """Margins of all resamples (arms * 4 * K, resamples), for `tables_of`."""
        return self._sums(self._counts(), self.tables)

    def _summed(self, counts: Ints, tables: Floats) -> list[Table]:
        return tables_of(self._sums(counts, tables), tables.shape[1])

    def _sums(self, counts: Ints, tables: Floats) -> Floats:
        """The sum over types of counts (resamples, types) times margins (types, arms, 4, K): whole numbers below 2²⁴ are exact in single precision."""
        number = np.float32 if self.units < 1 << 24 else np.float64
        flat = tables.reshape(len(tables), math.prod(tables.shape[1:]))
        used = np.flatnonzero(flat.any(axis=0))
        sums = np.zeros((flat.shape[1], len(counts)))
        sums[used] = np.matmul(np.ascontiguousarray(flat[:, used].T, dtype=number), counts.astype(number).T)
        return sums


def tables_of(sums: Floats, arms: int) -> list[Table]:
    """Per arm the tables (...) of margins (arms * 4 * K, ...), which lie side by side for each class: sums over classes and single metrics run
    along memory."""
    return [Table(np.moveaxis(arm, (0, 1), (-2, -1))) for arm in sums.reshape(arms, 4, -1, *sums.shape[1:])]


@dataclass(frozen=True, eq=False)
class Values:
    """Several metrics on one sample, each (metrics, ...) computed once: as observed, with a unit of each type left out, drawn, swapped."""

    sample: Sample
    metrics: Sequence[Metric]
    _kept: "dict[float, list[Intervals]]" = field(default_factory=dict, repr=False)

    def keep(self, level: float, of_arms: "Sequence[Intervals]") -> None:
        """Remember the `level_intervals` of every arm for `ends`."""
        self._kept[level] = list(of_arms)

    def ends(self, row: int, level: float) -> list[tuple[float, float]]:
        """Per arm the interval of one metric, which is computed alone unless all of that level are kept."""
        found, place = self._kept.get(level), row
        if found is None:
            one = self.only(row)
            found, place = [level_intervals([one], arm, level)[0] for arm in range(self.sample.arms)], 0
        return [(float(each.low[place]), float(each.high[place])) for each in found]

    def _of(self, tables: Sequence[Table]) -> list[Floats]:
        return [np.stack([metric.value(table) for metric in self.metrics]) for table in tables]

    @cached_property
    def observed(self) -> list[Floats]:
        return self._of(self.sample.observed)

    @cached_property
    def left_out(self) -> list[Floats]:
        return self._of(self.sample.left_out)

    @cached_property
    def drawn(self) -> list[Floats]:
        return self._of(self.sample.drawn)

    @cached_property
    def swapped(self) -> list[Floats]:
        return self._of(self.sample.swapped)

    def only(self, row: int) -> "Values":
        """One of the metrics; what was computed for all of them is kept."""
        one = Values(self.sample, self.metrics[row : row + 1])
        kept = ("observed", "left_out", "drawn") if self.sample.resampled else ("observed", "left_out")
        vars(one).update({name: [side[row : row + 1] for side in getattr(self, name)] for name in kept})
        return one

    @property
    def gap(self) -> Floats:
        """Candidate - baseline (metrics,)."""
        return self.observed[0] - self.observed[1]


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
    """Each joint cell as one case in the margins of every arm: (kinds, arms, 4, K)."""
    width = classes + 1
    truth, rest = np.divmod(kinds, width**arms)
    cells = np.zeros((kinds.size, arms, classes, width))
    for arm in range(arms):
        cells[np.arange(kinds.size), arm, truth, rest // width ** (arms - 1 - arm) % width] = 1.0
    return margins_of(cells)


def _types(cell: Ints, unit: Ints, kinds: int) -> tuple[Floats, Ints]:
    """Distinct count vectors of the clusters and how often each occurs; clusters are told apart by a 64-bit signature of their counts."""
    order = np.argsort(unit, kind="stable")
    starts = np.flatnonzero(np.diff(unit[order], prepend=-1))
    weights = np.random.Generator(np.random.PCG64(kinds)).integers(1, 2**63, size=kinds, dtype=np.uint64)
    _, first, repeats = np.unique(np.add.reduceat(weights[cell[order]], starts), return_index=True, return_counts=True)
    ends = np.append(starts[1:], order.size)
    types = np.stack([np.bincount(cell[order[starts[i] : ends[i]]], minlength=kinds) for i in first])
    return types.astype(np.float64), repeats.astype(np.int64)


def bca(draws: Floats, estimate: Floats, left_out: Floats, repeats: Ints | Floats, level: float = 0.95) -> Pair:
    """Bias-corrected accelerated bootstrap intervals (Efron 1987) of several metrics; NaN where one is degenerate.

    `draws` (metrics, B) may hold NaN (a draw in which the metric is undefined), which are left out. Acceleration from the jackknife over
    units: `left_out` (metrics, types) values with weights `repeats` (types,) or (metrics, types).
    """
    ordered, usable = _ordered(draws)
    below, upto = ((draws < estimate[:, None] + shift).sum(axis=1) for shift in (-SAME, SAME))
    share = ratio(below + upto, 2 * usable)
    weights = np.where(np.isnan(left_out), 0.0, repeats)
    mean = ratio((weights * np.nan_to_num(left_out)).sum(axis=1), weights.sum(axis=1))
    gap = np.nan_to_num(mean[:, None] - left_out)
    spread = (weights * gap**2).sum(axis=1)
    acceleration = np.nan_to_num(ratio((weights * gap**3).sum(axis=1), 6 * spread**1.5))[:, None]
    varied = _varied(ordered, usable, draws.shape[1]) & (share > 0) & (share < 1) & (weights.sum(axis=1) > 0)
    bias = special.ndtri(np.where(varied, share, 0.5))[:, None]
    z = bias + special.ndtri(np.array([0.5 - level / 2, 0.5 + level / 2]))
    tame = np.all(acceleration * z < 1, axis=1, keepdims=True)
    quantiles = special.ndtr(bias + z / np.where(tame, 1 - acceleration * z, 1.0))
    found = np.where(varied[:, None] & tame, _quantiles(ordered, usable, quantiles), np.nan)
    return found[:, 0], found[:, 1]


def percentiles(draws: Floats, level: float = 0.95) -> tuple[float, float]:
    """The plain percentile interval of draws (B,) that are all numbers (Efron 1979); linear between order statistics."""
    low, high = np.quantile(draws, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def _ordered(draws: Floats) -> tuple[Floats, Ints]:
    """Each row sorted, NaN last, and how many of it are numbers."""
    return np.sort(draws, axis=1), draws.shape[1] - np.isnan(draws).sum(axis=1)


def _varied(ordered: Floats, usable: Ints, size: int) -> Bools:
    """Rows with enough numbers (at least 20 and half of them) that are not all the same."""
    last = np.take_along_axis(ordered, np.maximum(usable - 1, 0)[:, None], axis=1)[:, 0]
    return np.asarray((usable >= max(20, size // 2)) & (ordered[:, 0] < last))


def _quantiles(ordered: Floats, usable: Ints, q: Floats) -> Floats:
    """`np.quantile` (linear) row by row: `q` (rows, m) of the first `usable` (rows,) of the sorted numbers."""
    place = np.maximum(usable - 1, 0)[:, None] * q
    lower = np.floor(place).astype(np.int64)
    upper = np.minimum(lower + 1, np.maximum(usable - 1, 0)[:, None])
    low, high = np.take_along_axis(ordered, lower, axis=1), np.take_along_axis(ordered, upper, axis=1)
    part = place - lower
    return np.where(part >= 0.5, high - (high - low) * (1 - part), low + (high - low) * part)


def jackknife_variance(left_out: Floats, repeats: Ints) -> Floats:
    """Delete-one-unit variance (metrics,): (G-1)/G * sum (value without g - their mean)²; units that make a metric undefined are left out."""
    weights = np.where(np.isnan(left_out), 0.0, repeats)
    total = weights.sum(axis=1)
    values = np.nan_to_num(left_out)
    mean = ratio((weights * values).sum(axis=1), total)
    squares = (weights * (values - mean[:, None]) ** 2).sum(axis=1)
    return np.where(total < 2, 0.0, ratio((total - 1) * squares, total))


def jackknife_correlation(values: Values) -> Floats:
    """Of the two arms' estimates (metrics,), over units; 0 where one of them does not vary. Units that make one undefined are left out."""
    ours, theirs = values.left_out
    weights = np.where(np.isnan(ours) | np.isnan(theirs), 0.0, values.sample.repeats)
    total = weights.sum(axis=1)
    ours, theirs = (each - ratio((weights * each).sum(axis=1), total)[:, None] for each in (np.nan_to_num(ours), np.nan_to_num(theirs)))
    spread = np.sqrt((weights * ours**2).sum(axis=1) * (weights * theirs**2).sum(axis=1))
    found = np.where(spread > SAME**2, ratio((weights * ours * theirs).sum(axis=1), spread), 0.0)
    return np.clip(found, -1.0, 1.0)


def together(samples: Sequence[Sample], metrics: Sequence[Metric]) -> list[Values]:
    """Values of several strata, whose metrics are computed in one pass: a call costs as much for a few numbers as for a thousand."""
    out, arms = [Values(sample, metrics) for sample in samples], range(samples[0].arms)

    def values(tables: Sequence[Table]) -> list[Floats]:
        return [np.stack([metric.value(table) for metric in metrics]) for table in tables]

    observed = values([Table(np.stack([sample.total[arm] for sample in samples])) for arm in arms])
    left_out = values([Table(np.concatenate([sample.left_out[arm].margins for sample in samples])) for arm in arms])
    edges = np.cumsum([sample.repeats.size for sample in samples])[:-1]
    split = [np.split(side, edges, axis=1) for side in left_out]
    for number, each in enumerate(out):
        vars(each).update(observed=[side[:, number] for side in observed], left_out=[side[number] for side in split])
    resampled = [each for each in out if each.sample.resampled]
    if resampled:
        drawn = values(tables_of(np.stack([each.sample.sums() for each in resampled], axis=1), len(arms)))
        for number, each in enumerate(resampled):
            vars(each).update(drawn=[side[:, number] for side in drawn])
    return out


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """Bounds (metrics,) with the method that made each; NaN where there is no interval."""

    low: Floats
    high: Floats
    method: list[str]


def level_intervals(several: Sequence[Values], arm: int, level: float = 0.95) -> list[Intervals]:
    """Intervals of the metrics of one arm, in each of several strata.

    BCa; the jackknife with very many different clusters; where degenerate an exact bound on the smallest class. Where every case is its own
    unit, what is `made_of_shares` has its interval from them. NaN where a metric is undefined.
    """
    estimate = np.stack([values.observed[arm] for values in several])
    low, high = np.empty(estimate.shape), np.empty(estimate.shape)
    resampled = np.array([values.sample.resampled for values in several])
    drawn = np.flatnonzero(resampled)
    if drawn.size:
        low[drawn], high[drawn] = _bca_of([several[number] for number in drawn.tolist()], arm, level)
    for number in np.flatnonzero(~resampled).tolist():
        sample = several[number].sample
        low[number], high[number] = _jackknife(several[number].left_out[arm], estimate[number], sample, level)
    least, most = (np.array([getattr(metric, end) for metric in several[0].metrics]) for end in ("low", "high"))
    n = np.array([smallest(values.sample) for values in several])[:, None]
    exact_low, exact_high = clopper_pearson((estimate - least) / (most - least) * n, n, level)
    alone = np.array([values.sample.alone for values in several])
    joined = alone[:, None] & np.array([made_of_shares(metric) for metric in several[0].metrics])
    for row in np.flatnonzero(joined.any(axis=0)).tolist():
        tables = Table(np.stack([values.sample.total[arm] for values in several if values.sample.alone]))
        low[alone, row], high[alone, row] = from_shares(several[0].metrics[row], tables, level)
    flat = ~(low < high)  # undefined, or so skewed that both ends are the same draw
    low = np.where(flat, least + (most - least) * exact_low, np.maximum(low, least))
    high = np.where(flat, least + (most - least) * exact_high, np.minimum(high, most))
    methods = [
        [_method(*each, bca=bca) for each in zip(*row, strict=True)]
        for *row, bca in zip(flat.tolist(), joined.tolist(), resampled.tolist(), strict=True)
    ]
    return [Intervals(low=low[number], high=high[number], method=method) for number, method in enumerate(methods)]


def _method(flat: bool, joined: bool, *, bca: bool) -> str:
    return "clopper-pearson" if flat else METHOD if joined else "bca" if bca else "jackknife"


def _bca_of(several: Sequence[Values], arm: int, level: float) -> Pair:
    """`bca` of every stratum and metric (strata, metrics) at once."""
    strata, metrics = len(several), len(several[0].metrics)
    draws = np.concatenate([values.drawn[arm] for values in several])
    width = max(values.sample.repeats.size for values in several)
    left_out, repeats = np.full((strata, metrics, width), np.nan), np.zeros((strata, metrics, width))  # NaN where a stratum has fewer types
    for number, values in enumerate(several):
        here = values.sample.repeats.size
        left_out[number, :, :here], repeats[number, :, :here] = values.left_out[arm], values.sample.repeats
    estimate = np.concatenate([values.observed[arm] for values in several])
    low, high = bca(draws, estimate, left_out.reshape(-1, width), repeats.reshape(-1, width), level)
    return low.reshape(strata, metrics), high.reshape(strata, metrics)


def smallest(sample: Sample) -> float:
    """Cases of the smallest class that has some, at most the units."""
    support = sample.observed[0].support
    return min(float(support[support > 0].min()), float(sample.units))


def table_levels(values: Values, row: int, alpha: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Both arms' intervals of one metric, each bound one-sided at 1 - alpha."""
    new, old = values.ends(row, round(1 - 2 * alpha, 12))
    return new, old


def _jackknife(left_out: Floats, estimate: Floats, sample: Sample, level: float) -> Pair:
    half = float(t_quantile(level, sample.units - 1)) * jackknife_variance(left_out, sample.repeats) ** 0.5
    half = np.where(half > 0, half, np.nan)
    return estimate - half, estimate + half


def swap_p(values: Values) -> Floats:
    """Two-sided permutation p (metrics,) of H0: the models' answers are exchangeable within a unit; +1 in numerator and denominator."""
    shifted = np.abs(values.swapped[0] - values.swapped[1])
    reached = (~(shifted < np.abs(values.gap)[:, None] - SAME)).sum(axis=1)
    return np.asarray((1 + reached) / (1 + shifted.shape[1]))
