"""Pictures: is this file one, what are its facts, and a copy that is safe to show.

The original bytes are evaluated and never changed. People see a copy that is decoded and encoded again: upright, in sRGB, eight bits,
without EXIF, XMP, ICC or text, so neither a place nor a hidden thumbnail travels along. Pillow raises a dozen kinds of exception on
hostile bytes; they are caught in one function, `_guarded`, and become a refusal with a reason.
"""

import hashlib
import io
import math
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, UnidentifiedImageError

from hardcases.errors import Refusal, UnsupportedMedia
from hardcases.imaging import structure
from hardcases.imaging.facts import ImageFacts
from hardcases.imaging.formats import ACCEPTED_NAMES, DICOM, HEAD, JPEG, PNG, TIFF, ImageFormat, describe_refused, detect
from hardcases.imaging.limits import MAX_METADATA, MAX_PIXELS, ImageTooBig, UnreadableImage, check_frames, check_size, too_big

__all__ = ["ImageFacts", "ImageTooBig", "Picture", "UnreadableImage", "check_same", "copies", "display", "inspect", "pixels", "thumbnail"]

_DICOM = "hardcases.imaging.dicom.decoding"
# Of 9: a third of the time of Pillow's 6, for files a tenth larger. A worker makes a copy once, and most are looked at once or never.
PNG_EFFORT = 3
TINY = 64  # pictures up to this side are shown losslessly: at 8×8 every pixel counts

_DECODES = threading.BoundedSemaphore(2)  # a decoded picture takes up to 200 MB; two at once is what a small server bears
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112
_SRGB = ImageCms.createProfile("sRGB")

# Process-wide on purpose: `warnings.catch_warnings` is not safe with threads.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # damaged metadata does not stop a picture, nor fill the log
warnings.simplefilter("error", Image.DecompressionBombWarning)

Source = bytes | Path
Result = TypeVar("Result")


@dataclass(frozen=True)
class Picture:
    """A re-encoded copy: `data` is PNG or JPEG, as `media_type` says."""

    data: bytes
    media_type: str
    width: int
    height: int


def inspect(source: Source, *, pseudonyms: Sequence[str] = ()) -> ImageFacts:
    """Decode frame 0 completely and return its facts. Of DICOM pixels that are not compressed the number is enough; `pseudonyms` say how names begin
    that identify nobody.

    Raises `UnsupportedMedia` (415) for anything but an accepted format, `ImageTooBig` and `UnreadableImage` (422) otherwise.
    """

    def look(file: IO[bytes], kind: ImageFormat) -> ImageFacts:
        if kind is DICOM:
            facts: ImageFacts = _dicom().facts(file, pseudonyms)
            return facts
        structure.check(file, kind)
        with _image(file, kind) as image:
            return _inspect(image, kind)

    return _guarded(source, look)


def display(source: Source) -> Picture:
    """The whole picture for people: JPEG stays JPEG (quality 90), everything else becomes PNG. Raises as `inspect` does."""
    return _decoded(source, _display)


def thumbnail(source: Source, side: int = 256) -> Picture:
    """The picture within `side` × `side`, never enlarged. Raises as `inspect` does."""

    def shrink(image: Image.Image, kind: ImageFormat) -> Picture:
        return _thumbnail(image, kind, side)

    return _decoded(source, shrink)


def copies(source: Source, side: int = 256) -> tuple[Picture, Picture]:
    """Display copy and thumbnail from one decode; the same copy twice where it is no larger than a thumbnail. Raises as `inspect` does."""

    def make(image: Image.Image, kind: ImageFormat) -> tuple[Picture, Picture]:
        turn = _turn(image)
        upright = _turned(_showable(image), turn)
        whole = _encoded(upright, lossless=kind is not JPEG or max(upright.size) <= TINY, quality=90)
        return whole, whole if max(upright.size) <= side else _shrunk(upright, side)

    return _decoded(source, make)


