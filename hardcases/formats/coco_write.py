"""Writing COCO annotations: what every reader of the format wants is there, and what the format has no place for stands in each image under `hardcases`."""

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from typing import IO, Any

from hardcases.errors import Invalid
from hardcases.formats.assembling import CARRIED, carried
from hardcases.formats.exchange import Item, Media, Options
from hardcases.formats.packing import Names, aside, bundled
from hardcases.formats.rows import shown
from hardcases.formats.said import SIDES

_NUMBER = re.compile(r".*?(\d{1,15})", re.DOTALL)
_UNNUMBERED = 10**15


def write_coco(items: Iterable[Item], out: IO[bytes], options: Options, media: Media | None) -> None:
    """One JSON file; with `media` an archive of `annotations.json` and the folder `images`. Raises `Invalid` for regression and for cases that are no pictures."""
    if options.task == "regression":
        raise Invalid("COCO has no place for numbers. Nothing was exported. Choose JSON lines, CSV, Parquet, Label Studio or FiftyOne.")
    with aside() as images, aside() as annotations, aside() as whole, bundled(out) if media else nullcontext() as bundle:
        dataset = _Dataset(options, images, annotations)
        names = Names()
        for item in items:
            if item.file is None:
                raise no_picture(item, "COCO")
            name = bundle.add_picture(item, media).file if bundle else names.of(item)
            dataset.add(item, str(name).rpartition("/")[2])
        dataset.finish(whole if bundle else out)
        if bundle:
            bundle.add_file("annotations.json", whole)


def no_picture(item: Item, name: str) -> Invalid:
    """The refusal of a format that holds pictures only."""
    which = shown(item.key or item.external_id or item.place)
    return Invalid(f"{name} holds pictures only, and the case {which} is none. Nothing was exported. Choose JSON lines, CSV or Parquet.")


class _Dataset:
    """The lists of one dataset, written to two files while the items come by."""

    def __init__(self, options: Options, images: IO[bytes], annotations: IO[bytes]) -> None:
        self._options, self._images, self._annotations = options, images, annotations
        self._categories = {name: number for number, name in enumerate(options.classes, start=1)}
        self._ids: set[int] = set()
        self._count = 0

    def add(self, item: Item, file_name: str) -> None:
        identity = self._id(item)
        image = {"id": identity, "width": item.width, "height": item.height, "file_name": file_name, "license": 1}
        image = {name: value for name, value in image.items() if value is not None}
        self._write(self._images, {**image, CARRIED: {**carried(item, "width", "height", "label"), "labelled": item.label is not None}})
        for mark in _marks(item.label or {}):
            self._count += 1
            self._write(
                self._annotations, {"id": self._count, "image_id": identity, "category_id": self._category(mark["label"]), **_shape(mark)}
            )

    def _id(self, item: Item) -> int:
        """The number in the case's key, so that a case keeps its id from one export to the next; else one that is free."""
        number = _NUMBER.fullmatch(item.key or "")
        identity = int(number[1]) if number else _UNNUMBERED
        while identity in self._ids or not identity:
            identity = max(identity + 1, _UNNUMBERED + len(self._ids))
        self._ids.add(identity)
        return identity

    def _category(self, name: str) -> int:
        return self._categories.setdefault(name, len(self._categories) + 1)

    @staticmethod
    def _write(file: IO[bytes], value: Mapping[str, Any]) -> None:
        file.write(b",\n" if file.tell() else b"\n")
        file.write(_json(value))

    def finish(self, out: IO[bytes]) -> None:
        """The whole document."""
        about = self._options.about
        published = str(about.get("published", ""))
        info = {
            "description": str(about.get("name", "")),
            "url": str(about.get("url", "")),
            "version": str(about.get("version", "")),
            "contributor": str(about.get("creator", "")),
            "date_created": published,
            **({"year": int(published[:4])} if published[:4].isdigit() else {}),
        }
        licence = {"id": 1, "name": str(about.get("license", "")), "url": ""}
        categories = [{"id": number, "name": name, "supercategory": ""} for name, number in self._categories.items()]
        out.write(b'{"info": ' + _json(info) + b',\n"licenses": ' + _json([licence]) + b',\n"categories": ' + _json(categories))
        for name, file in ((b"images", self._images), (b"annotations", self._annotations)):
            out.write(b',\n"' + name + b'": [')
            file.seek(0)
            shutil.copyfileobj(file, out, 2**20)
            out.write(b"\n]")
        out.write(b"}\n")


def _marks(label: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if "boxes" in label:
        return list(label["boxes"])
    names = label["labels"] if "labels" in label else [label["label"]] if "label" in label else []
    return [{"label": name} for name in names]


def _shape(mark: Mapping[str, Any]) -> dict[str, Any]:
    if "x" not in mark:
        return {"iscrowd": 0}
    box = [mark[side] for side in SIDES]
    return {"bbox": box, "area": box[2] * box[3], "iscrowd": 0, "segmentation": []}


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
