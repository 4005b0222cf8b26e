"""Bootstrap of cases or clusters for metrics of scores: how often each case was drawn, common to both arms and all metrics of a stratum.

Only strata of at most `MOST_DRAWN` units are drawn; above, the influence functions say the same. For average precision units are drawn
within kinds (the label of a single case; which labels a cluster of a binary task holds), so that no class disappears. Sums under the draws are exact integers, equal on
every machine.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.engine.arrays import Bools, Floats, Ints, tally
from evaluation.engine.precision import drawn_precision
from evaluation.engine.probabilities import BINS, Bins, equal_width

MOST_DRAWN = 1000
IN_CACHE = 1 << 15  # counters that are filled at a time
FIXED = 1 << 24  # probabilities are summed as multiples of 2⁻²⁴


@dataclass(frozen=True, eq=False)
class Draws:
    """Resamples of one stratum: `unit` (cases,) dense cluster codes, `kind` (units,) within which units are exchanged."""

    unit: Ints
    kind: Ints
    resamples: int
    generator: np.random.Generator

    @cached_property
    def weights(self) -> NDArray[np.uint8]:
        """How often each case was drawn (cases, resamples)."""
        counts = np.empty((self.kind.size, self.resamples), dtype=np.uint8)
        for kind in np.unique(self.kind):
            members = np.flatnonzero(self.kind == kind)
            few = max(IN_CACHE // members.size, 1)
            for start in range(0, self.resamples, few):
                draws = min(few, self.resamples - start)
                picks = self.generator.integers(0, members.size, size=(draws, members.size), dtype=np.uint16).astype(np.int64)
                picks += np.arange(draws)[:, None] * members.size
                drawn = np.bincount(picks.ravel(), minlength=picks.size)
                counts[members, start : start + draws] = drawn.reshape(draws, members.size).T
        return counts[self.unit]

    def totals(self, values: Floats) -> Floats:
        """Sum of `values` (cases,) per unit."""
        return tally(self.unit, values, self.kind.size)

    def precision(self, scores: Floats, positive: Bools) -> Floats:
        """Average precision of each resample; NaN without both classes."""
        return drawn_precision(scores, positive, self.weights)

    def bins(self, chance: Floats, happened: Bools) -> Bins:
        """Sums over bins of each resample (resamples, bins)."""
        place = equal_width(chance)
        sums = np.zeros((3, BINS, self.resamples))
        columns = np.stack([np.ones(chance.size), np.round(chance * FIXED), happened])
        for number in np.unique(place):
            here = np.flatnonzero(place == number)
            sums[:, number] = columns[:, here] @ self.weights[here].astype(np.float64)
        n, score, true = sums.transpose(0, 2, 1)
        return Bins(n, score / FIXED, true)


def units_by_content(columns: list[NDArray[Any]], clusters: Ints | None) -> Ints:
    """Dense unit codes (cases,), numbered by what the units hold, so that the order of the rows does not matter.

    `columns` are whatever tells cases apart (truth, labels, scores), each (cases,). Units with equal content are exchangeable. A cluster is
    known by a 64-bit sum of one random number for each kind of case in it.
    """
    order = np.lexsort(columns)
    fresh = np.zeros(order.size, dtype=np.bool_)
    for column in columns:
        ordered = column[order]
        fresh[1:] |= ordered[1:] != ordered[:-1]
    kind = np.empty(order.size, dtype=np.int64)
    kind[order] = np.cumsum(fresh)
    if clusters is None:
        unit = np.empty(order.size, dtype=np.int64)
        unit[order] = np.arange(order.size)
        return unit
    names = np.random.Generator(np.random.PCG64(order.size)).integers(1, 2**63, size=order.size, dtype=np.uint64)
    inside = np.unique(clusters, return_inverse=True)[1]
    content = np.zeros(int(inside.max()) + 1, dtype=np.uint64)
    np.add.at(content, inside, names[kind])
    place = np.empty(content.size, dtype=np.int64)
    place[np.argsort(content, kind="stable")] = np.arange(content.size)
    return place[inside]


def kinds_of(unit: Ints, truth: Ints, *, single: bool, binary: bool) -> Ints:
    """Kind (units,) of each unit: a case's label; of a cluster of a binary task which labels it holds; else all units are of one kind."""
    size = int(unit.max(initial=-1)) + 1
    if single:
        kind = np.zeros(size, dtype=np.int64)
        kind[unit] = truth
        return kind
    if not binary:
        return np.zeros(size, dtype=np.int64)
    ones = np.bincount(unit, truth == 1, size) > 0
    return np.asarray(ones + 2 * (np.bincount(unit, truth == 0, size) > 0), dtype=np.int64)
