"""Loss of sharpness, always relative to the shorter side, so that a severity looks alike in small and large pictures.

Lengths are in 65,536ths of a pixel. Boxes with fractional ends are summed from prefix sums, so the cost does not grow with the blur.
"""

import math
from functools import partial

import numpy as np
from numpy.typing import NDArray

from evaluation.engine.arrays import Ints
from evaluation.engine.stress.base import CORRUPTIONS
from evaluation.engine.stress.draws import below
from evaluation.engine.stress.raster import ImagePerturbation, Raster, rounded

ONE = 65_536
SPARE = 64  # intermediate values keep six bits more, so that several passes do not add up roundings


def _pixels(raster: Raster, per_mille: int) -> int:
    """A share of the shorter side in 65,536ths of a pixel."""
    return per_mille * raster.shorter * ONE // 1000


def box(values: Ints, axis: int, whole: int, edge: int) -> Ints:
    """Moving mean along an axis over `whole` pixels on either side and `edge` / 65,536 of the next ones; the border is repeated outwards."""
    along = np.moveaxis(values, axis, 0)
    size, first = len(along), whole + 2  # of the padded rows, that of row 0
    padded = along[np.clip(np.arange(-first, size + whole + 1), 0, size - 1)]
    sums = np.cumsum(padded, axis=0)
    total = (sums[first + whole :][:size] - sums[first - whole - 1 :][:size]) * ONE
    total += edge * (padded[first - whole - 1 :][:size] + padded[first + whole + 1 :][:size])
    return np.moveaxis(rounded(total, (2 * whole + 1) * ONE + 2 * edge), 0, axis)


def smooth(values: NDArray[np.int32], sd: int) -> Ints:
    """A Gaussian of standard deviation `sd` / 65,536 pixels as three boxes along each axis (Gwosdek et al. 2011); the result is 64 times as large.

    Each box has a third of the variance: ends `edge` make (2w + 1)(w(w + 1)) / 3 + 2 edge (w + 1)² = variance * (2w + 1 + 2 edge) true.
    """
    variance = sd * sd  # three times that of one box
    square = ONE**2
    whole = (math.isqrt(4 * variance + square) - ONE) // (2 * ONE)  # the largest with w(w + 1) <= variance
    edge = ONE * (2 * whole + 1) * (variance - whole * (whole + 1) * square) // (2 * (3 * square * (whole + 1) ** 2 - variance))
    out = values.astype(np.int64) * SPARE
    for axis in (0, 1):
        for _ in range(3):
            out = box(out, axis, whole, edge)
    return out


def gaussian_blur(raster: Raster, per_mille: int, _: np.random.Generator) -> Raster:
    """Soft everywhere."""
    return raster.with_values(rounded(smooth(raster.values, _pixels(raster, per_mille)), SPARE))


def defocus(raster: Raster, per_mille: int, _: np.random.Generator) -> Raster:
    """Each point becomes a disc with a soft rim one pixel wide."""
    radius = _pixels(raster, per_mille)
    reach = radius // ONE + 1
    rows, columns = (np.clip(np.arange(-reach - 1, size + reach), 0, size - 1) for size in (raster.height, raster.width))
    padded = raster.values.astype(np.int64)[rows][:, columns]
    total, weight_sum = np.zeros(raster.values.shape, dtype=np.int64), 0
    for y in range(reach + 1):
        weights = [min(ONE, max(0, radius + ONE - math.isqrt((x * x + y * y) << 32))) for x in range(reach + 1)]
        lines = [padded[reach + 1 + shift :][: raster.height] for shift in sorted({-y, y})]
        line = lines[0] if y == 0 else lines[0] + lines[1]  # the disc is the same above and below, left and right
        total += _across(line, weights, raster.width)
        weight_sum += len(lines) * (2 * sum(weights) - weights[0])
    return raster.with_values(rounded(total, weight_sum))


def _across(line: Ints, weights: list[int], width: int) -> Ints:
    """Sum over x of weights[|x|] times the pixel x further; where weights are full, from prefix sums. The line is padded by len(weights)."""
    first, full = len(weights), weights.count(ONE) - 1  # weights fall with |x|
    total = np.zeros((len(line), width, line.shape[2]), dtype=np.int64)
    if full >= 0:
        sums = np.cumsum(line, axis=1)
        total += ONE * (sums[:, first + full :][:, :width] - sums[:, first - full - 1 :][:, :width])
    for x, weight in enumerate(weights):
        if x > full and weight:
            total += weight * (line[:, first + x :][:, :width] + line[:, first - x :][:, :width]) // (1 if x else 2)
    return total


def motion_blur(raster: Raster, per_mille: int, rng: np.random.Generator) -> Raster:
    """Each point becomes a line along the rows or along the columns."""
    axis = below(rng, 2)
    whole, edge = divmod(_pixels(raster, per_mille) // 2, ONE)
    return raster.with_values(rounded(box(raster.values.astype(np.int64) * SPARE, axis, whole, edge), SPARE))


def sharpening(raster: Raster, percent: int, _: np.random.Generator) -> Raster:
    """Unsharp mask: the picture plus `percent` of its difference from a soft copy (1 % of the shorter side, at least half a pixel)."""
    soft = smooth(raster.values, max(_pixels(raster, 10), ONE // 2))
    sharp = raster.values.astype(np.int64) * SPARE
    return raster.with_values(rounded(sharp * 100 + (sharp - soft) * percent, 100 * SPARE))


_row = partial(ImagePerturbation, kind="blur")
BLUR = (
    _row(
        name="gaussian_blur",
        steps=(5, 10, 15, 20, 30),
        unit="a Gaussian of standard deviation {} ‰ of the shorter side",
        source=CORRUPTIONS,
        apply=gaussian_blur,
    ),
    _row(
        name="defocus",
        steps=(10, 15, 20, 30, 40),
        unit="a disc of radius {} ‰ of the shorter side",
        source=CORRUPTIONS,
        apply=defocus,
    ),
    _row(
        name="motion_blur",
        steps=(10, 20, 40, 60, 80),
        unit="a line {} ‰ of the shorter side long",
        stochastic=True,
        source=CORRUPTIONS,
        apply=motion_blur,
    ),
    _row(
        name="sharpening",
        steps=(50, 100, 150, 200, 300),
        unit="unsharp mask of {} %",
        source="edge enhancement of scanners and viewers",
        apply=sharpening,
    ),
)
