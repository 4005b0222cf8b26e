"""The data elements of a DICOM data set, one after the other, with the place of each value in the file. Nothing is decoded and nothing is trusted.

A length that reaches beyond its surroundings, nesting without end and floods of elements end the walk with a `Damaged`; whatever the bytes are, each step goes
forward by eight bytes or more, so the walk ends.

Sources: DICOM PS3.5, chapter 7 (data elements, sequences), annex A (transfer syntaxes), section 6.2.2 (unknown representations).
"""

import struct
from collections.abc import Callable, Generator, Iterator
from typing import NamedTuple

from hardcases.imaging.dicom.tags import ITEM, ITEM_END, PIXEL_TAGS, SEQUENCE_END

Bytes = bytes | memoryview
MOST_ELEMENTS = 100_000
DEEPEST = 32
UNDEFINED = 0xFFFFFFFF
Path = tuple[tuple[int, int], ...]
LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
TEXTS = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"})
VRS = LONG_VRS | {
    "AE",
    "AS",
    "AT",
    "CS",
    "DA",
    "DS",
    "DT",
    "FD",
    "FL",
    "IS",
    "LO",
    "LT",
    "PN",
    "SH",
    "SL",
    "SS",
    "ST",
    "TM",
    "UI",
    "UL",
    "US",
}


class Damaged(ValueError):  # noqa: N818 - read as a sentence at the call site
    """The structure ends early, leads nowhere, or is of a kind that is not read; the text says which, to follow “cannot be read:”, and `what` what to do."""

    def __init__(self, why: str, what: str = "Send a whole file.") -> None:
        super().__init__(why)
        self.what = what


class Element(NamedTuple):
    """One element: where its value lies (`at`, `size` bytes), and the sequences around it as (tag, number of the item), outermost first.

    A sequence that ends with a delimiter has the size 0; the value of encapsulated pixels is everything from the first item to the delimiter.
    """

    tag: int
    vr: str
    at: int
    size: int
    path: Path
    encapsulated: bool = False


class Encoding(NamedTuple):
    """How elements are written: with or without representations, and in which order of bytes."""

    explicit: bool
    little: bool


Steps = Generator[Element, None, int]
IMPLICIT = Encoding(explicit=False, little=True)
EXPLICIT = Encoding(explicit=True, little=True)


