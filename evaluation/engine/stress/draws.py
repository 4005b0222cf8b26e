"""Random integers that are the same on every machine and under every version of numpy.

Only the raw 64-bit stream of the bit generator is used (numpy promises that stream for good, and its distributions only within a version),
and only integer arithmetic makes something of it.
"""

import numpy as np
from numpy.typing import NDArray

from evaluation.engine.arrays import Bools, Ints

BELL_SD = 209  # of `bells`: the root of 8 * (256**2 - 1) / 12 is 209.02
PAIRS = np.uint64(0x00FF00FF00FF00FF)
FOLD = np.uint64(0x0001000100010001)


def words(rng: np.random.Generator, count: int) -> NDArray[np.uint64]:
    """`count` uniform 64-bit words."""
    return np.asarray(rng.bit_generator.random_raw(count), dtype=np.uint64)


def bells(rng: np.random.Generator, count: int) -> Ints:
    """`count` bell-shaped integers in -1020..1020 with mean 0 and standard deviation 209.02: each the sum of eight uniform bytes, less its mean.

    Irwin–Hall of order 8: kurtosis 2.85 against the normal 3, nothing beyond 4.9 standard deviations.
    """
    drawn = words(rng, count)
    pairs = (drawn & PAIRS) + ((drawn >> np.uint64(8)) & PAIRS)
    return ((pairs * FOLD) >> np.uint64(48)).astype(np.int64) - 1020


def below(rng: np.random.Generator, limit: int) -> int:
    """One uniform integer in 0..limit-1."""
    return int(words(rng, 1)[0]) * limit >> 64


def sign(rng: np.random.Generator) -> int:
    """-1 or 1."""
    return 2 * below(rng, 2) - 1


def happens(rng: np.random.Generator, count: int, per_mille: int) -> tuple[Bools, Bools]:
    """`count` independent events of that probability, and for each a fair coin."""
    drawn = words(rng, count)
    return np.asarray(drawn >> np.uint64(32) < (per_mille << 32) // 1000), np.asarray(drawn & np.uint64(1) == 1)


def chosen(rng: np.random.Generator, among: int, count: int) -> list[int]:
    """`count` different integers of 0..among-1, in ascending order; all of them where there are no more."""
    order = np.argsort(words(rng, among), kind="stable")
    return sorted(order[:count].tolist())
