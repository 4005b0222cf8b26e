"""Light and colour: tables that send each value to another, and shading that depends on the place. Integer arithmetic throughout."""

import math
from functools import partial

import numpy as np

from evaluation.engine.arrays import Ints
from evaluation.engine.stress.base import CORRUPTIONS
from evaluation.engine.stress.draws import below, sign
from evaluation.engine.stress.raster import ImagePerturbation, Raster, rounded

EIGHT_WAYS = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))


def _levels(raster: Raster) -> Ints:
    return np.arange(raster.top + 1, dtype=np.int64)


def brighter(raster: Raster, percent: int, _: np.random.Generator) -> Raster:
    """Every value plus a share of the range."""
    return raster.through(_levels(raster) + (percent * raster.top + 50) // 100)


def darker(raster: Raster, percent: int, _: np.random.Generator) -> Raster:
    """Every value less a share of the range."""
    return raster.through(_levels(raster) - (percent * raster.top + 50) // 100)


def contrast(raster: Raster, percent: int, _: np.random.Generator) -> Raster:
    """Distances from the picture's mean times `percent` / 100."""
    total, count = int(raster.values.sum(dtype=np.int64)), raster.values.size
    mean = (total + count // 2) // count
    return raster.through(mean + rounded((_levels(raster) - mean) * percent, 100))


def gamma(raster: Raster, eighths: int, _: np.random.Generator) -> Raster:
    """v becomes top * (v / top) ** (eighths / 8), to the nearest integer.

    The eighth root of an integer is three integer square roots; the root of 2**8 times as much is twice as large and holds the rounding bit.
    """
    table = _levels(raster)
    for value in np.flatnonzero(np.bincount(raster.values.ravel(), minlength=raster.top + 1)).tolist():
        power = (value**eighths << 8) * raster.top ** max(8 - eighths, 0) // raster.top ** max(eighths - 8, 0)
        table[value] = (math.isqrt(math.isqrt(math.isqrt(power))) + 1) // 2
    return raster.through(table)


def saturation(raster: Raster, percent: int, _: np.random.Generator) -> Raster:
    """Distances from the pixel's grey (BT.601 luma) times `percent` / 100; 0 is a grey picture."""
    grey = rounded(raster.values @ np.array([299, 587, 114]), 1000)[:, :, None]
    return raster.with_values(grey + rounded((raster.values - grey) * percent, 100))


def colour_shift(raster: Raster, percent: int, rng: np.random.Generator) -> Raster:
    """Red up and blue down by a share of the range, or the other way round."""
    shift = sign(rng) * (percent * raster.top // 100)
    return raster.with_values(raster.values + np.array([shift, 0, -shift]))


def inversion(raster: Raster, _step: int, _: np.random.Generator) -> Raster:
    """Black becomes white."""
    return raster.through(raster.top - _levels(raster))


def vignetting(raster: Raster, percent: int, _: np.random.Generator) -> Raster:
    """Darker with the square of the distance from the middle."""
    down, across = _centred(raster.height)[:, None], _centred(raster.width)
    corner = max((raster.height - 1) ** 2 + (raster.width - 1) ** 2, 1)
    share = (100 * corner - percent * (down**2 + across**2))[:, :, None]
    return raster.with_values(rounded(raster.values * share, 100 * corner))


def illumination_gradient(raster: Raster, percent: int, rng: np.random.Generator) -> Raster:
    """A ramp from minus to plus a share of the range across the picture, in one of eight directions."""
    down, across = EIGHT_WAYS[below(rng, 8)]
    reach = max(raster.height - 1, 1) * max(raster.width - 1, 1)
    ramp = down * _centred(raster.height)[:, None] * max(raster.width - 1, 1) + across * _centred(raster.width) * max(raster.height - 1, 1)
    return raster.with_values(raster.values + rounded(ramp * percent * raster.top, 100 * reach * (abs(down) + abs(across)))[:, :, None])


def _centred(size: int) -> Ints:
    """Twice the distance of each pixel from the middle: -(size - 1)..size - 1."""
    return 2 * np.arange(size, dtype=np.int64) - (size - 1)


_row = partial(ImagePerturbation, kind="light")
LIGHT = (
    _row(name="brightness_up", steps=(10, 20, 30, 40, 50), unit="every value plus {} % of the range", source=CORRUPTIONS, apply=brighter),
    _row(name="brightness_down", steps=(10, 20, 30, 40, 50), unit="every value less {} % of the range", source=CORRUPTIONS, apply=darker),
    _row(name="contrast_up", steps=(125, 150, 200, 250, 300), unit="contrast {} % of what it was", source=CORRUPTIONS, apply=contrast),
    _row(name="contrast_down", steps=(80, 65, 50, 35, 20), unit="contrast {} % of what it was", source=CORRUPTIONS, apply=contrast),
    _row(name="gamma_up", steps=(10, 12, 16, 20, 24), unit="gamma {} / 8: mid-greys darker", source="power law of displays", apply=gamma),
    _row(name="gamma_down", steps=(7, 6, 5, 4, 3), unit="gamma {} / 8: mid-greys lighter", source="power law of displays", apply=gamma),
    _row(
        name="saturation_up",
        steps=(120, 140, 160, 180, 200),
        unit="saturation {} % of what it was",
        needs="colour",
        source=CORRUPTIONS,
        apply=saturation,
    ),
    _row(
        name="saturation_down",
        steps=(80, 60, 40, 20, 0),
        unit="saturation {} % of what it was (0 % is a grey picture)",
        needs="colour",
        source="grey copies and faded prints; luma of ITU-R BT.601",
        apply=saturation,
    ),
    _row(
        name="colour_shift",
        steps=(4, 8, 12, 16, 20),
        unit="red up and blue down by {} % of the range, or the other way round",
        needs="colour",
        stochastic=True,
        source="white balance",
        apply=colour_shift,
    ),
    _row(name="inversion", steps=(1,), unit="black becomes white", source="DICOM MONOCHROME1 read as MONOCHROME2", apply=inversion),
    _row(
        name="vignetting",
        steps=(20, 40, 60, 80, 100),
        unit="corners {} % darker",
        source="fall-off of lenses and detectors",
        apply=vignetting,
    ),
    _row(
        name="illumination_gradient",
        steps=(5, 10, 15, 20, 30),
        unit="a ramp from −{0} % to +{0} % of the range",
        stochastic=True,
        source="uneven lighting, heel effect",
        apply=illumination_gradient,
    ),
)
