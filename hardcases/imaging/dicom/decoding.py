"""The way into this package; imported when the first DICOM file arrives, since its libraries are an extra and take their time to load."""

import hashlib
import logging
import warnings
from collections.abc import Sequence
from typing import IO, Any

from PIL import Image
from pydicom import charset

from hardcases.imaging.dicom import identifiers, tags
from hardcases.imaging.dicom.blanking import blanked
from hardcases.imaging.dicom.elements import Damaged, Element
from hardcases.imaging.dicom.frames import check_decodable, frame
from hardcases.imaging.dicom.header import Header, Pixels, bytes_of, keyword, unreadable
from hardcases.imaging.dicom.shown import check as check_shown
from hardcases.imaging.dicom.shown import picture, window
from hardcases.imaging.facts import DicomFacts, ImageFacts
from hardcases.imaging.formats import DICOM

mapping_problem = identifiers.mapping_problem

# Process-wide on purpose, as for Pillow: odd values in a header do not stop a picture, nor fill the log.
warnings.filterwarnings("ignore", category=UserWarning, module="pydicom")
logging.getLogger("pydicom").setLevel(logging.ERROR)

LONGEST_TAG = 256
_NOT_READ = frozenset({"", "SQ", "OB", "OD", "OF", "OL", "OV", "OW", "UN", "AT", "UT", "LT", "ST", "PN"})
_NUMBERS = frozenset({"DS", "IS", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"})


def facts(file: IO[bytes], pseudonyms: Sequence[str] = ()) -> ImageFacts:
    """What the header says, after it was made sure that all pixels are there: by their number where they are not compressed, else by decoding frame 0.

    Raises what `Header` and `Pixels` raise, UnsupportedMedia, and whatever a decoder raises.
    """
    header = Header(bytes_of(file))
    pixels = Pixels(header)
    check_decodable(pixels)
    try:
        check_shown(pixels)
        if pixels.place.encapsulated:
            frame(pixels)
        shown = {
            "modality": header.text(tags.MODALITY)[:16],
            "photometric": pixels.photometric,
            "transfer_syntax": tags.SYNTAX_NAMES.get(header.syntax, header.syntax),
            "bits": pixels.stored,
            "frames": pixels.frames,
            "window": window(header) if pixels.samples == 1 else None,
        }
        found = tuple(identifiers.find(header, pseudonyms))
        said = _tags(header)
    except Damaged as error:
        raise unreadable(str(error), what=error.what) from error
    mode = "L" if pixels.samples == 1 and pixels.photometric != "PALETTE COLOR" else "RGB"
    about = DicomFacts(tags=said, identifiers=found, shown=shown)
    return ImageFacts(
        DICOM.name,
        DICOM.media_type,
        DICOM.suffix,
        pixels.columns,
        pixels.rows,
        mode,
        pixels.frames,
        pixels.stored,
        orientation=1,
        dicom=about,
    )


def image(file: IO[bytes]) -> Image.Image:
    """Frame 0 as people see it, L or RGB. Raises as `facts` does."""
    try:
        return picture(Pixels(Header(bytes_of(file))))
    except Damaged as error:
        raise unreadable(str(error), what=error.what) from error


def fingerprint(file: IO[bytes]) -> tuple[object, ...]:
    """What must not change when identifying values are taken out: how the pixels are stored, and every byte of them."""
    header = Header(bytes_of(file))
    pixels = Pixels(header)
    place = pixels.place
    digest = hashlib.sha256(header.data[place.at : place.at + place.size]).hexdigest()
    others = [header.raw(element) for element in header.elements if element.tag >> 16 == 0x0028 and element.size < 1_000]
    return header.syntax, digest, tuple(others)


def strip(data: bytes) -> bytes:
    """`data` without identifying values. Raises UnreadableImage."""
    return blanked(Header(memoryview(data)), data)


def _tags(header: Header) -> dict[str, tuple[Any, ...]]:
    """The short values of the file's own elements that may become attributes, by keyword: numbers and texts."""
    encodings = _encodings(header)
    found: dict[str, tuple[Any, ...]] = {}
    for tag, element in (header.frame | header.first).items():
        if tag >> 16 & 1 or tag >> 16 < 8 or not 0 < element.size <= LONGEST_TAG or element.vr in _NOT_READ or tag in header.luts:
            continue
        name = keyword(tag)
        if name.startswith("(") or identifiers.mapping_problem(name):
            continue
        values = _values(header, element, encodings)
        if values:
            found[name] = values
    return found


def _values(header: Header, element: Element, encodings: list[str]) -> tuple[Any, ...]:
    if element.vr in _NUMBERS:
        try:
            return header.numbers(element)
        except Damaged:
            pass  # told as the text that it is
    text = _decoded(header.raw(element), encodings)
    return tuple(part.strip("\0 ") for part in text.split("\\")) if text.strip("\0 \\") else ()


def _decoded(raw: bytes, encodings: list[str]) -> str:
    if raw.isascii():
        return raw.decode("ascii")
    try:
        return charset.decode_bytes(raw, encodings, {0x5C})
    except (LookupError, ValueError, UserWarning):
        return raw.decode("latin-1")


def _encodings(header: Header) -> list[str]:
    said = header.text(tags.CHARACTER_SET)
    try:
        return charset.convert_encodings(said.split("\\") if said else "")
    except (LookupError, ValueError, UserWarning):
        return ["iso8859"]
