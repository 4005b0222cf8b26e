"""What every module of the engine shares: array types, the error for bad input, and division that yields NaN instead of a warning."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Codes = NDArray[np.integer[Any]]


class BadInput(ValueError):  # noqa: N818 - read as a sentence at the call site
    """An array that cannot be evaluated. The message names the row and what is wrong with it; nothing was computed."""


def floats(values: ArrayLike) -> Floats:
    """`values` as float64, without a copy where it already is."""
    return np.asarray(values, dtype=np.float64)


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> Floats:
    """Elementwise numerator / denominator; NaN where the denominator is 0, never a warning."""
    top, bottom = np.broadcast_arrays(floats(numerator), floats(denominator))
    out = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=out, where=bottom != 0)
    return out


def tally(codes: NDArray[np.integer[Any]], weights: ArrayLike | None = None, size: int = 0) -> Floats:
    """Sum of `weights` per code in 0..size-1 as float64; the number of rows without weights."""
    return np.bincount(codes, None if weights is None else floats(weights), size).astype(np.float64)


def narrow(codes: NDArray[np.integer[Any]], size: int) -> NDArray[np.integer[Any]]:
    """Codes in 0..size-1 as the smallest unsigned integers that hold them. Widen before multiplying."""
    return codes.astype(np.min_scalar_type(max(size - 1, 0)), copy=False)


def optional(value: ArrayLike) -> float | None:
    """A scalar as a JSON number: None for NaN and infinities, a plain float otherwise."""
    number = float(floats(value))
    return number if np.isfinite(number) else None
