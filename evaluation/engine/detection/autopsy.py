"""Why is a detector suddenly bad? Each usual mistake in writing boxes and classes is undone in turn, to see whether the metric recovers.

A finding names the hypothesis, the evidence and what AP50 would be without the fault. Boxes are judged with the classes left aside, then
classes with the boxes set right, so that two mistakes at once are still told apart.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from scipy.optimize import linear_sum_assignment

from evaluation.engine.arrays import Floats, Ints
from evaluation.engine.detection.accumulate import Layout, Membership, area_of
from evaluation.engine.detection.data import Objects, Predictions, Scene
from evaluation.engine.detection.matching import Matches, match
from evaluation.engine.detection.tables import mean_of
from evaluation.engine.sanity import Finding

GAIN = 0.1  # AP50 must rise by this much, and by half of what it was
LOOKED_AT = 500  # images on which hypotheses are tried; the numbers of a finding are of all images
LOOSE = 0.2
Boxes = TypeVar("Boxes", Objects, Predictions)
Numbers = dict[str, float | int | str | None]


@dataclass(frozen=True, eq=False)
class _Case:
    """Truth and predictions of `images` images of known `sizes` (images, 2) or None."""

    truth: Objects
    predicted: Predictions
    images: int
    classes: int
    sizes: Floats | None

    def ap50(self, predicted: Predictions | None = None, *, by_class: bool = True) -> float:
        """AP50; without classes all boxes are of one kind. 0 where nothing can be found."""
        truth, said = self.truth, self.predicted if predicted is None else predicted
        if not by_class:
            truth, said = _one_kind(truth), _one_kind(said)
        everything = Membership.of(np.arange(self.images), np.zeros(self.images, dtype=np.int64), 1, self.images)
        layout = Layout.of(truth, match(truth, said, [0.5], most=100), everything, self.classes if by_class else 1)
        return float(np.nan_to_num(mean_of(area_of(layout, 0).precision[0, 0, 0])))

    def paired(self, predicted: Predictions, iou: float) -> tuple[Ints, Ints]:
        """Rows of objects and of the detections that found them, whatever their classes."""
        matches: Matches = match(_one_kind(self.truth), _one_kind(predicted), [iou])
        found = np.flatnonzero(self.truth.counted & (matches.row >= 0))
        return found, matches.row[found]

    def some(self) -> "_Case":
        """At most LOOKED_AT images, evenly spaced."""
        if self.images <= LOOKED_AT:
            return self
        chosen = np.linspace(0, self.images - 1, LOOKED_AT).astype(np.int64)
        place = np.full(self.images, -1, dtype=np.int64)
        place[chosen] = np.arange(LOOKED_AT)

        def on_them(boxes: Boxes) -> Boxes:
            some = _rows(boxes, np.flatnonzero(place[boxes.image] >= 0))
            return replace(some, image=place[some.image])

        return _Case(
            on_them(self.truth), on_them(self.predicted), LOOKED_AT, self.classes, None if self.sizes is None else self.sizes[chosen]
        )


def _rows(boxes: Boxes, rows: Ints) -> Boxes:
    fields = ("image", "label", "boxes", *(("areas", "crowd", "ignore") if isinstance(boxes, Objects) else ("scores",)))
    return replace(boxes, **{name: getattr(boxes, name)[rows] for name in fields})


def _one_kind(boxes: Boxes) -> Boxes:
    return replace(boxes, label=np.zeros_like(boxes.label))


def autopsy(scene: Scene, truth: Objects, predicted: Predictions) -> list[Finding]:
    """Findings `box_convention` and `class_names`, each an error; empty where nothing explains the figures better than what was given."""
    if not truth.counted.any() or not predicted.image.size:
        return []
    whole = _Case(truth, predicted, scene.size, len(scene.classes), scene.sizes)
    found = []
    boxes = _boxes(whole)
    fixed = predicted
    if boxes is not None:
        name, fixed, evidence = boxes
        found.append(_finding("box_convention", name, whole, predicted, fixed, evidence))
    classes = _classes(scene, whole, fixed)
    if classes is not None:
        name, right, evidence = classes
        found.append(_finding("class_names", name, whole, fixed, right, evidence))
    return found


def _finding(code: str, name: str, case: _Case, before: Predictions, after: Predictions, evidence: Numbers) -> Finding:
    numbers: Numbers = {"hypothesis": name, "metric": "coco_ap50", "value": case.ap50(before), "without_fault": case.ap50(after)}
    return Finding(code=code, severity="error", numbers=numbers | evidence)


def _better(after: float, before: float) -> bool:
    return after - before >= GAIN and after >= 1.5 * before


Fix = tuple[str, Predictions, Numbers]


def _boxes(whole: _Case) -> Fix | None:
    """The convention under which boxes lie best on objects, if it is much better than the one given."""
    case = whole.some()
    now = case.ap50(by_class=False)
    best, value = None, now
    for name, factor in _hypotheses(case):
        fixed = _converted(case, name, factor)
        if fixed is not None:
            then = case.ap50(fixed, by_class=False)
            if then > value + 1e-9:
                best, value = (name, factor), then
    if best is None or not _better(value, now):
        return None
    fixed = _converted(whole, *best)
    if fixed is None:
        return None
    before, after = whole.ap50(by_class=False), whole.ap50(fixed, by_class=False)
    evidence: Numbers = {"value_any_class": before, "without_fault_any_class": after, "boxes": int(whole.predicted.image.size)}
    return best[0], fixed, evidence | {"factor_x": best[1][0], "factor_y": best[1][1]}


def _plain(name: str, boxes: Floats) -> Floats:
    """Boxes as (x, y, width, height) if what was given as such is `name`."""
    a, b, c, d = boxes.T
    return np.stack(
        {
            "xywh": (a, b, c, d),
            "xyxy": (a, b, c - a, d - b),
            "cxcywh": (a - c / 2, b - d / 2, c, d),
            "swapped": (b, a, d, c),
            "yxyx": (b, a, d - b, c - a),
        }[name],
        axis=1,
    )


def _hypotheses(case: _Case) -> Iterator[tuple[str, tuple[float, float]]]:
    """Names `[normalised_|resized_|scaled_]convention` with the factors they need; a plain convention first."""
    for name in ("xyxy", "cxcywh", "swapped", "yxyx"):
        yield name, (1.0, 1.0)
    for name in ("xywh", "xyxy", "cxcywh"):
        if case.sizes is not None:
            yield f"normalised_{name}", (1.0, 1.0)
            yield f"resized_{name}", _factor(case, name, by_size=True)
        yield f"scaled_{name}", _factor(case, name, by_size=False)


def _converted(case: _Case, name: str, factor: tuple[float, float]) -> Predictions | None:
    """Predictions rewritten under a hypothesis; None where a fifth of the boxes would have no area. `factor` (x, y) multiplies pixels."""
    kind, _, convention = name.rpartition("_")
    boxes = _plain(convention, case.predicted.boxes) * np.tile(factor, 2)
    if kind in {"normalised", "resized"} and case.sizes is not None:
        boxes = boxes * np.tile(case.sizes[case.predicted.image], 2)
    real = np.flatnonzero(np.all(boxes[:, 2:] > 0, axis=1) & np.all(np.isfinite(boxes), axis=1))
    if real.size < 0.8 * len(boxes):
        return None
    return replace(_rows(case.predicted, real), boxes=boxes[real])


def _factor(case: _Case, convention: str, *, by_size: bool) -> tuple[float, float]:
    """Factors (x, y) that bring predicted centres onto those of objects; with `by_size` objects are measured in sizes of their image.

    First the ratio of mean centres, then (once they overlap a little) the median ratio of sizes of boxes that lie on each other.
    """
    boxes = _plain(convention, case.predicted.boxes)
    units = np.ones((case.images, 2)) if not by_size or case.sizes is None else case.sizes
    target = case.truth.boxes / np.tile(units[case.truth.image], 2)
    ours, theirs = (np.mean(each[:, :2] + each[:, 2:] / 2, axis=0) for each in (boxes, target))
    factor = np.where(ours > 0, theirs / np.where(ours > 0, ours, 1.0), 1.0)
    name = f"{'resized' if by_size else 'scaled'}_{convention}"
    first = _converted(case, name, (float(factor[0]), float(factor[1])))
    if first is None or len(first.boxes) < len(boxes):
        return float(factor[0]), float(factor[1])
    objects, rows = case.paired(first, LOOSE)
    if rows.size >= 10:
        factor = np.median(target[objects, 2:] / boxes[rows, 2:], axis=0)
    return float(factor[0]), float(factor[1])


def _classes(scene: Scene, case: _Case, fixed: Predictions) -> Fix | None:
    """Classes off by one, or exchanged: judged by which class of object lies under each box."""
    if case.classes < 2:
        return None
    objects, rows = case.paired(fixed, 0.5)
    said, meant = fixed.label[rows], case.truth.label[objects]
    seen = np.bincount(said * case.classes + meant, minlength=case.classes**2).reshape(case.classes, -1)
    agree = float(np.trace(seen) / max(rows.size, 1))
    _, best = linear_sum_assignment(seen, maximize=True)
    best = np.where(seen[np.arange(case.classes), best] > 0, best, np.arange(case.classes))
    now, options = case.ap50(fixed), {"off_by_one": (fixed.label + 1, 1), "off_by_minus_one": (fixed.label - 1, -1)}
    moved = np.flatnonzero(best != np.arange(case.classes))
    tried = []
    for name, (label, _) in options.items():
        inside = np.flatnonzero((label >= 0) & (label < case.classes))
        tried.append((name, replace(_rows(fixed, inside), label=label[inside])))
    if len(set(best.tolist())) == case.classes:
        tried.append(("permutation", replace(fixed, label=best[fixed.label])))
    values = [case.ap50(option) for _, option in tried]
    chosen = int(np.argmax(values))
    if not _better(values[chosen], now):
        return None
    name, right = tried[chosen]
    evidence: Numbers = {"boxes_on_objects": int(rows.size), "share_right_class": agree}
    if name == "permutation":
        evidence["exchanged"] = ", ".join(f"{scene.classes[k]} is {scene.classes[best[k]]}" for k in moved[:20])
    return name, right, evidence
