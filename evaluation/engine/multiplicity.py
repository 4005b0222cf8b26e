"""Many strata, one claim: adjusted p-values. NaN marks a stratum that was not tested; it stays NaN and is not counted."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from evaluation.engine.arrays import Floats, floats


def holm(p: ArrayLike) -> Floats:
    """Holm's step-down adjusted p-values (1979): family-wise error, valid under any dependence."""
    return _adjusted(p, lambda ordered: np.maximum.accumulate(ordered * np.arange(ordered.size, 0, -1)))


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """Benjamini–Hochberg adjusted p-values (1995): false discovery rate, for exploratory slices only."""

    def step_up(ordered: Floats) -> Floats:
        scaled = ordered * ordered.size / np.arange(1, ordered.size + 1)
        return np.minimum.accumulate(scaled[::-1])[::-1]

    return _adjusted(p, step_up)


def _adjusted(p: ArrayLike, rule: Callable[[Floats], Floats]) -> Floats:
    values = floats(p)
    tested = np.flatnonzero(~np.isnan(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    out = np.full(values.shape, np.nan)
    out[order] = np.minimum(rule(values[order]), 1.0)
    return out
