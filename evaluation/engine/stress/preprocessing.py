"""Mistakes of the code in front of a model: done or not done, so each has one step. The picture is right; the answer should be too."""

from functools import partial

import numpy as np

from evaluation.engine.stress.raster import ImagePerturbation, Raster, rounded


def scaled_twice(raster: Raster, _step: int, _: np.random.Generator) -> Raster:
    """Divided by the range once more than needed: what is left of the values is 0 or 1."""
    return raster.through(rounded(np.arange(raster.top + 1), raster.top))


def stretched(raster: Raster, _step: int, _: np.random.Generator) -> Raster:
    """Each picture's own darkest and brightest value become black and white; a picture of one value stays."""
    low, high = int(raster.values.min()), int(raster.values.max())
    if low == high:
        return raster
    return raster.through(rounded((np.arange(raster.top + 1) - low) * raster.top, high - low))


def bgr(raster: Raster, _step: int, _: np.random.Generator) -> Raster:
    """Red and blue exchanged."""
    return raster.with_values(raster.values[:, :, ::-1])


def bytes_swapped(raster: Raster, _step: int, _: np.random.Generator) -> Raster:
    """The two bytes of each value exchanged."""
    return raster.with_values((raster.values & 255) * 256 + raster.values // 256)


_row = partial(ImagePerturbation, kind="preprocessing", steps=(1,))
PREPROCESSING = (
    _row(name="scaled_twice", unit="every value divided by the range once more", source="scaling in two places", apply=scaled_twice),
    _row(
        name="min_max_stretch",
        unit="each picture stretched over the range",
        source="scaling per picture in place of a fixed one",
        apply=stretched,
    ),
    _row(name="bgr_for_rgb", unit="red and blue exchanged", needs="colour", source="channel order of image libraries", apply=bgr),
    _row(
        name="bytes_swapped",
        unit="the two bytes of each value exchanged",
        needs="16-bit",
        source="byte order of raw pixel data",
        apply=bytes_swapped,
    ),
)
