"""What a DICOM file says about its picture, read without decoding it; and whether all of the picture is there."""

import mmap
import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import IO

import numpy as np
from pydicom import datadict
from pydicom.uid import UID

from hardcases.imaging.dicom import tags
from hardcases.imaging.dicom.elements import EXPLICIT, IMPLICIT, VRS, Bytes, Damaged, Element, Encoding, Walk, fragments
from hardcases.imaging.limits import UnreadableImage, check_frames, check_size, too_big

MOST_INFLATED = 160_000_000  # bytes of a deflated data set: a picture of 50 million pixels of three bytes, and its header
_CHUNK = 1 << 20
_EITHER = {"US or SS": "US", "OB or OW": "OW", "US or OW": "OW", "US or SS or OW": "OW"}
_CODES = {"US": "u2", "SS": "i2", "UL": "u4", "SL": "i4", "UV": "u8", "SV": "i8", "FL": "f4", "FD": "f8", "OW": "u2", "OB": "u1"}
_EXECUTABLES = (b"MZ", b"\x7fELF", b"#!", b"\xfe\xed\xfa", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
_PHOTOMETRIC = {
    "MONOCHROME1": 1,
    "MONOCHROME2": 1,
    "PALETTE COLOR": 1,
    "RGB": 3,
    "YBR_FULL": 3,
    "YBR_FULL_422": 3,
    "YBR_RCT": 3,
    "YBR_ICT": 3,
}


@lru_cache(maxsize=8192)
def vr_of(tag: int) -> str:
    """The value representation of a tag by the standard's dictionary; UN where it knows none."""
    if tag & 0xFFFF == 0:
        return "UL"
    try:
        vr = datadict.dictionary_VR(tag)
    except KeyError:
        return "UN"
    return _EITHER.get(vr, vr)


def unreadable(why: str, *, what: str = "Send a whole file.") -> UnreadableImage:
    """The refusal of a file that cannot be read because of `why`."""
    return UnreadableImage(f"The DICOM file cannot be read: {why}. Nothing was stored. {what}")


def bytes_of(file: IO[bytes]) -> Bytes:
    """The whole file without reading it, where it lies on a disk."""
    try:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError):
        file.seek(0)
        return memoryview(file.read())


