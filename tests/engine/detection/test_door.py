"""What cannot be evaluated is refused with the row that is wrong."""

from typing import Any

import numpy as np
import pytest

from evaluation.engine.arrays import BadInput
from evaluation.engine.detection.data import Detection, objects, predictions, scene

WHERE = scene(["a", "b"], ["x", "y"])
BOX = [0.0, 0.0, 10.0, 10.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boxes": [BOX, [np.nan, 0, 1, 1]]}, "row 1: the box is not finite"),
        ({"boxes": [[0, 0, np.inf, 1], BOX]}, "row 0: the box is not finite"),
        ({"boxes": [BOX, [0, 0, -1, 5]]}, "row 1: width and height of a box must be above 0"),
        ({"boxes": [BOX, [0, 0, 0, 5]]}, "row 1: width and height of a box must be above 0"),
        ({"boxes": [BOX, [0, 0, 1e200, 1e200]]}, "row 1: the box is too large or too small"),
        ({"boxes": [BOX, [0, 0, 1e-200, 1e-200]]}, "row 1: the box is too large or too small"),
        ({"boxes": [[0, 0, 10], [0, 0, 10]]}, r"boxes have shape \(2, 3\)"),
        ({"boxes": [BOX]}, "images have 2 rows, but there are 1 boxes"),
        ({"images": ["a", "c"]}, "row 1: image 'c' is not among the 2 known ones"),
        ({"labels": ["z", "x"]}, "row 0: class 'z' is not among the 2 known ones"),
        ({"labels": ["x"]}, "labels have 1 rows"),
    ],
)
def test_boxes(change: dict[str, Any], message: str) -> None:
    rows: dict[str, Any] = {"images": ["a", "b"], "labels": ["x", "y"], "boxes": [BOX, BOX], **change}
    with pytest.raises(BadInput, match=message):
        objects(WHERE, **rows)
    with pytest.raises(BadInput, match=message):
        predictions(WHERE, scores=[0.5] * len(rows["boxes"]), **rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": [7, 7]}, "row 1: id 7 is already that of row 0"),
        ({"ids": [7]}, "ids have 1 rows"),
        ({"areas": [1, -1]}, "row 1: the area must be finite"),
        ({"areas": [np.nan, 1]}, "row 0: the area must be finite"),
        ({"areas": [1]}, "areas have shape"),
        ({"crowd": [0, 2]}, "row 1: crowd is true or false"),
        ({"crowd": ["0", "1"]}, "crowd: true or false is needed"),
        ({"ignore": [True]}, "ignore has shape"),
    ],
)
def test_objects(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        objects(WHERE, ["a", "b"], ["x", "y"], [BOX, BOX], **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": [0.5, np.nan]}, "row 1: the score is not finite"),
        ({"scores": [0.5]}, "scores have shape"),
        ({"missing": ["b"]}, "row 1: image 'b' has boxes, but is listed as missing"),
        ({"invalid": ["a"]}, "row 0: image 'a' has boxes, but is listed as invalid"),
        ({"missing": ["q"]}, "row 0: missing image 'q' is not among"),
    ],
)
def test_predictions(change: dict[str, Any], message: str) -> None:
    rows: dict[str, Any] = {"scores": [0.5, 0.6], **change}
    with pytest.raises(BadInput, match=message):
        predictions(WHERE, ["a", "b"], ["x", "y"], [BOX, BOX], **rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": ["a", "a"]}, "row 1: image 'a' is already that of row 0"),
        ({"classes": ["x", "x"]}, "row 1: class 'x' is already that of row 0"),
        ({"classes": []}, "at least one class"),
        ({"clusters": [1]}, "clusters have shape"),
        ({"sizes": [[1, 1]]}, "sizes have shape"),
        ({"sizes": [[1, 1], [0, 1]]}, "row 1: width and height of an image"),
    ],
)
def test_scene(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        scene(**{"images": ["a", "b"], "classes": ["x"], **arguments})


def test_a_report_needs_a_candidate() -> None:
    with pytest.raises(BadInput, match="at least one replicate"):
        Detection(WHERE, objects(WHERE, [], [], []), [])
