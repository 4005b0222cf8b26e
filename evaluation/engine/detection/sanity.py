"""Is a detector's output what it claims to be? Findings about boxes and scores; sentences are made where they are shown.

Codes: `non_finite`, `missing_predictions`, `out_of_range`, `constant_output`, `rounded_scores`, `beyond_the_limit` (more boxes of a class in
an image than COCO counts), `outside_image` (the middle of a box is), `same_answer` (the same boxes for different images),
`never_predicted` (a class with objects), `box_convention` and `class_names` (see `autopsy`).
"""

from collections import Counter

import numpy as np

from evaluation.engine.arrays import Ints
from evaluation.engine.detection.autopsy import Numbers, autopsy
from evaluation.engine.detection.data import Objects, Predictions, Scene
from evaluation.engine.detection.tables import LEAST_OBJECTS, MOST
from evaluation.engine.sanity import Finding, granularity

LEAST_IMAGES = 20


def findings(scene: Scene, truth: Objects, predicted: Predictions) -> list[Finding]:
    """Findings about one replicate."""
    found = []
    if predicted.invalid.any():
        found.append(Finding(code="non_finite", severity="error", numbers={"rows": int(predicted.invalid.sum())}))
    if predicted.missing.any():
        first = str(scene.images[int(np.argmax(predicted.missing))])
        numbers: Numbers = {"images": int(predicted.missing.sum()), "of": scene.size, "first": first}
        found.append(Finding(code="missing_predictions", severity="warn", numbers=numbers))
    if not predicted.image.size:
        return found
    return found + _scores(predicted) + _boxes(scene, predicted) + _silent(scene, truth, predicted) + autopsy(scene, truth, predicted)


def _scores(predicted: Predictions) -> list[Finding]:
    scores, found = predicted.scores, []
    low, high = float(scores.min()), float(scores.max())
    probable = 0 <= low <= high <= 1
    if not probable:
        outside = int(((scores < 0) | (scores > 1)).sum())
        found.append(Finding(code="out_of_range", severity="warn", numbers={"values": outside, "lowest": low, "highest": high}))
    if low == high and scores.size > 1:
        return [*found, Finding(code="constant_output", severity="error", numbers={"n": int(scores.size), "value": low})]
    grid = granularity(scores) if probable else None
    if grid is not None:
        numbers: Numbers = {"grid": grid, "n": int(scores.size), "distinct": int(np.unique(scores).size)}
        found.append(Finding(code="rounded_scores", severity="error" if grid == "0" else "warn", numbers=numbers))
    return found


def _boxes(scene: Scene, predicted: Predictions) -> list[Finding]:
    found = []
    per_group = np.unique(predicted.image * len(scene.classes) + predicted.label, return_counts=True)[1]
    beyond = int(np.maximum(per_group - MOST[-1], 0).sum())
    if beyond:
        found.append(
            Finding(code="beyond_the_limit", severity="warn", numbers={"boxes": beyond, "limit": MOST[-1], "of": predicted.image.size})
        )
    if scene.sizes is not None:
        centre = predicted.boxes[:, :2] + predicted.boxes[:, 2:] / 2
        outside = int(np.any((centre < 0) | (centre > scene.sizes[predicted.image]), axis=1).sum())
        if outside:
            found.append(Finding(code="outside_image", severity="warn", numbers={"boxes": outside, "of": predicted.image.size}))
    return found + _same(predicted)


def _same(predicted: Predictions) -> list[Finding]:
    """The commonest answer of half of the images that have boxes (20 or more) is a cached one."""
    order = np.argsort(predicted.image, kind="stable")
    starts = np.flatnonzero(np.diff(predicted.image[order], prepend=-1))
    if starts.size < LEAST_IMAGES:
        return []
    rows = np.concatenate([predicted.boxes, predicted.scores[:, None], predicted.label[:, None]], axis=1)[order]
    commonest, times = Counter(part.tobytes() for part in np.split(rows, starts[1:])).most_common(1)[0]
    if times < starts.size / 2:
        return []
    boxes = len(commonest) // (rows.shape[1] * rows.itemsize)
    return [Finding(code="same_answer", severity="error", numbers={"images": times, "of": int(starts.size), "boxes": boxes})]


def _silent(scene: Scene, truth: Objects, predicted: Predictions) -> list[Finding]:
    objects, boxes = _per_class(truth.label[truth.counted], scene), _per_class(predicted.label, scene)
    return [
        Finding(code="never_predicted", severity="warn", numbers={"class": str(scene.classes[k]), "objects": int(objects[k])})
        for k in np.flatnonzero((objects >= LEAST_OBJECTS) & (boxes == 0))
    ]


def _per_class(label: Ints, scene: Scene) -> Ints:
    return np.bincount(label, minlength=len(scene.classes))
