"""Intervals and paired differences of every detection metric in one stratum, each by the method that holds for it.

AP and AR levels get a normal interval from the bootstrap, called approximate: AP itself is optimistic with few objects per class, and no
resampling repairs that. What gates are differences, whose bias cancels, and levels of sensitivity, false positives and FROC.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.engine.arrays import Bools, Floats, Ints, ratio, tally
from evaluation.engine.compare import design_effect, mcnemar, mcnemar_loss, sign_flip
from evaluation.engine.detection.metrics import COCO, ROW
from evaluation.engine.detection.sampling import Sample
from evaluation.engine.detection.tables import HITS, OBJECTS, WRONG
from evaluation.engine.figures import FlipFigures
from evaluation.engine.intervals import Pair, clopper_pearson, clustered_share, normal_quantile, ratio_variance, t_quantile, wilson
from evaluation.engine.resample import bca

Words = NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Bounds:
    """Low and high ends and the method that made them, each (14, classes + 2); NaN and None where there is no interval."""

    low: Floats
    high: Floats
    method: Words

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> "Bounds":
        return cls(np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, None, dtype=object))

    def put(self, row: int | slice, low: Floats, high: Floats, method: str | Words) -> None:
        """Fill one row (or several) where `low` is a number; a row of classes + 1 columns serves the last column too."""
        if low.shape[-1] < self.low.shape[1]:
            low, high = (np.concatenate([each, each[..., -1:]], axis=-1) for each in (low, high))
        there = ~np.isnan(low)
        self.low[row] = np.where(there, low, self.low[row])
        self.high[row] = np.where(there, high, self.high[row])
        self.method[row] = np.where(there, method, self.method[row])


def levels(sample: Sample, arm: int, level: float) -> Bounds:
    """Intervals of one arm's own values."""
    value, drawn, tallies = sample.observed[arm], sample.drawn[arm], sample.tallies[arm]
    out = Bounds.empty(value.shape)
    for name, top, bottom in (
        ("recall", tallies[:, HITS], tallies[:, OBJECTS]),
        ("precision", tallies[:, HITS], tallies[:, HITS] + tallies[:, WRONG]),
    ):
        (low, high), method = _share(top, bottom, level)
        out.put(ROW[name], low, high, np.append(method, method[-1]))
    out.put(ROW["fp_per_image"], *_per_image(tallies[:, WRONG], sample.unit_images, level), "t on cluster sums")
    coco = slice(0, len(COCO))
    half = normal_quantile(level) * spread(drawn[:, coco])
    out.put(coco, np.maximum(value[coco] - half, 0.0), np.minimum(value[coco] + half, 1.0), "bootstrap normal, approximate")
    froc, f1 = ROW["froc"], ROW["f1"]
    out.put(froc, *percentiles(drawn[:, froc], level), "bootstrap percentile")
    out.put(f1, *_f1(tallies, value[f1, :-1], drawn[:, f1, :-1], level), "bca")
    return _exact_where_flat(out, value, sample, level)


def _share(top: Floats, bottom: Floats, level: float) -> tuple[Pair, Words]:
    """Wilson over units of (units, columns) counts; on the effective n where some unit has several."""
    units, columns = top.shape
    share = clustered_share(top.T.ravel(), bottom.T.ravel(), np.repeat(np.arange(columns), units), columns)
    clustered = share.clusters < share.n
    effective = np.where(clustered, share.n_effective, share.n)
    quantile = np.where(clustered, t_quantile(level, share.clusters - 1), normal_quantile(level))
    method = np.where(clustered, "wilson, effective n of clusters", "wilson").astype(object)
    return wilson(share.value * effective, effective, level, quantile=quantile), method


