"""DICOM files as some writers leave them: what they say of themselves is not what the standard asks for, and what is meant can be known."""

import io
import struct

import numpy as np
from PIL import Image

from hardcases.imaging import pictures
from tests.builders.dicom import GREY, a_dicom, data_set, encapsulated, written

JPEG = "1.2.840.10008.1.2.4.50"


def shown(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(pictures.display(data).data)))


def test_numbers_that_a_writer_called_unknown() -> None:
    data, said = written(data_set()), {0x1050: b"900 ", 0x1051: b"700 ", 0x1052: b"-100", 0x1053: b"2 "}
    unknown = b"".join(struct.pack("<HH2sHI", 0x28, tag, b"UN", 0, len(text)) + text for tag, text in said.items())
    at = data.index(struct.pack("<HH", 0x7FE0, 0x10))
    odd = data[:at] + unknown + data[at:]
    assert np.array_equal(shown(odd), shown(a_dicom(WindowCenter=900, WindowWidth=700, RescaleIntercept=-100, RescaleSlope=2)))
    assert pictures.inspect(odd).dicom.shown["window"] == (900, 700)


def test_a_float_picture_from_0_to_1() -> None:
    floats = np.linspace(0, 1, GREY.size, dtype=np.float32).reshape(GREY.shape)
    ds = data_set(None, Rows=16, Columns=24, SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2", BitsAllocated=32)
    ds.FloatPixelData, ds.WindowCenter, ds.WindowWidth, ds.VOILUTFunction = floats.tobytes(), "0.5", "1", "LINEAR"
    assert np.array_equal(shown(written(ds)), np.rint(floats * 255).astype(np.uint8))


def test_a_jpeg_that_says_what_its_colours_are_is_believed() -> None:
    """Some writers leave RGB in the header when they compress; JFIF is always YCbCr."""
    picture, out = Image.new("RGB", (24, 16), (200, 30, 40)), io.BytesIO()
    picture.save(out, "JPEG", quality=95)
    stream = out.getvalue()
    assert stream[6:10] == b"JFIF"
    about = {"values": np.asarray(picture), "PhotometricInterpretation": "RGB"}
    assert np.abs(shown(encapsulated(stream, JPEG, **about)).astype(int) - np.asarray(picture)).max() < 6
    silent = stream[:2] + stream[20:]
    untold = shown(encapsulated(silent, JPEG, **about)).astype(int)
    assert np.abs(untold - np.asarray(picture.convert("YCbCr"))).max() < 6, "nothing but the header says what it is"
