"""What hides or coarsens a picture: occlusion, lower resolution, fewer levels, compression."""

import io
import math
from functools import partial

import numpy as np
from PIL import Image

from evaluation.engine.arrays import Ints
from evaluation.engine.stress.base import CORRUPTIONS
from evaluation.engine.stress.draws import below
from evaluation.engine.stress.geometry import UNIT, bilinear
from evaluation.engine.stress.raster import ImagePerturbation, Raster, rounded


def occlusion(raster: Raster, percent: int, rng: np.random.Generator) -> Raster:
    """A rectangle of the picture's shape, filled with the mean of each channel."""
    side = math.isqrt(percent * 10_000)  # thousandths of the sides
    height, width = (max((side * size + 500) // 1000, 1) for size in (raster.height, raster.width))
    top, left = below(rng, raster.height - height + 1), below(rng, raster.width - width + 1)
    values = raster.values.copy()
    values[top : top + height, left : left + width] = rounded(values.sum(axis=(0, 1), dtype=np.int64), raster.height * raster.width)
    return raster.with_values(values)


def _shrunk(values: Ints, axis: int, size: int) -> Ints:
    """Means over equal parts of an axis, fractions of a pixel counted as such: `size` of them."""
    values = np.moveaxis(values, axis, 0)
    old = values.shape[0]
    sums = np.concatenate([np.zeros((1, *values.shape[1:]), dtype=np.int64), np.cumsum(values, axis=0)])
    whole, rest = np.divmod(np.arange(size + 1, dtype=np.int64) * old, size)
    ends = sums[whole] * size + values[np.minimum(whole, old - 1)] * rest[:, None, None]
    return np.moveaxis(rounded(np.diff(ends, axis=0), old), 0, axis)


def _small(raster: Raster, percent: int) -> tuple[Ints, int, int]:
    """A copy of `percent` % of the sides, and these."""
    height, width = (max((percent * size + 50) // 100, 1) for size in (raster.height, raster.width))
    return _shrunk(_shrunk(raster.values.astype(np.int64), 0, height), 1, width), height, width


def resolution_loss(raster: Raster, percent: int, _: np.random.Generator) -> Raster:
    """Made smaller by averaging and larger again by bilinear interpolation."""
    small, height, width = _small(raster, percent)
    down, across = (
        ((2 * np.arange(size, dtype=np.int64) + 1) * UNIT * few // size - UNIT) // 2
        for size, few in ((raster.height, height), (raster.width, width))
    )
    return raster.with_values(bilinear(small.astype(np.int32), down[:, None], across[None, :]))


def pixelation(raster: Raster, percent: int, _: np.random.Generator) -> Raster:
    """Made smaller by averaging and larger again by repeating pixels."""
    small, height, width = _small(raster, percent)
    down, across = ((2 * np.arange(size) + 1) * few // (2 * size) for size, few in ((raster.height, height), (raster.width, width)))
    return raster.with_values(small[down][:, across])


def bit_depth(raster: Raster, bits: int, _: np.random.Generator) -> Raster:
    """Only the upper bits are kept, then spread over the range again."""
    levels = np.arange(raster.top + 1, dtype=np.int64)
    return raster.through(rounded((levels * (1 << bits) // (raster.top + 1)) * raster.top, (1 << bits) - 1))


def quantisation(raster: Raster, percent: int, _: np.random.Generator) -> Raster:
    """Values rounded to whole multiples of a share of the range."""
    levels = np.arange(raster.top + 1, dtype=np.int64)
    steps = rounded(levels * 100, percent * raster.top)
    return raster.through(rounded(steps * percent * raster.top, 100))


def jpeg(raster: Raster, quality: int, _: np.random.Generator) -> Raster:
    """Compressed and decoded again by Pillow's libjpeg-turbo with its exact integer transform. 16-bit pictures lose their lower byte, as in a JPEG."""
    eight = (raster.values // ((raster.top + 1) // 256)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(eight if raster.coloured else eight[:, :, 0]).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    back = np.asarray(Image.open(file)).astype(np.int32).reshape(raster.values.shape)
    return raster.with_values(back * (raster.top // 255))


_row = partial(ImagePerturbation, kind="damage")
DAMAGE = (
    _row(
        name="occlusion",
        steps=(5, 10, 15, 20, 30),
        unit="a rectangle of {} % of the area covered with the mean",
        stochastic=True,
        source="Zeiler & Fergus 2014; DeVries & Taylor 2017 (cutout)",
        apply=occlusion,
    ),
    _row(
        name="resolution_loss",
        steps=(75, 60, 45, 30, 20),
        unit="{} % of the pixels a side, interpolated",
        source="smaller copies made on the way",
        apply=resolution_loss,
    ),
    _row(name="pixelation", steps=(75, 60, 45, 30, 20), unit="{} % of the pixels a side, repeated", source=CORRUPTIONS, apply=pixelation),
    _row(name="bit_depth", steps=(6, 5, 4, 3, 2), unit="{} bits a channel kept", source="older displays and detectors", apply=bit_depth),
    _row(
        name="quantisation",
        steps=(4, 8, 12, 20, 33),
        unit="values rounded to multiples of {} % of the range",
        source="lookup tables and integer storage",
        apply=quantisation,
    ),
    _row(name="jpeg", steps=(80, 60, 40, 20, 10), unit="JPEG of quality {}", codec=True, source=CORRUPTIONS, apply=jpeg),
)
