"""What a model may say about a case and what a person may say about it: the shapes of API.md for each task of a project. Pure.

The same reader serves predictions and corrections, whose bad parts are set aside, and labels, which are refused whole when any part is bad.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

BOX_SIDES = ("x", "y", "width", "height")
MAX_CLASSES = 10_000
MAX_BOXES = 10_000
MAX_MESSAGE = 2_000
NO_PART = "is not part of what is said in a"
NO_CLASS = "The project has no class of this name."


@dataclass(frozen=True)
class Finding:
    """A part that breaks the shape: where it stood (`scores.lung`), what it was, and why it cannot be used."""

    place: str
    value: Any
    problem: str


@dataclass(frozen=True)
class Shape:
    """What may be said in one project: `task` and `classes` of the project; a label is said `without_scores`."""

    task: str
    classes: frozenset[str]
    without_scores: bool = False

    def names(self) -> tuple[str, ...]:
        """The keys that may occur, beside `refused` and `message`."""
        scores = () if self.without_scores else ("scores",)
        return {
            "classification": (*scores, "label"),
            "multilabel": (*scores, "labels"),
            "detection": ("boxes",),
            "regression": ("value",),
        }[self.task]

    def read(self, said: Any) -> tuple[dict[str, Any] | None, list[Finding]]:
        """The usable part of `said` (None when there is none) and what had to be set aside."""
        if not isinstance(said, dict):
            return None, [Finding("", said, "This is not an object.")]
        findings: list[Finding] = []
        kept: dict[str, Any] = {}
        allowed = self.names() if self.without_scores else (*self.names(), "refused", "message")
        for name, value in said.items():
            if name not in allowed:
                findings.append(Finding(name, value, f"“{name}” {NO_PART} {self.task} project."))
                continue
            usable = _READERS[name](self, value, findings)
            if usable is not None:
                kept[name] = usable
        return kept or None, findings

    def _class_problem(self, value: Any) -> str | None:
        if not isinstance(value, str):
            return "A class is a text."
        return None if value in self.classes else NO_CLASS


def is_number(value: Any) -> bool:
    """A JSON number; True and False are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _scores(shape: Shape, value: Any, findings: list[Finding]) -> dict[str, Any] | None:
    if not isinstance(value, dict) or len(value) > MAX_CLASSES:
        findings.append(Finding("scores", value, f"Scores are an object of at most {MAX_CLASSES:,} classes and their numbers."))
        return None
    kept = {}
    for name, score in value.items():
        problem = shape._class_problem(name) or (None if is_number(score) else "A score is a number.")  # noqa: SLF001 - same module, same thing
        if problem:
            findings.append(Finding(f"scores.{name}", score, problem))
        else:
            kept[name] = score
    return kept or None


def _label(shape: Shape, value: Any, findings: list[Finding]) -> str | None:
    problem = shape._class_problem(value)  # noqa: SLF001
    if problem:
        findings.append(Finding("label", value, problem))
        return None
    return str(value)


def _labels(shape: Shape, value: Any, findings: list[Finding]) -> list[str] | None:
    if not isinstance(value, list):
        findings.append(Finding("labels", value, "Labels are a list of classes."))
        return None
    kept: list[str] = []
    for index, name in enumerate(value):
        problem = shape._class_problem(name)  # noqa: SLF001
        if problem is None and name in kept:
            problem = "This class is named twice."
        if problem:
            findings.append(Finding(f"labels.{index}", name, problem))
        else:
            kept.append(name)
    return kept


def _boxes(shape: Shape, value: Any, findings: list[Finding]) -> list[dict[str, Any]] | None:
    if not isinstance(value, list) or len(value) > MAX_BOXES:
        findings.append(Finding("boxes", value, f"Boxes are a list of at most {MAX_BOXES:,}."))
        return None
    kept = []
    for index, box in enumerate(value):
        problem = _box_problem(shape, box)
        if problem:
            findings.append(Finding(f"boxes.{index}", box, problem))
        else:
            kept.append(box)
    return kept


def _box_problem(shape: Shape, box: Any) -> str | None:
    allowed = {*BOX_SIDES, "label"} if shape.without_scores else {*BOX_SIDES, "label", "score"}
    if not isinstance(box, dict) or not set(box) <= allowed:
        return f"A box is an object with {', '.join(sorted(allowed))}."
    if not all(is_number(box.get(side)) for side in BOX_SIDES):
        return "A box needs the numbers x, y, width and height."
    if box["width"] <= 0 or box["height"] <= 0:
        return "The width and height of a box are above 0."
    if "score" in box and not is_number(box["score"]):
        return "A score is a number."
    return shape._class_problem(box.get("label"))  # noqa: SLF001


def _value(_: Shape, value: Any, findings: list[Finding]) -> float | int | None:
    if not is_number(value):
        findings.append(Finding("value", value, "The value is a number."))
        return None
    number: float | int = value
    return number


def _refused(_: Shape, value: Any, findings: list[Finding]) -> bool | None:
    if not isinstance(value, bool):
        findings.append(Finding("refused", value, "This is true or false."))
        return None
    return value


def _message(_: Shape, value: Any, findings: list[Finding]) -> str | None:
    if not isinstance(value, str) or len(value) > MAX_MESSAGE:
        findings.append(Finding("message", value, f"The message is a text of at most {MAX_MESSAGE:,} characters."))
        return None
    return value


_READERS: dict[str, Callable[[Shape, Any, list[Finding]], Any]] = {
    "scores": _scores,
    "label": _label,
    "labels": _labels,
    "boxes": _boxes,
    "value": _value,
    "refused": _refused,
    "message": _message,
}


def in_words(said: dict[str, Any] | None) -> str:
    """What was said, short enough for a list: `nodule, 0.07`. Empty when nothing was."""
    if not said:
        return ""
    if said.get("refused"):
        return "refused" + (f": {said['message']}" if said.get("message") else "")
    if "boxes" in said:
        return f"{len(said['boxes'])} boxes"
    if "value" in said:
        return f"{said['value']}"
    if "labels" in said:
        return ", ".join(said["labels"]) or "none of the classes"
    return _best(said.get("scores") or {}, said.get("label"))


def in_brief(said: dict[str, Any] | None) -> str:
    """The class or classes that were said, without numbers: what many cases can have in common. Empty for boxes, values and nothing."""
    if not said or "boxes" in said or "value" in said:
        return ""
    if said.get("refused"):
        return "refused"
    if "labels" in said:
        return ", ".join(said["labels"])
    scores = said.get("scores") or {}
    return str(said.get("label") or max(scores, key=lambda name: scores[name], default=""))


def _best(scores: dict[str, float], label: str | None) -> str:
    named = label or max(scores, key=lambda name: scores[name], default=None)
    if named is None:
        return ""
    return f"{named}, {scores[named]:.2f}" if named in scores else named


def shape_of(task: str, classes: Sequence[str], *, label: bool = False) -> Shape:
    """The shape of what is said in a project with this task and these classes."""
    return Shape(task, frozenset(classes), without_scores=label)
