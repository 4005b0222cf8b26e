"""The cases of a block ordered by stratum and score, for one class against the others: what every rank metric is a function of.

Scores are sorted once for all blocks (`ranking`). A block deals its cases out to their strata in that order, which takes one pass. Rank metrics
change only where a positive is, so all of them are sums over *steps*, the groups of equal scores that hold a positive, with the negatives
tied in a step and in the gap above it counted. Nothing of the size of the cases is kept.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.engine.arrays import Bools, Floats, Ints, floats, ratio, tally
from evaluation.engine.ranking import Ranking, changes, dealt
from evaluation.engine.strata import Block

ROUNDING = 1e-24
MANY = 16  # a block of fewer than one case in so many is sorted by itself


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

    def _by_score(self) -> NDArray[np.integer[Any]]:
        """The block's rows by rising score, as positions into `block.rows`."""
        if self.block.whole:
            return self.ranking.order
        places = self.ranking.places()[self.block.rows]
        return np.argsort(places, kind="stable") if places.size < self.block.cases // MANY else dealt(places, self.block.cases, places)[1]

    @cached_property
    def _whether(self) -> NDArray[np.integer[Any]]:
        return np.asarray(self.block.pick(self.positive)).view(np.uint8)

    def _dealt(self, order: NDArray[np.integer[Any]]) -> tuple[Ints, NDArray[np.integer[Any]] | slice, Bools]:
        """Rows by rising score dealt out to their strata: where each stratum begins, and the last ends; places in `order`; which are positives."""
        if self.block.size == 1:
            return np.array([0, order.size]), slice(None), self._whether[order].view(np.bool_)
        both = self.block.codes.astype(np.min_scalar_type(2 * self.block.size))  # stratum and class at once: one look at every row
        both *= both.dtype.type(2)
        both += self._whether
        both = both.take(order)
        offsets, turn, held = dealt(both >> both.dtype.type(1), self.block.size, (both & both.dtype.type(1)).astype(np.bool_))
        return offsets, turn, held

    @cached_property
    def steps(self) -> Steps:
        order = self._by_score()
        offsets, turn, held = self._dealt(order)
        places = np.flatnonzero(held)  # of the positives
        bounds = np.searchsorted(places, offsets)
        if self._different:
            return Steps(places, np.arange(places.size), offsets, bounds)
        begins = changes(self._levels(order)[turn])
        begins[offsets[:-1][np.diff(offsets) > 0]] = True
        fresh = np.flatnonzero(begins)
        group = np.searchsorted(fresh, places, side="right") - 1
        rank = np.flatnonzero(changes(group))
        return Steps(fresh[group[rank]], rank, offsets, bounds, np.append(fresh[1:], order.size)[group[rank]] - 1)

    @property
    def _different(self) -> bool:
        """No two rows of the block have the same score."""
        return self.ranking.distinct == self.block.cases and not self.block.repeated

    def _levels(self, order: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
        """The dense ranks of the block's rows in this order."""
        if self.block.whole:
            return np.asarray(np.cumsum(self.ranking.fresh, dtype=np.int32))
        return np.asarray(self.ranking.levels()[self.block.rows[order]])

    @cached_property
    def holders(self) -> tuple[Ints, Ints]:
        """Per stratum the clusters (cases that stand alone) that hold a positive, and those that hold another case."""
        units, steps = self.block.units, self.steps
        if units is None:
            return steps.positives, steps.negatives
        present = units.totals(self.block.pick(self.positive))
        counts = (np.bincount(units.stratum, holds, steps.size) for holds in (present > 0, units.totals() > present))
        ours, theirs = (found.astype(np.int64) for found in counts)
        return ours, theirs

    def rows(self, held: Floats, tied: Floats, gap: Floats, head: Floats) -> Floats:
        """A value for each row (rows,): of a step's positives and tied negatives, of the negatives in its gap, of a stratum's `head`."""
        steps, order = self.steps, self._by_score()
        _, turn, whether = self._dealt(order)
        where = steps.edges[:-1]  # a stratum's head stands before its first step
        counts = np.insert(np.stack([steps.end - steps.start, steps.gap], axis=1).ravel(), 2 * where, steps.head)
        values = np.repeat(np.insert(np.stack([tied, gap], axis=1).ravel(), 2 * where, head), counts)
        values[whether] = np.repeat(held, steps.held)
        out = np.empty(order.size)
        out[order[turn]] = values
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
        ours, theirs = self.ranked.holders
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
