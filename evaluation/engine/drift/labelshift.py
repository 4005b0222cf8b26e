"""What can be said about production before its labels are known, and under which condition.

Sources: Lipton, Wang & Smola 2018 (black-box shift estimation; with two classes it is the estimate of Rogan & Gladen 1978), and the mean
of calibrated probabilities as an estimate of accuracy.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from evaluation.engine.arrays import BadInput, Bools, Floats, Ints, booleans, floats, tally
from evaluation.engine.data import cluster_codes
from evaluation.engine.drift.distances import Distance, independence
from evaluation.engine.intervals import normal_quantile
from evaluation.engine.multiplicity import holm
from evaluation.engine.seeds import generator

WORST_CONDITION = 30.0
DRAWS = 2000
BINS = 10
GAP = 0.03


@dataclass(frozen=True, kw_only=True)
class LabelShift:
    """Estimated shares of the true classes in production, with intervals (classes,); `reason` says why there are none.

    `test` compares the shares of the *predicted* classes, which needs no condition. `weights` are estimated over reference shares. `accuracy` in
    production follows from the recalls on the test set. `condition` is that of the confusion matrix. `outside` lists classes whose estimate
    fell below 0: a sign that more than the shares has changed.
    """

    test: Distance
    shares: Floats | None
    low: Floats | None
    high: Floats | None
    weights: Floats | None
    accuracy: float | None
    accuracy_low: float | None
    accuracy_high: float | None
    condition: float
    outside: tuple[int, ...]
    reason: str | None


NOTHING = dict.fromkeys(("shares", "low", "high", "weights", "accuracy", "accuracy_low", "accuracy_high"))


def label_shift(
    confusion: ArrayLike, predicted: ArrayLike, *, draws: int = DRAWS, level: float = 0.95, seed: bytes = b"drift"
) -> LabelShift:
    """Black-box shift estimation from counts: `confusion` (K, K) of truth by prediction on the test set, `predicted` (K,) in production.

    Solves C q = predicted shares, with C[j, k] = P(prediction j | truth k). Holds only if the pictures of a class look as they did: new
    shares, nothing else. Percentile intervals from multinomial draws of both tables. No estimate where a class has no case or C is too
    near to singular (condition above 30). Estimates below 0 are set to 0 and named in `outside`.
    """
    table, seen = floats(confusion), floats(predicted)
    size = seen.size
    if table.shape != (size, size) or size < 2 or not np.isfinite(table).all() or (table < 0).any() or (seen < 0).any() or seen.sum() < 1:
        raise BadInput(f"confusion {table.shape} and predictions {seen.shape} are counts of the same two or more classes, none below 0")
    support = table.sum(axis=1)
    test = independence(np.stack([table.sum(axis=0), seen]))
    condition = float(np.linalg.cond((table / support[:, None]).T)) if support.all() else float("inf")
    if condition > WORST_CONDITION:
        why = (
            f"class {int(np.argmin(support))} has no case in the test set"
            if not support.all()
            else "the model confuses some classes too much"
        )
        return LabelShift(test=test, condition=condition, outside=(), reason=why, **NOTHING)
    drawn = _drawn(table, seen, draws, seed)
    if len(drawn[0]) < draws / 2:
        return LabelShift(test=test, condition=condition, outside=(), reason="there are too few cases for an interval", **NOTHING)
    tails = (0.5 - level / 2, 0.5 + level / 2)
    (low, high), (least, most) = (np.quantile(values, tails, axis=0) for values in drawn)
    raw = _solve(table[None], seen[None])[0]
    shares = _simplex(raw[None])[0]
    return LabelShift(
        test=test,
        shares=shares,
        low=low,
        high=high,
        weights=shares / (support / support.sum()),
        accuracy=float(shares @ (np.diagonal(table) / support)),
        accuracy_low=float(least),
        accuracy_high=float(most),
        condition=condition,
        outside=tuple(int(k) for k in np.flatnonzero(raw < 0)),
        reason=None,
    )


def _drawn(table: Floats, seen: Floats, draws: int, seed: bytes) -> tuple[Floats, Floats]:
    """Shares (B, K) and accuracies (B,) of multinomial draws of both tables; draws that cannot be solved are left out."""
    draw, size = generator(seed), seen.size
    tables = floats(draw.multinomial(int(table.sum()), table.ravel() / table.sum(), size=draws)).reshape(draws, size, size)
    counts = floats(draw.multinomial(int(seen.sum()), seen / seen.sum(), size=draws))
    usable = _solvable(tables)
    tables = tables[usable]
    shares = _simplex(_solve(tables, counts[usable]))
    return shares, (shares * np.diagonal(tables, axis1=1, axis2=2) / tables.sum(axis=2)).sum(axis=1)


def _columns(tables: Floats) -> Floats:
    """P(prediction j | truth k) as [..., j, k] from counts (B, K, K)."""
    return np.asarray(np.swapaxes(tables / tables.sum(axis=2, keepdims=True), 1, 2))


def _solvable(tables: Floats) -> Bools:
    """Draws (B,) in which every class occurs and the system has one solution; the others say nothing."""
    filled = (tables.sum(axis=2) > 0).all(axis=1)
    filled[filled] = np.linalg.cond(_columns(tables[filled])) < 1e6
    return np.asarray(filled)


def _solve(tables: Floats, counts: Floats) -> Floats:
    """Shares (B, K) of true classes, which sum to 1, for confusion tables (B, K, K) and predicted counts (B, K)."""
    seen = counts / counts.sum(axis=1, keepdims=True)
    return np.asarray(np.linalg.solve(_columns(tables), seen[..., None])[..., 0])


def _simplex(shares: Floats) -> Floats:
    kept = np.maximum(shares, 0.0)
    return np.asarray(kept / kept.sum(axis=1, keepdims=True))


@dataclass(frozen=True, kw_only=True)
class EstimatedAccuracy:
    """Estimated accuracy in production with its interval, or None with the `reason`; `gap` is mean confidence minus accuracy at home."""

    value: float | None
    low: float | None
    high: float | None
    gap: float
    gap_low: float
    gap_high: float
    n_reference: int
    n_production: int
    reason: str | None


def estimated_accuracy(
    confidence: ArrayLike,
    right: ArrayLike,
    production: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    production_clusters: ArrayLike | None = None,
    margin: float = GAP,
    level: float = 0.95,
) -> EstimatedAccuracy:
    """Accuracy in production as the mean of the probabilities that its answers are right, once those have been shown to be honest.

    `confidence` (n,) is the model's probability of its own answer on the test set, `right` (n,) whether it was; `production` (m,) the same
    probabilities in production. Refused unless the whole interval of the gap lies within `margin` of 0 and none of ten bins of equal size
    shows a gap of its own (Holm). The interval is for the accuracy on these m cases: their chance of being right or wrong, and the
    uncertainty of the gap. It holds while calibration does: a changed meaning of the classes is not seen by any method without labels.

    `clusters` (n,) and `production_clusters` (m,): cases of one patient or customer are right or wrong together. How much so is estimated on the
    test set, from the pairs within its clusters, and widens the gap and the interval. Raises BadInput where production has clusters and the
    test set has none to learn this from.
    """
    ours, theirs, hits = (
        _probabilities(confidence, "confidence"),
        _probabilities(production, "production"),
        booleans(right, "right"),
    )
    if hits.shape != ours.shape:
        raise BadInput(f"right has shape {hits.shape}, but there are {ours.size} confidences")
    home, away = cluster_codes(clusters, ours.size), cluster_codes(production_clusters, theirs.size)
    if away is not None and home is None:
        raise BadInput("production has clusters and the test set has none: how alike the cases of a cluster are cannot be estimated")
    alike = _alike(ours, hits, home)
    z, difference = normal_quantile(level), ours - hits
    gap, error = float(difference.mean()), _gap_error(ours, home, alike)
    bounds = (gap - z * error, gap + z * error)
    reason = _uncalibrated(ours, hits, margin, bounds, home, alike)
    value = None if reason else float(theirs.mean())
    half = z * (_scatter(theirs, away, alike) / theirs.size**2 + error**2) ** 0.5
    return EstimatedAccuracy(
        value=value,
        low=None if value is None else max(value - half, 0.0),
        high=None if value is None else min(value + half, 1.0),
        gap=gap,
        gap_low=bounds[0],
        gap_high=bounds[1],
        n_reference=ours.size,
        n_production=theirs.size,
        reason=reason,
    )


def _probabilities(values: ArrayLike, name: str) -> Floats:
    numbers = floats(values)
    bad = np.flatnonzero(~((numbers >= 0) & (numbers <= 1)))
    if numbers.ndim != 1 or numbers.size == 0 or bad.size:
        where = f", row {bad[0]}" if numbers.ndim == 1 and bad.size else ""
        raise BadInput(f"{name}{where}: probabilities are a row of numbers from 0 to 1")
    return numbers


def _alike(confidence: Floats, hits: Bools, unit: Ints | None) -> float:
    """Correlation of right and wrong within clusters, given honest confidence, from 0 to 1: its mean over all pairs of cases of one cluster."""
    if unit is None:
        return 0.0
    spread, off = np.sqrt(confidence * (1 - confidence)), hits - confidence
    together = _pairs(spread, unit)
    return float(np.clip(_pairs(off, unit) / together, 0.0, 1.0)) if together > 0 else 0.0


def _pairs(values: Floats, unit: Ints) -> float:
    """Sum of the products of all ordered pairs of different cases of one cluster."""
    return float((tally(unit, values) ** 2).sum() - (values**2).sum())


def _scatter(confidence: Floats, unit: Ints | None, alike: float) -> float:
    """Variance of the number of right answers among cases of honest confidence."""
    alone = float((confidence * (1 - confidence)).sum())
    return alone if unit is None else alone + alike * _pairs(np.sqrt(confidence * (1 - confidence)), unit)


def _gap_error(confidence: Floats, unit: Ints | None, alike: float) -> float:
    """Standard error of mean confidence minus accuracy where confidence is honest; one case of either kind is added, so that it is not 0."""
    return float((_scatter(confidence, unit, alike) + 0.5) ** 0.5 / (confidence.size + 1))


def _uncalibrated(
    confidence: Floats, hits: Bools, margin: float, bounds: tuple[float, float], unit: Ints | None, alike: float
) -> str | None:
    if bounds[0] < -margin or bounds[1] > margin:
        return f"on the test set confidence minus accuracy lies between {bounds[0]:.3f} and {bounds[1]:.3f}, not within {margin:g} of 0"
    parts = np.array_split(np.argsort(confidence, kind="stable"), min(BINS, max(confidence.size // 30, 1)))
    gaps = np.array([float((confidence[part] - hits[part]).mean()) for part in parts])
    errors = np.array([_gap_error(confidence[part], None if unit is None else unit[part], alike) for part in parts])
    p = holm(2 * special.ndtr(-np.abs(gaps) / errors))
    worst = int(np.argmin(p))
    if p[worst] <= 0.05:
        return f"around confidence {float(confidence[parts[worst]].mean()):.2f} the test set shows a gap of {gaps[worst]:.3f} (p = {p[worst]:.2g})"
    return None
