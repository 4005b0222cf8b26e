"""What in a DICOM header says who somebody is: found by name, never told by value, and blanked without touching a pixel."""

import io
import re
import struct
import warnings
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from hardcases.imaging import pictures
from hardcases.imaging.dicom import identifiers
from hardcases.imaging.metadata import strip
from tests.builders.dicom import GREY, SECONDARY, a_dicom, data_set, shipped, written

NAME = "Musterfrau^Maria"


def found(data: bytes, pseudonyms: tuple[str, ...] = ()) -> list[str]:
    facts = pictures.inspect(data, pseudonyms=pseudonyms).dicom
    assert facts is not None
    return [identifier.tag for identifier in facts.identifiers]


@pytest.mark.parametrize("name", sorted(identifiers.LISTED - {"OverlayComments"}))
def test_every_tag_of_the_list_is_found(name: str) -> None:
    tag = pydicom.datadict.tag_for_keyword(name)
    assert tag is not None
    vr = pydicom.datadict.dictionary_VR(tag)
    value: Any = {"DA": "19610203", "TM": "123000", "DS": "52.5", "SQ": None, "OB": b"abcd"}.get(vr, "Berlin 7")
    if vr == "SQ":
        inner = Dataset()
        inner.CodeMeaning = "Charité"
        value = Sequence([inner])
    assert found(a_dicom(**{name: value})) == [name]


def test_a_clean_file_has_none() -> None:
    assert (
        found(a_dicom(StudyDate="20200102", StudyDescription="CT of the chest", PatientAge="061Y", PatientSex="F", StationName="CT1")) == []
    )


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "^^^^",
        "0000",
        "XXXX",
        "ANONYMOUS",
        "Anonymized^Patient",
        "anon",
        "De-identified",
        "REMOVED",
        "Unknown",
        "N/A",
        "Test^Patient",
        "xx^00",
    ],
)
def test_dummies_identify_nobody(value: str) -> None:
    assert found(a_dicom(PatientName=value, PatientID=value, InstitutionName=value)) == []


@pytest.mark.parametrize("value", [NAME, "Anonymous Jane", "4711", "A-17", "Dr. No", "Test1"])
def test_anything_else_may(value: str) -> None:
    assert found(a_dicom(PatientName=value, PatientID="")) == ["PatientName"]


def test_dummy_dates() -> None:
    assert found(a_dicom(PatientBirthDate="19000101")) == []
    assert found(a_dicom(PatientBirthDate="19000102")) == ["PatientBirthDate"]


def test_declared_pseudonyms() -> None:
    study = {"PatientName": "STUDY-017", "PatientID": "STUDY-017"}
    assert found(a_dicom(**study)) == ["PatientName", "PatientID"]
    assert found(a_dicom(**study), ("STUDY-",)) == []
    assert found(a_dicom(PatientName="STUDY-017 Maria", AccessionNumber="STUDY-1"), ("STUDY-",)) == ["AccessionNumber", "PatientName"]


def test_what_the_file_says_of_itself() -> None:
    removed = {"PatientIdentityRemoved": "YES", "DeidentificationMethod": "basic profile"}
    assert found(a_dicom(PatientName="TCGA-17-Z011", PatientID="TCGA-17-Z011", **removed)) == []
    assert found(a_dicom(PatientName=NAME, PatientBirthDate="19610203", **removed)) == ["PatientName", "PatientBirthDate"]


def test_private_text_and_nested_names() -> None:
    ds = data_set(GREY)
    block = ds.private_block(0x0029, "ACME 1.0", create=True)
    block.add_new(0x10, "LO", "Maria M., ward 7")
    block.add_new(0x11, "DS", "1.5")
    block.add_new(0x12, "UN", b"seen by Dr Roe  ")
    block.add_new(0x13, "UN", bytes(range(200)))
    inner, outer = Dataset(), Dataset()
    inner.PatientName, inner.CodeValue = NAME, "T-1"
    outer.ReferencedSOPSequence = Sequence([inner])
    ds.ReferencedStudySequence = Sequence([outer])
    assert found(written(ds)) == ["PatientName", "(0029,1010)", "(0029,1012)"]
    for syntax in ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99"):
        assert "PatientName" in found(written(ds, syntax))


def test_any_name_of_a_person_counts_wherever_it_stands() -> None:
    names = {"ScheduledPerformingPhysicianName": NAME, "EvaluatorName": NAME}
    assert set(found(a_dicom(**names))) == set(names)


