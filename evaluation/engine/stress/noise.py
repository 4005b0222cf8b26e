"""Noise of sensors, of transmission and of lost lines. Bell-shaped integers and integer square roots; transparency is left alone."""

import math
from functools import lru_cache, partial

import numpy as np

from evaluation.engine.arrays import Ints
from evaluation.engine.stress.base import CORRUPTIONS
from evaluation.engine.stress.draws import BELL_SD, bells, below, chosen, happens
from evaluation.engine.stress.raster import ImagePerturbation, Raster, rounded


def gaussian_noise(raster: Raster, percent: int, rng: np.random.Generator) -> Raster:
    """The same bell everywhere, drawn for each channel."""
    drawn = bells(rng, raster.values.size).reshape(raster.values.shape)
    return raster.with_values(raster.values + rounded(drawn * (percent * raster.top), 100 * BELL_SD))


def shot_noise(raster: Raster, percent: int, rng: np.random.Generator) -> Raster:
    """A bell whose variance grows with the value, as a Poisson count's does."""
    drawn = bells(rng, raster.values.size).reshape(raster.values.shape)
    return raster.with_values(raster.values + rounded(drawn * (percent * _roots(raster.top)[raster.values]), 100 * 16 * BELL_SD))


@lru_cache(maxsize=2)
def _roots(top: int) -> Ints:
    """16 * sqrt(v * top) of every value: the range times the root of its share."""
    return np.array([math.isqrt(256 * value * top) for value in range(top + 1)], dtype=np.int64)


def salt_and_pepper(raster: Raster, per_mille: int, rng: np.random.Generator) -> Raster:
    """Whole pixels black or white."""
    hit, white = (found.reshape(raster.height, raster.width, 1) for found in happens(rng, raster.height * raster.width, per_mille))
    return raster.with_values(np.where(hit, np.where(white, raster.top, 0), raster.values))


def stripes(raster: Raster, percent: int, rng: np.random.Generator) -> Raster:
    """Bands of a triangle wave along rows or columns, eight periods to the side."""
    across, size = ((False, raster.height), (True, raster.width))[below(rng, 2)]
    phase = below(rng, 1024)
    place = (np.arange(size, dtype=np.int64) * (8 * 1024) // size + phase) % 1024
    wave = rounded((np.abs(2 * place - 1024) - 512) * (percent * raster.top), 100 * 512)
    return raster.with_values(raster.values + (wave[None, :, None] if across else wave[:, None, None]))


def missing_lines(raster: Raster, percent: int, rng: np.random.Generator) -> Raster:
    """Rows that were not read out: black."""
    lost = chosen(rng, raster.height, max((percent * raster.height + 50) // 100, 1))
    values = raster.values.copy()
    values[lost] = 0
    return raster.with_values(values)


_row = partial(ImagePerturbation, kind="noise", stochastic=True)
NOISE = (
    _row(
        name="gaussian_noise",
        steps=(2, 4, 8, 12, 16),
        unit="noise of standard deviation {} % of the range",
        source=CORRUPTIONS,
        apply=gaussian_noise,
    ),
    _row(
        name="shot_noise",
        steps=(4, 8, 12, 16, 24),
        unit="noise of standard deviation {} % of the range at white, less with the root of the value",
        source="Foi et al. 2008 (Poisson noise as a Gaussian of its variance)",
        apply=shot_noise,
    ),
    _row(
        name="salt_and_pepper",
        steps=(5, 10, 20, 50, 100),
        unit="{} ‰ of the pixels black or white",
        source="Hendrycks & Dietterich 2019 (impulse noise)",
        apply=salt_and_pepper,
    ),
    _row(name="stripes", steps=(2, 4, 8, 12, 16), unit="bands of ± {} % of the range", source="banding of detector rows", apply=stripes),
    _row(
        name="missing_lines",
        steps=(1, 2, 4, 8, 12),
        unit="{} % of the rows black, at least one",
        source="read-out and transmission faults",
        apply=missing_lines,
    ),
)
