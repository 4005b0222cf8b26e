"""The cases of a block ordered by stratum and score, for one class against the others: what every rank metric is a function of.

Scores are sorted once for all blocks (`rank`). In a block, one integer per case (stratum, rank, class) is sorted; equal scores are equal
ranks. Rank metrics change only where a positive is, so all of them are sums over *steps*, the groups of equal scores that hold a positive,
with the negatives tied in a step and in the gap above it counted. Nothing of the size of the cases is kept.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.engine.arrays import BadInput, Bools, Floats, Ints, floats, ratio, tally
from evaluation.engine.strata import Block

ROUNDING = 1e-24


@dataclass(frozen=True)
class Ranking:
    """Scores (n,) sorted once: `level` (n,) is each case's dense rank, 0 for the lowest score and equal for equal scores."""

    level: NDArray[np.int32]

    @cached_property
    def distinct(self) -> int:
        return int(self.level.max()) + 1 if self.level.size else 0


def rank(scores: ArrayLike) -> Ranking:
    """Sort finite scores. Raises BadInput that names the first row which is not finite."""
    values = floats(scores)
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        raise BadInput(f"row {wrong[0]}: the score is not finite")
    order = ascending(values)
    level = np.empty(values.size, dtype=np.int32)
    level[order] = np.cumsum(_changes(values[order]), dtype=np.int32) - np.int32(1)
    return Ranking(level)


def ascending(values: Floats) -> Ints:
    """The rows (n,) of finite `values` by rising value.

    One integer a row is sorted, which is far quicker than to sort row numbers by value: the leading bits of the value, then the row.
    As many bits of the value as the row takes are lost; runs of rows that differ in those alone are put in order afterwards.
    """
    row = max(values.size - 1, 0).bit_length()
    bits = np.ascontiguousarray(values).view(np.int64)
    keys = bits ^ ((bits >> 63) & np.int64((1 << 63) - 1))  # whole numbers in the order of the values (IEEE 754)
    keys >>= row
    keys <<= row
    keys |= np.arange(values.size)
    keys.sort()
    order = keys & ((1 << row) - 1)
    ordered = values[order]
    wrong = np.flatnonzero(ordered[1:] < ordered[:-1])
    if not wrong.size:
        return order
    runs = np.unique(keys[wrong] >> row)
    first, last = np.searchsorted(keys, runs << row), np.searchsorted(keys, (runs << row) + ((1 << row) - 1), side="right")
    n = last - first
    places = np.arange(n.sum()) + np.repeat(first - np.cumsum(n) + n, n)
    order[places] = order[places][np.argsort(ordered[places], kind="stable")]
    return order


