"""Metadata out, picture untouched: every accepted format, checked by Pillow and by looking for the words that were put in."""

import contextlib
import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin, TiffImagePlugin

from hardcases.imaging import pictures
from hardcases.imaging.metadata import CannotStrip, strip

SECRET = b"Maria Musterfrau"
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (24, 40, 3), dtype=np.uint8)


def _exif(orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E], exif[0x013B] = orientation, SECRET.decode(), SECRET.decode()
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    exif.get_ifd(0x8825)[29] = SECRET.decode()
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\x00\x00\x00" + SECRET
    return exif.tobytes()


def _saved(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    out = io.BytesIO()
    (image or Image.fromarray(PIXELS)).save(out, kind, **options)
    return out.getvalue()


def _png(orientation: int) -> bytes:
    words = PngImagePlugin.PngInfo()
    words.add_text("Author", SECRET.decode())
    words.add_text("Comment", SECRET.decode(), zip=False)
    words.add_itxt("XML:com.adobe.xmp", SECRET.decode())
    return _saved("PNG", pnginfo=words, exif=_exif(orientation), dpi=(300, 300))


def _tiff(orientation: int, **options: object) -> bytes:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[270], tags[315], tags[700], tags[274] = SECRET.decode(), SECRET.decode(), SECRET, orientation
    return _saved("TIFF", tiffinfo=tags, exif=_exif(orientation), **options)


def _jpeg(orientation: int, **options: object) -> bytes:
    return _saved("JPEG", exif=_exif(orientation), comment=SECRET, xmp=SECRET, quality=90, **options)


MADE = {
    "jpeg": _jpeg,
    "progressive jpeg": lambda o: _jpeg(o, progressive=True),
    "jpeg with restarts": lambda o: _jpeg(o, restart_marker_blocks=2),
    "png": _png,
    "webp": lambda o: _saved("WEBP", exif=_exif(o), xmp=SECRET, lossless=True),
    "tiff": _tiff,
    "tiff lzw": lambda o: _tiff(o, compression="tiff_lzw"),
    "big tiff": lambda o: _tiff(o, big_tiff=True),
}


def _same_picture(before: bytes, after: bytes) -> None:
    with Image.open(io.BytesIO(before)) as one, Image.open(io.BytesIO(after)) as other:
        assert (one.format, one.mode, one.size) == (other.format, other.mode, other.size)
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("name", MADE)
def test_words_go_pixels_and_orientation_stay(name: str, orientation: int) -> None:
    before = MADE[name](orientation)
    assert SECRET in before
    facts = pictures.inspect(before)
    assert facts.orientation == orientation
    after = strip(before, orientation)
    assert SECRET not in after
    assert pictures.inspect(after) == facts
    _same_picture(before, after)
    with Image.open(io.BytesIO(after)) as image:
        assert set(image.getexif()) <= {
            0x0112,
            0x0100,
            0x0101,
            0x0102,
            0x0103,
            0x0106,
            0x0111,
            0x0115,
            0x0116,
            0x0117,
            0x011C,
            0x0153,
            0x011A,
            0x011B,
            0x0128,
        }
        assert not image.getexif().get_ifd(0x8825)
    assert strip(after, orientation) == after, "a second time changes nothing"


def test_a_gif_keeps_its_loop_and_loses_its_comment() -> None:
    frames = [Image.fromarray(RNG.integers(0, 256, (8, 8), dtype=np.uint8)) for _ in range(3)]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], loop=2, comment=SECRET, duration=40)
    after = strip(out.getvalue())
    assert SECRET in out.getvalue()
    assert SECRET not in after
    with Image.open(io.BytesIO(after)) as image:
        assert (image.n_frames, image.info["loop"]) == (3, 2)
    _same_picture(out.getvalue(), after)


def test_colour_profile_transparency_and_resolution_stay() -> None:
    profile = pictures.ImageCms.ImageCmsProfile(pictures.ImageCms.createProfile("sRGB")).tobytes()
    rgba = Image.fromarray(np.dstack([PIXELS, PIXELS[:, :, :1]]))
    for data in (_saved("PNG", rgba, icc_profile=profile, dpi=(200, 200)), _jpeg(1, icc_profile=profile), _tiff(1, icc_profile=profile)):
        with Image.open(io.BytesIO(strip(data))) as image:
            assert image.info["icc_profile"] == profile
    with Image.open(io.BytesIO(strip(_saved("PNG", rgba, dpi=(200, 200))))) as image:
        assert image.mode == "RGBA"
        assert round(image.info["dpi"][0]) == 200


def test_sixteen_bit_and_several_pages() -> None:
    deep = Image.fromarray(RNG.integers(0, 65536, (9, 7), dtype=np.uint16))
    _same_picture(_saved("TIFF", deep, description=SECRET.decode()), strip(_saved("TIFF", deep, description=SECRET.decode())))
    out = io.BytesIO()
    deep.save(out, "TIFF", save_all=True, append_images=[deep, deep], description=SECRET.decode())
    after = strip(out.getvalue())
    assert SECRET not in after
    with Image.open(io.BytesIO(after)) as image:
        assert image.n_frames == 3
        image.seek(2)
        assert image.tobytes() == deep.tobytes()


def test_what_follows_the_picture_goes() -> None:
    assert SECRET not in strip(_saved("JPEG") + _jpeg(1))
    assert SECRET not in strip(_saved("PNG") + SECRET)


def test_a_bitmap_has_none() -> None:
    assert strip(_saved("BMP")) == _saved("BMP")


@settings(max_examples=200, deadline=None)
@given(name=st.sampled_from(sorted(MADE)), data=st.data())
def test_damaged_files_are_refused_or_stripped_and_nothing_else_is_raised(name: str, data: st.DataObject) -> None:
    whole = bytearray(MADE[name](1))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(2, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(20, len(whole)))])
    with contextlib.suppress(CannotStrip):
        strip(cut)


def test_directories_in_a_circle_end() -> None:
    whole = bytearray(_tiff(1))
    first = struct.unpack_from("<I", whole, 4)[0]
    count = struct.unpack_from("<H", whole, first)[0]
    struct.pack_into("<I", whole, first + 2 + 12 * count, first)
    with pytest.raises(CannotStrip):
        strip(bytes(whole))


def test_other_files_are_refused() -> None:
    with pytest.raises(CannotStrip, match="no picture"):
        strip(b"%PDF-1.7 and so on")
