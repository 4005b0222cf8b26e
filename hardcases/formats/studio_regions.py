"""The regions of one Label Studio annotation: boxes in pixels, classes, numbers and texts, and what cannot be held.

Label Studio gives places in percent of the picture's sides. A rectangle may be turned about its first corner; shapes other than rectangles become the box
around them, which is told.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hardcases.formats.exchange import Options
from hardcases.formats.marks import Box, BoxError, Mark, around
from hardcases.formats.rows import shown
from hardcases.formats.said import is_finite
from hardcases.formats.tally import Tally

Size = tuple[int, int]
_BARE = ("rectangle", "polygon", "ellipse")
_SHAPES = ("rectanglelabels", "polygonlabels", "ellipselabels", "labels", *_BARE)
_NUMBERS = ("number", "rating")


@dataclass
class Regions:
    """What one annotation or prediction says. `whole` is false where a region that belongs to the label could not be used."""

    boxes: list[Mark] = field(default_factory=list)
    classes: dict[str, list[Mark]] = field(default_factory=dict)  # by the name of the control
    numbers: dict[str, float] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)
    whole: bool = True
    size: Size | None = None


class RegionReader:
    """Reads the regions of one file; what repeats is told in `tally`."""

    def __init__(self, options: Options, tally: Tally, knows: Callable[[str], bool]) -> None:
        """`knows`: whether a name is a class of the project or is mapped."""
        self._boxes_count, self._tally, self._knows = options.task == "detection", tally, knows

    def read(self, place: str, results: Iterable[Any], size: Callable[[], Size | None]) -> Regions:
        """All regions of one result list; `size` is asked where a region does not say how large its picture is."""
        found = Regions()
        results = list(results)
        named = {str(result.get("id")) for result in results if isinstance(result, Mapping) and _names(result)}
        for result in results:
            if not isinstance(result, Mapping) or not isinstance(result.get("value", {}), Mapping):
                self._lose(place, found, "A region is no JSON object.")
                continue
            kind = result.get("type")
            if kind in _SHAPES and (kind != "labels" or "x" in result["value"]):
                if kind not in _BARE or str(result.get("id")) not in named:  # else its class stands in a region of the same id
                    self._shape(place, result, found, size)
            else:
                self._value(place, str(kind), result, found)
        return found

    def _lose(self, place: str, found: Regions, sentence: str) -> None:
        """A region that may belong to the label is lost, so there is no whole label."""
        self._tally.add(place, f"{sentence} The label was left out.")
        found.whole = False

    def _shape(self, place: str, result: Mapping[str, Any], found: Regions, size: Callable[[], Size | None]) -> None:
        if result.get("image_rotation"):
            self._lose(place, found, "The picture was turned while it was labelled.")
            return
        said = result.get("original_width"), result.get("original_height")
        found.size = found.size or (said if _is_size(said) else size())  # type: ignore[assignment]  # checked by _is_size
        names = _names(result)
        if not names:
            self._lose(place, found, "A region has no class.")
            return
        if found.size is None:
            if self._boxes_count:
                self._lose(place, found, "A region does not say how large its picture is, and the picture is not here.")
            found.boxes += [Mark(name) for name in names]
            return
        try:
            box = self._box(place, result["value"], found.size)
        except (BoxError, OverflowError) as error:
            self._lose(place, found, str(error) if isinstance(error, BoxError) else "A region has no place.")
            return
        score = result.get("score")
        score = result["value"].get("score") if score is None else score
        found.boxes += [Mark(name, box, score if _is_finite(score) else None) for name in names]

    def _box(self, place: str, value: Mapping[str, Any], size: Size) -> Box:
        across, down = size[0] / 100, size[1] / 100
        if "points" in value:
            points = value["points"]
            if not isinstance(points, list) or not all(
                isinstance(point, list) and len(point) == 2 and all(map(_is_finite, point)) for point in points
            ):
                raise BoxError("An outline is a list of points.")
            self._tally.add(place, "Outlines became the boxes around them.")
            return around([number for x, y in points for number in (x * across, y * down)])
        if "radiusX" in value:
            self._tally.add(place, "Ellipses became the boxes around them.")
            return _around_ellipse(value, across, down)
        sides = [value.get(name) for name in ("x", "y", "width", "height")]
        if not all(map(_is_finite, sides)):
            raise BoxError("A box is four finite numbers.")
        x, y, width, height = (side * scale for side, scale in zip(sides, (across, down) * 2, strict=True))  # type: ignore[operator]  # checked above
        turn = value.get("rotation") or 0
        if not _is_finite(turn):
            raise BoxError("A rotation is a number.")
        if not turn:
            return around((x, y, x + width, y + height)) if width < 0 or height < 0 else _plain_box(x, y, width, height)
        self._tally.add(place, "Turned boxes became the upright boxes around them.")
        cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        corners = [(0.0, 0.0), (width, 0.0), (0.0, height), (width, height)]
        return around([number for a, b in corners for number in (x + a * cos - b * sin, y + a * sin + b * cos)])

    def _value(self, place: str, kind: str, result: Mapping[str, Any], found: Regions) -> None:
        value, control = result.get("value", {}), str(result.get("from_name", kind))
        if kind in {"choices", "taxonomy"} and "x" not in value and "start" not in value:
            names = [self._path(name) for name in value.get(kind) or []] if isinstance(value.get(kind), list) else []
            score = result.get("score")
            found.classes.setdefault(control, []).extend(Mark(name, None, score if _is_finite(score) else None) for name in names if name)
        elif kind in _NUMBERS and _is_finite(value.get(kind)):
            found.numbers[control] = value[kind]
        elif kind == "textarea":
            texts = value.get("text", [])
            texts = texts if isinstance(texts, list) else [texts]
            found.texts.setdefault(control, []).extend(text for text in texts if isinstance(text, str))
        elif kind in {"brushlabels", "brush", "keypointlabels", "keypoint", "bitmask", "bitmasklabels"} and self._boxes_count:
            self._lose(place, found, f"Regions of the kind {shown(kind)} have no box.")
        else:
            self._tally.add(place, f"Regions of the kind {shown(kind)} are not kept.")

    def _path(self, name: Any) -> str:
        """A choice, or the path to one: the whole path where the project knows it, else its end."""
        if not isinstance(name, list):
            return name if isinstance(name, str) else ""
        parts = [part for part in name if isinstance(part, str)]
        whole = "/".join(parts)
        return whole if self._knows(whole) or not parts else parts[-1]


def _names(result: Mapping[str, Any]) -> list[str]:
    value = result.get("value")
    names = value.get(result.get("type")) if isinstance(value, Mapping) and isinstance(result.get("type"), str) else None
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _plain_box(x: float, y: float, width: float, height: float) -> Box:
    if width <= 0 or height <= 0:
        raise BoxError("A box has a width and a height above 0.")
    return x, y, width, height


def _around_ellipse(value: Mapping[str, Any], across: float, down: float) -> Box:
    numbers = [value.get(name) for name in ("x", "y", "radiusX", "radiusY")]
    turn = value.get("rotation") or 0
    if not all(map(_is_finite, [*numbers, turn])):
        raise BoxError("An ellipse is four finite numbers.")
    x, y, wide, high = (number * scale for number, scale in zip(numbers, (across, down) * 2, strict=True))  # type: ignore[operator]  # checked above
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    half_width, half_height = math.hypot(wide * cos, high * sin), math.hypot(wide * sin, high * cos)
    return _plain_box(x - half_width, y - half_height, 2 * half_width, 2 * half_height)


def _is_size(said: tuple[Any, Any]) -> bool:
    return all(isinstance(side, int) and not isinstance(side, bool) and 0 < side < 2**31 for side in said)


def _is_finite(value: Any) -> bool:
    return is_finite(value) and abs(value) < 1e12