@dataclass(frozen=True, eq=False)
class Steps:
    """Per step, ascending by (stratum, score), its `stratum` and the rows `start` to `end` of the sorted block, `held` of them positives.

    Rows are counted through the block: those of a stratum lie between two `offsets` (size + 1,). `rank` is a step's first positive's number
    among the positives of the block, of which a stratum's lie between two `bounds` (size + 1,). `last` is a step's last row, end - 1; None
    where every score is different. Only what is asked for is made.
    """

    start: Ints
    rank: Ints
    offsets: Ints
    bounds: Ints
    last: Ints | None = None

    @property
    def single(self) -> bool:
        """Every score is different, so that each positive is a step."""
        return self.last is None

    @cached_property
    def stratum(self) -> Ints:
        return np.repeat(np.arange(self.size), np.diff(self.edges))

    @cached_property
    def held(self) -> Ints:
        return np.ones(self.rank.size, dtype=np.int64) if self.single else np.diff(self.rank, append=self.bounds[-1])

    @cached_property
    def end(self) -> Ints:
        return self.start + 1 if self.last is None else self.last + 1

    @property
    def size(self) -> int:
        return self.offsets.size - 1

    @cached_property
    def positives(self) -> Ints:
        return np.diff(self.bounds)

    @cached_property
    def negatives(self) -> Ints:
        return np.diff(self.offsets) - self.positives

    @cached_property
    def tied(self) -> Ints:
        """Negatives with the step's score."""
        return self.end - self.start - self.held

    @cached_property
    def before(self) -> Ints:
        """Positives of the stratum with a lower score."""
        return np.asarray(self.rank - self.bounds[self.stratum])

    @cached_property
    def below(self) -> Ints:
        """Negatives of the stratum with a lower score."""
        return np.asarray(self.start - self.rank + (self.bounds - self.offsets)[self.stratum])

    @cached_property
    def above(self) -> Ints:
        """Positives of the stratum with a higher score."""
        return np.asarray(self.bounds[1:][self.stratum] - self.rank - self.held)

    @cached_property
    def gap(self) -> Ints:
        """Negatives above the step and below the next one, or up to the stratum's end."""
        after = np.append(self.start[1:], 0)[: self.start.size]
        last = np.flatnonzero(np.append(self.stratum[1:] != self.stratum[:-1], True)[: self.stratum.size])
        after[last] = self.offsets[1:][self.stratum[last]]
        return np.asarray(after - self.end)

    @cached_property
    def head(self) -> Ints:
        """Per stratum (size,) the negatives below its first step."""
        return np.asarray(self.negatives - self.sums(self.tied + self.gap).astype(np.int64))

    @cached_property
    def wins(self) -> Floats:
        """Per stratum (size,) twice the pairs of a positive and a lower negative, and once those with equal scores; exact."""
        won = 2 * (self.start - self.rank)  # negatives below, of this stratum and of those before it
        if not self.single:
            won = self.held * (won + self.tied)
        return np.asarray(self.sums(won) + 2 * self.positives * (self.bounds - self.offsets)[:-1])

    @cached_property
    def edges(self) -> Ints:
        """Where each stratum's steps begin, and where the last one's end (size + 1,)."""
        return self.bounds if self.single else np.searchsorted(self.start, self.offsets)

    def sums(self, values: NDArray[Any]) -> Floats:
        """Per stratum (size,) of `values` (steps,); each added up by itself."""
        return floats(self._added(values))

    def _added(self, values: NDArray[Any]) -> NDArray[Any]:
        out, starts = np.zeros(self.size, dtype=values.dtype), self.edges[:-1]
        held = np.flatnonzero(np.diff(self.edges))
        if held.size:
            out[held] = np.add.reduceat(values, starts[held])
        return out

    def deviations(self) -> tuple[Floats, Floats]:
        """Per stratum (size,), of its positives and of its negatives, the sum of squared distances from their mean of twice the cases of the
        other class that score lower (once those with equal scores).

        Counts are through the block; what lies before the stratum is taken off the sums. Those may pass 2⁶³, where whole numbers wrap
        around; what is left of them in the end is below it (`countable`), so that it is exact.
        """
        ours, theirs, before = self.positives, self.negatives, (self.bounds - self.offsets)[:-1]
        passed = self.start - self.rank
        passed *= 2  # twice the negatives below, those of earlier strata among them
        each = passed if self.single else self.held * (passed := passed + self.tied)
        product = each * self.rank
        total, ranked = self._added(each), self._added(product)
        squares = self._added(np.multiply(each, passed, out=product))
        # a negative's square grows with every positive below it: summed over negatives, it is a sum over the pairs, which positives can tell
        pairs = 4 * ranked + 2 * total
        if not self.single:
            pairs += self._added(2 * (self.held - 1) * each + self.held**2 * self.tied)
        pairs += 4 * (before * ours**2 - self.bounds[:-1] * total)  # by ranks within the stratum, not through the block
        wins = total + 2 * before * ours
        squares += 4 * before * (total + before * ours)
        return _about_mean(squares, wins, ours), _about_mean(4 * theirs * ours**2 - pairs, 2 * ours * theirs - wins, theirs)

    @property
    def countable(self) -> bool:
        """Whether the sums of `deviations` fit into 64 bits, which they do up to some two million cases a stratum."""
        ours, theirs = floats(self.positives), floats(self.negatives)
        return bool((ours * theirs * (ours + theirs)).max(initial=0.0) < 2.0**62)

    def running(self, values: Floats) -> Floats:
        """Within each stratum the sum of `values` (steps,) up to and including each step."""
        out = np.empty(values.size)
        for start, end in zip(
            self.edges[:-1].tolist(), self.edges[1:].tolist(), strict=True
        ):  # one by one: no stratum's rounding may depend on another's
            np.cumsum(values[start:end], out=out[start:end])
        return out


