"""COCO: annotations (pictures, categories and boxes in one object) and results (a list of what a model said).

Annotations are held as columns of numbers, 64 bytes each, and grouped by picture at the end, for a file may name its pictures after them.
"""

import math
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hardcases.errors import Invalid
from hardcases.formats import strict
from hardcases.formats.assembling import CARRIED
from hardcases.formats.exchange import Finding, Package
from hardcases.formats.marks import BoxError, Mark, around, box_of
from hardcases.formats.rows import shown
from hardcases.formats.said import is_finite
from hardcases.formats.tally import Tally

_KNOWN = frozenset(
    {"id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation", "num_keypoints", "keypoints", "caption", "score"}
) | {"attributes"}
_LOST = {
    "segmentation": "Outlines of annotations are not kept; their boxes are.",
    "keypoints": "Keypoints of annotations are not kept; their boxes are.",
    "attributes": "Attributes of annotations are not kept; those of pictures are.",
}
_ONLY_IN_IMAGES = frozenset({"id", "file_name", "width", "height", "license", "flickr_url", "coco_url", "date_captured", CARRIED})
_NO_BOX = (math.nan,) * 4


@dataclass
class Annotations:
    """Columns of n annotations: the picture's and the category's number in order of appearance, the box (NaN for none) and the score (NaN for none)."""

    image: "array[int]" = field(default_factory=lambda: array("q"))
    category: "array[int]" = field(default_factory=lambda: array("q"))
    box: "array[float]" = field(default_factory=lambda: array("d"))
    score: "array[float]" = field(default_factory=lambda: array("d"))
    broken: set[int] = field(default_factory=set)  # pictures with an annotation that cannot be used: their label would not be whole
    captions: dict[int, list[str]] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)  # id, as text, to number
    categories: dict[str, int] = field(default_factory=dict)

    def image_number(self, identity: object) -> int:
        return self.images.setdefault(str(identity), len(self.images))

    def add(self, place: str, told: Mapping[str, Any], tally: Tally) -> None:
        """One annotation or result; what cannot be held is told in `tally`."""
        image_id = told.get("image_id")
        if not is_id(image_id):
            tally.add(place, "An annotation without “image_id” belongs to no picture and was left out.")
            return
        image = self.image_number(image_id)
        for name in (name for name in told if name not in _KNOWN):
            tally.add(place, f"{shown(name)} of annotations is not kept.")
        for name, sentence in _LOST.items():
            if told.get(name):
                tally.add(place, sentence)
        caption = told.get("caption")
        if isinstance(caption, str):
            self.captions.setdefault(image, []).append(caption)
        if str(told.get("iscrowd", 0)) in {"1", "1.0", "True", "true"}:
            tally.add(place, "Crowd regions are no boxes of single things and were left out.")
        elif is_id(told.get("category_id")):
            self._add_mark(place, image, told, tally)
        elif not isinstance(caption, str):
            tally.add(place, "An annotation without “category_id” cannot be used; the label of its picture was left out.")
            self.broken.add(image)

    def _add_mark(self, place: str, image: int, told: Mapping[str, Any], tally: Tally) -> None:
        score = told.get("score")
        if score is not None and not is_finite(score):
            tally.add(place, "A score that is no finite number was left out with its annotation.")
            return
        try:
            box = _box(place, told, tally)
        except BoxError as error:
            tally.add(place, f"{error} It was left out, and with it the label of its picture.")
            self.broken.add(image)
            return
        self.image.append(image)
        self.category.append(self.categories.setdefault(str(told["category_id"]), len(self.categories)))
        self.box.extend(box)
        self.score.append(math.nan if score is None else score)

    def grouped(self, names: Mapping[str, str]) -> "Grouped":
        """The marks by picture; `names` turns a category's id into its name."""
        return Grouped(self, [names.get(identity, identity) for identity in self.categories])


