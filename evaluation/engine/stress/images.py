"""Pictures under stress: the registry's pictures' half, and the one function that applies it.

The same picture, case digest, severity and seed give the same pixels on any machine: everything is integer arithmetic on a raw random stream.
`jpeg` alone goes through a compiled codec; its versions are handed back and belong into the record.
"""

from dataclasses import dataclass, field

import numpy as np
import PIL
from PIL import Image, features

from evaluation.engine.seeds import generator
from evaluation.engine.stress.base import named, seed_of
from evaluation.engine.stress.blur import BLUR
from evaluation.engine.stress.damage import DAMAGE
from evaluation.engine.stress.geometry import GEOMETRY
from evaluation.engine.stress.light import LIGHT
from evaluation.engine.stress.noise import NOISE
from evaluation.engine.stress.preprocessing import PREPROCESSING
from evaluation.engine.stress.raster import picture_of, pixel_digest, raster_of

IMAGES = (*LIGHT, *NOISE, *BLUR, *GEOMETRY, *DAMAGE, *PREPROCESSING)


@dataclass(frozen=True, eq=False)
class PerturbedImage:
    """`digest` is over the pixels. `changed` is False where nothing differs: an exchange of colours in a grey picture, gamma of a black one.

    `codec` names the libraries whose versions the pixels depend on; empty for integer arithmetic.
    """

    picture: Image.Image
    digest: str
    changed: bool
    codec: dict[str, str] = field(default_factory=dict)


def perturb_image(picture: Image.Image, name: str, severity: int, *, case_digest: str, seed: int = 0) -> PerturbedImage:
    """A picture of mode 1, L, LA, RGB, RGBA or I;16 under one perturbation, in the same mode and, unless it `resizes`, of the same size.

    `case_digest`: 64 hexadecimal digits that name the case. Raises BadInput for a name or severity that there is not, a mode that has to be
    converted first, a picture without pixels, and a malformed digest.
    """
    perturbation = named(IMAGES, name)
    step, seeded = perturbation.step(severity), seed_of(case_digest, name, severity, seed)
    raster = raster_of(picture)
    made = perturbation.apply(raster, step, generator(seeded)) if perturbation.changes(raster) else raster
    out = picture_of(made)
    changed = not np.array_equal(np.asarray(out), np.asarray(picture))
    return PerturbedImage(out, pixel_digest(out), changed, codec_versions() if perturbation.codec else {})


def codec_versions() -> dict[str, str]:
    """What pixels that went through JPEG depend on."""
    turbo = features.version("libjpeg_turbo")
    return {"pillow": PIL.__version__, "libjpeg": turbo or features.version("jpg") or "unknown"}
