"""Where things lie: rotation, shift, zoom, shear, mirroring, cropping. Bilinear resampling in 256ths of a pixel; what lies outside repeats the border.

Every change is relative to the picture's size. Transparency moves with the colours.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.engine.arrays import Ints
from evaluation.engine.stress.draws import below, sign
from evaluation.engine.stress.light import EIGHT_WAYS
from evaluation.engine.stress.raster import ImagePerturbation, Pixels, Raster

UNIT = 65536
Moved = NDArray[np.integer[Any]]
Matrix = tuple[int, int, int, int]


def bilinear(pixels: Pixels, down: Ints, across: Ints) -> Moved:
    """`pixels` at places given in 65,536ths of a pixel from the middle of the first; `down` and `across` broadcast to the output's shape.

    Unsigned 32 bits just hold the largest 16-bit value times 256 twice, and the half that rounds.
    """
    height, width, planes = pixels.shape
    down, across = (np.clip(place + 128 >> 8, 0, (size - 1) * 256) for place, size in ((down, height), (across, width)))
    top, left = down >> 8, across >> 8
    low, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    fall, drift = ((place & 255)[..., None].astype(np.uint32) for place in (down, across))
    flat = pixels.astype(np.uint32).reshape(-1, planes)

    def between(row: Ints) -> NDArray[np.uint32]:
        first, second = (np.take(flat, row * width + column, axis=0) for column in (left, right))
        return np.asarray(first * (256 - drift) + second * drift)

    return (between(top) * (256 - fall) + between(low) * fall + np.uint32(UNIT // 2)) >> np.uint32(16)


def affine(raster: Raster, matrix: Matrix, shift: tuple[int, int] = (0, 0)) -> Raster:
    """Each pixel at (y, x) from the middle takes what lies at (a y + b x, c y + d x) - shift; a..d and shift in 65,536ths."""
    (a, b, c, d), (height, width) = matrix, (raster.height, raster.width)
    y, x = (np.arange(size, dtype=np.int64) * 2 - (size - 1) for size in (height, width))  # twice the distance from the middle
    down = (a * y[:, None] + b * x + (height - 1) * UNIT) // 2 - shift[0]
    across = (c * y[:, None] + d * x + (width - 1) * UNIT) // 2 - shift[1]
    return raster.moved(lambda pixels: bilinear(pixels, down, across))


def anticlockwise(raster: Raster, degrees: int, _: np.random.Generator) -> Raster:
    """Turned about the middle."""
    cosine, sine = (round(turn(math.radians(degrees)) * UNIT) for turn in (math.cos, math.sin))
    return affine(raster, (cosine, sine, -sine, cosine))


def clockwise(raster: Raster, degrees: int, rng: np.random.Generator) -> Raster:
    """Turned about the middle."""
    return anticlockwise(raster, -degrees, rng)


def translation(raster: Raster, per_mille: int, rng: np.random.Generator) -> Raster:
    """Shifted in one of eight directions."""
    down, across = (
        way * per_mille * size * UNIT // 1000 for way, size in zip(EIGHT_WAYS[below(rng, 8)], (raster.height, raster.width), strict=True)
    )
    return affine(raster, (UNIT, 0, 0, UNIT), (down, across))


def zoom(raster: Raster, percent: int, _: np.random.Generator) -> Raster:
    """Everything larger or smaller about the middle."""
    scale = UNIT * 100 // percent
    return affine(raster, (scale, 0, 0, scale))


def squeeze(raster: Raster, percent: int, _: np.random.Generator) -> Raster:
    """Everything narrower, not lower."""
    return affine(raster, (UNIT, 0, 0, UNIT * 100 // percent))


def shear(raster: Raster, degrees: int, rng: np.random.Generator) -> Raster:
    """Upright lines lean to one side."""
    return affine(raster, (UNIT, 0, sign(rng) * round(math.tan(math.radians(degrees)) * UNIT), UNIT))


def crop(raster: Raster, percent: int, _: np.random.Generator) -> Raster:
    """A margin cut off all round; at least one pixel stays."""
    down, across = (min((percent * size + 50) // 100, (size - 1) // 2) for size in (raster.height, raster.width))
    return raster.moved(lambda pixels: pixels[down : raster.height - down, across : raster.width - across])


def padding(raster: Raster, percent: int, _: np.random.Generator) -> Raster:
    """An opaque black margin all round."""
    down, across = (max((percent * size + 50) // 100, 1) for size in (raster.height, raster.width))
    around = ((down, down), (across, across), (0, 0))
    alpha = None if raster.alpha is None else np.pad(raster.alpha, around, constant_values=raster.top)
    return Raster(raster.mode, np.pad(raster.values, around), alpha, raster.top)


def _turned(move: Callable[[Pixels], Moved]) -> Callable[[Raster, int, np.random.Generator], Raster]:
    return lambda raster, _step, _rng: raster.moved(move)


_row = partial(ImagePerturbation, kind="geometry", moves=True)
_done = partial(_row, steps=(1,), label_kept=False)
GEOMETRY = (
    _row(
        name="rotation_anticlockwise", steps=(2, 5, 10, 15, 20), unit="turned by {}°", source="placing of the object", apply=anticlockwise
    ),
    _row(name="rotation_clockwise", steps=(2, 5, 10, 15, 20), unit="turned by {}°", source="placing of the object", apply=clockwise),
    _row(
        name="translation",
        steps=(20, 40, 80, 120, 160),
        unit="shifted by {} ‰ of the sides",
        stochastic=True,
        source="placing of the object",
        apply=translation,
    ),
    _row(
        name="scale_up",
        steps=(105, 110, 120, 135, 150),
        unit="{} % as large, outer parts lost",
        source="distance to the object",
        apply=zoom,
    ),
    _row(name="scale_down", steps=(95, 90, 80, 70, 60), unit="{} % as large, border repeated", source="distance to the object", apply=zoom),
    _row(
        name="squeeze",
        steps=(95, 90, 80, 70, 60),
        unit="{} % as wide, as high as before",
        source="aspect ratio lost in resizing",
        apply=squeeze,
    ),
    _row(name="shear", steps=(2, 5, 10, 15, 20), unit="upright lines lean by {}°", stochastic=True, source="oblique view", apply=shear),
    _row(name="crop", steps=(2, 4, 6, 8, 10), unit="{} % of the sides cut off all round", resizes=True, source="collimation", apply=crop),
    _row(
        name="padding",
        steps=(5, 10, 15, 20, 30),
        unit="black margin of {} % of the sides",
        resizes=True,
        source="letterboxing",
        apply=padding,
    ),
    _done(name="flip_horizontal", unit="left and right exchanged", source="mirrored scan", apply=_turned(lambda p: p[:, ::-1])),
    _done(name="flip_vertical", unit="top and bottom exchanged", source="row order of the file format", apply=_turned(lambda p: p[::-1])),
    _done(name="half_turn", unit="upside down", source="orientation tag ignored", apply=_turned(lambda p: p[::-1, ::-1])),
    _done(
        name="quarter_turn",
        unit="turned by 90° anticlockwise",
        resizes=True,
        source="orientation tag ignored",
        apply=_turned(np.rot90),
    ),
    _done(
        name="transposition",
        unit="rows and columns exchanged",
        resizes=True,
        source="axis order of arrays",
        apply=_turned(lambda p: p.transpose(1, 0, 2)),
    ),
)
