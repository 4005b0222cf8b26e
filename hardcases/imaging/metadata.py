"""A picture file without what its camera, its scanner or its editor wrote about it: the same pixels, to the byte, and no words.

Nothing is decoded. Comments, EXIF, XMP, IPTC, maker's notes, embedded previews and what follows the picture's end are left out; what a decoder needs (colour
profile, transparency, resolution) stays. The orientation stays too, in an EXIF block of its own, because it says which way up the picture is. The same bytes
give the same result, which is why a repeated upload is recognised.

Of a DICOM file only what identifies somebody is blanked (`imaging.dicom`), since the rest says how its pixels are meant.

Sources: ITU T.81 (JPEG), the PNG specification (third edition), the WebP container specification, GIF89a, TIFF 6.0 and EXIF 3.0.
"""

import struct
import zlib
from collections.abc import Callable, Iterator

from hardcases.imaging.formats import BMP, DICOM, GIF, HEAD, JPEG, PNG, TIFF, WEBP, detect
from hardcases.imaging.pictures import strip_dicom

_KEPT_JPEG = {0xE0, 0xEE}  # JFIF and Adobe say how colours are coded
_PNG_KEPT = {
    b"tRNS",
    b"cHRM",
    b"gAMA",
    b"iCCP",
    b"sBIT",
    b"sRGB",
    b"cICP",
    b"mDCV",
    b"cLLI",
    b"bKGD",
    b"hIST",
    b"pHYs",
    b"sPLT",
    b"acTL",
    b"fcTL",
    b"fdAT",
}
_GIF_KEPT = (b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012")
# Tags that a TIFF needs to be decoded: size, bits, compression, strips, tiles, colour, resolution, orientation, JPEG tables, colour profile.
_TIFF_KEPT = {
    *range(254, 260), 262, 263, 264, 265, 266, 273, 274, 277, 278, 279, 280, 281, 282, 283, 284, 290, 291, 292, 293, 296, 301, 317, 318, 319, 320, 321, 322,
    323, 324, 325, 332, 334, 336, 338, 339, 340, 341, 342, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532, 32997, 34675, 50838,
}  # fmt: skip
_TIFF_SUBS = {34665, 34853, 40965, 330}  # EXIF, GPS, interoperability and child directories
_TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_MOST_DIRECTORIES = 1_000


class CannotStrip(ValueError):  # noqa: N818 - read as a sentence at the call site
    """The file's structure is not understood well enough to take anything out of it; it was left as it is."""


def strip(data: bytes, orientation: int = 1) -> bytes:
    """`data` without metadata; `orientation` (1–8) is that of the picture and stays. Raises CannotStrip."""
    kind = detect(data[:HEAD])
    work: dict[str, Callable[[bytes, int], bytes]] = {
        JPEG.name: _jpeg,
        PNG.name: _png,
        WEBP.name: _webp,
        GIF.name: _gif,
        TIFF.name: _tiff,
        BMP.name: lambda whole, _: whole,  # has no place for any
        DICOM.name: lambda whole, _: strip_dicom(whole),
    }
    if kind is None:
        raise CannotStrip("the file is no picture that we know")
    try:
        return work[kind.name](data, orientation)
    except (IndexError, struct.error, ValueError, OverflowError) as error:
        raise CannotStrip(f"the structure of the {kind.name} file is damaged") from error


def _exif(orientation: int) -> bytes:
    """The smallest EXIF block (TIFF, big-endian) with nothing but an orientation."""
    return b"MM\x00*\x00\x00\x00\x08\x00\x01" + struct.pack(">HHIHH", 274, 3, 1, orientation, 0) + b"\x00\x00\x00\x00"


def _jpeg(data: bytes, orientation: int) -> bytes:
    out = [data[:2]]
    told = orientation == 1
    at = 2
    while True:
        if data[at] != 0xFF:
            raise ValueError("no marker where one must be")
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker == 0xD9:
            return b"".join([*out, b"\xff\xd9"])
        end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        segment = data[at:end]
        if len(segment) != end - at:
            raise ValueError("a segment is cut off")
        kept = not (0xE0 <= marker <= 0xEF or marker == 0xFE) or marker in _KEPT_JPEG or segment[4:16] == b"ICC_PROFILE\x00"
        if not told and marker != 0xE0:
            block = b"Exif\x00\x00" + _exif(orientation)
            out.append(b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block)
            told = True
        if kept:
            out.append(segment)
        at = end
        if marker == 0xDA:
            at = _after_scan(data, end)
            out.append(data[end:at])


def _after_scan(data: bytes, at: int) -> int:
    """Where the next marker that is no part of the entropy-coded data begins."""
    while True:
        at = data.index(b"\xff", at)
        if data[at + 1] == 0 or 0xD0 <= data[at + 1] <= 0xD7:
            at += 2
        elif data[at + 1] == 0xFF:
            at += 1
        else:
            return at


def _png(data: bytes, orientation: int) -> bytes:
    out, at = [data[:8]], 8
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        chunk = data[at : at + 12 + size]
        if len(chunk) != 12 + size:
            raise ValueError("a chunk is cut off")
        critical = not name[0] & 0x20
        if critical or name in _PNG_KEPT:
            out.append(chunk)
        if name == b"IHDR" and orientation != 1:
            body = b"eXIf" + _exif(orientation)
            out.append(struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)))
        if name == b"IEND":
            return b"".join(out)
        at += 12 + size
    raise ValueError("no end")


