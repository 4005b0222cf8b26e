"""Reading YOLO: a text file of boxes beside every picture, in fractions of its sides, and the names of the classes in `data.yaml` or `obj.names`."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from hardcases.errors import Invalid, Refusal
from hardcases.formats import strict, strict_yaml
from hardcases.formats.assembling import Assembler
from hardcases.formats.exchange import Finding, Item, Options, Package
from hardcases.formats.marks import Box, BoxError, Mark, around
from hardcases.formats.pictures import bare_name, is_picture
from hardcases.formats.rows import shown

CASES = "hardcases.jsonl"  # what our exports carry along, one line a picture
_DATA = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_LISTS = ("obj.names", "classes.txt")
_NO_LABELS = frozenset(
    {"readme.txt", "readme.roboflow.txt", "readme.dataset.txt", "classes.txt", "train.txt", "val.txt", "valid.txt", "test.txt", "notes.txt"}
)
_MAX_LABELS = 16 * 2**20
_NEAR = 1e-3  # how far beyond the picture rounding may lead
# A folder of pictures and those of their texts, whatever the case of their letters.
_IMAGES, _TEXTS = "images", ("labels", "labeltxt", "annotations")


class _LineError(ValueError):
    """Why a line is no box, as a sentence."""


def read_yolo(package: Package, options: Options) -> Iterator[Item | Finding]:
    """One item a picture in the package. A picture whose text file is empty, or is missing among others, is labelled: nothing is on it."""
    if options.task not in {"detection", "multilabel", "classification"}:
        raise Invalid("YOLO has no place for numbers. Nothing was imported. Choose another format.")
    yield from _Reader(package, options).items()


class _Reader:
    def __init__(self, package: Package, options: Options) -> None:
        self._package, self._options = package, options
        self.assembler = Assembler(package, options)
        self._tally = self.assembler.tally
        self._pose = 0
        self._names = self._class_names()
        self._labels = {
            name for name in package.names() if name.lower().endswith(".txt") and name.rpartition("/")[2].lower() not in _NO_LABELS
        }
        self._kept = self._carried()

    def items(self) -> Iterator[Item | Finding]:
        pictures = list(dict.fromkeys([*self._kept, *filter(is_picture, self._package.names())]))
        texts = _Texts(pictures, self._labels)
        for picture in pictures:
            kept = self._kept.get(picture)
            fields = self._fields(picture, texts, kept)
            yield from self.assembler.item(picture, fields, name=picture, kept=kept)
        for name in sorted(self._labels - texts.used):
            yield Finding(place=name, problem=f"The package holds no picture for {shown(name)}.")
        yield from self._tally.findings()

    def _fields(self, picture: str, texts: "_Texts", kept: Mapping[str, Any] | None) -> dict[str, Any]:
        text = texts.of(picture)
        if text is None:
            return self._without_text(picture, texts, kept)
        size = self.assembler.size(picture) or _size_kept(kept)
        if size is None:
            self._tally.add(text, "The size of a picture cannot be read, so its boxes have no pixels; the label was left out.")
            return {}
        marks = self._marks(text, size)
        sizes = {"width": size[0], "height": size[1]}
        if marks is None:
            return sizes
        scored = [mark for mark in marks if mark.score is not None]
        if scored and len(scored) == len(marks):
            return {**sizes, "prediction": self.assembler.marks.prediction(text, marks)}
        return {**sizes, "label": self.assembler.marks.label(text, marks)}

    def _without_text(self, picture: str, texts: "_Texts", kept: Mapping[str, Any] | None) -> dict[str, Any]:
        """What a missing text says: nothing is on the picture, unless there is a reason to doubt it."""
        if kept is not None and kept.get("labelled") is False:
            return {}
        if not self._labels and not self._kept:
            self._tally.add(picture, "The package holds no files of labels at all, so no labels were read.")
            return {}
        if texts.doubtful(picture):
            self._tally.add(picture, "Files of labels of the same name lie where it cannot be told whose they are, so no label was read.")
            return {}
        self._tally.add(picture, "A picture without a file of labels was read as labelled: nothing is on it.")
        return {"label": self.assembler.marks.label(picture, [])}

    def _marks(self, text: str, size: tuple[int, int]) -> list[Mark] | None:
        """The boxes of one text file; None where one of its lines cannot be used, for then there is no whole label."""
        lines = self._lines(text, _MAX_LABELS)
        marks: list[Mark] = []
        for number, line in enumerate(lines):
            if not line.strip():
                continue
            try:
                marks.append(self._mark(f"{text}:{number + 1}", line.split(), size))
            except (_LineError, BoxError) as error:
                self._tally.add(f"{text}:{number + 1}", f"{error} The label of the picture was left out.")
                return None
        return marks

    def _mark(self, place: str, words: list[str], size: tuple[int, int]) -> Mark:
        if len(words) in {9, 10} and not _is_number(words[8]):  # x1 y1 … x4 y4 name difficult, in pixels
            if len(words) == 10:
                self._tally.add(place, "Whether a thing is difficult to see is not kept.")
            self._tally.add(place, "Turned boxes and outlines became the upright boxes around them.")
            return Mark(words[8], around(_numbers(words[:8])))
        name = self._name(words[0])
        values = _numbers(words[1:])
        if not all(-_NEAR <= value <= 1 + _NEAR for value in values[: 4 if len(values) in {4, 5, 4 + self._pose} else None]):
            raise _LineError("A line holds numbers that are no fractions of the picture from 0 to 1.")
        if len(values) in {4, 5}:
            return Mark(name, _box(values, size), values[4] if len(values) == 5 else None)
        if self._pose and len(values) == 4 + self._pose:
            self._tally.add(place, "Keypoints are not kept; their boxes are.")
            return Mark(name, _box(values[:4], size), None)
        if len(values) >= 6 and len(values) % 2 == 0:
            self._tally.add(place, "Turned boxes and outlines became the upright boxes around them.")
            return Mark(name, around([value * size[at % 2] for at, value in enumerate(values)]))
        raise _LineError(f"A line of {len(words)} words is neither a box nor an outline.")

    def _name(self, word: str) -> str:
        """The name of a class by its number; a number beyond the list stands for itself and can be mapped."""
        if not word.isascii() or not word.isdigit() or len(word) > 9:
            raise _LineError("A line begins with the number of its class.")
        return self._names.get(int(word), word)

    def _class_names(self) -> dict[int, str]:
        for name in self._package.names():
            last = name.rpartition("/")[2].lower()
            if last in _DATA:
                return self._of_yaml(name)
        for name in self._package.names():
            if name.rpartition("/")[2].lower() in _LISTS:
                return dict(enumerate(line.strip() for line in self._lines(name, _MAX_LABELS) if line.strip()))
        self._tally.add("", "The package names no classes (data.yaml, obj.names); they go by their numbers, which can be mapped.")
        return {}

    def _of_yaml(self, name: str) -> dict[int, str]:
        try:
            with self._package.open(name) as file:
                data = strict_yaml.parse(file.read(strict_yaml.LIMIT + 1))
        except strict_yaml.YAMLError as error:
            raise Invalid(f"{shown(name)} cannot be read: {error} Nothing was imported. Correct the file.") from error
        names = data.get("names") if isinstance(data, dict) else None
        pairs = enumerate(names) if isinstance(names, list) else names.items() if isinstance(names, dict) else ()
        found = {int(number): str(label) for number, label in pairs if str(number).isdecimal() and len(str(number)) < 10}
        if not found:
            raise Invalid(f"{shown(name)} lists no “names” of classes. Nothing was imported. Add them.")
        shape = data.get("kpt_shape")
        if isinstance(shape, list) and len(shape) == 2 and all(isinstance(side, int) for side in shape):
            self._pose = shape[0] * shape[1]
        return found

    def _lines(self, name: str, limit: int) -> list[str]:
        try:
            with self._package.open(name) as file:
                data = file.read(limit + 1)
        except Refusal:
            data = b"damaged"
        return ["damaged"] if len(data) > limit else data.decode("utf-8-sig", "replace").splitlines()

    def _carried(self) -> dict[str, Mapping[str, Any]]:
        """Picture to what our export carries along for it; empty for packages of others."""
        if CASES not in self._package.names():
            return {}
        found: dict[str, Mapping[str, Any]] = {}
        with self._package.open(CASES) as file:
            while line := file.readline(_MAX_LABELS):
                try:
                    value = strict.parse(line)
                except strict.JSONError:
                    value = None
                if not isinstance(value, dict) or not isinstance(value.get("file"), str):
                    self._tally.add(CASES, "A line of what was carried along cannot be used and was left out.")
                else:
                    found[value["file"]] = value
        return found


class _Texts:
    """Which text belongs to which picture: in `labels` where the picture is in `images`, else beside it, else the one of the same name that is left over."""

    def __init__(self, pictures: list[str], labels: set[str]) -> None:
        plain = {name.lower(): name for name in sorted(labels, reverse=True)}
        self._found = {picture: text for picture in pictures if (text := _beside(picture, labels, plain)) is not None}
        taken = set(self._found.values())
        self._left: dict[str, list[str]] = {}
        for name in labels - taken:
            self._left.setdefault(bare_name(name), []).append(name)
        wanting = Counter(bare_name(picture) for picture in pictures if picture not in self._found)
        for picture in pictures:
            stem = bare_name(picture)
            if picture not in self._found and wanting[stem] == 1 and len(self._left.get(stem, ())) == 1:
                self._found[picture] = self._left.pop(stem)[0]
        self.used = set(self._found.values())

    def of(self, picture: str) -> str | None:
        """The picture's text, None where it has none."""
        return self._found.get(picture)

    def doubtful(self, picture: str) -> bool:
        """Whether texts are left that may be the picture's."""
        return bare_name(picture) in self._left


