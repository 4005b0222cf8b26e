"""Labels, corrections and predictions in the shapes of the API, from those shapes or from the simple forms of tables: a class, a number, a list."""

from collections.abc import Mapping
from typing import Any

from hardcases.formats.classes import Classes
from hardcases.formats.exchange import Options

NEAR = 1e-3  # pixels; boxes that went through percent or fractions and back differ far less, and edits in a tool far more
_KINDS = {str: "A text", int: "A number", float: "A number", bool: "True or false", list: "A list"}
SIDES = ("x", "y", "width", "height")


class ShapeError(ValueError):
    """Why it is nothing that can be said in this project, as a sentence."""


def is_number(value: Any) -> bool:
    """A number of JSON; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_finite(value: Any) -> bool:
    """A number that a double holds with room to spare; whole numbers in a file may be as long as somebody likes."""
    return is_number(value) and -1e300 < value < 1e300


def shape_of(value: Any, options: Options) -> dict[str, Any]:
    """The API's shape of a value, which may be the shape itself or a simple form of the project's task. Raises `ShapeError`."""
    if isinstance(value, Mapping):
        return dict(value)
    if options.task == "classification" and _is_class(value):
        return {"label": str(value)}
    if options.task == "multilabel" and (_is_class(value) or isinstance(value, list)):
        return {"labels": [str(name) if _is_class(name) else name for name in (value if isinstance(value, list) else [value])]}
    if options.task == "regression" and is_number(value):
        return {"value": value}
    if options.task == "detection" and isinstance(value, list):
        return {"boxes": value}
    raise ShapeError(f"{_KINDS.get(type(value), 'Such a value')} says nothing in a {options.task} project.")


def _is_class(value: Any) -> bool:
    """A name, or the number by which a data set calls a class; it is looked up in the mapping as a text."""
    return isinstance(value, str | int) and not isinstance(value, bool)


def label_of(value: Any, options: Options, classes: Classes) -> dict[str, Any] | None:
    """A label in the project's classes; None where the mapping leaves its class out. Raises `UnknownClassError` or `ShapeError`: a label is whole or none."""
    shape = shape_of(value, options)
    if "label" in shape:
        name = classes.of(_text(shape["label"]))
        return None if name is None else {**shape, "label": name}
    if "labels" in shape:
        names = [classes.of(_text(name)) for name in _list(shape["labels"])]
        return {**shape, "labels": list(dict.fromkeys(name for name in names if name is not None))}
    if "boxes" in shape:
        boxes = [(box, classes.of(_text(_object(box).get("label")))) for box in _list(shape["boxes"])]
        return {**shape, "boxes": [{**box, "label": name} for box, name in boxes if name is not None]}
    return shape


def prediction_of(value: Any, options: Options, classes: Classes) -> dict[str, Any]:
    """What a model said, in the project's names where they are mapped. Unknown names stay, for the intake sets them aside. Raises `ShapeError`."""
    shape = shape_of(value, options)
    if not classes.mapping:
        return shape
    if isinstance(shape.get("scores"), Mapping):
        shape["scores"] = {classes.renamed(name): score for name, score in shape["scores"].items() if not classes.leaves_out(name)}
    if classes.leaves_out(shape.get("label")):
        del shape["label"]
    elif "label" in shape:
        shape["label"] = classes.renamed(shape["label"])
    if isinstance(shape.get("labels"), list):
        shape["labels"] = [classes.renamed(name) for name in shape["labels"] if not classes.leaves_out(name)]
    if isinstance(shape.get("boxes"), list):
        boxes = [dict(box) for box in shape["boxes"] if isinstance(box, Mapping) and not classes.leaves_out(box.get("label"))]
        shape["boxes"] = [{**box, "label": classes.renamed(box.get("label"))} for box in boxes]
    return shape


def same(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """Whether two shapes say the same: classes in any order, boxes in any order that agree within `NEAR` pixels."""
    if one is None or other is None:
        return one is other
    try:
        if set(one) == set(other) == {"labels"}:
            return sorted(map(str, one["labels"])) == sorted(map(str, other["labels"]))
        if "boxes" not in one or "boxes" not in other:
            return one == other
        boxes, others = list(one["boxes"]), list(other["boxes"])
        if len(boxes) != len(others):
            return False
        # In the order of the file first: sorting by rounded sides may part two that agree, where a side ends in one half.
        return all(map(_same_box, boxes, others)) or all(map(_same_box, sorted(boxes, key=_order), sorted(others, key=_order)))
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError):
        return False  # one of them comes from a file and may be anything


def _order(box: Mapping[str, Any]) -> tuple[str, list[int]]:
    return str(box.get("label")), [round(float(box[side])) for side in SIDES]


def _same_box(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    alike = one.get("label") == other.get("label") and one.get("score") == other.get("score")
    return alike and all(abs(one[side] - other[side]) <= NEAR for side in SIDES)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ShapeError("A class is a text.")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ShapeError("A list was expected.")
    return value


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ShapeError("A box is an object.")
    return value