def _webp(data: bytes, orientation: int) -> bytes:
    chunks = []
    at, end = 12, min(len(data), 8 + struct.unpack_from("<I", data, 4)[0])
    while at + 8 <= end:
        name, size = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + size]
        if len(body) != size:
            raise ValueError("a chunk is cut off")
        if name == b"VP8X":
            flags = (body[0] & ~0x0C) | (0x08 if orientation != 1 else 0)  # bits of EXIF and XMP
            body = bytes([flags]) + body[1:]
        if name not in {b"EXIF", b"XMP "}:
            chunks.append((name, body))
        at += 8 + size + size % 2
    if orientation != 1 and any(name == b"VP8X" for name, _ in chunks):
        chunks.append((b"EXIF", _exif(orientation)))
    packed = b"".join(name + struct.pack("<I", len(body)) + body + b"\x00" * (len(body) % 2) for name, body in chunks)
    return b"RIFF" + struct.pack("<I", len(packed) + 4) + b"WEBP" + packed


def _gif(data: bytes, _: int) -> bytes:
    at = 13 + (3 << ((data[10] & 7) + 1) if data[10] & 0x80 else 0)
    out = [data[:at]]
    while True:
        start, block = at, data[at]
        if block == 0x3B:
            return b"".join([*out, b";"])
        if block == 0x2C:
            at = _after_blocks(data, at + 11 + (3 << ((data[at + 9] & 7) + 1) if data[at + 9] & 0x80 else 0))
            out.append(data[start:at])
            continue
        if block != 0x21:
            raise ValueError("no block where one must be")
        label = data[at + 1]
        at = _after_blocks(data, at + 2)
        if label in {0xF9, 0x01} or (label == 0xFF and data[start + 3 : start + 14] in _GIF_KEPT):
            out.append(data[start:at])


def _after_blocks(data: bytes, at: int) -> int:
    while data[at]:
        at += 1 + data[at]
    return at + 1


class _Directories:
    """A TIFF being emptied in place: offsets stay, so that no strip moves; what goes becomes zeros."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self.order = "<" if data[:2] == b"II" else ">"
        self.big = struct.unpack_from(self.order + "H", data, 2)[0] == 43
        self.count, self.offset = ("Q", "Q") if self.big else ("H", "I")
        self.entry, self.inside = (20, 8) if self.big else (12, 4)
        self.seen: set[int] = set()

    def read(self, code: str, at: int) -> int:
        return int(struct.unpack_from(self.order + code, self.data, at)[0])

    def strip(self) -> bytes:
        at = self.read(self.offset, 8 if self.big else 4)
        while at:
            at = self._directory(at, whole=False)
        return bytes(self.data)

    def _entries(self, at: int) -> Iterator[tuple[int, int, int, int]]:
        """(position, tag, bytes of the value, where the value lies) of each entry."""
        for index in range(self.read(self.count, at)):
            position = at + struct.calcsize(self.order + self.count) + index * self.entry
            tag, kind = self.read("H", position), self.read("H", position + 2)
            size = _TIFF_SIZES.get(kind, 1) * self.read(self.offset, position + 4)
            value = position + self.entry - self.inside
            yield position, tag, size, value if size <= self.inside else self.read(self.offset, value)

    def _directory(self, at: int, *, whole: bool) -> int:
        """Empty one directory of what is not kept (or of everything); returns where the next one is."""
        if at in self.seen or len(self.seen) > _MOST_DIRECTORIES:
            raise ValueError("directories that lead to each other")
        self.seen.add(at)
        first = at + struct.calcsize(self.order + self.count)
        entries = list(self._entries(at))
        end = first + len(entries) * self.entry
        following = self.read(self.offset, end)
        kept = b""
        for position, tag, size, value in entries:
            if not whole and tag in _TIFF_KEPT:
                kept += self.data[position : position + self.entry]
                continue
            if tag in _TIFF_SUBS:
                child = self.read(self.offset, value)
                if child and child not in self.seen:
                    self._directory(child, whole=True)
            self._blank(value, size)
        self._blank(first, end + self.inside - first)
        struct.pack_into(self.order + self.count, self.data, at, len(kept) // self.entry)
        self.data[first : first + len(kept)] = kept
        struct.pack_into(self.order + self.offset, self.data, first + len(kept), 0 if whole else following)
        return following

    def _blank(self, at: int, size: int) -> None:
        if at + size > len(self.data):
            raise ValueError("a value lies outside the file")
        self.data[at : at + size] = bytes(size)


def _tiff(data: bytes, _: int) -> bytes:
    return _Directories(data).strip()
