"""Distances between a reference sample (the test set) and a production sample of one feature, each with an interval and a p-value.

Counts are of the same bins in both samples. Sources: Yurdakul & Naranjo 2020 (distribution of the PSI), Lin 1991 (Jensen–Shannon
divergence), Massart 1990 (the constant of the Dvoretzky–Kiefer–Wolfowitz bound), Smithson 2003 (noncentral interval of Cramér's V).
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from evaluation.engine.arrays import BadInput, Floats, Ints, floats, plain, ratio
from evaluation.engine.data import absent

BINS = 10
SHARES_SUM = 1e-6
LEAST_EXPECTED = 5.0  # cells below are pooled before a χ² or G test


@dataclass(frozen=True, kw_only=True)
class Distance:
    """`value` in the statistic's own units with its interval, and the p-value of "both samples have one distribution".

    `bins` is None where none are needed. `method` names how the interval was made.
    """

    statistic: str
    value: float
    low: float
    high: float
    p: float
    n_reference: int
    n_production: int
    bins: int | None
    method: str


def bin_counts(reference: ArrayLike, production: ArrayLike, bins: int = BINS) -> Ints:
    """Counts (2, B) of two numeric samples in the bins that are quantiles of the reference.

    B is at most `bins`: equal quantiles merge, and the outer bins are open. A reference with no more than `bins` different values has a bin
    for each, and one for all other values. Raises BadInput that names a row that is not finite.
    """
    ours, theirs = sample(reference, "reference"), sample(production, "production")
    if bins < 2:
        raise BadInput(f"{bins} bins tell nothing apart; two do")
    distinct = np.unique(ours)
    if distinct.size > bins:
        edges = np.unique(np.quantile(ours, np.arange(1, bins) / bins))
        return np.stack([np.bincount(np.searchsorted(edges, x, side="right"), minlength=edges.size + 1) for x in (ours, theirs)])
    place = [np.minimum(np.searchsorted(distinct, x), distinct.size - 1) for x in (ours, theirs)]
    codes = [np.where(distinct[at] == x, at, distinct.size) for at, x in zip(place, (ours, theirs), strict=True)]
    counts = np.stack([np.bincount(code, minlength=distinct.size + 1) for code in codes])
    return counts[:, counts.any(axis=0)]


def category_counts(reference: ArrayLike, production: ArrayLike) -> tuple[list[str], Ints]:
    """Names and counts (2, B) of every category that occurs in either sample. Numbers and booleans are equal as numbers: 1, 1.0 and true.

    Floats of two widths are equal where they are in the narrower one. Raises BadInput that names a row whose value is absent.
    """
    ours, theirs = (_categories(each, side) for each, side in ((reference, "reference"), (production, "production")))
    kinds = {ours.dtype.kind, theirs.dtype.kind}
    if kinds == {"f"}:
        narrower = min(ours.dtype, theirs.dtype, key=lambda each: each.itemsize)
        with np.errstate(over="ignore"):
            ours, theirs = (each.astype(narrower) for each in (ours, theirs))
    elif len(kinds) > 1 and kinds <= set("biuf"):
        ours, theirs = _written(ours), _written(theirs)
    ours, theirs = ours.astype(str), theirs.astype(str)
    names, codes = np.unique(np.concatenate([ours, theirs]), return_inverse=True)
    return names.tolist(), np.stack([np.bincount(code, minlength=names.size) for code in (codes[: ours.size], codes[ours.size :])])


def column(values: ArrayLike, side: str) -> NDArray[Any]:
    """`values` (n,) as they are: of a list that mixes words and NaN numpy would make the word nan. Raises BadInput for masked rows."""
    found = plain(values, side)
    return np.array(values, dtype=object) if found.dtype.kind in "SU" and not hasattr(values, "dtype") else found


def _categories(values: ArrayLike, side: str) -> NDArray[Any]:
    found = column(values, side)
    lacking = np.flatnonzero(absent(found))
    if lacking.size:
        row = lacking[0]
        raise BadInput(
            f"{side}, row {row}: the value is absent ({found[row]}); count missing values as a category of their own, under a name"
        )
    return found + found.dtype.type(0) if found.dtype.kind == "f" else found  # -0.0 is 0.0


def _written(numbers: NDArray[Any]) -> NDArray[Any]:
    """Booleans, integers and floats as text, whole numbers digit by digit: a common type would round some of them to each other."""
    if numbers.dtype.kind == "b":
        return numbers.astype(np.int8)
    if numbers.dtype.kind != "f":
        return numbers
    return np.where(numbers == np.rint(numbers), np.char.mod("%.0f", numbers), numbers.astype(str))


def sample(values: ArrayLike, name: str) -> Floats:
    """A sample (n,) of finite numbers, at least two. Raises BadInput that names the row."""
    numbers = floats(values)
    if numbers.ndim != 1 or numbers.size < 2:
        raise BadInput(f"{name}: a sample is a row of at least two numbers, not shape {numbers.shape}")
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        raise BadInput(f"{name}, row {bad[0]}: not a finite number; count missing values as a category of their own")
    return numbers


def _table(counts: ArrayLike) -> Floats:
    table = floats(counts)
    if table.ndim != 2 or len(table) != 2 or not np.isfinite(table).all() or (table < 0).any():
        raise BadInput(f"counts are finite, not negative and of shape (2, bins), not {table.shape}")
    if (table.sum(axis=1) < 1).any():
        raise BadInput("one of the samples is empty")
    shares = np.flatnonzero((np.abs(table.sum(axis=1) - 1) < SHARES_SUM) & (table % 1 > 0).any(axis=1))
    if shares.size:
        raise BadInput(f"row {shares[0]}: these are shares of 1, not counts; how sure a distance is depends on how many there are")
    return table[:, table.any(axis=0)]


def psi(counts: ArrayLike, level: float = 0.95) -> Distance:
    """Population stability index: sum (p - q) ln(p / q), p and q the shares of the bins; 0 for equal shares, no upper limit.

    Where a bin is empty in one sample, ½ is added to every count. The plug-in value is shown, as its customary limits (.1, .25) are meant.
    The interval is centred on the value less its bias (B - 1)(1/n + 1/m).
    """
    table = _table(counts)
    p, q = _shares(table)
    return _divergence("psi", table, float(((p - q) * np.log(p / q)).sum()), 1.0, level)


def jensen_shannon(counts: ArrayLike, level: float = 0.95) -> Distance:
    """Jensen–Shannon distance: the root of the divergence in bits, 0 (equal) to 1 (nothing in common)."""
    table = _table(counts)
    p, q = table / table.sum(axis=1, keepdims=True)
    middle = (p + q) / 2
    value = float((special.rel_entr(p, middle) + special.rel_entr(q, middle)).sum()) / 2
    found = _divergence("jensen_shannon", table, value, 1 / 8, level)
    bits = [(min(max(x, 0.0) / np.log(2), 1.0)) ** 0.5 for x in (found.value, found.low, found.high)]
    return replace(found, value=bits[0], low=bits[1], high=bits[2])


def _shares(table: Floats) -> Floats:
    full = table + 0.5 if (table == 0).any() else table
    return np.asarray(full / full.sum(axis=1, keepdims=True))


def _divergence(name: str, table: Floats, value: float, curvature: float, level: float) -> Distance:
    """Near 0, value / (curvature (1/n + 1/m)) is noncentral χ² with B - 1 degrees of freedom: the interval inverts it.

    p is that of Pearson's χ² of the same bins: the tail of the divergence itself called 7 % of equal samples of 100 different at .05.
    """
    n = table.sum(axis=1)
    degrees, unit = table.shape[1] - 1, curvature * float((1 / n).sum())
    least, most = (unit * _noncentrality(value / unit, degrees, tail) for tail in (0.5 + level / 2, 0.5 - level / 2))
    return Distance(
        statistic=name,
        value=value,
        low=least,
        high=most,
        p=float(special.chdtrc(degrees, _pearson(table))) if degrees else 1.0,
        n_reference=int(n[0]),
        n_production=int(n[1]),
        bins=table.shape[1],
        method="noncentral χ²",
    )


def independence(counts: ArrayLike, statistic: Literal["chi2", "g"] = "chi2", level: float = 0.95) -> Distance:
    """Cramér's V = sqrt(X² / N), 0 to 1, from Pearson's χ² or the likelihood ratio G, without continuity correction.

    Bins with an expected count below 5 are pooled, the smallest first. The interval inverts the noncentral χ² distribution.
    """
    table = _pooled(_table(counts))
    total, degrees = float(table.sum()), table.shape[1] - 1
    found = _pearson(table) if statistic == "chi2" else max(2 * float(special.rel_entr(table, _expected(table)).sum()), 0.0)
    tails = (0.5 + level / 2, 0.5 - level / 2)
    least, most = (_noncentrality(found, degrees, tail) for tail in tails)
    return Distance(
        statistic=f"cramers_v_{statistic}",
        value=min((found / total) ** 0.5, 1.0),
        low=min((least / total) ** 0.5, 1.0),
        high=min((most / total) ** 0.5, 1.0),
        p=float(special.chdtrc(degrees, found)) if degrees else 1.0,
        n_reference=int(table[0].sum()),
        n_production=int(table[1].sum()),
        bins=table.shape[1],
        method="noncentral χ²",
    )


def _expected(table: Floats) -> Floats:
    return np.asarray(table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum())


def _pearson(table: Floats) -> float:
    expected = _expected(table)
    return float(((table - expected) ** 2 / expected).sum())


def _noncentrality(found: float, degrees: int, tail: float) -> float:
    """The noncentrality at which `found` is the `tail` quantile; 0 where even none is too much."""
    if degrees == 0 or special.chdtr(degrees, found) <= tail:
        return 0.0
    return float(special.chndtrinc(found, degrees, tail))


def _pooled(table: Floats) -> Floats:
    """Merge the bins with the fewest cases until every expected count is at least 5, or two bins are left."""
    share = float(table.sum(axis=1).min() / table.sum())
    table = table[:, np.argsort(table.sum(axis=0), kind="stable")]
    while table.shape[1] > 2 and table[:, 0].sum() * share < LEAST_EXPECTED:
        merged = np.concatenate([table[:, :2].sum(axis=1, keepdims=True), table[:, 2:]], axis=1)
        table = merged[:, np.argsort(merged.sum(axis=0), kind="stable")]
    return table


def kolmogorov_smirnov(reference: ArrayLike, production: ArrayLike, level: float = 0.95) -> Distance:
    """Largest distance D between the two distribution functions, 0 to 1.

    p is asymptotic (Smirnov) and conservative where values tie. The interval is D ± the sum of both samples' Dvoretzky–Kiefer–Wolfowitz
    bounds: it holds for any distribution and size, and is wider than need be.
    """
    ours, theirs = np.sort(sample(reference, "reference")), np.sort(sample(production, "production"))
    points = np.concatenate([ours, theirs])
    gaps = np.searchsorted(ours, points, side="right") / ours.size - np.searchsorted(theirs, points, side="right") / theirs.size
    value = float(np.abs(gaps).max())
    half = sum((np.log(4 / (1 - level)) / (2 * x.size)) ** 0.5 for x in (ours, theirs))
    effective = float(ratio(ours.size * theirs.size, ours.size + theirs.size))
    return Distance(
        statistic="kolmogorov_smirnov",
        value=value,
        low=max(value - half, 0.0),
        high=min(value + half, 1.0),
        p=float(special.kolmogorov(effective**0.5 * value)),
        n_reference=ours.size,
        n_production=theirs.size,
        bins=None,
        method="Dvoretzky–Kiefer–Wolfowitz",
    )
