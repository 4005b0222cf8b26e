"""DICOM: every kind of file that pydicom brings along, with pydicom itself as the oracle, and what a display makes of the values."""

import io
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_rescale, apply_voi_lut, get_decoder
from pydicom.sequence import Sequence

from hardcases.errors import Refusal, UnsupportedMedia
from hardcases.imaging import pictures
from hardcases.imaging.dicom.frames import frame
from hardcases.imaging.dicom.header import Header, Pixels
from hardcases.imaging.limits import ImageTooBig, UnreadableImage
from tests.builders.dicom import GREY, SHIPPED, a_dicom, data_set, deflated, encapsulated, shipped, written

FILES = sorted(
    {
        *SHIPPED.glob("*.dcm"),
        *SHIPPED.glob("dicomdirtests/DICOMDIR*"),
        *SHIPPED.glob("dicomdirtests/*/CR*/*"),
        *SHIPPED.glob("dicomdirtests/*/MR1/*"),
    }
)
RLE, JPEG, J2K = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90"


CUT_OFF = {"MR_truncated.dcm", "rtplan_truncated.dcm", "DICOMDIR-nooffset", "no_meta.dcm"}  # pydicom reads what there is of them


def answer(ask: Callable[..., Any], *given: Any) -> Any:
    """What is answered, be it a refusal."""
    try:
        return ask(*given)
    except Refusal as refusal:
        return refusal


def shown(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(pictures.display(data).data)))