@dataclass(frozen=True, eq=False)
class Ranked:
    """One class's scores in one block."""

    ranking: Ranking
    positive: Bools
    block: Block

    @cached_property
    def _whether(self) -> Bools:
        return np.asarray(self.block.pick(self.positive))

    def _keys(self) -> NDArray[np.unsignedinteger[Any]]:
        """Per row (stratum, rank, class) as one integer."""
        small = 2 * self.block.size * self.ranking.distinct < 1 << 32
        keys: NDArray[np.unsignedinteger[Any]] = np.asarray(self.block.pick(self.ranking.level)).astype(np.uint32 if small else np.uint64)
        keys *= keys.dtype.type(2)
        keys += self._whether.view(np.uint8)
        if self.block.size > 1:
            strata = self.block.codes.astype(keys.dtype)
            strata *= keys.dtype.type(2 * self.ranking.distinct)
            keys += strata
        return keys

    @property
    def _different(self) -> bool:
        """No two rows of the block have the same score."""
        return self.ranking.distinct == self.block.cases and not self.block.repeated

    @cached_property
    def steps(self) -> Steps:
        if self._different and self.block.whole and self.block.size == 1:
            held = np.empty(self.block.cases, dtype=np.bool_)
            held[self.ranking.level] = self.positive  # every rank is there once: nothing is left to sort
            places = np.flatnonzero(held)
            return Steps(places, np.arange(places.size), np.array([0, held.size]), np.array([0, places.size]))
        keys = self._keys()
        keys.sort()
        return self._steps(keys)

    def _steps(self, keys: NDArray[np.unsignedinteger[Any]]) -> Steps:
        wide = keys.dtype.type
        edges = np.arange(self.block.size + 1, dtype=np.uint64) * np.uint64(2 * self.ranking.distinct)
        offsets = np.searchsorted(keys, edges.astype(keys.dtype))
        offsets[-1] = keys.size  # the last edge may not fit into the keys' integers
        held = np.empty(keys.size, dtype=np.bool_)
        np.bitwise_and(keys, wide(1), out=held, casting="unsafe")  # 0 or 1, straight into booleans
        places = np.flatnonzero(held)  # of the positives; within equal scores they come last
        bounds = np.searchsorted(places, offsets)
        if self._different:
            return Steps(places, np.arange(places.size), offsets, bounds)
        groups = keys >> wide(1)
        rank = np.flatnonzero(_changes(groups[places]))
        fresh = np.flatnonzero(_changes(groups))
        start = fresh[np.searchsorted(fresh, places[rank], side="right") - 1]
        return Steps(start, rank, offsets, bounds, places[np.append(rank[1:], places.size)[: rank.size] - 1])

    def _turn(self) -> Ints:
        """The block's rows in the order of their keys, as positions into `block.rows`."""
        bits = np.uint64(self.block.codes.size.bit_length())
        keys = (self._keys().astype(np.uint64) << bits) | np.arange(self.block.codes.size, dtype=np.uint64)
        keys.sort()
        return (keys & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)

    def rows(self, held: Floats, tied: Floats, gap: Floats, head: Floats) -> Floats:
        """A value for each row (rows,): of a step's positives and tied negatives, of the negatives in its gap, of a stratum's `head`."""
        steps, turn = self.steps, self._turn()
        where = steps.edges[:-1]  # a stratum's head stands before its first step
        counts = np.insert(np.stack([steps.tied, steps.held, steps.gap], axis=1).ravel(), 3 * where, steps.head)
        values = np.insert(np.stack([tied, held, gap], axis=1).ravel(), 3 * where, head)
        out = np.empty(turn.size)
        out[turn] = np.repeat(values, counts)
        return out


