"""Small pictures, for those who need nothing else."""

import hashlib
import io
from typing import Any

from PIL import Image


def a_picture(seed: str = "one", *, size: tuple[int, int] = (16, 16), kind: str = "PNG", **options: Any) -> bytes:
    """A small picture; another seed gives other pixels."""
    colour = hashlib.sha256(seed.encode()).digest()
    image = Image.new("RGB", size, tuple(colour[:3]))
    image.putpixel((0, 0), tuple(colour[3:6]))
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()