def _beside(picture: str, labels: set[str], plain: Mapping[str, str]) -> str | None:
    stem = picture.rpartition(".")[0]
    parts = stem.split("/")
    for at in range(len(parts) - 2, -1, -1):
        if parts[at].lower() == _IMAGES:
            for folder in _TEXTS:
                swapped = "/".join([*parts[:at], folder, *parts[at + 1 :]]) + ".txt"
                found = swapped if swapped in labels else plain.get(swapped.lower())
                if found is not None and bare_name(found) == parts[-1]:
                    return found
            break
    return stem + ".txt" if stem + ".txt" in labels else None


def _size_kept(kept: Mapping[str, Any] | None) -> tuple[int, int] | None:
    width, height = (kept or {}).get("width"), (kept or {}).get("height")
    return (width, height) if isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0 else None


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False


def _numbers(words: list[str]) -> list[float]:
    if not all(map(_is_number, words)):
        raise _LineError("A line holds something that is no number.")
    return [float(word) for word in words]


def _box(values: list[float], size: tuple[int, int]) -> Box:
    middle_x, middle_y, width, height = values[:4]
    if width <= 0 or height <= 0:
        raise BoxError("A box has a width and a height above 0.")
    return (middle_x - width / 2) * size[0], (middle_y - height / 2) * size[1], width * size[0], height * size[1]
