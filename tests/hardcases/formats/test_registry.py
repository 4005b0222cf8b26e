"""What the registry offers, which format a package seems to be in, and Croissant, which is only written."""

import hashlib
import io
import json

import pytest

from hardcases.formats.exchange import Item, Options
from hardcases.formats.packages import open_package
from hardcases.formats.registry import READERS, WRITERS, file_kind, guess
from tests.builders.foreign import media
from tests.builders.formats import BOXES, CHEST, NUMBER, data, members, png, written, zipped

PARQUET = written("parquet", [Item(place="", key="XR-1")])
DICOM = b"\x00" * 128 + b"DICM"


def guessed(content, name="upload"):
    packed = zipped(content) if isinstance(content, dict) and name == "upload" else data(content)
    with open_package(io.BytesIO(packed), name=name) as package:
        return guess(package)


def test_the_names_of_the_api():
    assert set(READERS) == {"coco", "label_studio", "fiftyone", "yolo", "csv", "jsonl", "parquet", "dicom_zip", "zip"}
    assert set(WRITERS) == {"coco", "label_studio", "jsonl", "csv", "parquet", "fiftyone", "yolo", "croissant"}
    assert file_kind("csv", media=False) == ("text/csv", ".csv")
    assert {file_kind(name, media=True) for name in WRITERS} == {("application/zip", ".zip")}
    assert file_kind("yolo", media=False) == ("application/zip", ".zip")


@pytest.mark.parametrize(
    ("content", "name", "kind"),
    [
        ("a,b\n", "t.csv", "csv"),
        ("a\tb\n", "t.TSV", "csv"),
        ("{}\n", "t.jsonl", "jsonl"),
        (PARQUET, "t", "parquet"),
        (DICOM, "t", "dicom_zip"),
        (png(), "a.png", "zip"),
        ("x", "t.txt", None),
        ({"images": [], "annotations": []}, "t.json", "coco"),
        ([{"image_id": 1, "bbox": []}], "t.json", "coco"),
        ([{"data": {}, "annotations": []}], "t.json", "label_studio"),
        ([{"annotation_id": 1, "lead_time": 2}], "t.json", "label_studio"),
        ([{"key": "XR-1"}], "t.json", "jsonl"),
        ({"samples": []}, "t.json", "fiftyone"),
        ("3", "t.json", None),
        ({"samples.json": "{}", "metadata.json": "{}"}, "upload", "fiftyone"),
        ({"data.yaml": "", "images/a.png": ""}, "upload", "yolo"),
        ({"classes.txt": "", "images/a.png": "", "labels/a.txt": ""}, "upload", "yolo"),
        ({"README.txt": "", "images/a.png": ""}, "upload", "zip"),
        ('{"images": 1}\n{"images": 2}\n', "rows.json", "jsonl"),
        ({"t.csv": "key\n", "images/a.png": ""}, "upload", "csv"),
        ({"t.json": {"images": []}, "images/a.png": ""}, "upload", "coco"),
        ({"t.csv": "key\n", "u.json": {"images": []}}, "upload", None),
        ({"a/IM1": DICOM, "a/IM2": DICOM}, "upload", "dicom_zip"),
        ({"a/1.png": "", "b/2.jpg": ""}, "upload", "zip"),
        ({}, "upload", None),
    ],
)
def test_guessing(content, name, kind):
    assert guessed(content, name) == kind


@pytest.mark.parametrize("kind", [name for name in WRITERS if name != "croissant"])
def test_our_own_exports_are_recognised(kind):
    item = Item(place="", key="XR-1", file="a.png", width=8, height=4, label={"boxes": []})
    assert guessed(written(kind, [item], BOXES, media)) == kind


class CroissantTests:
    ABOUT = {"name": "hard-cxr", "description": "Failures.", "license": "CC-BY-4.0", "url": "https://example.org/"}
    ABOUT |= {"creator": "Radiology", "version": "3.1.0", "published": "2026-11-20"}

    def document(self, items, options=CHEST, with_pictures=media):
        packed = members(written("croissant", items, options, with_pictures))
        return packed, json.loads(packed["croissant.json"])

    def test_what_it_says_of_the_table_is_true(self):
        items = [
            Item(place="", key=f"XR-{n}", file="a.png", sha256="ab" * 32, label={"label": "nodule"}, attributes={"site": "a", "x": 1})
            for n in range(2)
        ]
        packed, document = self.document(
            items, Options(task="classification", classes=CHEST.classes, attributes=("site",), about=self.ABOUT)
        )
        table, folder = document["distribution"]
        assert table["sha256"] == hashlib.sha256(packed["cases.jsonl"]).hexdigest()
        assert table["contentSize"] == f"{len(packed['cases.jsonl'])} B"
        assert folder["includes"] == "images/*"
        columns = [field["source"]["extract"]["column"] for field in document["recordSet"][0]["field"]]
        rows = [json.loads(line) for line in packed["cases.jsonl"].splitlines()]
        assert all(list(row) == columns for row in rows)
        assert [row["file"] for row in rows] == ["images/a.png", "images/a-2.png"]
        assert {"images/a.png", "images/a-2.png"} <= set(packed)
        assert (rows[0]["label"], rows[0]["attributes.site"], rows[0]["attributes"]) == ("nodule", "a", '{"x":1}')
        assert (document["version"], document["datePublished"], document["license"]) == ("3.1.0", "2026-11-20", "CC-BY-4.0")

    def test_nothing_is_made_up_that_nobody_said(self):
        _, document = self.document([Item(place="", key="XR-1", text="a", label={"value": 1.5})], NUMBER, None)
        assert not {"license", "url", "creator", "datePublished", "version"} & set(document)
        assert "No licence was named" in document["description"]
        assert [one["@id"] for one in document["distribution"]] == ["cases.jsonl"]