def test_a_flood_is_counted_rather_than_listed() -> None:
    ds = data_set(GREY)
    block = ds.private_block(0x0029, "ACME 1.0", create=True)
    for number in range(100):
        block.add_new(number, "LO", "ward seven")
    names = found(written(ds))
    assert len(names) == identifiers.MOST_NAMED + 1
    assert names[-1] == "more"


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"BurnedInAnnotation": "YES"}, True),
        ({"RecognizableVisualFeatures": "YES"}, True),
        ({"SOPClassUID": SECONDARY}, False),
        ({"SOPClassUID": f"{SECONDARY}.2"}, False),
        ({"Modality": "US"}, False),
        ({"SOPClassUID": SECONDARY, "BurnedInAnnotation": "NO"}, None),
        ({"Modality": "CT"}, None),
    ],
)
def test_words_in_the_picture(elements: dict[str, str], expected: bool | None) -> None:
    facts = pictures.inspect(a_dicom(**elements)).dicom
    assert facts is not None
    assert [identifier.certain for identifier in facts.identifiers] == ([] if expected is None else [expected])
    assert all(identifier.in_picture for identifier in facts.identifiers)


class StrippedTests:
    def full(self) -> Dataset:
        ds = data_set(GREY, PatientName=NAME, PatientID="4711", PatientBirthDate="19610203", PatientAge="061Y", InstitutionName="Charité")
        inner = Dataset()
        inner.PatientID, inner.TypeOfPatientID = "4712", "TEXT"
        ds.OtherPatientIDsSequence = Sequence([inner])
        block = ds.private_block(0x0029, "ACME 1.0", create=True)
        block.add_new(0x10, "LO", NAME)
        block.add_new(0x11, "OB", NAME.encode())
        ds.DataSetTrailingPadding = NAME.encode()
        return ds

    @pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"])
    def test_words_go_and_pixels_stay(self, syntax: str) -> None:
        before = b"Maria Musterfrau".ljust(128, b"\0") + written(self.full(), syntax)[128:]
        after = strip(before)
        assert found(before)
        assert found(after) == []
        pictures.check_same(before, after)
        one, other = (pydicom.dcmread(io.BytesIO(data)) for data in (before, after))
        assert one.PixelData == other.PixelData
        assert (str(other.PatientName).strip(), other.PatientAge, other.Modality) == ("", "061Y", "CT")
        inflated = b"".join(other.to_json().encode() for _ in range(1)) + (after if "99" not in syntax[-3:] else b"")
        assert b"Maria" not in inflated
        assert strip(after) == after, "a second time changes nothing"

    @pytest.mark.parametrize(
        "name", ["MR_small_RLE.dcm", "MR_small_bigendian.dcm", "image_dfl.dcm", "SC_rgb_jpeg_dcmtk.dcm", "rtdose.dcm", "693_J2KI.dcm"]
    )
    def test_shipped_files(self, name: str) -> None:
        before = shipped(name)
        after = strip(before)
        pictures.check_same(before, after)
        assert [tag for tag in found(after) if tag != "BurnedInAnnotation"] == []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert pydicom.dcmread(io.BytesIO(after)).PixelData == pydicom.dcmread(io.BytesIO(before)).PixelData

    def test_a_change_of_a_pixel_would_be_noticed(self) -> None:
        data = bytearray(a_dicom())
        other = a_dicom(GREY + 1)
        with pytest.raises(pictures.UnreadableImage, match="change the picture"):
            pictures.check_same(bytes(data), other)
        at = data.index(struct.pack("<HH", 0x0028, 0x0103))
        data[at + 8] ^= 1
        with pytest.raises(pictures.UnreadableImage, match="change the picture"):
            pictures.check_same(a_dicom(), bytes(data))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("PatientName", "identifies"),
        ("EvaluatorName", "identifies"),
        ("DerivationDescription", "free text"),
        ("PixelData", "free text"),
        ("Modalty", "no name"),
    ],
)
def test_tags_that_cannot_become_attributes(name: str, said: str) -> None:
    assert said in (pictures.dicom_tag_problem(name) or "")


def test_the_tags_that_may_become_attributes_hold_no_identifier() -> None:
    facts = pictures.inspect(
        a_dicom(PatientName=NAME, Manufacturer="ACME", PixelSpacing=[0.5, 0.5], SeriesNumber=3, ImageComments=NAME)
    ).dicom
    assert facts is not None
    assert facts.tags["Manufacturer"] == ("ACME",)
    assert facts.tags["PixelSpacing"] == (0.5, 0.5)
    assert facts.tags["SeriesNumber"] == (3,)
    assert not {"PatientName", "ImageComments"} & set(facts.tags)


def test_the_documentation_names_every_tag_and_every_word() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "pictures.md").read_text(encoding="utf-8")
    assert sorted(name for name in identifiers.LISTED if f"`{name}`" not in page) == []
    words = re.sub(r"\s+", " ", page.partition("in any order: ")[2].partition(";")[0]).split(", ")
    assert {word.replace("de-", "de") for word in words} == identifiers.DUMMIES