def _per_image(wrong: Floats, images: Floats, level: float) -> Pair:
    """Mean over images, Student on unit sums: `wrong` (units, columns), `images` (units,). Nothing seen in n units: 0 to 3/n."""
    units, rate = images.size, wrong.sum(axis=0) / images.sum()
    half = t_quantile(level, units - 1) * np.sqrt(ratio_variance(wrong, images))
    none = wrong.sum(axis=0) == 0
    flat = ~none & ~(half > 0)
    low, high = np.where(none, 0.0, np.maximum(rate - half, 0.0)), np.where(none, 3.0 / units, rate + half)
    return np.where(flat, np.nan, low), np.where(flat, np.nan, high)


def _f1(tallies: Floats, value: Floats, drawn: Floats, level: float) -> Pair:
    left = tallies.sum(axis=0) - tallies  # (units, 3, columns)
    left_out = ratio(2 * left[:, HITS], left.sum(axis=1))
    return bca(drawn.T, value, left_out.T, np.ones(len(left), dtype=np.int64), level)


def _exact_where_flat(bounds: Bounds, value: Floats, sample: Sample, level: float) -> Bounds:
    """An interval without width is none: the exact bound on the fewest things it rests on (objects or units) takes its place."""
    objects = sample.tallies[0][:, OBJECTS].sum(axis=0)
    n = np.minimum(np.append(objects, objects[-1]), sample.units)
    shares = np.array([name != "fp_per_image" for name in ROW])[:, None]
    flat = shares & ~np.isnan(value) & ~(bounds.high > bounds.low)
    low, high = clopper_pearson(np.where(flat, value, 0.0) * np.maximum(n, 1), np.maximum(n, 1), level)
    bounds.low[flat], bounds.high[flat], bounds.method[flat] = low[flat], high[flat], "clopper-pearson"
    return bounds


