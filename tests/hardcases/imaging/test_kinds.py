"""The harder kinds of ordinary pictures: each is shown as it is meant, or refused with a sentence."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hardcases.imaging import pictures
from hardcases.imaging.limits import UnreadableImage
from tests.builders.tiff import a_tiff

RAMP = np.linspace(0, 1, 80 * 90).reshape(80, 90)
TWELVE = (1_000 + RAMP * 3_000).astype(np.uint16)  # twelve bits somewhere in sixteen
COLOURS = np.stack([RAMP, 1 - RAMP, RAMP * 0 + 0.5], -1)
RGB16, RGB8 = (COLOURS * 65_535).astype(np.uint16), (COLOURS * 255).astype(np.uint8)
GREY = Image.fromarray((RAMP * 255).astype(np.uint8))
COLOUR = Image.fromarray(RGB8)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def a_png(values: np.ndarray, colour: int, *extra: tuple[bytes, bytes]) -> bytes:
    """Sixteen bits a value; `colour` as the specification numbers it."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, colour, 0, 0, 0)
    chunks = [(b"IHDR", head), *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*pair) for pair in chunks)


def shown(data: bytes) -> np.ndarray:
    pictures.inspect(data)
    display, thumbnail = pictures.copies(data)
    for copy in (display, thumbnail):
        image = Image.open(io.BytesIO(copy.data))
        assert image.mode in {"L", "RGB", "RGBA"}
        assert image.size == (copy.width, copy.height)
    return np.asarray(Image.open(io.BytesIO(display.data)))


UP = {
    "16 bits": a_tiff(TWELVE),
    "16 bits, big-endian": a_tiff(TWELVE, order=">"),
    "16 bits in tiles": a_tiff(TWELVE, tile=32),
    "16 bits, deflated": a_tiff(TWELVE, deflate=True),
    "16 bits, LZW": saved(Image.fromarray(TWELVE), "TIFF", compression="tiff_lzw"),
    "16 bits with a sign": a_tiff((TWELVE.astype(np.int32) - 2_500).astype(np.int16)),
    "16 bits with a sign, big-endian": a_tiff((TWELVE.astype(np.int32) - 2_500).astype(np.int16), order=">"),
    "8 bits with a sign": a_tiff((RAMP * 255 - 128).astype(np.int8)),
    "32 bits": a_tiff((RAMP * 4e9).astype(np.uint32)),
    "32 bits with a sign": a_tiff((RAMP * 4e9 - 2e9).astype(np.int32)),
    "floats": a_tiff(RAMP.astype(np.float32) - 3),
    "floats, big-endian": a_tiff(RAMP.astype(np.float32), order=">"),
    "floats in tiles, deflated": a_tiff(RAMP.astype(np.float32), tile=32, deflate=True),
    "PNG of 16 bits": a_png(TWELVE[:, :, None], 0),
    "PNG of 16 bits with a transparent grey": a_png(TWELVE[:, :, None], 0, (b"tRNS", b"\x03\xe8")),
}


@pytest.mark.parametrize("name", UP)
def test_deep_greys_use_the_whole_range_and_rise(name: str) -> None:
    picture = shown(UP[name])
    assert (picture[0, 0], picture[-1, -1], picture.dtype) == (0, 255, np.uint8)
    assert (np.diff(picture.ravel().astype(int)) >= 0).all()
    taken = pictures.pixels(UP[name], mode="L")
    assert np.array_equal(taken[:, :, 0], picture), "a model is given what people see"


@pytest.mark.parametrize("values", [TWELVE, (RAMP * 255).astype(np.uint8), RAMP.astype(np.float32)], ids=["16", "8", "float"])
def test_where_nought_is_white_it_is_shown_white(values: np.ndarray) -> None:
    picture = shown(a_tiff(values, t262=0))
    assert (picture[0, 0], picture[-1, -1]) == (255, 0)


