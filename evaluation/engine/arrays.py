"""What every module of the engine shares: array types, the error for bad input, and division that yields NaN instead of a warning."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Codes = NDArray[np.integer[Any]]


COUNTED_AT_ONCE = 1 << 15


class BadInput(ValueError):  # noqa: N818 - read as a sentence at the call site
    """An array that cannot be evaluated. The message names the row and what is wrong with it; nothing was computed."""


def floats(values: ArrayLike) -> Floats:
    """`values` as float64, without a copy where it already is."""
    return np.asarray(values, dtype=np.float64)


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> Floats:
    """Elementwise numerator / denominator; NaN where the denominator is 0, never a warning. The result lies in memory as its operands do."""
    bottom = floats(denominator)
    absent = bottom == 0
    return np.asarray(floats(numerator) / (np.where(absent, np.nan, bottom) if absent.any() else bottom))


def tally(codes: NDArray[np.integer[Any]], weights: ArrayLike | None = None, size: int = 0) -> Floats:
    """Sum of `weights` per code in 0..size-1 as float64; the number of rows without weights."""
    return np.bincount(codes, None if weights is None else floats(weights), size).astype(np.float64)


def occurrences(codes: NDArray[np.integer[Any]], size: int) -> Ints:
    """How often each code in 0..size-1 occurs (size,). A part at a time: numpy counts wide integers only, and those of a part stay in the cache."""
    out = np.zeros(size, dtype=np.int64)
    for start in range(0, codes.size, COUNTED_AT_ONCE):
        out += np.bincount(codes[start : start + COUNTED_AT_ONCE], minlength=size)
    return out


def narrow(codes: NDArray[np.integer[Any]], size: int) -> NDArray[np.integer[Any]]:
    """Codes in 0..size-1 as the smallest unsigned integers that hold them. Widen before multiplying."""
    return codes.astype(np.min_scalar_type(max(size - 1, 0)), copy=False)


def booleans(values: ArrayLike, name: str) -> Bools:
    """`values` as booleans: true and false, or 1 and 0. Raises BadInput that names the first row that is neither, NaN among them."""
    given = np.asarray(values)
    if given.dtype == np.bool_:
        return given
    if given.size and given.dtype.kind not in "iuf":
        raise BadInput(f"{name}: true or false is needed for each case, not {given.dtype}")
    wrong = np.argwhere((given != 0) & (given != 1))
    if wrong.size:
        raise BadInput(f"row {wrong[0][0]}: {name} is true or false, not {given[tuple(wrong[0])]}")
    return given.astype(np.bool_)


def optional(value: ArrayLike) -> float | None:
    """A scalar as a JSON number: None for NaN and infinities, a plain float otherwise."""
    number = float(floats(value))
    return number if math.isfinite(number) else None
