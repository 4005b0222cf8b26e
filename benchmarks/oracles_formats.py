"""Our exports in the hands of the formats' own tools: each loads its export and finds in it what was put in.

make check-oracles    (or: .make/oracles/bin/python -m benchmarks.oracles_formats)
"""

import contextlib
import io
import json
import logging
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import mlcroissant
from datumaro.components.dataset import Dataset
from label_studio_sdk.label_interface import LabelInterface
from PIL import Image
from pycocotools.coco import COCO

from hardcases.formats.exchange import Item, Options
from hardcases.formats.registry import WRITERS

ABOUT = {
    "name": "hard-cases", "description": "Failures.", "license": "CC-BY-4.0", "url": "https://example.org/", "creator": "Radiology",
    "version": "3.1.0", "published": "2026-11-20",
}  # fmt: skip
BOXES = Options(task="detection", classes=("cat", "dog"), attributes=("site",), about=ABOUT)
CHEST = Options(task="classification", classes=("normal", "nodule"), attributes=("site",), about=ABOUT)
SIZE = (200, 100)


def items(options: Options) -> list[Item]:
    """Three cases: one with a label and a prediction, one where nothing is, one that nobody labelled."""
    boxes = options.task == "detection"
    box = {"x": 20.0, "y": 10.0, "width": 50.0, "height": 40.0, "label": "dog"}
    label = {"boxes": [box, {**box, "x": 100.0, "label": "cat"}]} if boxes else {"label": "nodule"}
    prediction = {"boxes": [{**box, "score": 0.5}]} if boxes else {"scores": {"nodule": 0.75, "normal": 0.25}}
    nothing = {"boxes": []} if boxes else {"label": "normal"}
    facts = {"width": SIZE[0], "height": SIZE[1], "sha256": "ab" * 32, "attributes": {"site": "a"}}
    return [
        Item(place="", key="XR-12", file="XR-12.png", label=label, prediction=prediction, model="m@1", **facts),
        Item(place="", key="XR-7", file="XR-7.png", label=nothing, **facts),
        Item(place="", key="XR-9", file="XR-9.png", **facts),
    ]


def picture(_: Item) -> IO[bytes]:
    out = io.BytesIO()
    Image.new("L", SIZE, 128).save(out, "PNG")
    out.seek(0)
    return out


@contextlib.contextmanager
def exported(kind: str, options: Options) -> Iterator[Path]:
    """The export, unpacked in a folder of its own."""
    out = io.BytesIO()
    WRITERS[kind](items(options), out, options, picture)
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(out).extractall(folder)
        yield Path(folder)


def coco() -> str:
    with exported("coco", BOXES) as folder, contextlib.redirect_stdout(io.StringIO()):
        loaded = COCO(folder / "annotations.json")
        loaded.loadRes([{"image_id": 12, "category_id": 2, "bbox": [20, 10, 50, 40], "score": 0.5}])
    assert loaded.getImgIds() == [12, 7, 9]
    assert [loaded.cats[mark["category_id"]]["name"] for mark in loaded.loadAnns(loaded.getAnnIds(imgIds=[12]))] == ["dog", "cat"]
    return f"pycocotools: {len(loaded.imgs)} pictures, {len(loaded.anns)} boxes"


def croissant() -> str:
    logging.disable(logging.WARNING)
    with exported("croissant", CHEST) as folder:
        dataset = mlcroissant.Dataset(jsonld=folder / "croissant.json")
        rows = list(dataset.records("cases"))
    assert [row["cases/key"] for row in rows] == [b"XR-12", b"XR-7", b"XR-9"]
    assert [row["cases/label"] for row in rows] == [b"nodule", b"normal", None]
    assert rows[0]["cases/prediction.score:nodule"] == 0.75
    return f"mlcroissant: {len(rows)} records of a valid description"


def datumaro() -> str:
    told = []
    for kind, theirs in (("coco", "coco_instances"), ("yolo", "yolo")):
        with exported(kind, BOXES) as folder:
            if kind == "coco":  # this tool wants the layout of the original archive
                (folder / "annotations").mkdir()
                (folder / "annotations.json").rename(folder / "annotations" / "instances_test.json")
                (folder / "images").rename(folder / "test")
                (folder / "images").mkdir()
                (folder / "test").rename(folder / "images" / "test")
            found = {item.id.rpartition("/")[2]: item for item in Dataset.import_from(str(folder), theirs)}
            boxes = sorted([round(side, 3) for side in mark.get_bbox()] for mark in found["XR-12"].annotations)
            assert boxes == [[20, 10, 50, 40], [100, 10, 50, 40]], (theirs, boxes)
            told.append(f"{theirs} {len(found)}")
    return f"datumaro: {', '.join(told)} pictures"


def label_studio() -> str:
    told = 0
    for options in (BOXES, CHEST):
        with exported("label_studio", options) as folder:
            interface = LabelInterface((folder / "label_config.xml").read_text())
            for task in json.loads((folder / "tasks.json").read_text()):
                assert interface.validate_task({"data": task["data"]}), task
                for part in ("annotations", "predictions"):
                    for said in task.get(part, []):
                        check = interface.validate_annotation if part == "annotations" else interface.validate_prediction
                        assert check(said), said
                        told += 1
    return f"label-studio-sdk: {told} annotations and predictions fit their configuration"


if __name__ == "__main__":
    for check in (coco, croissant, datumaro, label_studio):
        print(check())