COLOURED = {
    "16 bits": a_tiff(RGB16),
    "16 bits, big-endian": a_tiff(RGB16, order=">"),
    "16 bits in tiles, deflated": a_tiff(RGB16, tile=32, deflate=True),
    "8 bits in planes": a_tiff(RGB8, planar=True),
    "8 bits in planes and tiles": a_tiff(RGB8, planar=True, tile=32),
    "JPEG in a TIFF": saved(COLOUR, "TIFF", compression="jpeg"),
    "packbits": saved(COLOUR, "TIFF", compression="packbits"),
    "CMYK": saved(COLOUR.convert("CMYK"), "TIFF"),
    "CMYK, LZW": saved(COLOUR.convert("CMYK"), "TIFF", compression="tiff_lzw"),
    "CMYK JPEG, upside down as Adobe writes it": saved(COLOUR.convert("CMYK"), "JPEG", quality=98),
    "palette": saved(COLOUR.quantize(200), "TIFF"),
    "PNG of 16 bits": a_png(RGB16, 2),
    "PNG palette of 4 bits": saved(COLOUR.quantize(16), "PNG", bits=4),
    "bitmap": saved(COLOUR, "BMP"),
    "bitmap of 32 bits": saved(COLOUR.convert("RGBA"), "BMP"),
    "bitmap palette": saved(COLOUR.quantize(250), "BMP"),
    "GIF": saved(COLOUR, "GIF"),
    "MPO": saved(COLOUR, "MPO", save_all=True, append_images=[GREY.convert("RGB")], quality=95),
}


@pytest.mark.parametrize("name", COLOURED)
def test_colours_are_those_of_the_picture(name: str) -> None:
    picture = shown(COLOURED[name])
    assert picture.shape == (80, 90, 3)
    assert np.abs(picture.astype(int) - RGB8).max() <= (32 if "of 4 bits" in name else 14)


@pytest.mark.parametrize(
    "data",
    [
        saved(GREY.convert("LA"), "PNG"),
        saved(GREY.convert("LA"), "TIFF"),
        a_png(np.stack([RGB16[:, :, 0], RGB16[:, :, 0] * 0 + 65_535], -1), 4),
        a_png(np.concatenate([np.repeat(RGB16[:, :, :1], 3, 2), np.full((80, 90, 1), 65_535, np.uint16)], -1), 6),
        a_tiff(np.concatenate([np.repeat(RGB16[:, :, :1], 3, 2), np.full((80, 90, 1), 65_535, np.uint16)], -1), t338=2),
    ],
    ids=["LA PNG", "LA TIFF", "LA PNG of 16 bits", "RGBA PNG of 16 bits", "RGBA TIFF of 16 bits"],
)
def test_transparency_stays(data: bytes) -> None:
    picture = shown(data)
    assert picture.shape == (80, 90, 4)
    assert (picture[:, :, 3] == 255).all()
    assert np.abs(picture[:, :, 0].astype(int) - np.asarray(GREY)).max() <= 4


def test_black_and_white() -> None:
    bits = GREY.convert("1")
    for data in (saved(bits, "PNG"), saved(bits, "BMP"), saved(bits, "TIFF", compression="group4"), saved(bits, "GIF")):
        picture = shown(data)
        assert np.array_equal(picture if picture.ndim == 2 else picture[:, :, 0], np.asarray(bits).astype(np.uint8) * 255)


def test_lab_is_shown_in_its_colour() -> None:
    red, green, blue = shown(saved(Image.new("LAB", (80, 90), (150, 200, 90)), "TIFF"))[0, 0]
    assert red > 200
    assert blue > 180
    assert green < 100


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "PNG", "WEBP"])
def test_the_first_of_several_frames(kind: str) -> None:
    frames = [COLOUR, COLOUR.transpose(Image.Transpose.FLIP_TOP_BOTTOM), Image.new("RGB", COLOUR.size)]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert pictures.inspect(data).frames == 3
    assert np.abs(shown(data)[:, :, :3].astype(int) - RGB8).max() <= 14


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (a_tiff(RGB16, planar=True), "plane of its own"),
        (a_tiff(RGB16, planar=True, tile=32, deflate=True), "plane of its own"),
        (a_tiff(RAMP), "not read here"),
        (a_tiff(RAMP.astype(np.float16)), "not read here"),
        (a_tiff(COLOURS.astype(np.float32)), "not read here"),
        (a_tiff((RAMP * 4e9).astype(np.uint32), order=">"), "not read here"),
    ],
    ids=["planes of 16 bits", "planes in tiles", "64-bit floats", "16-bit floats", "colours as floats", "32 bits, big-endian"],
)
def test_what_is_not_read_is_refused_with_a_sentence(data: bytes, said: str) -> None:
    with pytest.raises(UnreadableImage, match=said):
        pictures.inspect(data)
