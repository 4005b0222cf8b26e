"""Scores in order, sorted once for every block of strata, and the counting sort that deals rows out to places.

Thousands of scores are not put in order by numpy's sort, whose AVX-512 form takes five times as long as its AVX2 form on AMD's Zen 4
(https://github.com/numpy/x86-simd-sort/issues/6). It still orders few of them, and those that lie too close together to be dealt out.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csc_array

from evaluation.engine.arrays import BadInput, Bools, Floats, Ints, floats

HALF = 1 << 16
WORTH_DEALING = 4096  # below so many values, to sort them is quicker than to count 2¹⁶ places


@dataclass(frozen=True)
class Ranking:
    """Scores (n,) sorted once: `order` (n,) are the rows by rising score, `fresh` (n,) says which of them begin a new score."""

    order: NDArray[np.int32]
    fresh: Bools

    @cached_property
    def distinct(self) -> int:
        """Different scores."""
        return int(self.fresh.sum())

    def places(self) -> NDArray[np.int32]:
        """Where each row (n,) stands in the order."""
        places = np.empty(self.order.size, dtype=np.int32)
        places[self.order] = np.arange(self.order.size, dtype=np.int32)
        return places

    def levels(self) -> NDArray[np.int32]:
        """Each row's dense rank (n,): 0 for the lowest score, equal for equal scores."""
        levels = np.empty(self.order.size, dtype=np.int32)
        levels[self.order] = np.cumsum(self.fresh, dtype=np.int32) - np.int32(1)
        return levels


def rank(scores: ArrayLike) -> Ranking:
    """Sort finite scores. Raises BadInput that names the first row which is not finite."""
    values = floats(scores)
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        raise BadInput(f"row {wrong[0]}: the score is not finite")
    order, ordered = ascending(values)
    return Ranking(order.astype(np.int32, copy=False), changes(ordered))


def ascending(values: Floats) -> tuple[NDArray[np.integer[Any]], Floats]:
    """(The rows (n,) of finite `values` by rising value, equal ones by row; the values in that order).

    Rows are dealt out twice, by the lower and by the upper half of 32 bits that say where the value lies between the least and the largest:
    rounding never turns two of them around. Runs of rows that share all 32 bits are put in order afterwards.
    """
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    with np.errstate(all="ignore"):
        scale = np.float64(HALF**2 - 1) / np.float64(high - low)
    if values.size < WORTH_DEALING or not (0 < high - low < np.inf and np.isfinite(scale)):
        order = np.argsort(values, kind="stable")
        return order, values[order]
    keys = ((values - low) * scale).astype(np.uint32)
    _, rows, upper = dealt((keys % HALF).astype(np.int32), HALF, (keys // HALF).astype(np.int32))
    order = dealt(upper, HALF, rows)[2]
    ordered = values.take(order)
    wrong = np.flatnonzero(ordered[1:] < ordered[:-1])
    if not wrong.size:
        return order, ordered
    keys = keys.take(order)
    runs = np.unique(keys[wrong])
    first, last = np.searchsorted(keys, runs), np.searchsorted(keys, runs, side="right")
    n = last - first
    places = np.arange(n.sum()) + np.repeat(first - np.cumsum(n) + n, n)
    within = places[np.argsort(ordered[places], kind="stable")]
    order[places], ordered[places] = order[within], ordered[within]
    return order, ordered


def dealt(codes: NDArray[np.integer[Any]], size: int, values: NDArray[Any]) -> tuple[Ints, NDArray[np.integer[Any]], NDArray[Any]]:
    """(where each of `size` codes begins, and the last ends; rows by code, in their order within each; `values` in that order).

    A transposition of a sparse matrix with one entry a column is a counting sort: one pass, however fast the machine's sort is.
    """
    columns = np.arange(codes.size + 1, dtype=np.int32)
    held = csc_array((values, codes.astype(np.int32, copy=False), columns), shape=(size, codes.size)).tocsr()
    return held.indptr.astype(np.int64), held.indices, held.data


def changes(values: NDArray[Any]) -> Bools:
    """Where a sorted array begins a new value."""
    fresh = np.ones(values.size, dtype=np.bool_)
    fresh[1:] = values[1:] != values[:-1]
    return fresh