class Header:
    """A data set that was walked through once. `first` and `frame` give the place of values: of the file, and of the first frame of an enhanced one.

    Raises UnreadableImage and ImageTooBig; `elements` are all there are, in order.
    """

    def __init__(self, data: Bytes) -> None:
        start = 132 if bytes(data[128:132]) == b"DICM" else 0
        if start and bytes(data[:4]).startswith(_EXECUTABLES):
            raise unreadable("its unused first bytes begin a program", what="Send it without them.")
        self.elements: list[Element] = []
        self.first: dict[int, Element] = {}
        self.frame: dict[int, Element] = {}
        self.luts: dict[int, dict[int, Element]] = {}
        try:
            self._read(data, start)
        except Damaged as error:
            raise unreadable(str(error), what=error.what) from error

    def _read(self, data: Bytes, start: int) -> None:
        self.file = data
        self.meta, body = _meta(data, start)
        self.meta_end = body
        said = self.meta.get(tags.TRANSFER_SYNTAX)
        self.syntax = "" if said is None else bytes(data[said.at : said.at + said.size]).decode("ascii", "replace").strip("\0 ")
        self.deflated = self.syntax == tags.DEFLATED
        self.data, self.body = (_inflated(data, body), 0) if self.deflated else (data, body)
        self.encoding = self._encoding()
        for element in Walk(self.data, self.encoding, vr_of).run(self.body, len(self.data)):
            self.elements.append(element)
            self._place(element)

    def _encoding(self) -> Encoding:
        if self.syntax == tags.IMPLICIT_LITTLE:
            return IMPLICIT
        if self.syntax:
            return Encoding(explicit=True, little=self.syntax != tags.EXPLICIT_BIG)
        head = bytes(self.data[self.body : self.body + 6])  # no word about it: as some scanners write
        little = not (head[0] == 0 and head[1] != 0)
        explicit = head[4:6].decode("latin-1") in VRS
        self.syntax = (tags.EXPLICIT_LITTLE if little else tags.EXPLICIT_BIG) if explicit else tags.IMPLICIT_LITTLE
        return Encoding(explicit=explicit, little=little)

    def _place(self, element: Element) -> None:
        path = element.path
        if not path:
            self.first.setdefault(element.tag, element)
            return
        if any(index for _, index in path):
            return
        within_frame = path[0][0] in {tags.SHARED_GROUPS, tags.FRAME_GROUPS}
        if within_frame and len(path) == 2:
            self.frame.setdefault(element.tag, element)
        sequence = path[-1][0]
        if sequence in {tags.MODALITY_LUT, tags.VOI_LUT} and len(path) == (3 if within_frame else 1):
            self.luts.setdefault(sequence, {}).setdefault(element.tag, element)

    @property
    def kind(self) -> str:
        """The class of the object, as its UID; empty where it is not told."""
        said = self.meta.get(tags.MEDIA_SOP_CLASS)
        return self.text(tags.SOP_CLASS) or (
            "" if said is None else bytes(self.file[said.at : said.at + said.size]).decode("latin-1").strip("\0 ")
        )

    # --- Values ---------------------------------------------------------------------------------------------------------------------------------

    def find(self, tag: int) -> Element | None:
        """The element of the file, else of its first frame."""
        return self.first.get(tag) or self.frame.get(tag)

    def raw(self, element: Element) -> bytes:
        """Its bytes."""
        return bytes(self.data[element.at : element.at + element.size])

    def text(self, tag: int) -> str:
        """The value as plain text; empty where there is none."""
        element = self.find(tag)
        return "" if element is None else self.raw(element)[:10_000].decode("latin-1").strip("\0 ")

    def numbers(self, element: Element | None, *, signed: bool = False) -> tuple[float, ...]:
        """The values as numbers, whole ones as int; empty where there is none. Raises Damaged for what is no number."""
        if element is None or not element.size:
            return ()
        raw = self.raw(element)
        if element.vr in {"DS", "IS", "LO", "SH", "CS", "ST"}:
            parts = raw[:100_000].decode("latin-1").strip("\0 ").split("\\")
            return tuple(_number(element.tag, part) for part in parts if part.strip())
        code = _CODES.get(element.vr) or ("u2" if len(raw) == 2 else "u4" if len(raw) == 4 else "u1")
        code = code.replace("u", "i") if signed and code[1] == "2" else code
        dtype = np.dtype(("<" if self.encoding.little else ">") + code)
        return tuple(np.frombuffer(raw[: len(raw) // dtype.itemsize * dtype.itemsize], dtype).tolist())

    def integer(self, tag: int, default: int | None = None) -> int:
        """One whole number. Raises Damaged where it is missing and has no default."""
        values = self.numbers(self.find(tag))
        if not values:
            if default is None:
                raise Damaged(f"it does not say its {keyword(tag)}")
            return default
        if not float(values[0]).is_integer():
            raise Damaged(f"its {keyword(tag)} is no whole number")
        return int(values[0])

    def sequence(self, tag: int) -> Mapping[int, Element]:
        """What is in the first item of a table's sequence; empty where there is none."""
        return self.luts.get(tag, {})


def keyword(tag: int) -> str:
    """The name of a tag in the standard, else its number."""
    return datadict.keyword_for_tag(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _number(tag: int, part: str) -> float:
    try:
        value = float(part)
    except ValueError as error:
        raise Damaged(f"its {keyword(tag)} is no number", "Correct its header.") from error
    return int(value) if value.is_integer() and "." not in part else value


def _meta(data: Bytes, start: int) -> tuple[dict[int, Element], int]:
    """The elements of the file's own group, which is always explicit little endian, and where the data set begins."""
    found: dict[int, Element] = {}
    at = start
    while bytes(data[at : at + 2]) == b"\x02\x00":
        # One by one: what follows the group may be written in another way.
        element = next(Walk(data, EXPLICIT, vr_of).run(at, len(data)))
        found[element.tag] = element
        at = element.at + element.size
    return found, at


def _inflated(data: Bytes, at: int) -> Bytes:
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    parts, size = [], 0
    try:
        for chunk in range(at, len(data), _CHUNK):
            rest = bytes(data[chunk : chunk + _CHUNK])
            while rest and not inflating.eof:
                parts.append(inflating.decompress(rest, MOST_INFLATED + 1 - size))
                size += len(parts[-1])
                if size > MOST_INFLATED:
                    raise too_big(f"more than {MOST_INFLATED:,} bytes when it is unpacked")
                rest = inflating.unconsumed_tail
    except zlib.error as error:
        raise Damaged("its deflated content is damaged") from error
    if not inflating.eof:
        raise Damaged("its deflated content is cut off")
    return memoryview(b"".join(parts))


class Pixels:
    """How the pixels are stored, checked against each other and against what is there. Raises UnreadableImage and ImageTooBig."""

    def __init__(self, header: Header) -> None:
        self.header = header
        try:
            self._read()
            self._check()
        except Damaged as error:
            raise unreadable(str(error), what=error.what) from error

    def _read(self) -> None:
        header = self.header
        places = [header.first[tag] for tag in (tags.PIXELS, tags.FLOATS, tags.DOUBLES) if tag in header.first]
        if not places:
            raise _no_picture(header)
        self.place = places[0]
        self.rows, self.columns = header.integer(tags.ROWS), header.integer(tags.COLUMNS)
        self.samples = header.integer(tags.SAMPLES, 1)
        self.photometric = header.text(tags.PHOTOMETRIC).upper()
        self.planar = header.integer(tags.PLANAR, 0)
        self.frames = header.integer(tags.FRAMES, 1) or 1
        self.real = self.place.tag != tags.PIXELS
        floats = {tags.FLOATS: 32, tags.DOUBLES: 64}
        self.allocated = floats[self.place.tag] if self.real else header.integer(tags.ALLOCATED)
        self.stored = header.integer(tags.STORED, self.allocated)
        self.high = header.integer(tags.HIGH_BIT, self.stored - 1)
        self.signed = header.integer(tags.SIGNED, 0) == 1

    def _check(self) -> None:
        if self.rows < 1 or self.columns < 1 or self.frames < 1:
            raise Damaged(f"it says {self.columns} × {self.rows} pixels in {self.frames} frames")
        check_size(self.columns, self.rows)
        check_frames(self.frames)
        if not self.photometric:
            raise Damaged(f"it does not say its {keyword(tags.PHOTOMETRIC)}")
        if self.photometric not in _PHOTOMETRIC:
            raise Damaged(f"its colours are stored as “{self.photometric[:40]}”, which we do not know", "Send it as MONOCHROME2 or RGB.")
        if self.samples != _PHOTOMETRIC[self.photometric]:
            raise Damaged(f"it says {self.samples} values a pixel for {self.photometric}")
        good = self.real or (
            self.allocated in {1, 8, 16, 32} and 1 <= self.stored <= self.allocated and self.stored - 1 <= self.high < self.allocated
        )
        if not good:
            raise Damaged(f"it says {self.stored} bits in {self.allocated}, up to bit {self.high}, which does not go together")
        if self.allocated == 1 and self.samples > 1:
            raise Damaged("it says colours of one bit")
        native = self.header.syntax in tags.NATIVE
        if native == self.place.encapsulated:
            raise Damaged("its pixel data are not stored as its transfer syntax says")
        needed = self.frames * self.frame_bits
        if native and self.place.size * 8 < needed:
            raise Damaged(f"it is cut off: its pixel data have {self.place.size:,} bytes and need {(needed + 7) // 8:,}")

    @property
    def frame_bits(self) -> int:
        """Of one frame that is not compressed."""
        samples = 2 if self.photometric == "YBR_FULL_422" else self.samples
        return self.rows * self.columns * samples * self.allocated

    def native_frame(self) -> Bytes:
        """The bytes of frame 0."""
        at = self.place.at
        return self.header.data[at : at + (self.frame_bits + 7) // 8]

    def encoded_frame(self) -> bytes:
        """The compressed bytes of frame 0. Raises Damaged."""
        data, place, encoding = self.header.data, self.place, self.header.encoding
        pieces = list(fragments(data, place.at, place.at + place.size + 8, encoding))
        if len(pieces) < 2:
            raise Damaged("its pixel data are empty")
        offsets = np.frombuffer(bytes(data[pieces[0]])[: (pieces[0].stop - pieces[0].start) // 4 * 4], "<u4")
        rest = pieces[1:]
        if len(rest) < self.frames:
            raise Damaged(f"it says {self.frames} frames and has {len(rest)}")
        if self.frames == 1:
            mine = rest
        elif len(rest) == self.frames:
            mine = rest[:1]
        elif len(offsets) > 1:
            behind = rest[0].start - 8 + int(offsets[1])
            mine = [piece for piece in rest if piece.start - 8 < behind] or rest[:1]
        else:
            ends = (index for index, piece in enumerate(rest) if b"\xff\xd9" in bytes(data[max(piece.start, piece.stop - 3) : piece.stop]))
            mine = rest[: next(ends, 0) + 1]
        return b"".join(data[piece] for piece in mine)


def _no_picture(header: Header) -> UnreadableImage:
    kind = header.kind
    if not kind and not header.first:
        return unreadable("it has no content behind its header")
    name = _class_name(kind) if kind else "of an unknown kind"
    return unreadable(f"it holds no picture ({name})", what="Send the pictures themselves.")


def _class_name(uid: str) -> str:
    return UID(uid).name[:64]
