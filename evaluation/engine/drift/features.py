"""Many features at once: which have moved, so far that it matters and beyond what that many comparisons find by chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.engine.arrays import BadInput
from evaluation.engine.data import absent
from evaluation.engine.drift.distances import (
    Distance,
    bin_counts,
    category_counts,
    column,
    independence,
    jensen_shannon,
    kolmogorov_smirnov,
    psi,
)
from evaluation.engine.multiplicity import holm

Verdict = Literal["moved", "proven but small", "not proven", "too few"]
LEAST = 30
ALPHA = 0.05
FLOOR = 0.1  # of D and of Cramér's V: below, a difference is there but does not matter


@dataclass(frozen=True, kw_only=True)
class FeatureDrift:
    """One feature. `test` decides (Kolmogorov–Smirnov of numbers, χ² of categories), the others describe; all are None below 30 values.

    `p` is Holm's over all features that were tested.
    """

    name: str
    verdict: Verdict
    test: Distance | None
    others: tuple[Distance, ...]
    p: float | None
    n_reference: int
    n_production: int


def feature_drift(
    reference: Sequence[ArrayLike],
    production: Sequence[ArrayLike],
    names: Sequence[str],
    *,
    alpha: float = ALPHA,
    floor: float = FLOOR,
    least: int = LEAST,
) -> list[FeatureDrift]:
    """One entry a feature, in the order given. Columns of numbers are compared by distribution, all others by category; true and false beside numbers are 1 and 0.

    A feature has `moved` if Holm's p is at most `alpha` and its effect at least `floor`: with enough rows everything is proven, and with
    few rows everything is far. Raises BadInput on different numbers of columns, on values that are absent and on numbers that are not finite.
    """
    if not len(reference) == len(production) == len(names):
        raise BadInput(
            f"{len(names)} names, {len(reference)} reference and {len(production)} production columns; there is one each a feature"
        )
    found = [
        _compare(_column(ours, "reference"), _column(theirs, "production"), least)
        for ours, theirs in zip(reference, production, strict=True)
    ]
    adjusted = holm([np.nan if distances is None else distances[0].p for distances in found])
    out = []
    for name, ours, theirs, distances, p in zip(names, reference, production, found, adjusted, strict=True):
        verdict: Verdict = "too few"
        if distances is not None:
            verdict = "not proven" if p > alpha else "moved" if distances[0].value >= floor else "proven but small"
        out.append(
            FeatureDrift(
                name=name,
                verdict=verdict,
                test=None if distances is None else distances[0],
                others=() if distances is None else distances[1:],
                p=None if distances is None else float(p),
                n_reference=len(np.asarray(ours)),
                n_production=len(np.asarray(theirs)),
            )
        )
    return out


def _column(values: ArrayLike, side: str) -> NDArray[Any]:
    """A column of numbers, true and false among them, of which some are absent stays one of numbers, with NaN: it is no list of names."""
    found = column(values, side)
    if found.dtype.kind != "O":
        return found
    lacking = absent(found)
    there = found[~lacking]
    if not there.size or not all(isinstance(each, (Real, np.bool_)) for each in there):
        return found
    if not lacking.any() and all(isinstance(each, (bool, np.bool_)) for each in there):
        return found.astype(np.bool_)
    return np.where(lacking, np.nan, found).astype(np.float64)


def _compare(ours: NDArray[Any], theirs: NDArray[Any], least: int) -> tuple[Distance, ...] | None:
    if min(len(ours), len(theirs)) < least:
        return None
    kinds = {ours.dtype.kind, theirs.dtype.kind}
    if kinds <= set("biuf") and kinds != {"b"}:
        counts = bin_counts(ours, theirs)
        return kolmogorov_smirnov(ours, theirs), psi(counts), jensen_shannon(counts)
    counts = category_counts(ours, theirs)[1]
    return independence(counts), psi(counts), jensen_shannon(counts)