@dataclass(frozen=True, eq=False)
class Influence:
    """Each case's influence on a rank metric of its stratum, as values of steps and gaps, with mean 0 within each class."""

    ranked: Ranked
    held: Floats
    tied: Floats
    gap: Floats
    head: Floats

    @classmethod
    def centred(cls, ranked: Ranked, held: Floats, tied: Floats, gap: Floats, head: Floats) -> "Influence":
        """With each class's mean taken off: the classes' sizes are not a matter of chance."""
        steps = ranked.steps
        ours = np.nan_to_num(ratio(steps.sums(steps.held * held), steps.positives))
        theirs = np.nan_to_num(ratio(steps.sums(steps.tied * tied + steps.gap * gap) + steps.head * head, steps.negatives))
        return cls(ranked, held - ours[steps.stratum], tied - theirs[steps.stratum], gap - theirs[steps.stratum], head - theirs)

    @property
    def raw(self) -> Floats:
        """Per row of the block (rows,)."""
        return self.ranked.rows(self.held, self.tied, self.gap, self.head)

    def _factors(self) -> tuple[Floats, Floats]:
        """sqrt(m / (m - 1)) per stratum for positives and negatives, m the clusters that hold one; NaN where m < 2."""
        units, steps = self.ranked.block.units, self.ranked.steps
        ours, theirs = steps.positives, steps.negatives
        if units is not None:
            present = units.totals(self.ranked.block.pick(self.ranked.positive))
            ours = np.bincount(units.stratum, present > 0, steps.size).astype(np.int64)
            theirs = np.bincount(units.stratum, units.totals() > present, steps.size).astype(np.int64)
        return np.sqrt(ratio(ours, ours - 1)), np.sqrt(ratio(theirs, theirs - 1))

    @property
    def scaled(self) -> Floats:
        """Per row, times the class's factor: the variance is then the sum of squares over clusters. Singletons give DeLong's exactly."""
        ours, theirs = self._factors()
        codes = self.ranked.block.codes
        positive = np.asarray(self.ranked.block.pick(self.ranked.positive))
        with np.errstate(invalid="ignore"):
            return np.asarray(self.raw * np.where(positive, ours[codes], theirs[codes]))

    @cached_property
    def variance(self) -> Floats:
        """Per stratum; NaN where a class has fewer than two clusters. Without clusters no case is looked at again."""
        block, steps = self.ranked.block, self.ranked.steps
        if block.units is not None:
            return influence_variance(self.scaled, block)
        ours, theirs = self._factors()
        held = steps.sums(steps.held * self.held**2)
        others = steps.sums(steps.tied * self.tied**2 + steps.gap * self.gap**2) + steps.head * self.head**2
        return real(held * ours**2 + others * theirs**2)


@dataclass(frozen=True, eq=False)
class RankMetric:
    """A rank metric per stratum of a block (NaN where undefined), with each case's influence on it, made when it is asked for.

    `spread` makes the variance of cases that stand alone where it takes no influences.
    """

    value: Floats
    steps: Steps
    make: Callable[[], Influence]
    spread: Callable[[], Floats] | None = None

    @cached_property
    def influence(self) -> Influence:
        return self.make()

    @cached_property
    def variance(self) -> Floats:
        """Per stratum; NaN where a class has fewer than two clusters."""
        return self.influence.variance if self.spread is None else self.spread()

    @property
    def smaller_class(self) -> Ints:
        return np.minimum(self.steps.positives, self.steps.negatives)

    @property
    def tied_pairs(self) -> Floats:
        """Share of positive-negative pairs with equal scores."""
        steps = self.steps
        return ratio(steps.sums(steps.held * steps.tied), steps.positives.astype(np.float64) * steps.negatives)


def _about_mean(squares: Ints, total: Ints, n: Ints) -> Floats:
    """Sum of squared distances from the mean, of `n` whole numbers with these sums: about the nearest whole number first, where it is exact."""
    middle = (2 * total + n) // np.maximum(2 * n, 1)
    rest = total - middle * n
    return floats(squares - middle * (total + rest)) - ratio(floats(rest) ** 2, n)


def _changes(values: NDArray[Any]) -> Bools:
    """Where a sorted array begins a new value."""
    fresh = np.ones(values.size, dtype=np.bool_)
    fresh[1:] = values[1:] != values[:-1]
    return fresh


def influence_variance(influence: Floats, block: Block) -> Floats:
    """Variance per stratum of an estimate with these scaled influences (rows,): squares summed over clusters; 0 for what is rounding alone."""
    if block.units is None:
        found = tally(block.codes, influence**2, block.size)
    else:
        found = tally(block.units.stratum, block.units.totals(influence) ** 2, block.size)
    return real(found)


def real(variance: Floats) -> Floats:
    """0 for what rounding leaves where nothing varies: the variance of a share of 10⁸ cases is still far larger."""
    return np.where(variance > ROUNDING, variance, np.where(np.isnan(variance), np.nan, 0.0))
