"""The stored values of frame 0: native, run-length, JPEG (8 bits) and JPEG 2000. What a stream says of itself is held against the header before it is decoded.

Sources: DICOM PS3.5, chapter 8 (pixels), annexes A.4 and G (run-length); ITU T.81 (JPEG) and T.800 (JPEG 2000), the frame headers.
"""

import io
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from openjpeg.utils import decode
from PIL import Image

from hardcases.errors import UnsupportedMedia
from hardcases.imaging.dicom import tags
from hardcases.imaging.dicom.elements import Damaged
from hardcases.imaging.dicom.header import Pixels
from hardcases.imaging.limits import MAX_PIXELS, too_big

Values = NDArray[Any]
MOST_TILES = 4_096
_TILE = b"\xff\x90\x00\x0a"  # begins a part of a tile
_JP2 = b"\x00\x00\x00\x0cjP  "


def check_decodable(pixels: Pixels) -> None:
    """Raises UnsupportedMedia for a transfer syntax that nothing here decodes."""
    syntax = pixels.header.syntax
    known = syntax in tags.NATIVE or syntax == tags.RLE or syntax in tags.JPEG or syntax in tags.JPEG_2000
    if not known or (syntax in tags.JPEG and pixels.stored > 8):
        name = tags.SYNTAX_NAMES.get(syntax, f"the transfer syntax {syntax[:64]}")
        raise UnsupportedMedia(
            f"The DICOM file is compressed as {name}, which is not decoded here. Nothing was stored. Send it uncompressed, or as JPEG 2000."
        )


def frame(pixels: Pixels) -> Values:
    """Frame 0 as stored: (rows, columns) or (rows, columns, 3), whole numbers of the stored bits or floats. Colours are RGB unless the header says YBR_FULL.

    Raises Damaged and UnsupportedMedia; decoders raise what they like.
    """
    check_decodable(pixels)
    syntax = pixels.header.syntax
    if syntax in tags.NATIVE:
        return _native(pixels)
    if syntax == tags.RLE:
        return _masked(_run_lengths(pixels, pixels.encoded_frame()), pixels)
    if syntax in tags.JPEG:
        return _jpeg(pixels, pixels.encoded_frame())
    return _jpeg_2000(pixels, pixels.encoded_frame())


def _shaped(pixels: Pixels, flat: Values) -> Values:
    rows, columns, samples = pixels.rows, pixels.columns, pixels.samples
    if samples == 1:
        return flat[: rows * columns].reshape(rows, columns)
    flat = flat[: rows * columns * samples]
    if pixels.planar == 1:
        return np.moveaxis(flat.reshape(samples, rows, columns), 0, -1)
    return flat.reshape(rows, columns, samples)