class Grouped:
    """The marks of each picture in the order of the file, made when they are asked for."""

    def __init__(self, told: Annotations, called: list[str]) -> None:
        self._told, self._called = told, called
        owner = np.array(told.image, dtype=np.int64)
        self._order = np.argsort(owner, kind="stable")
        self._ends = np.searchsorted(owner[self._order], np.arange(len(told.images) + 1))

    def count(self, image: int) -> int:
        return int(self._ends[image + 1] - self._ends[image]) if image >= 0 else 0

    def of(self, image: int) -> list[Mark]:
        """The marks of the picture with this number; none for -1."""
        return [self._mark(at) for at in self._order[self._ends[image] : self._ends[image + 1]].tolist()] if image >= 0 else []

    def _mark(self, at: int) -> Mark:
        x, y, width, height = self._told.box[4 * at : 4 * at + 4]
        score = self._told.score[at]
        box = None if math.isnan(x) else (x, y, width, height)
        return Mark(self._called[self._told.category[at]], box, None if math.isnan(score) else score)


def _box(place: str, told: Mapping[str, Any], tally: Tally) -> tuple[float, float, float, float]:
    """The box; that around the outline where only that is given; NaN where there is neither. Raises `BoxError`."""
    if told.get("bbox"):
        return box_of(told["bbox"])
    outline = told.get("segmentation")
    if isinstance(outline, list) and outline and all(isinstance(ring, list) for ring in outline):
        box = around([value for ring in outline for value in ring])
        tally.add(place, "Where an annotation had an outline and no box, the box around the outline was taken.")
        return box
    if outline:
        raise BoxError("An annotation has a mask and no box.")
    return _NO_BOX


def is_id(value: object) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


@dataclass
class Dataset:
    """One file of annotations, read once from beginning to end."""

    name: str
    annotations: Annotations = field(default_factory=Annotations)
    images: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)  # place, and the image as it stands
    names: dict[str, str] = field(default_factory=dict)  # of categories, by id
    listed: bool = False  # whether there is a list of annotations at all
    about: str = ""  # the place where it says something of itself


def read_dataset(package: Package, name: str, prefix: str, tally: Tally) -> Iterator[Finding | Dataset]:
    """The dataset, after what was wrong with single images. Raises `Invalid` where the JSON breaks: what came before could lack annotations."""
    dataset = Dataset(name)
    with package.open(name) as file:
        try:
            for part, number, value in strict.pieces(file):
                place = f"{prefix}{part}/{number}"
                if number < 0:
                    dataset.listed |= part == "annotations" and value == []
                    if part in {"info", "licenses"} and value:
                        dataset.about = dataset.about or f"{prefix}{part}"
                elif not isinstance(value, dict) or isinstance(value, strict.Repeating):
                    yield Finding(place=place, problem="This is no JSON object with single keys.", lost=part == "images")
                elif part == "annotations":
                    dataset.annotations.add(place, value, tally)
                elif part == "images":
                    dataset.images.append((place, value))
                elif part == "categories":
                    _add_category(place, value, dataset, tally)
                elif part == "licenses":
                    dataset.about = dataset.about or f"{prefix}licenses"
                else:
                    tally.add(place, f"The list {shown(part)} is not kept.")
        except strict.JSONError as error:
            raise Invalid(f"{shown(name)} cannot be read as COCO: {error} Nothing of it was imported. Write the file again.") from error
    yield dataset


def _add_category(place: str, value: Mapping[str, Any], dataset: Dataset, tally: Tally) -> None:
    if not is_id(value.get("id")) or not isinstance(value.get("name"), str):
        tally.add(place, "A category without an id or a name cannot be used.")
        return
    group = value.get("supercategory")
    if isinstance(group, str) and group not in {"", "none", value["name"]}:
        tally.add(place, "Groups of categories (“supercategory”) are not kept.")
    if dataset.names.setdefault(str(value["id"]), value["name"]) != value["name"]:
        tally.add(place, "Two categories have the same id; the first was taken.")
