"""A DICOM file without its identifying values: every other byte stays where it was, the pixels to the last.

Values are overwritten, not removed: text by blanks, which the standard reads as nothing, everything else by zeros. So no length and no offset changes.
"""

import zlib

from hardcases.imaging.dicom import tags
from hardcases.imaging.dicom.elements import VRS, Element
from hardcases.imaging.dicom.header import Header
from hardcases.imaging.dicom.identifiers import is_listed

_BLANKS = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR", "UT"})
_PRIVATE_META, _TRAILING = 0x00020102, 0xFFFCFFFC


def blanked(header: Header, whole: bytes) -> bytes:
    """`whole`, which `header` was read from, without listed values, private values, the unused first bytes and what trails behind."""
    out = bytearray(bytes(header.data))
    for element in header.elements:
        if element.vr != "SQ" and element.tag not in tags.PIXEL_TAGS and _goes(element):
            _blank(out, element)
    before = bytearray(out if not header.deflated else whole)
    if bytes(whole[128:132]) == b"DICM":
        before[:128] = bytes(128)
    private = header.meta.get(_PRIVATE_META)
    if private is not None:
        _blank(before, private)
    if not header.deflated:
        return bytes(before)
    start = header.meta_end
    deflating = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = deflating.compress(bytes(out)) + deflating.flush()
    return bytes(before[:start]) + packed + b"\0" * (len(packed) % 2)


def _goes(element: Element) -> bool:
    private = bool(element.tag >> 16 & 1) or any(tag >> 16 & 1 for tag, _ in element.path)
    creator = bool(element.tag >> 16 & 1) and 0x10 <= element.tag & 0xFFFF <= 0xFF
    return (private and not creator) or element.tag == _TRAILING or is_listed(element)


def _blank(out: bytearray, element: Element) -> None:
    filler = b" " if element.vr in _BLANKS or element.vr not in VRS else b"\0"
    out[element.at : element.at + element.size] = filler * element.size