def usable(draws: Floats) -> Bools:
    """Columns of `draws` (resamples, ...) with enough numbers (20 and half of them) that are not all the same."""
    there = ~np.isnan(draws)
    high, low = np.where(there, draws, -np.inf).max(axis=0), np.where(there, draws, np.inf).min(axis=0)
    return np.asarray((there.sum(axis=0) >= max(20, len(draws) // 2)) & (high > low))


def spread(draws: Floats) -> Floats:
    """Standard deviation over the draws (resamples, ...); NaN where they are not usable."""
    there = ~np.isnan(draws)
    n = np.maximum(there.sum(axis=0), 2)
    mean = np.where(there, draws, 0.0).sum(axis=0) / n
    squares = np.where(there, (draws - mean) ** 2, 0.0).sum(axis=0)
    return np.where(usable(draws), np.sqrt(squares / (n - 1)), np.nan)


def percentiles(draws: Floats, level: float) -> Pair:
    """Percentile interval over the first axis; NaN where the draws are not usable."""
    good = usable(draws)
    low, high = np.nanquantile(np.where(good, draws, 0.0), [0.5 - level / 2, 0.5 + level / 2], axis=0)
    return np.where(good, low, np.nan), np.where(good, high, np.nan)


@dataclass(frozen=True, eq=False)
class Gaps:
    """Candidate - baseline of every metric: value and p (14, classes + 2) with bounds; NaN where there is none."""

    value: Floats
    p: Floats
    bounds: Bounds


def gaps(sample: Sample, flips: FlipFigures, level: float) -> Gaps:
    """Bounds as in `gap_bounds`; p by the exchange permutation, of recall by the paired objects, of false positives by signs of unit sums."""
    value, p = sample.observed[0] - sample.observed[1], sample.swap_p()
    p[ROW["recall"]] = np.append(flips.p, flips.p[-1])
    by_sign = [sign_flip(column)[0] for column in (sample.tallies[0] - sample.tallies[1])[:, WRONG].T]
    p[ROW["fp_per_image"]] = [*by_sign, by_sign[-1]]
    return Gaps(value, np.where(np.isnan(value), np.nan, p), gap_bounds(sample, flips, level))


def gap_bounds(sample: Sample, flips: FlipFigures, level: float) -> Bounds:
    """Percentiles of common draws; paired objects for recall, Student on unit sums for false positives."""
    value = sample.observed[0] - sample.observed[1]
    out = Bounds.empty(value.shape)
    out.put(slice(None), *percentiles(sample.drawn[0] - sample.drawn[1], level), "bootstrap percentile, swap permutation")
    tango = flips.interval(level)
    low, high = (np.append(each, each[-1]) for each in tango)
    flat = ~np.isnan(value) & np.isnan(out.low) & (np.arange(len(value)) != ROW["fp_per_image"])[:, None]
    out.low[flat], out.high[flat] = np.minimum(low, value)[flat], np.maximum(high, value)[flat]
    out.method[flat] = "tango on flips"
    methods = np.where(flips.clustered, "tango, sign-flip, clusters", "tango, mcnemar mid-p").astype(object)
    out.put(ROW["recall"], *tango, np.append(methods, methods[-1]))
    changed = (sample.tallies[0] - sample.tallies[1])[:, WRONG]
    out.put(ROW["fp_per_image"], *_changed_per_image(changed, sample.unit_images, level), "t on cluster sums, sign-flip")
    return out


def _changed_per_image(changed: Floats, images: Floats, level: float) -> Pair:
    """Student interval of the difference per image; where nothing differs in n units ± 3/n, where all differ alike none."""
    units, gap = images.size, changed.sum(axis=0) / images.sum()
    half = t_quantile(level, units - 1) * np.sqrt(ratio_variance(changed, images))
    half = np.where((changed == 0).all(axis=0), 3.0 / units, np.where(half > 0, half, np.nan))
    return gap - half, gap + half


def object_flips(sample: Sample) -> FlipFigures:
    """Objects found by one model and missed by the other, per class and for all (classes + 1,); clusters are those of the images."""
    arm = sample.arms[0]
    counted = np.flatnonzero(arm.truth.counted)
    new, old = (each.found[counted] for each in sample.arms)
    unit, label = sample.unit[arm.truth.image[counted]], arm.truth.label[counted]
    columns = arm.classes + 1

    def per_column(chosen: Bools) -> Floats:
        by_class = tally(label[chosen], None, arm.classes)
        return np.append(by_class, by_class.sum())

    lost, gained, n = per_column(old & ~new), per_column(new & ~old), per_column(np.ones_like(new))
    sums = _by_unit(unit, label, new.astype(np.float64) - old, sample.units, arm.classes)
    sizes = sample.tallies[0][:, OBJECTS]
    clusters = (sizes > 0).sum(axis=0).astype(np.float64)
    effect, signed = np.ones(columns), np.full((3, columns), np.nan)
    for column in np.flatnonzero(clusters < n):
        effect[column] = design_effect(sums[:, column], sizes[:, column], lost[column], gained[column])
        signed[:2, column], signed[2, column] = sign_flip(sums[:, column]), sign_flip(-sums[:, column])[1]
    return _figures(lost, gained, n, clusters, effect, signed)


def _by_unit(unit: Ints, label: Ints, values: Floats, units: int, classes: int) -> Floats:
    """Sums (units, classes + 1) of objects' values, the last column for all classes."""
    per_class = tally(unit * classes + label, values, units * classes).reshape(units, classes)
    return np.concatenate([per_class, per_class.sum(axis=1, keepdims=True)], axis=1)


def _figures(lost: Floats, gained: Floats, n: Floats, clusters: Floats, effect: Floats, signed: Floats) -> FlipFigures:
    p, exact = mcnemar(lost, gained)
    grouped = ~np.isnan(signed[0])
    return FlipFigures(
        lost=lost,
        gained=gained,
        n=n,
        clusters=clusters,
        design_effect=effect,
        p=np.where(grouped, signed[0], p),
        p_loss=np.where(grouped, signed[1], mcnemar_loss(lost, gained)),
        p_gain=np.where(grouped, signed[2], mcnemar_loss(gained, lost)),
        p_exact=np.where(grouped, signed[0], exact),
    )
