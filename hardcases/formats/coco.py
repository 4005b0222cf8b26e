"""Reading COCO: the datasets and results of a package put together, picture by picture."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from hardcases.errors import Invalid
from hardcases.formats import strict
from hardcases.formats.assembling import CARRIED, Assembler
from hardcases.formats.coco_read import Annotations, Dataset, is_id, read_dataset
from hardcases.formats.exchange import Finding, Item, Options, Package
from hardcases.formats.marks import Mark
from hardcases.formats.packages import only_member
from hardcases.formats.rows import shown

_ABOUT_IMAGE = {"license": "licence", "flickr_url": "address", "coco_url": "address"}
_STANDARD = frozenset({"id", "file_name", "width", "height", "date_captured", CARRIED, *_ABOUT_IMAGE})


def read_coco(package: Package, options: Options) -> Iterator[Item | Finding]:
    """One item a picture of every dataset in the package; results beside one dataset become its predictions, results alone name known cases by `image_id`."""
    assembler = Assembler(package, options)
    names = _members(package, options)
    prefixes = {name: f"{name}#" if len(names) > 1 else "" for name in names}
    lists = [name for name in names if _is_list(package, name)]
    datasets = [name for name in names if name not in lists]
    results: list[tuple[str, Annotations]] = []
    for name in lists:
        found = Annotations()
        yield from _read_results(package, name, prefixes[name], found, assembler)
        results.append((prefixes[name], found))
    if results and len(datasets) > 1:
        raise Invalid(
            "The package holds results and several files of annotations. Nothing was imported. Send each pair in a package of its own."
        )
    for name in datasets:
        for part in read_dataset(package, name, prefixes[name], assembler.tally):
            if isinstance(part, Finding):
                yield part
            else:
                yield from _Pictures(part, results, assembler).items()
    if not datasets:
        yield from _results_alone(results, assembler)
    yield from assembler.end()


def _members(package: Package, options: Options) -> list[str]:
    if "member" in options.mapping:
        return [only_member(package, (".json",), options.mapping["member"])]
    names = [name for name in package.names() if name.lower().endswith(".json")]
    return names or [only_member(package, (".json",))]


def _is_list(package: Package, name: str) -> bool:
    with package.open(name) as file:
        return file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["


def _read_results(package: Package, name: str, prefix: str, found: Annotations, assembler: Assembler) -> Iterator[Finding]:
    with package.open(name) as file:
        try:
            for _, number, value in strict.pieces(file):
                if number < 0:
                    continue
                if isinstance(value, dict) and not isinstance(value, strict.Repeating):
                    found.add(f"{prefix}rows/{number}", value, assembler.tally)
                else:
                    yield Finding(place=f"{prefix}rows/{number}", problem="This is no JSON object with single keys.")
        except strict.JSONError as error:
            raise Invalid(
                f"{shown(name)} cannot be read as COCO results: {error} Nothing of it was imported. Write the file again."
            ) from error


def _results_alone(results: list[tuple[str, Annotations]], assembler: Assembler) -> Iterator[Item | Finding]:
    for prefix, found in results:
        ids = list(found.images)
        grouped = found.grouped({})
        for image in range(len(ids)):
            place = f"{prefix}image_id/{ids[image]}"
            marks = grouped.of(image)
            fields = {
                **assembler.named(ids[image]),
                "prediction": assembler.marks.prediction(place, marks) if marks else None,
                "attributes": _captions(found, image),
            }
            yield from assembler.item(place, fields, name=None)


class _Pictures:
    """The images of one dataset with their annotations and the results that name them."""

    def __init__(self, dataset: Dataset, results: list[tuple[str, Annotations]], assembler: Assembler) -> None:
        self._dataset, self._results, self._assembler = dataset, results, assembler
        assembler.base = dataset.name.rpartition("/")[0]
        told = dataset.annotations
        self._grouped = told.grouped(dataset.names)
        self._predicted = [found.grouped(dataset.names) for _, found in results]
        scored = sum(not math.isnan(score) for score in told.score)
        if dataset.about and not any(CARRIED in image for _, image in dataset.images):
            assembler.tally.add(dataset.about, "What the file says of itself (“info”, “licenses”) is not kept.")
        self._all_scored = bool(scored) and scored == len(told.image)
        self._any_scored = bool(scored)
        self._has_labels = dataset.listed and len(told.image) + len(told.broken) > 0 and not self._all_scored
        self._ids = Counter(str(image.get("id")) for _, image in dataset.images)
        self._files = Counter(str(image.get("file_name")) for _, image in dataset.images)

    def items(self) -> Iterator[Item | Finding]:
        seen: set[str] = set()
        for place, image in self._dataset.images:
            problem = self._problem(image, seen)
            if problem:
                yield Finding(place=place, problem=problem)
                continue
            seen |= {f"id {image['id']}", f"file {image['file_name']}"}
            kept = image.get(CARRIED)
            fields = {
                "width": _pixels(image.get("width")),
                "height": _pixels(image.get("height")),
                **self._said(place, image, kept),
                **self._facts(place, image),
            }
            yield from self._assembler.item(place, fields, name=image["file_name"], foreign_id=image["id"], kept=kept)
        yield from self._strangers()

    def _problem(self, image: Mapping[str, Any], seen: set[str]) -> str | None:
        if not is_id(image.get("id")) or not isinstance(image.get("file_name"), str) or not image["file_name"]:
            return "An image needs an id and a file name."
        if f"id {image['id']}" in seen:
            return f"The id {shown(str(image['id']))} was given to another image before."
        if f"file {image['file_name']}" in seen:
            return f"The file {shown(image['file_name'])} was named by another image before."
        return None

    def _said(self, place: str, image: Mapping[str, Any], kept: object) -> dict[str, Any]:
        number = self._dataset.annotations.images.get(str(image["id"]), -1)
        marks = self._grouped.of(number)
        said: dict[str, Any] = {}
        scored = [mark for mark in marks if mark.score is not None]
        if self._any_scored:
            said["prediction"] = self._assembler.marks.prediction(place, scored)
        for found, predicted in zip(self._results, self._predicted, strict=True):
            rows = predicted.of(found[1].images.get(str(image["id"]), -1))
            if rows:
                said["prediction"] = self._assembler.marks.prediction(place, rows)
        label = self._label(place, image, number, [mark for mark in marks if mark.score is None], kept)
        return {**said, "label": label}

    def _label(self, place: str, image: Mapping[str, Any], number: int, marks: list[Mark], kept: object) -> dict[str, Any] | None:
        labelled = kept.get("labelled") if isinstance(kept, Mapping) else None
        if labelled is False and not marks:
            return None
        if self._ids[str(image["id"])] > 1 or self._files[image["file_name"]] > 1:
            self._assembler.tally.add(
                place,
                "Several images have the same id or the same file, so it is not known whose annotations are whose; the label was left out.",
            )
            return None
        if number in self._dataset.annotations.broken:
            return None
        if not marks and labelled is not True:
            if not self._has_labels:
                if not self._all_scored:
                    self._assembler.tally.add(place, "The file holds no annotations of any picture, so no labels were read.")
                return None
            if self._assembler.options.task in {"detection", "multilabel"}:
                self._assembler.tally.add(place, "A picture without annotations was read as labelled: nothing is on it.")
        return self._assembler.marks.label(place, marks)

    def _facts(self, place: str, image: Mapping[str, Any]) -> dict[str, Any]:
        attributes = {name: value for name, value in image.items() if name not in _STANDARD and value not in (None, "", [], {})}
        for name, what in _ABOUT_IMAGE.items():
            if image.get(name) and CARRIED not in image:
                self._assembler.tally.add(place, f"The {what} of a picture (“{name}”) is not kept.")
        date = image.get("date_captured")
        if isinstance(date, str) and "T" in date and (date.endswith("Z") or "+" in date):
            return {"captured_at": date, "attributes": attributes | self._captions_of(image)}
        if date not in (None, "", 0):
            attributes["date_captured"] = date  # without a time zone it is no moment
        return {"attributes": attributes | self._captions_of(image)}

    def _captions_of(self, image: Mapping[str, Any]) -> dict[str, Any]:
        found = self._dataset.annotations
        return _captions(found, found.images.get(str(image["id"]), -1))

    def _strangers(self) -> Iterator[Finding]:
        """Annotations and results of pictures that the dataset does not list."""
        known = set(self._ids)
        for identity, number in self._dataset.annotations.images.items():
            if identity not in known:
                count = self._grouped.count(number) or 1
                self._assembler.tally.add(
                    f"image_id/{identity}", "Annotations of pictures that the file does not list were left out.", count=count
                )
        for prefix, found in self._results:
            for identity in (identity for identity in found.images if identity not in known):  # in the order of the file, in every process
                yield Finding(
                    place=f"{prefix}image_id/{identity}",
                    problem=f"The dataset lists no image {shown(identity)}; its results were left out.",
                )


def _captions(found: Annotations, image: int) -> dict[str, Any]:
    texts = found.captions.get(image, [])
    return {} if not texts else {"caption": texts[0]} if len(texts) == 1 else {"captions": texts}


def _pixels(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
