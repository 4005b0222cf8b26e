"""What is known of a picture after it was looked at."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Identifier:
    """Something that identifies: the name of its tag, the sentence about it, whether it is there or may only be there, and whether it is in the picture."""

    tag: str
    problem: str
    certain: bool = True
    in_picture: bool = False


@dataclass(frozen=True)
class DicomFacts:
    """What a DICOM header says: `tags` that may become attributes, by keyword; what identifies somebody; and what people are shown about the picture."""

    tags: Mapping[str, tuple[Any, ...]]
    identifiers: tuple[Identifier, ...]
    shown: Mapping[str, Any]


@dataclass(frozen=True)
class ImageFacts:
    """Facts of frame 0. `width` and `height` are those of the upright image; `bits` are per channel as stored; `mode` is Pillow's."""

    format: str
    media_type: str
    suffix: str
    width: int
    height: int
    mode: str
    frames: int
    bits: int
    orientation: int
    dicom: DicomFacts | None = None
