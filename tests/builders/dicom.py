"""DICOM files for tests: those that come with pydicom, and small ones written here."""

import io
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pydicom.data
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

SHIPPED = Path(pydicom.data.data_manager.DATA_ROOT) / "test_files"
CT = "1.2.840.10008.5.1.4.1.1.2"
SECONDARY = "1.2.840.10008.5.1.4.1.1.7"
GREY = (np.arange(16 * 24, dtype=np.uint16) * 7).reshape(16, 24)


def shipped(name: str) -> bytes:
    """A file that pydicom brings along."""
    return (SHIPPED / name).read_bytes()


def data_set(values: np.ndarray | None = GREY, **elements: Any) -> Dataset:
    """A plain CT slice, `elements` by keyword over it; None leaves an element out."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = CT, generate_uid(entropy_srcs=["one"])
    ds.Modality = "CT"
    if values is not None:
        ds.Rows, ds.Columns = values.shape[:2]
        ds.SamplesPerPixel = 3 if values.ndim == 3 else 1
        ds.PhotometricInterpretation = "RGB" if values.ndim == 3 else "MONOCHROME2"
        if values.ndim == 3:
            ds.PlanarConfiguration = 0
        bits = values.dtype.itemsize * 8
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits, bits - 1, int(values.dtype.kind == "i")
        ds.PixelData = values.tobytes()
        ds["PixelData"].VR = "OB" if bits == 8 else "OW"
    for name, value in elements.items():
        if value is None:
            del ds[name]
        else:
            setattr(ds, name, value)
    return ds


def written(ds: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """The data set as a file."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # values that break the standard's rules are the point of many tests
        ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


def a_dicom(values: np.ndarray | None = GREY, syntax: str = ExplicitVRLittleEndian, **elements: Any) -> bytes:
    """A small DICOM file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return written(data_set(values, **elements), syntax)


def encapsulated(stream: bytes | list[bytes], syntax: str, **elements: Any) -> bytes:
    """A DICOM file around compressed frames."""
    ds = data_set(**elements)
    ds.PixelData = encapsulate(stream if isinstance(stream, list) else [stream])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return written(ds, syntax)


def deflated(body: bytes) -> bytes:
    """A deflated file around the bytes of a data set, whatever they are."""
    head = a_dicom(syntax="1.2.840.10008.1.2.1.99")
    at = 132
    length = int.from_bytes(head[140:144], "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return head[: at + 12 + length] + packer.compress(body) + packer.flush()
