"""Many strata, one claim: adjusted p-values. NaN marks a stratum that was not tested; it stays NaN and is not counted."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from evaluation.engine.arrays import BadInput, Floats, floats


def holm(p: ArrayLike) -> Floats:
    """Holm's step-down adjusted p-values (1979): family-wise error, valid under any dependence."""
    return _adjusted(p, lambda ordered: np.maximum.accumulate(ordered * np.arange(ordered.size, 0, -1)))


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """Benjamini–Hochberg adjusted p-values (1995): false discovery rate, for exploratory slices only."""

    return _adjusted(p, _step_up)


def benjamini_yekutieli(p: ArrayLike) -> Floats:
    """Benjamini–Yekutieli adjusted p-values (2001): false discovery rate under any dependence, as between slices that overlap."""
    return _adjusted(p, lambda ordered: _step_up(ordered) * (1 / np.arange(1, ordered.size + 1)).sum())


def _step_up(ordered: Floats) -> Floats:
    scaled = ordered * ordered.size / np.arange(1, ordered.size + 1)
    return np.minimum.accumulate(scaled[::-1])[::-1]


def _adjusted(p: ArrayLike, rule: Callable[[Floats], Floats]) -> Floats:
    values = floats(p)
    if values.ndim != 1:
        raise BadInput(f"p-values are one row, not of shape {values.shape}")
    wrong = np.flatnonzero((values < 0) | (values > 1))
    if wrong.size:
        raise BadInput(f"row {wrong[0]}: {values[wrong[0]]:g} is no p-value")
    tested = np.flatnonzero(~np.isnan(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    out = np.full(values.shape, np.nan)
    out[order] = np.minimum(rule(values[order]), 1.0)
    return out
