"""Regression: how far predicted numbers lie from the true ones, in every stratum, with intervals and paired differences.

`mae` and `bias` (mean of prediction - truth) are means; `rmse` and `r2` are functions of means; `p90_absolute_error` is the absolute error that nine of ten
cases do not exceed, with the distribution-free interval of order statistics (Wilks; with clusters on the effective n, Woodruff 1952).
"""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from evaluation.engine.arrays import BadInput, Bools, Floats, Ints, floats, optional
from evaluation.engine.data import cluster_codes
from evaluation.engine.estimates import Settings
from evaluation.engine.intervals import clustered_share
from evaluation.engine.means import BlockMeans, Numbers, Statistic
from evaluation.engine.report import Entry
from evaluation.engine.sanity import Finding
from evaluation.engine.strata import Block, Strata, each_block, names_of, with_all

ABSOLUTE, SIGNED, SQUARED, TRUTH, TRUTH_SQUARED = range(5)
QUANTILE = 0.9
LARGEST = 1e150  # beyond, squares and their sums are infinite


def _r2(means: Floats) -> Floats:
    spread = means[..., 1] - means[..., 2] ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(spread > 1e-12 * np.maximum(means[..., 1], 1e-300), 1 - means[..., 0] / spread, np.nan)


STATISTICS = (
    Statistic(id="mae", columns=(ABSOLUTE,), low=0.0),
    Statistic(id="bias", columns=(SIGNED,)),
    Statistic(id="mse", columns=(SQUARED,), low=0.0),
    Statistic(id="rmse", columns=(SQUARED,), function=lambda means: np.sqrt(means[..., 0]), low=0.0, same="mse"),
    Statistic(
        id="r2",
        columns=(SQUARED, TRUTH_SQUARED, TRUTH),
        function=_r2,
        higher_is_better=True,
        high=1.0,
        undefined="the truth does not vary",
        same="mse",
    ),
)


def numbers_of(truth: ArrayLike, predictions: Sequence[ArrayLike], side: str) -> list[tuple[Floats, Bools]]:
    """Per replicate the cases' numbers (5, n) and which are missing (n,): NaN. Raises BadInput for other shapes and infinities, naming the row."""
    true = floats(truth)
    if true.ndim != 1:
        raise BadInput(f"the truth has shape {true.shape}; it is one number for each case")
    wrong = np.flatnonzero(~(np.abs(true) <= LARGEST))
    if wrong.size:
        raise BadInput(f"row {wrong[0]}: the true value is not finite, or too large to be squared")
    centred = true - true.mean() if true.size else true  # R² does not depend on the origin; rounding does
    out = []
    for number, values in enumerate(predictions):
        predicted = floats(values)
        if predicted.shape != true.shape:
            raise BadInput(f"{side} replicate {number} has {predicted.size} predictions, but there are {true.size} cases")
        for bad, why in (
            (np.isinf(predicted), "is not finite (a missing one is NaN)"),
            (np.abs(predicted) > LARGEST, "cannot be squared"),
        ):
            if bad.any():
                raise BadInput(f"{side} replicate {number}, row {np.flatnonzero(bad)[0]}: the prediction {why}")
        missing = np.isnan(predicted)
        error = np.where(missing, 0.0, predicted - true)
        out.append((np.stack([np.abs(error), error, error**2, centred, centred**2]), missing))
    return out


def regression_report(
    truth: ArrayLike,
    candidate: Sequence[ArrayLike],
    baseline: Sequence[ArrayLike] = (),
    strata: Strata = (),
    *,
    seed: bytes,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
    resamples: int = 2000,
) -> Entry:
    """Entries as in `report.report`: `metrics` per stratum ("all" first), no flips, `sanity`.

    `truth` and every replicate (n,) in the unit of the target; NaN is a missing prediction, which makes the metrics of its strata None ("17 predictions
    missing"). Raises BadInput like `blocks` and for what is not a number.
    """
    ours, theirs = numbers_of(truth, candidate, "candidate"), numbers_of(truth, baseline, "baseline")
    if not ours:
        raise BadInput("a report needs at least one replicate of the candidate")
    cases = ours[0][0].shape[1]
    codes = cluster_codes(clusters, cases)
    numbers = Numbers(
        candidate=[values for values, _ in ours],
        baseline=[values for values, _ in theirs],
        candidate_missing=[missing for _, missing in ours],
        baseline_missing=[missing for _, missing in theirs],
    )
    entries: dict[str, list[Entry]] = {}
    settings, wanted = Settings(seed=seed, level=level, resamples=resamples), with_all(strata, cases)
    for block in each_block(wanted, cases, codes):
        found = BlockMeans(numbers, block, STATISTICS, settings).entries()
        for stratum, name in enumerate(block.names):
            entries[name] = [*found[name], _quantile_entry(numbers, block, stratum, level, found[name][0])]
    return {
        "metrics": [entry for name in names_of(wanted) for entry in entries[name]],
        "flips": None,
        "sanity": [*_sanity("candidate", candidate), *_sanity("baseline", baseline[:1])],
    }


