"""What a file's structure shows before it is decoded: damage that decoders pass over, and work without end.

Only for the door: a file that was let in is known by its digest ever after. Sources: the PNG specification (third edition), ITU T.81 (JPEG), GIF89a, TIFF 6.0.
"""

import mmap
import re
import struct
import zlib
from collections.abc import Callable
from typing import IO

from hardcases.imaging.formats import GIF, JPEG, PNG, TIFF, ImageFormat
from hardcases.imaging.limits import MAX_PIXELS, UnreadableImage, check_frames

Data = bytes | mmap.mmap
MOST_SCANS = 100  # a progressive JPEG has about ten
JPEG_MARKS = re.compile(rb"\xff[\x02-\xcf\xd9-\xfe]", re.DOTALL)  # but those that nothing belongs to: a scan may have thousands of restarts
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
MOST_CHUNKS = 200_000
MOST_BLOCKS = 1_000_000


def check(file: IO[bytes], kind: ImageFormat) -> None:
    """Raises UnreadableImage and ImageTooBig; leaves the file at its beginning. Whatever else the structure may be is left to the decoder."""
    work: dict[str, Callable[[Data], None]] = {PNG.name: _png, JPEG.name: _jpeg, GIF.name: _gif, TIFF.name: _tiff}
    look = work.get(kind.name)
    if look is None:
        return
    try:
        look(_bytes_of(file))
    except (IndexError, struct.error, OverflowError):
        pass  # cut off: the decoder says so in its own words
    finally:
        file.seek(0)


def _bytes_of(file: IO[bytes]) -> Data:
    try:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):
        return file.read()


def _damaged(name: str, why: str) -> UnreadableImage:
    return UnreadableImage(f"The {name} file cannot be read: {why}. Nothing was stored. Send a whole file.")


def _png(data: Data) -> None:
    """Each part that the picture needs carries a sum, which decoders do not all compare; the last part is the end."""
    at, palette, colour = 8, False, data[25]
    for _ in range(MOST_CHUNKS):
        size, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + size
        if end > len(data):
            raise _damaged("PNG", "it is cut off or damaged")
        if not name[0] & 0x20 and zlib.crc32(data[at + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            raise _damaged("PNG", "its content does not match its own sums, so it was damaged on the way")
        palette = palette or name == b"PLTE"
        if name == b"IDAT" and colour == 3 and not palette:
            raise _damaged("PNG", "its palette is missing")
        if name == b"IEND":
            return
        at = end
        if at == len(data):
            raise _damaged("PNG", "it is cut off or damaged")
    raise _damaged("PNG", f"it has more than {MOST_CHUNKS:,} parts")


def _jpeg(data: Data) -> None:
    """Every scan of a progressive JPEG goes over the whole picture once more. Profiles, previews and comments are passed over: they may hold the same bytes."""
    scans, passes, at = 0, 0, 2
    for _ in range(MOST_CHUNKS):
        found = JPEG_MARKS.search(data, at)
        if found is None or found[0] == b"\xff\xd9":
            return
        marker, at = found[0][1], found.end()
        if marker in _PROGRESSIVE:
            height, width = struct.unpack_from(">HH", data, at + 3)
            passes = height * width
        scans += marker == 0xDA
        if scans > MOST_SCANS or scans * passes > 30 * MAX_PIXELS:
            raise UnreadableImage(
                f"The JPEG file goes over the picture in {scans:,} scans, which are more passes than we make. Nothing was stored. "
                "Save it anew as an ordinary JPEG, or as PNG."
            )
        at += struct.unpack_from(">H", data, at)[0]
    raise _damaged("JPEG", f"it has more than {MOST_CHUNKS:,} parts")


def _gif(data: Data) -> None:
    """Decoders count frames by going through all of them."""
    at, frames, blocks = 13 + (3 << ((data[10] & 7) + 1) if data[10] & 0x80 else 0), 0, 0
    while (kind := data[at]) in {0x21, 0x2C}:
        if kind == 0x2C:
            frames += 1
            check_frames(frames)
            at += 11 + (3 << ((data[at + 9] & 7) + 1) if data[at + 9] & 0x80 else 0)
        else:
            at += 2
        while data[at]:
            at += 1 + data[at]
            blocks += 1
            if blocks > MOST_BLOCKS:
                raise _damaged("GIF", f"it has more than {MOST_BLOCKS:,} blocks")
        at += 1


def _tiff(data: Data) -> None:
    """Directories form a chain, which may be long or lead back into itself."""
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    count, offset, entry, start = ("Q", "Q", 20, 8) if big else ("H", "I", 12, 4)
    seen: set[int] = set()
    at = struct.unpack_from(order + offset, data, start)[0]
    while at:
        if at in seen:
            raise _damaged("TIFF", "its directories lead back to each other")
        seen.add(at)
        check_frames(len(seen))
        entries = struct.unpack_from(order + count, data, at)[0]
        at = struct.unpack_from(order + offset, data, at + struct.calcsize(order + count) + entries * entry)[0]
