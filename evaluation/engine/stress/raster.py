"""A decoded picture as integers, whatever its depth: what perturbations work on.

Modes are Pillow's: 1, L, LA, RGB, RGBA and I;16. A 1-bit picture is worked on as 0 and 255 and shows what crosses the middle.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evaluation.engine.arrays import BadInput
from evaluation.engine.stress.base import Domain, Perturbation

Pixels = NDArray[np.int32]
MODES = ("1", "L", "LA", "RGB", "RGBA", "I;16")
MIDDLE = 128


@dataclass(frozen=True, eq=False)
class Raster:
    """`values` (height, width, 1 or 3) in 0..`top`; `alpha` (height, width, 1) likewise or None. Transparency is moved with the picture, never perturbed."""

    mode: str
    values: Pixels
    alpha: Pixels | None
    top: int

    @property
    def height(self) -> int:
        return int(self.values.shape[0])

    @property
    def width(self) -> int:
        return int(self.values.shape[1])

    @property
    def shorter(self) -> int:
        return min(self.height, self.width)

    @property
    def coloured(self) -> bool:
        return int(self.values.shape[2]) == 3

    def with_values(self, values: NDArray[np.integer[Any]]) -> "Raster":
        """The same picture with other values, cut to the range."""
        return replace(self, values=np.clip(values, 0, self.top).astype(np.int32))

    def through(self, table: NDArray[np.integer[Any]]) -> "Raster":
        """Each value v replaced by table[v], cut to the range; `table` (top + 1,)."""
        return replace(self, values=np.take(np.clip(table, 0, self.top).astype(np.int32), self.values))

    def moved(self, move: Callable[[Pixels], NDArray[np.integer[Any]]]) -> "Raster":
        """`move` applied to colours and transparency alike."""
        alpha = None if self.alpha is None else move(self.alpha).astype(np.int32)
        return replace(self, values=move(self.values).astype(np.int32), alpha=alpha)


def raster_of(picture: Image.Image) -> Raster:
    """Of a decoded picture. Raises BadInput for modes that have to be converted first, and for pictures without a pixel."""
    if picture.mode not in MODES:
        raise BadInput(f"a picture of mode {picture.mode!r} is not perturbed: convert it to one of {', '.join(MODES)} first")
    if not picture.width or not picture.height:
        raise BadInput("the picture has no pixel")
    pixels = np.asarray(picture).astype(np.int32)
    if picture.mode == "1":
        return Raster("1", (pixels * 255)[:, :, None], None, 255)
    pixels = pixels if pixels.ndim == 3 else pixels[:, :, None]
    alpha = pixels[:, :, -1:] if picture.mode in {"LA", "RGBA"} else None
    return Raster(
        picture.mode,
        pixels if alpha is None else pixels[:, :, :-1],
        alpha,
        int(np.iinfo(np.uint16 if picture.mode == "I;16" else np.uint8).max),
    )


def picture_of(raster: Raster) -> Image.Image:
    """Back to a picture of the raster's mode."""
    if raster.mode == "1":
        return Image.fromarray(raster.values[:, :, 0] >= MIDDLE)
    planes = raster.values if raster.alpha is None else np.concatenate([raster.values, raster.alpha], axis=2)
    planes = planes.astype(np.uint16 if raster.mode == "I;16" else np.uint8)
    return Image.fromarray(planes[:, :, 0] if planes.shape[2] == 1 else planes)


def pixel_digest(picture: Image.Image) -> str:
    """SHA-256 over mode, size and decoded pixels: what the model is shown, however the file is compressed."""
    planes = np.asarray(picture)
    heading = f"{picture.mode} {picture.width} {picture.height}\n".encode()
    return hashlib.sha256(heading + planes.astype(planes.dtype.newbyteorder("<")).tobytes()).hexdigest()


def rounded(top: NDArray[np.integer[Any]], bottom: int | NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """top / bottom to the nearest integer, halves up; `bottom` is positive."""
    return np.asarray((top.astype(np.int64) + bottom // 2) // bottom)


@dataclass(frozen=True, kw_only=True)
class ImagePerturbation(Perturbation):
    """A perturbation of pictures.

    `apply` takes the raster, the severity's number and a Generator that deterministic ones leave alone. `needs`: the pictures it can change
    ("" for all); others come back as they are. `moves`: things lie elsewhere afterwards, so boxes and masks of the case no longer fit.
    `resizes`: the output may have another size. `codec`: the bytes depend on a compiled library, whose version is recorded with the
    result; all others are integer arithmetic.
    """

    apply: Callable[[Raster, int, np.random.Generator], Raster]
    domain: Domain = "image"
    moves: bool = False
    resizes: bool = False
    needs: Literal["", "colour", "16-bit"] = ""
    codec: bool = False

    def changes(self, raster: Raster) -> bool:
        """Whether pictures of this kind can be changed at all."""
        return {"": True, "colour": raster.coloured, "16-bit": raster.mode == "I;16"}[self.needs]
