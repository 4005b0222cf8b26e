"""Reliability in detail: the bins behind the calibration error, its other norms, and the reliability line. Over all cases, replicate 0.

The metrics `ece` and `ece_debiased` are made in `scored`; this page shows what they are made of.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from evaluation.engine.arrays import BadInput, Codes, booleans, integers, optional, ratio
from evaluation.engine.data import Arm, Comparison, cluster_codes
from evaluation.engine.estimates import missing_reason
from evaluation.engine.intervals import t_quantile
from evaluation.engine.probabilities import BINS, Bins, came_true, chance_of, equal_width, fault, probabilities

NORMS = ("l1", "l2", "max")


def reliability(chance: ArrayLike, happened: ArrayLike, bin_of: ArrayLike, bins: int = BINS) -> Bins:
    """Sums (bins,) over all cases of `chance` (n,) in 0..1 and whether each `happened` (n,). Raises BadInput for columns that do not fit."""
    score, true, place = probabilities(chance, bins), booleans(happened, "happened"), integers(bin_of, "the bin")
    if not score.shape == true.shape == place.shape:
        raise BadInput(
            f"chance, happened and bins have shapes {score.shape}, {true.shape} and {place.shape}; there is one of each for a case"
        )
    wrong = np.flatnonzero((place < 0) | (place >= bins))
    if wrong.size:
        raise BadInput(f"row {wrong[0]}: there is no bin {place[wrong[0]]} among {bins}")
    return Bins(*(np.bincount(place, weights, bins).astype(np.float64) for weights in (None, score, true)))


def equal_mass(chance: ArrayLike, bins: int = BINS) -> Codes:
    """Bin (n,) of each probability, so that every bin holds as many cases as equal probabilities, which stay together, allow."""
    chance = probabilities(chance, bins)
    order = np.argsort(chance)
    ordered = chance[order]
    first = np.searchsorted(ordered, ordered, side="left")  # equal probabilities go where their first one goes
    out = np.empty(chance.size, dtype=np.min_scalar_type(bins))
    out[order] = first * bins // max(chance.size, 1)
    return out


@dataclass(frozen=True, kw_only=True)
class Line:
    """Outcome on probability by least squares: slope 1 and intercept 0 are calibrated. None where the probabilities do not vary."""

    slope: float | None
    slope_low: float | None
    slope_high: float | None
    intercept: float | None
    intercept_low: float | None
    intercept_high: float | None


def reliability_line(chance: ArrayLike, happened: ArrayLike, clusters: ArrayLike | None = None, level: float = 0.95) -> Line:
    """Slope and intercept with Student intervals on clusters - 1, from influences summed over clusters (the sandwich; Liang & Zeger 1986).

    `clusters` (n,) name what belongs together; None where every case stands alone. With fewer than three clusters there is no interval.
    """
    chance, happened = probabilities(chance), booleans(happened, "happened")
    if chance.shape != happened.shape:
        raise BadInput(f"chance and happened have shapes {chance.shape} and {happened.shape}; there is one of each for a case")
    n, units = chance.size, cluster_codes(clusters, chance.size)
    off = chance - chance.mean() if n else chance
    squares = float(off @ off)
    if not squares > 1e-18 * max(n, 1):
        return Line(slope=None, slope_low=None, slope_high=None, intercept=None, intercept_low=None, intercept_high=None)
    slope = float(off @ happened) / squares
    intercept = float(happened.mean() - slope * chance.mean())
    rest = happened - intercept - slope * chance
    tilt = off * rest / squares
    moved = rest / n - chance.mean() * tilt
    ends: list[float | None] = []
    for value, influence in ((slope, tilt), (intercept, moved)):
        sums = influence if units is None else np.bincount(units, influence)
        if sums.size < 3:
            ends += [None, None]
            continue
        half = float(t_quantile(level, sums.size - 1)) * float(np.sqrt(sums.size / (sums.size - 1) * (sums @ sums)))
        ends += [value - half, value + half]
    return Line(slope=slope, slope_low=ends[0], slope_high=ends[1], intercept=intercept, intercept_low=ends[2], intercept_high=ends[3])


def calibration_details(comparison: Comparison) -> dict[str, Any]:
    """Bins, norms and line: of the positive class of a binary task, else of the highest score (its confidence) and of every class.

    `undefined` says why there is nothing. Replicate 0 of the candidate, all cases.
    """
    arm, task = comparison.candidate[0], comparison.task
    missing = missing_reason(arm.missing)
    out: dict[str, Any] = {"undefined": fault(arm, task, task.positive) or missing, "of": []}
    if out["undefined"] is None and comparison.cases:
        about = [task.positive] if task.binary else [None, *range(len(task.classes))]
        out["of"] = [_of(comparison, arm, index) for index in about]
    return out


def _of(comparison: Comparison, arm: Arm, index: int | None) -> dict[str, Any]:
    chance, happened = chance_of(arm, comparison.task, index), came_true(arm, comparison.truth, index)
    found: dict[str, Any] = {"class": None if index is None else comparison.task.classes[index]}
    for name, place in (("equal_width", equal_width(chance)), ("equal_mass", equal_mass(chance))):
        bins = reliability(chance, happened, place)
        found[name] = {norm: optional(bins.error(norm)) for norm in NORMS} | {"bins": _shown(bins)}
    line = reliability_line(chance, happened, comparison.clusters)
    return found | {"line": dict(vars(line))}


def _shown(bins: Bins) -> list[dict[str, float | int]]:
    """The bins that hold a case: n, mean score, rate."""
    score, rate = ratio(bins.score, bins.n), ratio(bins.happened, bins.n)
    return [{"bin": b, "n": int(bins.n[b]), "score": float(score[b]), "rate": float(rate[b])} for b in np.flatnonzero(bins.n).tolist()]
