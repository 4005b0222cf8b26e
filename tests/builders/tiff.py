"""TIFF files of kinds that Pillow reads and does not write."""

import struct
import zlib
from typing import Any

import numpy as np

FORMATS = {"u": 1, "i": 2, "f": 3}


def a_tiff(values: np.ndarray, *, order: str = "<", tile: int = 0, planar: bool = False, deflate: bool = False, **tags: Any) -> bytes:
    """`values` as one page: (rows, columns) or (rows, columns, samples) of any type, in strips or square tiles; `tags` by number over the usual ones."""
    values = values if values.ndim == 3 else values[:, :, None]
    rows, columns, samples = values.shape
    stored = values.astype(values.dtype.newbyteorder(order))
    planes = [stored[:, :, n : n + 1] for n in range(samples)] if planar else [stored]
    pieces: list[bytes] = []
    for plane in planes:
        if tile:
            padded = np.pad(plane, ((0, -rows % tile), (0, -columns % tile), (0, 0)))
            for y in range(0, rows, tile):
                pieces += [padded[y : y + tile, x : x + tile].tobytes() for x in range(0, columns, tile)]
        else:
            pieces.append(plane.tobytes())
    if deflate:
        pieces = [zlib.compress(piece) for piece in pieces]
    kind = values.dtype
    said: dict[int, tuple[int, list[int]]] = {
        256: (4, [columns]),
        257: (4, [rows]),
        258: (3, [kind.itemsize * 8] * samples),
        259: (3, [8 if deflate else 1]),
        262: (3, [2 if samples >= 3 else 1]),
        277: (3, [samples]),
        284: (3, [2 if planar else 1]),
        339: (3, [FORMATS[kind.kind]] * samples),
    }
    if tile:
        said |= {322: (4, [tile]), 323: (4, [tile])}
    else:
        said |= {278: (4, [rows])}
    for name, value in tags.items():
        said[int(name.removeprefix("t"))] = (3, value if isinstance(value, list) else [value])
    return _assembled(said, pieces, order, tiled=bool(tile))


def _assembled(said: dict[int, tuple[int, list[int]]], pieces: list[bytes], order: str, *, tiled: bool) -> bytes:
    offsets, at = [], 8
    for piece in pieces:
        offsets.append(at)
        at += len(piece) + len(piece) % 2
    said[324 if tiled else 273] = (4, offsets)
    said[325 if tiled else 279] = (4, [len(piece) for piece in pieces])
    body = b"".join(piece + b"\0" * (len(piece) % 2) for piece in pieces)
    beyond = at + 2 + 12 * len(said) + 4
    entries, extra = b"", b""
    for tag in sorted(said):
        code, numbers = said[tag]
        value = struct.pack(f"{order}{len(numbers)}{'H' if code == 3 else 'I'}", *numbers)
        if len(value) > 4:
            place = struct.pack(order + "I", beyond + len(extra))
            extra += value
        else:
            place = value.ljust(4, b"\0")
        entries += struct.pack(order + "HHI", tag, code, len(numbers)) + place
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return magic + struct.pack(order + "I", at) + body + struct.pack(order + "H", len(said)) + entries + struct.pack(order + "I", 0) + extra
