"""Pictures: hostile files are refused with a reason, ordinary ones keep their facts, and people see a clean upright copy."""

import contextlib
import io
import struct
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from hardcases.errors import UnsupportedMedia
from hardcases.imaging.formats import detect
from hardcases.imaging.pictures import ImageTooBig, Picture, UnreadableImage, display, inspect, pixels, thumbnail


def noise(width: int = 97, height: int = 61, channels: int = 3) -> Image.Image:
    rng = np.random.default_rng(7)
    shape = (height, width, channels) if channels > 1 else (height, width)
    return Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def opened(picture: Picture) -> Image.Image:
    image = Image.open(io.BytesIO(picture.data))
    image.load()
    assert image.size == (picture.width, picture.height)
    return image


PNG_START = b"\x89PNG\r\n\x1a\n"


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_header(width: int, height: int) -> bytes:
    """A PNG of any size that costs nothing to make: the compressed rows are missing."""
    ihdr = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return PNG_START + chunk(b"IHDR", ihdr) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


class FactsTests:
    @pytest.mark.parametrize(
        ("kind", "media_type"),
        [
            ("PNG", "image/png"),
            ("JPEG", "image/jpeg"),
            ("WEBP", "image/webp"),
            ("TIFF", "image/tiff"),
            ("BMP", "image/bmp"),
            ("GIF", "image/gif"),
        ],
    )
    def test_each_accepted_format(self, kind: str, media_type: str) -> None:
        facts = inspect(saved(noise(), kind))
        assert (facts.format, facts.media_type, facts.width, facts.height, facts.frames) == (kind, media_type, 97, 61, 1)

    def test_a_path_is_as_good_as_bytes(self, tmp_path: Path) -> None:
        data = saved(noise(), "PNG")
        path = tmp_path / "upload.exe"
        path.write_bytes(data)
        assert inspect(path) == inspect(data)

    def test_mpo_is_a_jpeg(self) -> None:
        facts = inspect(saved(noise(), "MPO", save_all=True, append_images=[noise()]))
        assert (facts.format, facts.media_type, facts.frames) == ("JPEG", "image/jpeg", 2)

    @pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
    def test_animations_count_their_frames(self, kind: str) -> None:
        frames = [Image.new("RGB", (20, 10), (shade, 0, 0)) for shade in (0, 100, 200)]
        assert inspect(saved(frames[0], kind, save_all=True, append_images=frames[1:])).frames == 3

    @pytest.mark.parametrize(
        ("image", "kind", "mode", "bits"),
        [
            (Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8)), "TIFF", "I;16", 16),
            (Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8)), "PNG", "I;16", 16),
            (Image.new("1", (8, 8)), "PNG", "1", 1),
            (Image.new("P", (8, 8)), "PNG", "P", 8),
            (Image.new("F", (8, 8)), "TIFF", "F", 32),
            (Image.new("CMYK", (8, 8)), "JPEG", "CMYK", 8),
        ],
    )
    def test_mode_and_bits_are_those_of_the_file(self, image: Image.Image, kind: str, mode: str, bits: int) -> None:
        facts = inspect(saved(image, kind))
        assert (facts.mode, facts.bits) == (mode, bits)

    def test_a_16_bit_colour_png_has_16_bits(self) -> None:
        ihdr = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
        pixels = zlib.compress(b"\0" + struct.pack(">3H", 1, 2, 3))
        facts = inspect(PNG_START + chunk(b"IHDR", ihdr) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))
        assert (facts.mode, facts.bits) == ("RGB", 16)

    def test_size_is_that_of_the_upright_image(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        facts = inspect(saved(noise(), "JPEG", exif=exif))
        assert (facts.width, facts.height, facts.orientation) == (61, 97, 6)

    @pytest.mark.parametrize("where", ["icc_profile", "comment"])
    def test_bytes_in_what_travels_along_are_no_scans(self, where: str) -> None:
        words = b"\xff\xda" * 200 + b"\xff\xc2\x00\x11\x08\xff\xff\xff\xff\x03" + b"\xff\xd9"
        assert inspect(saved(noise(), "JPEG", **{where: words}, progressive=True)).width == 97

    def test_the_largest_side_and_one_pixel_pass(self) -> None:
        assert inspect(saved(Image.new("L", (32_768, 1)), "PNG")).width == 32_768
        assert inspect(saved(Image.new("L", (1, 1)), "PNG")).width == 1


class HostileTests:
    @pytest.mark.parametrize(
        ("data", "found"),
        [
            (b"", "an empty file"),
            (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "EPS"),
            (b"\xc5\xd0\xd3\xc6" + bytes(60), "EPS"),
            (b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', "SVG"),
            (b'\xef\xbb\xbf <?xml version="1.0"?><svg/>', "XML"),
            (b"\x00\x00\x01\x00\x01\x00" + bytes(60), "ICO"),
            (b"%PDF-1.7\n", "PDF"),
            (b"8BPS\x00\x01" + bytes(60), "Photoshop"),
            (b"SIMPLE  =                    T", "FITS"),
            (b"\xd7\xcd\xc6\x9a" + bytes(60), "metafile"),
            (b"\x00\x00\x00\x1cftypheic" + bytes(60), "HEIC"),
            (b"PK\x03\x04" + bytes(60), "ZIP"),
            (b"just some text", "no image we know"),
        ],
    )
    def test_what_is_no_accepted_image_is_named(self, data: bytes, found: str) -> None:
        for ask in (inspect, display, thumbnail):
            with pytest.raises(UnsupportedMedia, match=found) as caught:
                ask(data)
            assert caught.value.status == 415

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
    @pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9])
    def test_a_file_cut_short_is_refused(self, kind: str, share: float) -> None:
        data = saved(noise(400, 300), kind)
        with pytest.raises(UnreadableImage, match="Nothing was stored") as caught:
            inspect(data[: int(len(data) * share)])
        assert caught.value.status == 422

    def test_progressive_and_cmyk_jpegs_are_read_to_their_end_too(self) -> None:
        for data in (saved(noise(400, 300), "JPEG", progressive=True), saved(noise(400, 300).convert("CMYK"), "JPEG")):
            inspect(data)
            with pytest.raises(UnreadableImage, match="cut off"):
                inspect(data[: len(data) // 2])

    @pytest.mark.parametrize(("width", "height"), [(1, 100_000), (100_000, 1), (13_000, 13_000), (7_072, 7_072), (2**31 - 1, 2**31 - 1)])
    def test_too_many_pixels_are_refused_before_decoding(self, width: int, height: int) -> None:
        for ask in (inspect, display, thumbnail):
            with pytest.raises(ImageTooBig, match="pixels") as caught:
                ask(png_header(width, height))
            assert caught.value.status == 422

    def test_a_zero_sized_image_is_refused(self) -> None:
        with pytest.raises(UnreadableImage):
            inspect(png_header(0, 5))

    def test_a_flood_of_metadata_is_refused(self) -> None:
        with pytest.raises(UnreadableImage, match="metadata"):
            inspect(saved(noise(), "PNG", exif=b"Exif\0\0" + bytes(9_000_000)))

    def test_a_text_bomb_in_a_png_is_refused(self) -> None:
        text = PngImagePlugin.PngInfo()
        text.add_text("bomb", "x" * 50_000_000, zip=True)
        with pytest.raises(UnreadableImage):
            inspect(saved(noise(), "PNG", pnginfo=text))

    @pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
    def test_broken_exif_does_not_make_a_picture_unreadable(self) -> None:
        data = saved(noise(), "JPEG", exif=b"Exif\0\0II*\x00\xff\xff\xff\x7f")
        assert inspect(data).orientation == 1
        assert opened(display(data)).size == (97, 61)

    @settings(max_examples=150, deadline=None)
    @given(st.sampled_from(["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"]), st.data())
    def test_no_mutation_escapes_as_anything_but_a_refusal(self, kind: str, data: st.DataObject) -> None:
        body = bytearray(saved(noise(31, 17), kind))
        for _ in range(data.draw(st.integers(1, 8))):
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
        for ask in (inspect, display, thumbnail):
            with contextlib.suppress(UnsupportedMedia, UnreadableImage, ImageTooBig):
                ask(bytes(body))

    def test_magic_bytes_alone_are_no_image(self) -> None:
        for start in (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"BM", b"II*\x00", b"RIFF\0\0\0\0WEBP"):
            assert detect(start) is not None
            with pytest.raises(UnreadableImage):
                inspect(start)


class DisplayTests:
    def test_nothing_but_pixels_travels_along(self) -> None:
        exif = Image.Exif()
        exif[0x010E] = "SECRET description"
        exif.get_ifd(0x8825)[1] = "N"
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", "<x>SECRET</x>")
        text.add_text("Author", "SECRET")
        originals = [
            saved(noise(), "JPEG", exif=exif, comment=b"SECRET", icc_profile=profile),
            saved(noise(), "PNG", exif=exif, pnginfo=text, icc_profile=profile),
            saved(noise(), "WEBP", exif=exif, xmp=b"SECRET", icc_profile=profile),
        ]
        for data in originals:
            assert b"SECRET" in data
            for copy in (display(data), thumbnail(data)):
                assert b"SECRET" not in copy.data
                image = opened(copy)
                assert not dict(image.getexif())
                assert not {"exif", "icc_profile", "xmp", "comment", "Author"} & set(image.info)

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_the_copy_stands_upright(self, orientation: int) -> None:
        upright = Image.new("L", (80, 40), 0)
        upright.paste(255, (0, 0, 20, 20))  # one bright corner tells all eight apart
        undo = {
            2: "FLIP_LEFT_RIGHT",
            3: "ROTATE_180",
            4: "FLIP_TOP_BOTTOM",
            5: "TRANSPOSE",
            6: "ROTATE_90",
            7: "TRANSVERSE",
            8: "ROTATE_270",
        }
        stored = upright.transpose(Image.Transpose[undo[orientation]]) if orientation > 1 else upright
        exif = Image.Exif()
        exif[0x0112] = orientation
        tiffs = [
            saved(stored.convert(mode), "TIFF", tiffinfo={274: orientation}, compression=how) for mode in "1L" for how in (None, "tiff_lzw")
        ]
        whole = [*tiffs, saved(stored, "JPEG", exif=exif), saved(stored, "PNG", exif=exif)]
        assert {(facts.width, facts.height, facts.orientation) for facts in map(inspect, whole)} == {(80, 40, orientation)}
        for data in whole:
            seen = pixels(data, mode="L")
            assert (seen.shape, seen[5, 5, 0] > 200, seen[35, 5, 0] < 60) == ((40, 80, 1), True, True)
        for copy in [copy(data) for data in whole for copy in (display, thumbnail)]:
            image = opened(copy)
            assert image.size == (80, 40)
            assert image.convert("L").getpixel((5, 5)) > 200
            assert all(image.convert("L").getpixel(corner) < 60 for corner in ((75, 5), (5, 35), (75, 35)))

    def test_16_bits_use_the_whole_range(self) -> None:
        values = (np.arange(4096, dtype=np.uint16) + 1000).reshape(64, 64)  # twelve bits somewhere in sixteen
        for kind in ("TIFF", "PNG"):
            shown = np.asarray(opened(display(saved(Image.fromarray(values), kind))))
            assert (shown.min(), shown.max(), shown.dtype) == (0, 255, np.uint8)
            assert (np.diff(shown.ravel().astype(int)) >= 0).all()

    def test_floats_with_holes_and_flat_pictures(self) -> None:
        values = np.linspace(-2, 3, 64, dtype=np.float32).reshape(8, 8).copy()
        values[0, 0], values[0, 1] = np.nan, np.inf
        shown = np.asarray(opened(display(saved(Image.fromarray(values), "TIFF"))))
        assert (shown[0, 0], shown[7, 7]) == (0, 255)
        assert len(np.unique(np.asarray(opened(display(saved(Image.new("F", (8, 8), 7.0), "TIFF")))))) == 1

    def test_palette_with_transparency_keeps_both(self) -> None:
        image = Image.new("P", (80, 80), 1)
        image.putpalette([0, 0, 0, 200, 100, 50])
        image.putpixel((0, 0), 0)
        shown = opened(display(saved(image, "PNG", transparency=0)))
        assert shown.mode == "RGBA"
        assert (shown.getpixel((0, 0))[3], shown.getpixel((1, 1))) == (0, (200, 100, 50, 255))

    def test_cmyk_comes_out_in_its_colours(self) -> None:
        shown = opened(display(saved(Image.new("CMYK", (80, 80), (0, 255, 255, 0)), "JPEG", quality=100)))
        red, green, blue = shown.getpixel((40, 40))
        assert shown.mode == "RGB"
        assert red > 200
        assert max(green, blue) < 60

    def test_a_colour_profile_is_applied_and_a_broken_one_left_out(self) -> None:
        image = Image.new("RGB", (80, 80), (200, 40, 40))
        lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
        for profile in (b"not a profile", lab):
            assert opened(display(saved(image, "PNG", icc_profile=profile))).getpixel((1, 1)) == (200, 40, 40)

    def test_lossless_originals_keep_their_pixels(self) -> None:
        for kind in ("PNG", "BMP", "TIFF"):
            copy = display(saved(noise(), kind))
            assert copy.media_type == "image/png"
            assert (np.asarray(opened(copy)) == np.asarray(noise())).all()
        assert display(saved(noise(), "JPEG")).media_type == "image/jpeg"

    def test_frame_0_of_an_animation_is_shown(self) -> None:
        frames = [Image.new("RGB", (80, 80), colour) for colour in ((255, 0, 0), (0, 255, 0))]
        for kind in ("GIF", "PNG"):
            shown = opened(display(saved(frames[0], kind, save_all=True, append_images=frames[1:])))
            assert shown.convert("RGB").getpixel((3, 3)) == (255, 0, 0)
            assert getattr(shown, "n_frames", 1) == 1


class ThumbnailTests:
    def test_it_fits_and_keeps_its_proportions(self) -> None:
        copy = thumbnail(saved(noise(1000, 500), "JPEG"))
        assert (copy.width, copy.height, copy.media_type) == (256, 128, "image/jpeg")

    def test_an_extreme_strip_keeps_at_least_one_pixel(self) -> None:
        copy = thumbnail(saved(Image.new("L", (30_000, 1)), "PNG"))
        assert (copy.width, copy.height) == (256, 1)

    def test_tiny_pictures_keep_every_pixel(self) -> None:
        image = noise(8, 8, 1)
        copy = thumbnail(saved(image, "PNG"))
        assert (copy.width, copy.height, copy.media_type) == (8, 8, "image/png")
        assert (np.asarray(opened(copy)) == np.asarray(image)).all()

    def test_turned_after_shrinking(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        assert thumbnail(saved(noise(1000, 500), "JPEG", exif=exif)).height == 256


def test_many_threads_at_once_all_get_their_answer() -> None:
    data, facts = saved(noise(), "JPEG"), []
    threads = [threading.Thread(target=lambda: facts.append(inspect(data))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(facts) == 12
    assert len(set(facts)) == 1