def pixels(source: Source, *, mode: str = "RGB", size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Frame 0 as a model takes it: upright, uint8 (height, width, 1 or 3 channels), resized to `size` (height, width) if it differs.

    `mode` is L or RGB. Deeper values are stretched as for people; colour profiles are left alone. Raises as `inspect` does.
    """

    def read(image: Image.Image, kind: ImageFormat) -> NDArray[np.uint8]:
        return _pixels(image, mode, size)

    return _decoded(source, read)


def check_same(one: Source, other: Source) -> None:
    """Raise `UnreadableImage` unless both show the same pixels the same way up in the same mode: for a file whose metadata was taken out."""
    if _guarded(one, _mark) != _guarded(other, _mark):
        raise UnreadableImage(
            "Taking the metadata out of the picture would change the picture itself. Nothing was stored. Save it anew as PNG."
        )


def _fingerprint(image: Image.Image, kind: ImageFormat) -> tuple[object, ...]:
    orientation = _orientation(image)
    image.load()
    return kind, image.mode, image.size, orientation, hashlib.sha256(image.tobytes()).digest()


def _mark(file: IO[bytes], kind: ImageFormat) -> tuple[object, ...]:
    if kind is DICOM:
        mark: tuple[object, ...] = _dicom().fingerprint(file)
        return mark
    with _image(file, kind) as image:
        return _fingerprint(image, kind)


def dicom_tag_problem(name: str) -> str | None:
    """Why the DICOM tag of this name cannot fill an attribute, as a sentence; None where it can. Raises UnsupportedMedia where DICOM is not installed."""
    problem: str | None = _dicom().mapping_problem(name)
    return problem


def strip_dicom(data: bytes) -> bytes:
    """A DICOM file without identifying values. Raises as `inspect` does."""
    return _guarded(data, lambda _file, _kind: bytes(_dicom().strip(data)))


def _dicom() -> Any:
    """What reads DICOM. Its libraries are an extra, and take the better part of a second to load: only where there is something to read."""
    try:
        return import_module(_DICOM)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "hardcases":
            raise
        raise UnsupportedMedia(
            "This is a DICOM matter, and this installation does not read DICOM: its extra is not installed. Nothing was stored. "
            "Install it with: pip install 'hardcases[server,dicom]'."
        ) from error


def _decoded(source: Source, work: Callable[[Image.Image, ImageFormat], Result]) -> Result:
    """Do `work` on the opened picture: of DICOM on what is shown of it."""

    def on_image(file: IO[bytes], kind: ImageFormat) -> Result:
        with _dicom().image(file) if kind is DICOM else _image(file, kind) as image:
            return work(image, kind)

    return _guarded(source, on_image)


@contextmanager
def _image(file: IO[bytes], kind: ImageFormat) -> Iterator[Image.Image]:
    with Image.open(file, formats=(kind.name,)) as image:
        _check_limits(image)
        _refuse_misread(image)
        yield image


def _guarded(source: Source, work: Callable[[IO[bytes], ImageFormat], Result]) -> Result:
    """Recognise `source` as an accepted format and do `work`, one of two at a time; the only place that catches what Pillow and the readers of DICOM raise."""
    with _opened(source) as file:
        head = file.read(HEAD)
        file.seek(0)
        kind = detect(head)
        if kind is None:
            found = describe_refused(head)
            raise UnsupportedMedia(f"The file is {found}. Nothing was stored. Send {ACCEPTED_NAMES}.")
        try:
            with _DECODES:
                return work(file, kind)
        except Refusal:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise too_big(f"more than {MAX_PIXELS:,} pixels") from error
        except Exception as error:
            anew = "" if kind is DICOM else ", or save it anew as PNG"
            raise UnreadableImage(
                f"The {kind.name} file cannot be read: {_reason(error)}. Nothing was stored. Send a whole file{anew}."
            ) from error


def _opened(source: Source) -> IO[bytes]:
    return source.open("rb") if isinstance(source, Path) else io.BytesIO(source)


def _reason(error: Exception) -> str:
    match error:
        case UnidentifiedImageError():
            return "its header is damaged, or it is of a variant that is not read here"
        case MemoryError():
            return "it needs more memory than there is"
        case OSError() | SyntaxError() if "truncated" in str(error) or "broken" in str(error):
            return "it is cut off or damaged"
        case _:
            return "its content is damaged or uses a variant we do not know"


def _check_limits(image: Image.Image) -> None:
    check_size(*image.size)
    metadata = sum(len(value) for value in image.info.values() if isinstance(value, (bytes, str)))
    if metadata > MAX_METADATA:
        raise UnreadableImage(
            f"The image carries {metadata:,} bytes of metadata, more than {MAX_METADATA:,}. Nothing was stored. Send it without them."
        )


def _refuse_misread(image: Image.Image) -> None:
    """What Pillow opens and reads wrongly: colours deeper than eight bits, one plane after the other."""
    stored = getattr(image, "tag_v2", {})
    if stored.get(284) == 2 and stored.get(277, 1) > 1 and _bits(image) > 8:
        raise UnreadableImage(
            "The TIFF file keeps each colour in a plane of its own with more than eight bits, which is not read here. Nothing was stored. "
            "Save it with its colours pixel by pixel."
        )


def _inspect(image: Image.Image, kind: ImageFormat) -> ImageFacts:
    frames = int(getattr(image, "n_frames", 1))
    check_frames(frames)
    image.seek(0)
    mode, (width, height), bits, orientation = image.mode, image.size, _bits(image), _orientation(image)
    # A JPEG decoded at an eighth still reads its whole stream, so a cut file is found at a fraction of the cost.
    image.draft(None, (max(1, width // 8), max(1, height // 8)))
    turn = _turn(image)
    image.load()
    if turn >= 5:
        width, height = height, width
    return ImageFacts(kind.name, kind.media_type, kind.suffix, width, height, mode, frames, bits, orientation)


def _bits(image: Image.Image) -> int:
    """Bits per channel as stored: Pillow reads 16-bit RGB PNG as eight bits, so its mode alone does not tell."""
    if image.format == "TIFF":
        stored = getattr(image, "tag_v2", {}).get(258, 1)
        return int(max(stored)) if isinstance(stored, tuple) else int(stored)
    tiles = getattr(image, "tile", ())
    raw = tiles[0].args if tiles else None
    raw_mode = raw if isinstance(raw, str) else raw[0] if isinstance(raw, tuple) and raw else ""
    if image.format == "PNG" and isinstance(raw_mode, str) and ";16" in raw_mode:
        return 16
    return {"1": 1, "I;16": 16, "I;16B": 16, "I;16L": 16, "I": 32, "F": 32}.get(image.mode, 8)


def _orientation(image: Image.Image) -> int:
    """EXIF orientation 1–8. EXIF that cannot be read does not make the picture unreadable: it counts as upright."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except (ValueError, SyntaxError, OSError, KeyError, IndexError, TypeError, UserWarning):
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _turn(image: Image.Image) -> int:
    """The orientation that is left to undo when the pixels are loaded; to be asked before. Pillow turns a TIFF by itself, and gives its upright size from the start."""
    return 1 if image.format == TIFF.name else _orientation(image)


def _display(image: Image.Image, kind: ImageFormat) -> Picture:
    turn = _turn(image)
    shown = _showable(image)
    lossless = kind is not JPEG or max(shown.size) <= TINY
    return _encoded(_turned(shown, turn), lossless=lossless, quality=90)


def _thumbnail(image: Image.Image, kind: ImageFormat, side: int) -> Picture:
    turn = _turn(image)
    image.draft(None, (side * 2, side * 2))  # at least twice the goal, so that the reduction below still smooths
    return _shrunk(_turned(_showable(image), turn), side)


def _shrunk(shown: Image.Image, side: int) -> Picture:
    if max(shown.size) > side:
        shown.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return _encoded(shown, lossless=shown.mode == "RGBA" or max(shown.size) <= TINY, quality=85)


def _pixels(image: Image.Image, mode: str, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    turn = _turn(image)
    image.load()
    plain = _turned(_stretched(image) if _is_deep(image) else _out_of_lab(image), turn)
    if plain.mode != mode:
        plain = plain.convert(mode)
    if size is not None and plain.size != (size[1], size[0]):
        plain = plain.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    values = np.asarray(plain, dtype=np.uint8)
    return values[:, :, None] if values.ndim == 2 else values


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _showable(image: Image.Image) -> Image.Image:
    """Frame 0 as L, RGB or RGBA in sRGB, eight bits. Deeper values and floats are stretched from their least to their greatest."""
    image.load()
    if _is_deep(image):
        return _stretched(image)
    image = _out_of_lab(image)
    if image.mode == "1":
        return image.convert("L")
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        return _in_srgb(image, image.convert("RGBA"))
    if image.mode == "L":
        return image.copy()
    return _in_srgb(image, image.convert("RGB"))


def _is_deep(image: Image.Image) -> bool:
    return image.mode in {"F", "I"} or image.mode.startswith("I;") or _is_signed_bytes(image)


def _is_signed_bytes(image: Image.Image) -> bool:
    stored = getattr(image, "tag_v2", {}).get(339, 1)
    return image.mode == "L" and (stored[0] if isinstance(stored, tuple) and stored else stored) == 2


def _out_of_lab(image: Image.Image) -> Image.Image:
    if image.mode != "LAB":
        return image
    return ImageCms.profileToProfile(image, ImageCms.createProfile("LAB"), _SRGB, outputMode="RGB") or image


def _deep_values(image: Image.Image) -> NDArray[np.float32]:
    """The values as the file means them: of TIFF Pillow reads signed bytes as unsigned, unsigned words of 32 bits as signed, and leaves 0 black."""
    values = np.asarray(image)
    stored = getattr(image, "tag_v2", None)
    if stored is None:
        return values.astype(np.float32)
    if _is_signed_bytes(image):
        return values.view(np.int8).astype(np.float32)
    kind = stored.get(339, (1,))
    if image.mode == "I" and _bits(image) == 32 and (kind[0] if isinstance(kind, tuple) and kind else kind) == 1:
        values = values.view(np.uint32)
    deep = values.astype(np.float32)
    return -deep if stored.get(262) == 0 else deep


def _stretched(image: Image.Image) -> Image.Image:
    values = _deep_values(image)
    finite = np.isfinite(values)
    low, high = (float(values[finite].min()), float(values[finite].max())) if finite.any() else (0.0, 0.0)
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return Image.new("L", image.size, 0 if high <= 0 else 128)
    scaled = np.where(finite, (values - low) / span * 255.0, 0.0)
    return Image.fromarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8), "L")


def _in_srgb(original: Image.Image, converted: Image.Image) -> Image.Image:
    """Apply an RGB colour profile, since the copy carries none; a profile that cannot be used is left out."""
    profile = original.info.get("icc_profile")
    if not profile or original.mode not in {"RGB", "RGBA"}:
        return converted
    try:
        turned = ImageCms.profileToProfile(converted, ImageCms.ImageCmsProfile(io.BytesIO(profile)), _SRGB, outputMode=converted.mode)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return converted
    return turned or converted


def _encoded(image: Image.Image, *, lossless: bool, quality: int) -> Picture:
    image.info.clear()  # Pillow would write profile, comment and text of the original from here
    out = io.BytesIO()
    if lossless:
        image.save(out, PNG.name, compress_level=PNG_EFFORT)
    else:
        image.save(out, JPEG.name, quality=quality)  # not progressive: that takes eight times as long, for files 7 % smaller
    kind = PNG if lossless else JPEG
    return Picture(out.getvalue(), kind.media_type, image.width, image.height)
