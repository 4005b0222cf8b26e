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
from evaluation.engine.compare import square_and_add
from evaluation.engine.data import cluster_codes
from evaluation.engine.entries import Entry
from evaluation.engine.estimates import Column, Estimate, Gap, Settings, column_of, nothing
from evaluation.engine.intervals import clustered_share
from evaluation.engine.means import BlockMeans, Numbers, Statistic
from evaluation.engine.replicates import Scatter
from evaluation.engine.sanity import Finding
from evaluation.engine.strata import Strata, each_block, names_of, with_all

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
P90 = Statistic(id="p90_absolute_error", columns=(ABSOLUTE,), low=0.0)  # made in `quantile`, not from means


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
        if predicted.ndim == 0:
            raise BadInput(
                f"the {side} is a list of replicates, each with one prediction for each case; one alone is given as [predictions]"
            )
        if predicted.shape != true.shape:
            raise BadInput(f"{side} replicate {number} has predictions of shape {predicted.shape}, but there are {true.size} cases")
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
        means = BlockMeans(numbers, block, STATISTICS, settings)
        found = means.entries()
        columns = [_quantiles(means, pair) for pair in range(numbers.pairs)]
        nothing_seen = [np.zeros(block.size)] * 3  # an order statistic has no pseudo-values: nothing is taken off
        means.enter(found, P90, columns, Scatter(nothing_seen, nothing_seen) if numbers.pairs > 1 else None)
        entries |= found
    return {
        "metrics": [entry for name in names_of(wanted) for entry in entries[name]],
        "flips": None,
        "sanity": [*_sanity("candidate", candidate), *_sanity("baseline", baseline[:1])],
    }


def _quantiles(means: BlockMeans, pair: int) -> Column:
    """The error that nine of ten cases do not exceed, of one replicate against one."""
    return column_of([_quantile_pair(means, pair, s) for s in range(means.block.size)], compared=bool(means.numbers.baseline))


def _quantile_pair(means: BlockMeans, pair: int, stratum: int) -> tuple[list[Estimate], Gap | None]:
    block, here = means.block, means.members[stratum]
    groups = None if block.clusters is None or not block.clustered[stratum] else block.clusters[here]
    sides = [
        nothing(why) if why else quantile(arm[ABSOLUTE][block.rows[here]], groups, means.level)
        for arm, why in zip(means.numbers.pair(pair), means.absent(pair, stratum), strict=True)
    ]
    if len(sides) < 2 or None in (sides[0].value, sides[1].value):
        return sides, None
    new, old = (np.array([[side.value], [side.low], [side.high]], dtype=np.float64) for side in sides)  # where there is no end, NaN
    (low,), (high,) = square_and_add((new[0], new[1], new[2]), (old[0], old[1], old[2]), 0.0)
    return sides, Gap(
        value=float(new[0, 0] - old[0, 0]), low=optional(low), high=optional(high), p=None, method="square-and-add, as if unpaired"
    )


def quantile(errors: Floats, clusters: Ints | None, level: float = 0.95) -> Estimate:
    """The 0.9 quantile of `errors` (n,) and its bounds, which are values of the sample; None where so few cases give no bound (fewer than 36 for 95 %)."""
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
    return Estimate(value=value, low=optional(ends[0]), high=optional(ends[1]), method="order statistics")


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