def _quantile_entry(numbers: Numbers, block: Block, stratum: int, level: float, like: Entry) -> Entry:
    """The error that nine of ten cases do not exceed; `like` is the stratum's MAE, which is undefined for the same reasons.

    Of replicate 0 on both sides, however many there are.
    """
    here = block.members()[stratum]
    sides = [arm[ABSOLUTE][block.rows[here]] for arm in (numbers.candidate[0], *numbers.baseline[:1])]
    groups = None if block.clusters is None or not block.clustered[stratum] else block.clusters[here]
    ours, theirs = like.get("artefact", like), like["baseline"]
    entry = {**like, "metric": "p90_absolute_error", "replicates": [], "baseline": None, "difference": None}
    for over_runs in ("artefact", "sd"):
        entry.pop(over_runs, None)
    if ours["value"] is None:
        return entry | {"value": None, "low": None, "high": None, "method": None}
    value, low, high = quantile(sides[0], groups, level)
    entry |= {"value": value, "low": optional(low), "high": optional(high), "method": "order statistics", "undefined": None}
    if theirs is not None and theirs["value"] is not None:
        other = quantile(sides[1], groups, level)
        entry["baseline"] = {"value": other[0], "low": optional(other[1]), "high": optional(other[2]), "n": like["n"]}
        gap = value - other[0]
        down, up = np.hypot(value - low, other[2] - other[0]), np.hypot(high - value, other[0] - other[1])
        entry["difference"] = {
            "value": gap,
            "low": optional(gap - down),
            "high": optional(gap + up),
            "p": None,
            "method": "square-and-add, as if unpaired",
        }
    return entry


def quantile(errors: Floats, clusters: Ints | None, level: float = 0.95) -> tuple[float, float, float]:
    """The 0.9 quantile of `errors` (n,) and its bounds, which are values of the sample; NaN where so few cases give no bound (fewer than 36 for 95 %)."""
    ordered, n = np.sort(errors), errors.size
    value = float(ordered[int(np.ceil(QUANTILE * n)) - 1])
    effective = n
    if clusters is not None:
        keys, unit = np.unique(clusters, return_inverse=True)
        inside, sizes = np.bincount(unit, errors <= value, keys.size), np.bincount(unit, minlength=keys.size)
        effective = int(clustered_share(inside, sizes, np.zeros(keys.size, dtype=np.int64), 1).n_effective[0])
    tail, counts = (1 - level) / 2, np.arange(effective + 1)
    below = special.bdtr(counts, effective, QUANTILE)  # P(at most k of the cases lie below the true quantile)
    lower, upper = int(np.searchsorted(below, tail, side="right")), int(np.searchsorted(below, 1 - tail)) + 1
    ends = [ordered[int(np.ceil(rank / effective * n)) - 1] if 1 <= rank <= effective else np.nan for rank in (lower, upper)]
    return value, float(ends[0]), float(ends[1])


def _sanity(name: str, predictions: Sequence[ArrayLike]) -> list[Entry]:
    """One value for every case (20 or more) is no regression."""
    out = []
    for number, values in enumerate(predictions):
        given = floats(values)
        given = given[~np.isnan(given)]
        if given.size >= 20 and np.ptp(given) == 0:
            finding = Finding(code="constant_output", severity="error", numbers={"n": int(given.size), "value": float(given[0])})
            out.append({"side": name, "replicate": number, **asdict(finding)})
    return out