class Walk:
    """A walk over data elements. `vr_of(tag)` knows the representations that implicit files leave out."""

    def __init__(self, data: Bytes, encoding: Encoding, vr_of: Callable[[int], str]) -> None:
        self.data = data
        self.vr_of = vr_of
        self.encoding = encoding
        self.count = 0

    def run(self, at: int, end: int) -> Iterator[Element]:
        """Every element between two positions, a sequence before what is in it. Raises Damaged."""
        yield from self._elements(at, end, self.encoding, ())

    def _elements(self, at: int, end: int, encoding: Encoding, path: Path, *, delimited: bool = False) -> Steps:
        """The elements up to `end`, or up to the delimiter of an item without length; returns where the next thing begins."""
        while at < end:
            if end - at < 8:
                if delimited or any(self.data[at:end]):
                    raise Damaged("it is cut off in the middle of an element")
                return end
            tag, vr, size, value = self._head(at, end, encoding)
            if tag == ITEM_END and path:
                return value
            if size == UNDEFINED:
                at = yield from self._undefined(Element(tag, vr, value, 0, path), end, encoding)
                continue
            at = value + size
            if at > end:
                left = max(0, end - value)
                raise Damaged(f"it is cut off: its element ({tag >> 16:04X},{tag & 0xFFFF:04X}) says {size:,} bytes and {left:,} are left")
            yield from self._defined(Element(tag, vr, value, size, path), encoding)
        if delimited:
            raise Damaged("it is cut off in the middle of a sequence")
        return end

    def _head(self, at: int, end: int, encoding: Encoding) -> tuple[int, str, int, int]:
        """(tag, representation, length, where the value begins)."""
        self.count += 1
        if self.count > MOST_ELEMENTS:
            raise Damaged(f"it has more than {MOST_ELEMENTS:,} elements")
        order = "<" if encoding.little else ">"
        group, number = struct.unpack_from(order + "HH", self.data, at)
        tag = group << 16 | number
        if group != 0xFFFE and encoding.explicit:
            vr = bytes(self.data[at + 4 : at + 6])
            if vr.isalpha() and vr.isupper():
                name = vr.decode("ascii")
                if name not in LONG_VRS:
                    return tag, name, struct.unpack_from(order + "H", self.data, at + 6)[0], at + 8
                if end - at < 12:
                    raise Damaged("it is cut off in the middle of an element")
                return tag, name, struct.unpack_from(order + "I", self.data, at + 8)[0], at + 12
        # Some writers change to implicit in the middle: no representation stands where one must.
        return tag, "" if group == 0xFFFE else self.vr_of(tag), struct.unpack_from(order + "I", self.data, at + 4)[0], at + 8

    def _defined(self, element: Element, encoding: Encoding) -> Iterator[Element]:
        tag, vr, at, size, path, _ = element
        if vr == "SQ":
            yield element
            yield from self._items(at, at + size, encoding, path, tag)
        elif vr == "UN" and size >= 8 and (self.vr_of(tag) == "SQ" or bytes(self.data[at : at + 4]) == b"\xfe\xff\x00\xe0"):
            yield from self._perhaps_items(element)
        else:
            yield self._known(element) if vr == "UN" else element

    def _known(self, element: Element) -> Element:
        """A value that a writer called unknown, under the representation that the standard's dictionary knows for its tag: it was written in little endian."""
        vr = self.vr_of(element.tag)
        return element._replace(vr=vr) if vr != "SQ" and (self.encoding.little or vr in TEXTS) else element

    def _perhaps_items(self, element: Element) -> Iterator[Element]:
        """An unknown value that looks like a sequence in implicit little endian: its elements if it is one, else the value as a whole."""
        try:
            inner = list(self._items(element.at, element.at + element.size, IMPLICIT, element.path, element.tag))
        except (Damaged, struct.error):
            if self.count > MOST_ELEMENTS:
                raise
            yield element
        else:
            yield element._replace(vr="SQ")
            yield from inner

    def _undefined(self, element: Element, end: int, encoding: Encoding) -> Steps:
        """A value that ends with a delimiter: a sequence, or encapsulated pixels. Returns where it ends."""
        tag, vr, at, _, path, _ = element
        if tag in PIXEL_TAGS or vr in {"OB", "OW"}:
            stop = self._end_of_fragments(at, end, encoding)
            yield element._replace(size=stop - at - 8, encapsulated=True)
            return stop
        if vr not in {"SQ", "UN"}:
            raise Damaged(f"its element ({tag >> 16:04X},{tag & 0xFFFF:04X}) has no length and is no sequence")
        yield element._replace(vr="SQ")
        return (yield from self._items(at, end, IMPLICIT if vr == "UN" else encoding, path, tag, delimited=True))

    def _items(self, at: int, end: int, encoding: Encoding, path: Path, tag: int, *, delimited: bool = False) -> Steps:
        """What is in the items of a sequence; returns where it ends."""
        if len(path) >= DEEPEST:
            raise Damaged(f"its sequences are nested more than {DEEPEST} deep")
        index = 0
        while at < end:
            found, value, size = self._item(at, end, encoding)
            if found == SEQUENCE_END:
                return value
            inner = (*path, (tag, index))
            if size == UNDEFINED:
                at = yield from self._elements(value, end, encoding, inner, delimited=True)
            else:
                at = value + size
                if at > end:
                    raise Damaged("it is cut off in the middle of a sequence")
                yield from self._elements(value, at, encoding, inner)
            index += 1
        if delimited:
            raise Damaged("it is cut off in the middle of a sequence")
        return end

    def _item(self, at: int, end: int, encoding: Encoding) -> tuple[int, int, int]:
        """(tag, where its value begins, size) of the item or delimiter at a position."""
        if end - at < 8:
            raise Damaged("it is cut off in the middle of a sequence")
        tag, _, size, value = self._head(at, end, encoding)
        if tag not in {ITEM, SEQUENCE_END}:
            raise Damaged("a sequence in it holds something that is no item")
        return tag, value, size

    def _end_of_fragments(self, at: int, end: int, encoding: Encoding) -> int:
        for fragment in fragments(self.data, at, end, encoding):
            at = fragment.stop
        return at + 8


def fragments(data: Bytes, at: int, end: int, encoding: Encoding) -> Iterator[slice]:
    """Where the items of encapsulated pixels lie, the table of offsets first, up to the delimiter. Raises Damaged where that is missing."""
    order = "<" if encoding.little else ">"
    for _ in range(MOST_ELEMENTS):
        if end - at < 8:
            raise Damaged("its pixel data are cut off")
        group, number, size = struct.unpack_from(order + "HHI", data, at)
        tag = group << 16 | number
        if tag == SEQUENCE_END:
            return
        if tag != ITEM or size == UNDEFINED or at + 8 + size > end:
            raise Damaged("its pixel data are cut off or damaged")
        yield slice(at + 8, at + 8 + size)
        at += 8 + size
    raise Damaged(f"its pixel data are in more than {MOST_ELEMENTS:,} pieces")