def oracle(path: Path) -> tuple[Dataset, np.ndarray | None]:
    """(data set, stored values of frame 0), as pydicom reads them; no values where it cannot."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(path, force=True)
        try:
            return ds, get_decoder(ds.file_meta.TransferSyntaxUID).as_array(ds, index=0, raw=True)[0]
        except (AttributeError, RuntimeError, ValueError, TypeError, NotImplementedError):
            return ds, None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
class ShippedTests:
    def test_elements_are_those_that_pydicom_finds(self, path: Path) -> None:
        if path.name in CUT_OFF:
            with pytest.raises(UnreadableImage, match="cut off"):
                Header(memoryview(path.read_bytes()))
            return
        header = Header(memoryview(path.read_bytes()))
        ds, _ = oracle(path)
        assert {element.tag for element in header.elements if not element.path} == {int(tag) for tag in ds.keys()}  # noqa: SIM118 - raw keys
        for element in header.elements[:300]:
            if element.path or element.vr == "SQ" or element.encapsulated:
                continue
            raw = ds.get_item(element.tag)
            value = raw.value if isinstance(raw, pydicom.dataelem.RawDataElement) else None
            if isinstance(value, bytes):
                assert header.raw(element) == value

    def test_stored_values_are_those_that_pydicom_decodes(self, path: Path) -> None:
        ds, values = oracle(path)
        if values is None:
            return
        ours = frame(Pixels(Header(memoryview(path.read_bytes()))))
        if str(ds.PhotometricInterpretation).startswith("YBR_FULL") and ds.file_meta.TransferSyntaxUID.is_compressed:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                values = get_decoder(ds.file_meta.TransferSyntaxUID).as_array(ds, index=0)[0]  # Pillow gives RGB
            assert np.abs(ours.astype(int) - values.astype(int)).max() <= 3
        else:
            assert np.array_equal(ours, values)

    def test_it_is_shown_or_refused_with_a_sentence(self, path: Path) -> None:
        facts = answer(pictures.inspect, path)
        if isinstance(facts, Refusal):
            assert facts.status in {415, 422}
            assert facts.sentence.endswith(".")
            assert "Nothing was stored" in facts.sentence
            assert isinstance(answer(pictures.copies, path), type(facts))
            return
        display, thumbnail = pictures.copies(path)
        assert (display.width, display.height) == (facts.width, facts.height)
        assert max(thumbnail.width, thumbnail.height) <= 256


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("JPEGLSNearLossless_08.dcm", "JPEG-LS Near-Lossless"),
        ("MR_small_jpeg_ls_lossless.dcm", "JPEG-LS Lossless"),
        ("SC_rgb_jpeg_gdcm.dcm", "JPEG Lossless"),
        ("JPEG-lossy.dcm", r"JPEG Extended \(12 bits\)"),
    ],
)
def test_what_is_not_decoded_is_named(name: str, said: str) -> None:
    with pytest.raises(UnsupportedMedia, match=said):
        pictures.inspect(shipped(name))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("rtplan.dcm", "holds no picture .RT Plan Storage"),
        ("dicomdirtests/DICOMDIR", "holds no picture .Media Storage Directory"),
        ("MR_truncated.dcm", "says 8,192 bytes and 8,130 are left"),
        ("badVR.dcm", "its NumberOfFrames is no number. Nothing was stored. Correct its header"),
        ("meta_missing_tsyntax.dcm", "does not say its Rows"),
    ],
)
def test_what_cannot_be_shown_says_why(name: str, said: str) -> None:
    with pytest.raises(UnreadableImage, match=said):
        pictures.inspect(shipped(name))


def test_facts_are_those_of_the_header() -> None:
    facts = pictures.inspect(shipped("examples_ybr_color.dcm"))
    assert (facts.format, facts.media_type, facts.width, facts.height, facts.frames, facts.bits) == (
        "DICOM",
        "application/dicom",
        320,
        240,
        30,
        8,
    )
    assert facts.dicom is not None
    assert facts.dicom.shown["transfer_syntax"] == "JPEG Baseline (8 bits)"
    assert facts.dicom.shown["modality"] == "US"


def test_a_file_without_its_beginning_is_known_by_its_elements() -> None:
    whole = a_dicom()
    bare = whole[132 + 12 + int.from_bytes(whole[140:144], "little") :]
    assert pictures.inspect(bare).format == "DICOM"
    assert np.array_equal(shown(bare), shown(whole))
    big = a_dicom(GREY.byteswap(), syntax="1.2.840.10008.1.2.2")
    bare = big[132 + 12 + int.from_bytes(big[140:144], "little") :]
    assert np.array_equal(shown(bare), shown(whole))


class WindowTests:
    """Every shade is that of pydicom's own tables, from darkest to brightest."""

    def check(self, values: np.ndarray = GREY, **elements: Any) -> None:
        ds = data_set(values, **elements)
        expected = apply_voi_lut(apply_modality_lut(values, ds), ds).astype(float)
        bits = ds.BitsStored
        low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if ds.PixelRepresentation else (0, (1 << bits) - 1)
        if "RescaleSlope" in ds:
            low, high = apply_rescale(np.array([low, high]), ds)
        expected = np.rint((expected - low) / (high - low) * 255)
        assert np.abs(shown(written(ds)).astype(float) - expected).max() <= 1
        assert len(np.unique(expected)) > 1

    def test_a_window(self) -> None:
        self.check(WindowCenter=900, WindowWidth=700)

    def test_the_first_of_several_windows(self) -> None:
        self.check(WindowCenter=[900, 10], WindowWidth=[700, 20])

    def test_scaled_and_signed(self) -> None:
        self.check((GREY.astype(np.int16) - 1300), RescaleSlope="2.5", RescaleIntercept="-1024", WindowCenter=-1000, WindowWidth=3000)

    @pytest.mark.parametrize("function", ["LINEAR_EXACT", "SIGMOID"])
    def test_other_functions(self, function: str) -> None:
        self.check(WindowCenter=1200, WindowWidth=900, VOILUTFunction=function)

    def test_a_table_of_the_modality(self) -> None:
        item = Dataset()
        item.LUTDescriptor, item.ModalityLUTType = [4096, 0, 16], "US"
        item.add_new("LUTData", "US", (np.arange(4096)[::-1] * 15).tolist())
        self.check(ModalityLUTSequence=Sequence([item]), WindowCenter=45000, WindowWidth=30000)

    def test_a_table_instead_of_a_window(self) -> None:
        item = Dataset()
        item.LUTDescriptor = [2048, 300, 16]
        item.add_new("LUTData", "US", (np.sqrt(np.arange(2048) / 2047) * 65535).astype(int).tolist())
        ds = data_set(GREY, VOILUTSequence=Sequence([item]), WindowCenter=5, WindowWidth=5)
        expected = np.rint(apply_voi_lut(GREY, ds) / 65535 * 255)
        assert np.abs(shown(written(ds)).astype(float) - expected).max() <= 1

    def test_the_window_of_the_first_frame_of_an_enhanced_file(self) -> None:
        inner, group = Dataset(), Dataset()
        inner.WindowCenter, inner.WindowWidth = 900, 700
        group.FrameVOILUTSequence = Sequence([inner])
        plain = shown(a_dicom(WindowCenter=900, WindowWidth=700))
        assert np.array_equal(shown(a_dicom(SharedFunctionalGroupsSequence=Sequence([group]))), plain)
        two = np.stack([GREY, GREY * 0])
        per_frame = a_dicom(
            two[0], NumberOfFrames=2, PixelData=two.tobytes(), PerFrameFunctionalGroupsSequence=Sequence([group, Dataset()])
        )
        assert np.array_equal(shown(per_frame), plain)

    def test_monochrome1_is_shown_the_other_way_round(self) -> None:
        plain = shown(a_dicom(WindowCenter=900, WindowWidth=700))
        other = shown(a_dicom(WindowCenter=900, WindowWidth=700, PhotometricInterpretation="MONOCHROME1"))
        assert np.array_equal(other, 255 - plain)

    def test_without_a_window_outliers_do_not_darken_the_rest(self) -> None:
        values = np.random.default_rng(1).integers(1000, 1100, (64, 64)).astype(np.uint16)
        values[0, :4] = 60_000
        picture = shown(a_dicom(values))
        assert picture.std() > 50
        assert picture[0, 0] == 255
        assert shown(a_dicom(values, PixelPaddingValue=60_000)).std() > 50

    def test_padding_does_not_count(self) -> None:
        values = np.random.default_rng(1).integers(1000, 1100, (64, 64)).astype(np.uint16)
        values[:40] = 0
        assert shown(a_dicom(values, PixelPaddingValue=0))[40:].std() > 50
        assert shown(a_dicom(values))[40:].std() < 10

    def test_eight_bits_without_a_window_stay_as_they_are(self) -> None:
        values = np.arange(100, 180, dtype=np.uint8).reshape(8, 10)
        assert np.array_equal(shown(a_dicom(values)), values)

    @pytest.mark.parametrize("window", [("nan", 5), (5, 0), (5, -3), ("1e400", 1)])
    def test_a_window_that_is_none_counts_as_none(self, window: tuple[Any, Any]) -> None:
        ds = data_set(GREY)
        data = written(ds)
        values = [str(value).encode().ljust(6) for value in window]
        odd = b"".join(struct.pack("<HH2sH", 0x28, tag, b"DS", 6) + value for tag, value in zip((0x1050, 0x1051), values, strict=True))
        at = data.index(struct.pack("<HH", 0x7FE0, 0x10))
        assert np.array_equal(shown(data[:at] + odd + data[at:]), shown(data))

    def test_deep_whole_numbers_and_floats(self) -> None:
        for values in (GREY.astype(np.uint32) * 70_000, GREY.astype(np.int32) - 900):
            picture = shown(a_dicom(values)).astype(int)
            assert (np.diff(picture.ravel()) >= 0).all()
            assert (picture.min(), picture.max()) == (0, 255)
        floats = GREY.astype(np.float32)
        floats[0, 0] = np.nan
        ds = data_set(None, Rows=16, Columns=24, SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2", BitsAllocated=32)
        ds.FloatPixelData = floats.tobytes()
        assert shown(written(ds))[-1, -1] == 255


class ColourTests:
    COLOURS = np.random.default_rng(3).integers(0, 256, (10, 14, 3), dtype=np.uint8)

    def test_planes_and_pixels(self) -> None:
        planes = a_dicom(self.COLOURS, PlanarConfiguration=1, PixelData=np.moveaxis(self.COLOURS, -1, 0).tobytes())
        for data in (a_dicom(self.COLOURS), planes):
            assert np.array_equal(shown(data), self.COLOURS)

    def test_sixteen_bits_a_colour(self) -> None:
        assert np.array_equal(shown(a_dicom(self.COLOURS.astype(np.uint16) * 256)), self.COLOURS)
        assert np.array_equal(shown(a_dicom(self.COLOURS.astype(np.uint16) * 16, BitsStored=12, HighBit=11)), self.COLOURS)

    def test_ybr(self) -> None:
        ybr = np.asarray(Image.fromarray(self.COLOURS).convert("YCbCr"))
        difference = shown(a_dicom(ybr, PhotometricInterpretation="YBR_FULL")).astype(int) - self.COLOURS
        assert np.abs(difference).max() <= 3

    @pytest.mark.parametrize("bits", [8, 16])
    def test_palettes(self, bits: int) -> None:
        indices = np.arange(240, dtype=np.uint8).reshape(12, 20)
        table = np.random.default_rng(4).integers(0, 256, (3, 200))
        elements: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
        for name, column in zip(("Red", "Green", "Blue"), table, strict=True):
            elements[f"{name}PaletteColorLookupTableDescriptor"] = [200, 10, bits]
            elements[f"{name}PaletteColorLookupTableData"] = (
                (column * 257).astype("<u2").tobytes() if bits == 16 else column.astype("u1").tobytes()
            )
        picture = shown(a_dicom(indices, **elements))
        expected = table[:, np.clip(indices.astype(int) - 10, 0, 199)]
        assert np.array_equal(np.moveaxis(picture, -1, 0), expected)

    def test_an_overlay_in_unused_bits_is_not_shown(self) -> None:
        values = GREY % 4096
        plain = a_dicom(values, BitsStored=12, HighBit=11, WindowCenter=900, WindowWidth=700)
        drawn = a_dicom(values | 0x8000, BitsStored=12, HighBit=11, WindowCenter=900, WindowWidth=700)
        assert np.array_equal(shown(drawn), shown(plain))


class CompressedTests:
    def test_only_the_first_frame_is_decoded(self) -> None:
        picture = Image.fromarray(np.arange(240, dtype=np.uint8).reshape(12, 20))
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=100)
        eight = {"values": np.zeros((12, 20), np.uint8), "NumberOfFrames": 2}
        data = encapsulated([out.getvalue(), b"\xff\xd8 damaged \xff\xd9"], JPEG, **eight)
        assert np.abs(shown(data).astype(int) - np.asarray(picture)).max() <= 2
        assert pictures.inspect(data).frames == 2
        with pytest.raises(UnreadableImage):
            pictures.inspect(encapsulated([b"\xff\xd8 damaged \xff\xd9", out.getvalue()], JPEG, **eight))

    @pytest.mark.parametrize("name", ["MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "SC_rgb_dcmtk_+eb+cr.dcm"])
    def test_a_damaged_stream_is_found_at_the_door(self, name: str) -> None:
        data = bytearray(shipped(name))
        at = data.index(struct.pack("<HH", 0x7FE0, 0x10))
        data[at + 60 : at + 260] = bytes(200)
        with pytest.raises(Refusal):
            pictures.inspect(bytes(data))

    def test_high_throughput_jpeg_2000_and_the_sizes_in_a_stream(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ds = pydicom.dcmread(io.BytesIO(shipped("MR_small_jp2klossless.dcm")))
        stream = next(pydicom.encaps.generate_frames(ds.PixelData, number_of_frames=1))
        at = stream.index(b"\xff\x51")
        liar = stream[: at + 6] + struct.pack(">II", 60_000, 60_000) + stream[at + 14 :]
        with pytest.raises(UnreadableImage, match="another size"):
            pictures.inspect(encapsulated(liar, J2K, values=np.zeros((64, 64), np.int16)))
        tiles = stream[: at + 22] + struct.pack(">II", 1, 1) + stream[at + 30 :]
        assert pictures.inspect(encapsulated(stream, J2K, values=np.zeros((64, 64), np.int16))).width == 64
        with pytest.raises(Refusal):
            pictures.inspect(encapsulated(tiles, J2K, values=np.zeros((64, 64), np.int16)))

    def test_run_lengths_that_unpack_to_more_than_the_picture(self) -> None:
        run = bytes([129, 7])  # 128 times seven
        head = struct.pack("<16I", 1, 64, *[0] * 14)
        good = encapsulated(head + run * 2, RLE, values=np.zeros((16, 16), np.uint8))
        assert (shown(good) == 7).all()
        for count in (1, 2_000):  # too few, too many
            data = encapsulated(head + run * count, RLE, values=np.zeros((16, 16), np.uint8))
            with pytest.raises(UnreadableImage) if count == 1 else pytest.MonkeyPatch.context():
                pictures.inspect(data)


class LimitTests:
    @pytest.mark.parametrize(("rows", "columns"), [(40_000, 2), (2, 40_000), (10_000, 10_000)])
    def test_too_many_pixels(self, rows: int, columns: int) -> None:
        with pytest.raises(ImageTooBig, match="pixels"):
            pictures.inspect(a_dicom(Rows=rows, Columns=columns))

    def test_too_many_frames(self) -> None:
        with pytest.raises(ImageTooBig, match="frames"):
            pictures.inspect(a_dicom(NumberOfFrames=1_001))

    def test_frames_that_are_not_there(self) -> None:
        with pytest.raises(UnreadableImage, match="cut off"):
            pictures.inspect(a_dicom(NumberOfFrames=2))

    def test_a_deflated_flood(self) -> None:
        with pytest.raises(ImageTooBig, match="unpacked"):
            pictures.inspect(deflated(bytes(170_000_000)))

    def test_a_deflated_file_is_shown(self) -> None:
        assert np.array_equal(shown(a_dicom(syntax="1.2.840.10008.1.2.1.99")), shown(a_dicom()))

    @pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
    def test_cut_off_anywhere(self, share: float) -> None:
        for data in (a_dicom(), shipped("MR_small_RLE.dcm"), shipped("image_dfl.dcm")[:-5], shipped("MR_small_implicit.dcm")):
            with pytest.raises(Refusal):
                pictures.inspect(data[: int(len(data) * share)])

    def test_a_program_in_the_unused_beginning(self) -> None:
        with pytest.raises(UnreadableImage, match="program"):
            pictures.inspect(b"MZ" + a_dicom()[2:])

    @settings(max_examples=150, deadline=None)
    @given(st.sampled_from(["MR_small_implicit.dcm", "MR_small_RLE.dcm", "SC_rgb_jpeg_dcmtk.dcm", "MR_small_jp2klossless.dcm"]), st.data())
    def test_no_mutation_escapes_as_anything_but_a_refusal(self, name: str, data: st.DataObject) -> None:
        body = bytearray(shipped(name))
        for _ in range(data.draw(st.integers(1, 8))):
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
        for ask in (pictures.inspect, pictures.copies, pictures.strip_dicom):
            outcome = answer(ask, bytes(body))
            assert not isinstance(outcome, Refusal) or outcome.status in {415, 422}


def test_without_the_extra_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError("No module named 'pydicom'", name="pydicom")

    monkeypatch.setattr(pictures, "import_module", missing)
    with pytest.raises(UnsupportedMedia, match="pip install"):
        pictures.inspect(a_dicom())