def _native(pixels: Pixels) -> Values:
    raw, little = pixels.native_frame(), pixels.header.encoding.little
    count = pixels.rows * pixels.columns
    order = "<" if little else ">"
    if pixels.real:
        return _shaped(pixels, np.frombuffer(raw, f"{order}f{pixels.allocated // 8}"))
    if pixels.allocated <= 8 and not little and pixels.place.vr == "OW":
        raw = _swapped(pixels)
    if pixels.allocated == 1:
        return _shaped(pixels, np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little")[:count])
    if pixels.photometric == "YBR_FULL_422":
        return _spread(pixels, np.frombuffer(raw, np.uint8))
    return _masked(_shaped(pixels, np.frombuffer(raw, f"{order}u{pixels.allocated // 8}")), pixels)


def _swapped(pixels: Pixels) -> bytes:
    """Bytes that were written as big-endian words, in their order."""
    size = (pixels.frame_bits + 7) // 8
    even = bytes(pixels.header.data[pixels.place.at : pixels.place.at + size + size % 2]).ljust(size + size % 2, b"\0")
    return np.frombuffer(even, "<u2").byteswap().tobytes()[:size]


def _spread(pixels: Pixels, flat: Values) -> Values:
    """Two pixels share their colour: Y, Y, Cb, Cr."""
    if pixels.allocated != 8 or pixels.columns % 2:
        raise Damaged("its colours are shared by two pixels, but its rows are odd or its values are not bytes")
    quads = flat[: pixels.rows * pixels.columns * 2].reshape(-1, 4)
    out = np.empty((len(quads), 2, 3), np.uint8)
    out[:, :, 0] = quads[:, :2]
    out[:, :, 1:] = quads[:, None, 2:]
    return out.reshape(pixels.rows, pixels.columns, 3)


def _masked(values: Values, pixels: Pixels) -> Values:
    """Only the stored bits of each value, with their sign: the others may hold an overlay."""
    size = pixels.allocated // 8
    below = pixels.high + 1 - pixels.stored
    native = values.astype(f"=u{size}", copy=False)
    if pixels.signed:
        left = pixels.allocated - pixels.high - 1
        signed: Values = (native << left).view(f"=i{size}") >> (left + below)
        return signed
    if pixels.stored == pixels.allocated:
        return native
    masked: Values = (native >> below) & native.dtype.type((1 << pixels.stored) - 1)
    return masked


def _run_lengths(pixels: Pixels, data: bytes) -> Values:
    """Each byte of each value is a plane of its own, the highest first. Pillow unpacks them, into as many bytes as there are pixels and no more."""
    size, count = pixels.allocated // 8, pixels.rows * pixels.columns
    if size == 0:
        raise Damaged("run lengths of one bit a pixel are not read here", "Send it uncompressed.")
    planes = pixels.samples * size
    head = struct.unpack_from("<16I", data.ljust(64, b"\0"))
    if head[0] != planes:
        raise Damaged(f"its run lengths have {head[0]} planes and need {planes}")
    ends = [*head[2 : planes + 1], len(data)]
    out = np.empty((pixels.samples, size, count), np.uint8)
    for plane, (start, end) in enumerate(zip(head[1 : planes + 1], ends, strict=True)):
        if not 64 <= start < end <= len(data):
            raise Damaged("its run lengths lie outside the file")
        unpacked = Image.frombytes("L", (count, 1), data[start:end], "packbits", "L")
        out[plane // size, size - 1 - plane % size] = np.asarray(unpacked).ravel()
    values = np.ascontiguousarray(np.moveaxis(out, 1, -1)).view(f"<u{size}")[..., 0]
    shaped = values.reshape(pixels.samples, pixels.rows, pixels.columns)
    return shaped[0] if pixels.samples == 1 else np.moveaxis(shaped, 0, -1)


def _jpeg(pixels: Pixels, data: bytes) -> Values:
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        if image.size != (pixels.columns, pixels.rows):
            raise Damaged(f"the JPEG in it has {image.width} × {image.height} pixels, and the header says {pixels.columns} × {pixels.rows}")
        wanted = "L" if pixels.samples == 1 else "RGB"
        if pixels.photometric == "RGB" and not {"adobe_transform", "jfif"} & image.info.keys():
            image.draft("YCbCr", image.size)  # taken as they are: the header says that they are RGB, and the stream says nothing else
            wanted = "YCbCr"
        if image.mode != wanted:
            raise Damaged(f"the JPEG in it is {image.mode}, and the header says {pixels.photometric}")
        return np.asarray(image)


def _jpeg_2000(pixels: Pixels, data: bytes) -> Values:
    _check_codestream(pixels, data)
    values: Values = decode(data, 2 if data.startswith(_JP2) else 0)
    if values.shape[:2] != (pixels.rows, pixels.columns) or values.ndim != (2 if pixels.samples == 1 else 3):
        raise Damaged("the JPEG 2000 picture in it has another size than the header says")
    if values.dtype.kind == "u" and pixels.signed:
        # Said to be signed by the header alone: the stored bits are taken as such.
        left = values.dtype.itemsize * 8 - pixels.stored
        return (values << left).view(values.dtype.str.replace("u", "i")) >> left
    return values


def _check_codestream(pixels: Pixels, data: bytes) -> None:
    """Before a byte is decoded: size, tiles and components of the stream are those of the header. Raises Damaged and ImageTooBig."""
    at = data.find(b"\xff\x4f\xff\x51")
    if at < 0 or len(data) < at + 42:
        raise Damaged("the JPEG 2000 picture in it has no beginning")
    width, height, left, top, tile_width, tile_height, tile_left, tile_top, components = struct.unpack_from(">8IH", data, at + 8)
    if (width - left, height - top, components) != (pixels.columns, pixels.rows, pixels.samples):
        raise Damaged("the JPEG 2000 picture in it has another size than the header says")
    if not tile_width or not tile_height:
        raise Damaged("the JPEG 2000 picture in it has tiles without a size")
    tiles = -(-(width - tile_left) // tile_width) * -(-(height - tile_top) // tile_height)
    if data.count(_TILE) < tiles or b"\xff\xd9" not in data[-4:]:
        raise Damaged("the JPEG 2000 picture in it is cut off")
    if tiles > MOST_TILES or pixels.rows * pixels.columns * pixels.samples > MAX_PIXELS:
        raise too_big(f"{tiles:,} tiles, or more than {MAX_PIXELS:,} values, in JPEG 2000")
