"""What kind of file some bytes are, by their first bytes alone. Names and declared types are the sender's opinion and are not asked."""

from dataclasses import dataclass

HEAD = 512  # bytes that suffice to recognise every kind below


@dataclass(frozen=True)
class ImageFormat:
    """An accepted format: Pillow's opener, our media type and file ending."""

    name: str
    media_type: str
    suffix: str


PNG = ImageFormat("PNG", "image/png", ".png")
JPEG = ImageFormat("JPEG", "image/jpeg", ".jpg")
WEBP = ImageFormat("WEBP", "image/webp", ".webp")
TIFF = ImageFormat("TIFF", "image/tiff", ".tif")
BMP = ImageFormat("BMP", "image/bmp", ".bmp")
GIF = ImageFormat("GIF", "image/gif", ".gif")
ACCEPTED = (PNG, JPEG, WEBP, TIFF, BMP, GIF)
ACCEPTED_NAMES = "PNG, JPEG, WebP, TIFF, BMP or GIF"

_ACCEPTED_STARTS: tuple[tuple[bytes, ImageFormat], ...] = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
    (b"II+\x00", TIFF),
    (b"MM\x00+", TIFF),
    (b"BM", BMP),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
)
# Recognised only so that the refusal can say what was sent.
_REFUSED_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF"),
    (b"%!PS", "a PostScript (EPS) file"),
    (b"\xc5\xd0\xd3\xc6", "a PostScript (EPS) file"),
    (b"\x00\x00\x01\x00", "an icon (ICO)"),
    (b"\x00\x00\x02\x00", "a cursor (CUR)"),
    (b"8BPS", "a Photoshop file"),
    (b"SIMPLE  =", "a FITS file"),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 file"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML document, perhaps an SVG drawing"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
)


def detect(head: bytes) -> ImageFormat | None:
    """The accepted format that `head` (the first `HEAD` bytes) begins, or None."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    return next((kind for start, kind in _ACCEPTED_STARTS if head.startswith(start)), None)


def describe_refused(head: bytes) -> str:
    """What a file that is no accepted image looks like, for the sentence of the refusal."""
    if not head:
        return "an empty file"
    if head[4:8] == b"ftyp":
        return "a HEIC, AVIF or video file"
    if head[128:132] == b"DICM":
        return "a DICOM file"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return next((what for start, what in _REFUSED_STARTS if head.startswith(start) or text.startswith(start)), "no image we know")
