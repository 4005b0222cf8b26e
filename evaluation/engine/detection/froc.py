"""FROC: how many objects are found at so many false positives per image (lesion level, LUNA16 form; Chakraborty 2017, Setio 2017).

The curve starts at (0, 0) and has one point per distinct score: everything from that score on counts. Sensitivity is interpolated linearly
between points; beyond the last one it stays. The score is its mean at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false positives per image.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from evaluation.engine.arrays import BadInput, Floats, Ints, floats, ratio
from evaluation.engine.detection.accumulate import Membership, running, sums
from evaluation.engine.detection.data import Objects, Operating
from evaluation.engine.detection.matching import Matches

RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


def froc_points(false_positives: ArrayLike, hits: ArrayLike, objects: int, images: int, rates: Sequence[float] = RATES) -> Floats:
    """Sensitivity at each of `rates` from plain scores: of the false positives, and of the detection that found each found object.

    Missed objects have no score; they are part of `objects`. NaN without objects or images. Raises BadInput for more hits than objects.
    """
    wrong, right = floats(false_positives), floats(hits)
    if right.size > objects:
        raise BadInput(
            f"{right.size} found of {objects} objects is not possible; each object is found once, by the detection of the highest score"
        )
    scores = np.concatenate([wrong, right])
    order = np.argsort(-scores, kind="stable")
    steps = _Steps(np.zeros(order.size, dtype=np.int64), scores[order], 1)
    won = order >= wrong.size
    up, along = (steps.reached(rows, np.ones((rows.size, 1))) for rows in (np.flatnonzero(won), np.flatnonzero(~won)))
    return np.asarray(steps.sensitivity(up, along, floats([[objects]]), floats([[images]]), rates)[0, 0])


class _Steps:
    """Curves laid end to end: the detections of each cell (n,), by falling score."""

    def __init__(self, cell: Ints, scores: Floats, cells: int) -> None:
        last = np.append((np.diff(cell) != 0) | (np.diff(scores) != 0), True)[: cell.size]
        self.ends = np.flatnonzero(last)  # of detections with equal scores all count or none
        self.start = np.searchsorted(cell[self.ends], np.arange(cells))
        self.stop = np.append(self.start[1:], self.ends.size)

    def sensitivity(self, up: Floats, along: Floats, objects: Floats, images: Floats, rates: Sequence[float]) -> Floats:
        """(draws, cells, rates) from the hits and false positives `reached` (draws, steps + 1), and (draws, cells) of objects and images."""
        origin = along[:, self.start][..., None]
        limit = origin + images[..., None] * np.asarray(rates)
        shape = limit.shape
        flat = limit.reshape(len(limit), -1)
        place = np.stack([np.searchsorted(row, most, "right") for row, most in zip(along, flat, strict=True)]).reshape(shape) - 1
        stop = self.stop[:, None]
        below = np.clip(place, self.start[:, None], stop)  # point 0 of a cell is the last of the cell before: its origin
        above = np.minimum(below + 1, stop)
        x0, y0, x1, y1 = (
            np.take_along_axis(of, step.reshape(len(step), -1), axis=1).reshape(shape) for step in (below, above) for of in (along, up)
        )
        rise = np.where(above > below, ratio(y1 - y0, x1 - x0) * (limit - x0), 0.0)
        share = ratio(y0 - up[:, self.start][..., None] + rise, objects[..., None])
        return np.where((images > 0)[..., None], share, np.nan)

    def reached(self, rows: Ints, weights: Floats) -> Floats:
        """Cumulative `weights` (rows, draws) of the detections `rows` (rising) over all curves, at the ends, 0 first: (draws, steps + 1)."""
        total = running(np.add, np.concatenate([np.zeros((1, weights.shape[1])), weights]))
        return np.ascontiguousarray(np.take(total, np.append(0, np.searchsorted(rows, self.ends, "right")), axis=0).T)


class Froc:
    """The FROC of all strata and classes, and of all classes together (the last column), ready to be weighed.

    `matches` are made at one threshold, without a limit per image; they may be of several models on as many copies of the `images`.
    """

    def __init__(self, truth: Objects, matches: Matches, strata: Membership, classes: int, images: int, operating: Operating) -> None:
        self.columns, self.strata = classes + 1, strata
        self.cells = strata.size * self.columns
        counted = np.flatnonzero(truth.counted)
        holds = np.zeros((images, self.columns), dtype=np.bool_)
        holds[truth.image[counted], truth.label[counted]] = holds[truth.image[counted], classes] = True
        eligible = ~holds if operating.froc_images == "negative" else np.ones_like(holds)
        self.object_cell, self.object_image = self._cells(truth.image[counted], truth.label[counted])
        rows, codes = strata.spread(np.arange(images))
        inside = eligible[rows]
        self.image_cell = (codes[:, None] * self.columns + np.arange(self.columns))[inside]
        self.image = np.broadcast_to(rows[:, None], inside.shape)[inside]
        used = np.flatnonzero(matches.ignored[0] == 0)
        cell, _, rows = self._spread(matches.image[used], matches.label[used])
        turn = np.argsort(cell, kind="stable")
        rows, cell = used[rows[turn]], cell[turn]
        self.detection_image = matches.image[rows]
        won = matches.hit[0, rows] != 0
        self.won, self.wrong = np.flatnonzero(won), np.flatnonzero(~won & eligible[self.detection_image % images, cell % self.columns])
        self.steps = _Steps(cell, matches.scores[rows], self.cells)

    def _spread(self, image: Ints, label: Ints) -> tuple[Ints, Ints, Ints]:
        """Once for the class and once for all classes: (cells, images, positions)."""
        rows, codes = self.strata.spread(image)
        cell = np.stack([codes * self.columns + label[rows], codes * self.columns + self.columns - 1], axis=1).ravel()
        rows = np.repeat(rows, 2)
        return cell, image[rows], rows

    def _cells(self, image: Ints, label: Ints) -> tuple[Ints, Ints]:
        return self._spread(image, label)[:2]

    @property
    def size(self) -> int:
        return int(self.detection_image.size)

    def points(self, weights: Floats | None = None, whole: Floats | None = None) -> Floats:
        """Sensitivity (draws, strata, classes + 1, rates) under `weights` (draws, images) of the detections' images and `whole` of the objects'."""
        whole = weights if whole is None else whole
        objects = sums(self.object_cell, None if whole is None else np.take(whole, self.object_image, axis=1), self.cells)
        images = sums(self.image_cell, None if whole is None else np.take(whole, self.image, axis=1), self.cells)
        drawn = None if weights is None else np.ascontiguousarray(weights.T)
        up, along = (
            self.steps.reached(rows, np.ones((rows.size, 1)) if drawn is None else np.take(drawn, self.detection_image[rows], axis=0))
            for rows in (self.won, self.wrong)
        )
        objects, images = (np.broadcast_to(each, (len(up), self.cells)) for each in (objects, images))
        found = self.steps.sensitivity(up, along, objects, images, RATES)
        return found.reshape(len(found), self.strata.size, self.columns, len(RATES))
