"""What every module of the engine shares: array types, the error for bad input, and division that yields NaN instead of a warning."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Codes = NDArray[np.integer[Any]]


COUNTED_AT_ONCE = 1 << 15
MOST_EXACT = 2**53  # above, a float64 stands for several whole numbers


class BadInput(ValueError):  # noqa: N818 - read as a sentence at the call site
    """An array that cannot be evaluated. The message names the row and what is wrong with it; nothing was computed."""


def floats(values: ArrayLike) -> Floats:
    """`values` as float64, without a copy where it already is; NaN where a row is masked or None.

    Raises BadInput for what is no number, naming the row: words, complex numbers, dates.
    """
    kind = getattr(values, "dtype", None)
    if type(values) is np.ndarray and kind == np.float64:
        return values
    if isinstance(values, np.ma.MaskedArray) and getattr(kind, "kind", "") in "biuf":
        return np.asarray(np.ma.filled(values.astype(np.float64), np.nan))
    if getattr(kind, "kind", "f") in "cmM":
        raise BadInput(f"numbers are needed, not {kind}")
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BadInput(_unreadable(values)) from error


def _unreadable(values: ArrayLike) -> str:
    """Which row is no number, or not as long as the first one."""
    shape = None
    alone = isinstance(values, str) or (isinstance(values, np.ndarray) and values.ndim == 0)
    for row, each in enumerate(values if isinstance(values, Iterable) and not alone else [values]):
        try:
            found = np.asarray(each, dtype=np.float64).shape
        except (TypeError, ValueError):
            return f"row {row}: {str(each)[:40]!r} is no number"
        if found != (shape := found if shape is None else shape):
            return f"row {row}: it has shape {found}, the first one {shape}"
    return "numbers are needed"


def plain(values: ArrayLike, name: str) -> NDArray[Any]:
    """`values` of any type as an array. Raises BadInput for masked rows, which have no value, and for rows of different lengths."""
    if isinstance(values, np.ma.MaskedArray):
        masked = np.argwhere(np.ma.getmaskarray(values))
        if masked.size:
            raise BadInput(f"row {masked[0][0]}: {name} is masked")
        return np.asarray(values)
    try:
        return np.asarray(values)
    except ValueError as error:
        raise BadInput(f"{name}: rows are of different lengths") from error


def integers(values: ArrayLike, name: str) -> Ints:
    """Whole numbers as int64. Raises BadInput that names the first row that is none: nothing is rounded."""
    given = plain(values, name)
    if given.dtype.kind in "biu" or not given.size:
        return given.astype(np.int64, copy=False)
    numbers = floats(given)
    wrong = np.argwhere(np.atleast_1d(~(np.abs(numbers) <= MOST_EXACT) | (numbers != np.rint(numbers))))
    if wrong.size:
        raise BadInput(f"row {wrong[0][0]}: {name} is a whole number, not {np.atleast_1d(numbers)[tuple(wrong[0])]}")
    return numbers.astype(np.int64)


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
    given = plain(values, name)
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
