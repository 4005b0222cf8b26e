"""What kind of file some bytes are, by their first bytes alone. Names and declared types are the sender's opinion and are not asked."""

import struct
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
DICOM = ImageFormat("DICOM", "application/dicom", ".dcm")
ACCEPTED = (PNG, JPEG, WEBP, TIFF, BMP, GIF, DICOM)
ACCEPTED_NAMES = "PNG, JPEG, WebP, TIFF, BMP, GIF or DICOM"

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
    (b"8BPS", "a Photoshop file"),
    (b"SIMPLE  =", "a FITS file"),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 file"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 file"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML document, perhaps an SVG drawing"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
)


def detect(head: bytes) -> ImageFormat | None:
    """The accepted format that `head` (the first `HEAD` bytes) begins, or None.

    The first 128 bytes of a DICOM file are free and may begin another format: then it is a DICOM file all the same, and its header is looked through.
    """
    if head[128:132] == b"DICM":
        return DICOM
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    return next((kind for start, kind in _ACCEPTED_STARTS if head.startswith(start)), DICOM if _bare_dicom(head) else None)


def _bare_dicom(head: bytes) -> bool:
    """Whether these are two data elements of DICOM without the usual beginning, as some scanners write them: both of the first groups, in order."""
    at, before = 0, -1
    for _ in range(2):
        if len(head) < at + 8:
            return False
        little = head[at] != 0
        group, number = struct.unpack_from("<HH" if little else ">HH", head, at)
        tag = group << 16 | number
        if group not in {2, 8} or tag <= before or (before < 0 and number > 0x0100):
            return False
        size = 4
        if head[at + 4 : at + 6].isalpha() and head[at + 4 : at + 6].isupper():
            long = head[at + 4 : at + 6] in {b"OB", b"SQ", b"UN", b"UT"}
            at += 8 if long else 6
            size = 4 if long else 2
        else:
            at += 4
        length = int.from_bytes(head[at : at + size], "little" if little else "big")
        if length % 2 or length > HEAD:
            return False
        at, before = at + size + length, tag
    return True


def describe_refused(head: bytes) -> str:
    """What a file that is no accepted image looks like, for the sentence of the refusal."""
    if not head:
        return "an empty file"
    if head[4:8] == b"ftyp":
        return "a HEIC, AVIF or video file"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return next((what for start, what in _REFUSED_STARTS if head.startswith(start) or text.startswith(start)), "no image we know")
