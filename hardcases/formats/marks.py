"""What a foreign file marks on a picture, class by class and box by box, as the label or prediction of the project's task."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hardcases.formats.classes import Classes, UnknownClassError
from hardcases.formats.exchange import Options
from hardcases.formats.said import SIDES, is_finite
from hardcases.formats.tally import Tally

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Mark:
    """One class, with its box in pixels of the upright picture (x, y of the corner nearest the origin, width, height) and its score where there are any."""

    name: str
    box: Box | None = None
    score: float | None = None


class BoxError(ValueError):
    """Why it is no box, as a sentence."""


def box_of(values: Any) -> Box:
    """Four finite numbers x, y, width, height with an area. Raises `BoxError`."""
    if not isinstance(values, list | tuple) or len(values) != 4 or not all(map(is_finite, values)):
        raise BoxError("A box is four finite numbers.")
    if values[2] <= 0 or values[3] <= 0:
        raise BoxError("A box has a width and a height above 0.")
    return values[0], values[1], values[2], values[3]


def around(points: Sequence[float]) -> Box:
    """The box around points that are given as x, y, x, y, …; raises `BoxError` where they have no area."""
    if len(points) < 4 or len(points) % 2 or not all(map(is_finite, points)):
        raise BoxError("Points are pairs of finite numbers.")
    left, top = min(points[::2]), min(points[1::2])
    return box_of((left, top, max(points[::2]) - left, max(points[1::2]) - top))


class Marks:
    """Turns marks into what is said in the project. A label is whole or it is left out; why is told once for the file."""

    def __init__(self, options: Options, classes: Classes, tally: Tally) -> None:
        self._task, self._classes, self._tally = options.task, classes, tally

    def label(self, place: str, marks: Sequence[Mark]) -> dict[str, Any] | None:
        """The label that the marks are together; no marks are a label in detection (nothing is there) and in multilabel (none of the classes)."""
        known: list[tuple[Mark, str]] = []
        for mark in marks:
            try:
                name = self._classes.of(mark.name)
            except UnknownClassError as error:
                self._tally.add(place, f"Labels were left out: {error}", unknown_class=error.name)
                return None
            if name is not None:
                known.append((mark, name))
        if self._task == "detection":
            if any(mark.box is None for mark, _ in known):
                self._tally.add(place, "A class without a box is no label in a detection project; the label was left out.")
                return None
            return {"boxes": [_shape(mark, name) for mark, name in known]}
        if any(mark.box is not None for mark, _ in known):
            self._tally.add(place, f"Boxes are not kept in a {self._task} project; only their classes are.")
        return self._classes_only(place, list(dict.fromkeys(name for _, name in known)))

    def _classes_only(self, place: str, names: list[str]) -> dict[str, Any] | None:
        if self._task == "multilabel":
            return {"labels": names}
        if self._task == "regression":
            if names:
                self._tally.add(place, "Classes say nothing in a regression project; they were left out.")
            return None
        if len(names) > 1:
            self._tally.add(place, "Several classes in one picture are no label in a classification project; the label was left out.")
        return {"label": names[0]} if len(names) == 1 else None

    def prediction(self, place: str, marks: Sequence[Mark]) -> dict[str, Any] | None:
        """What a model said with the marks. Names that the project does not know stay: the intake sets them aside and tells it."""
        kept = [(mark, str(self._classes.renamed(mark.name))) for mark in marks if not self._classes.leaves_out(mark.name)]
        if self._task == "detection":
            return self._boxes(place, kept)
        if self._task == "regression" or not kept:
            return {"labels": []} if self._task == "multilabel" else None
        scores = {name: mark.score for mark, name in kept if mark.score is not None}
        names = list(dict.fromkeys(name for _, name in kept))
        if len(scores) == len(kept):
            return {"scores": scores}
        if scores:
            self._tally.add(place, "Some classes have a score and some have none, or a class has several; the scores were left out.")
        if self._task == "multilabel":
            return {"labels": names}
        if len(names) > 1:
            self._tally.add(place, "Several classes without scores are no prediction in a classification project; it was left out.")
        return {"label": names[0]} if len(names) == 1 else None

    def _boxes(self, place: str, kept: Sequence[tuple[Mark, str]]) -> dict[str, Any]:
        boxes = []
        for mark, name in kept:
            if mark.box is None:
                self._tally.add(place, "A predicted class without a box was left out.")
            else:
                boxes.append(_shape(mark, name) if mark.score is None else {**_shape(mark, name), "score": mark.score})
        return {"boxes": boxes}


def _shape(mark: Mark, name: str) -> dict[str, Any]:
    return {**dict(zip(SIDES, mark.box or (), strict=True)), "label": name}
