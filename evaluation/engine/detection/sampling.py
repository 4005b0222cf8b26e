"""Resamples of one stratum: images (or clusters of them) drawn with replacement, and exchanged between the models.

Candidate and baseline share every draw, and so do all metrics. Matches are never made again: a draw only weighs them. Sources: Samuelson &
Petrick 2006, Bandos 2009 (bootstrap of FROC); exchange within a cluster is the permutation under "the models are alike".
"""

from collections.abc import Collection, Iterator, Sequence
from copy import copy
from functools import cached_property

import numpy as np

from evaluation.engine.arrays import Bools, Floats, Ints, tally
from evaluation.engine.detection.accumulate import Area, Membership
from evaluation.engine.detection.data import Detection, Words
from evaluation.engine.detection.metrics import AREA_OF, COCO, NAMES
from evaluation.engine.detection.tables import (
    AREAS,
    MOST,
    THRESHOLDS,
    Matched,
    Points,
    coco_rows,
    operating_rows,
    points,
    side_by_side,
    table,
)
from evaluation.engine.detection.weigh import Curves, chunks
from evaluation.engine.resample import SAME
from evaluation.engine.seeds import generator


class Sample:
    """One stratum's images and units for any number of models; of two the second is the baseline."""

    def __init__(
        self, detection: Detection, arms: Sequence[Matched], images: Ints, *, seed: bytes, resamples: int, names: Collection[str] = NAMES
    ) -> None:
        """`images` are the stratum's. Draws hold the metrics `names`, and NaN for others.

        Units are numbered by what is in them, so that the order of the images does not matter.
        """
        self.arms = [arm.within(images) for arm in arms]
        self.seed, self.resamples, self.names = seed, resamples, names
        self.images = images.size
        self.unit = _numbered(detection.scene.units[images], [words[images] for words in detection.contents])
        self.units = int(self.unit.max(initial=-1)) + 1
        self.unit_images = tally(self.unit, None, self.units)
        by_unit = Membership.of(np.arange(self.images), self.unit, self.units, self.images)
        self.tallies = [arm.tallies(by_unit) for arm in self.arms]  # (units, 3, classes + 1) each

    def of(self, numbers: Sequence[int]) -> "Sample":
        """Some of the models; what was computed for all of them is kept."""
        some = copy(self)
        for name in ("arms", "tallies", "_points", "drawn"):
            if name in vars(self):
                setattr(some, name, [getattr(self, name)[number] for number in numbers])
        return some

    @cached_property
    def _whole(self) -> Membership:
        return Membership.of(np.arange(self.images), np.zeros(self.images, dtype=np.int64), 1, self.images)

    @cached_property
    def _points(self) -> list[Points]:
        return [points(arm, self._whole, np.array([float(self.images)])) for arm in self.arms]

    @property
    def gating(self) -> Bools:
        """Classes with enough objects for each COCO metric (9, classes), as observed."""
        return np.asarray(self._points[0].gating[0])

    @property
    def observed(self) -> list[Floats]:
        """Per arm the values (14, classes + 2)."""
        return [each.values[0] for each in self._points]

    @property
    def froc_points(self) -> list[Floats]:
        """Per arm the sensitivity (classes + 1, rates) at each rate of false positives."""
        return [each.froc[0] for each in self._points]

    @cached_property
    def drawn(self) -> list[Floats]:
        """Per arm the values of all resamples (resamples, 14, classes + 2)."""
        weighed = [_Weighed(arm, self._whole, self.gating, self.names) for arm in self.arms]
        out: list[list[Floats]] = [[] for _ in self.arms]
        for counts in self._draws(weighed, self.seed, drawing=True):
            images = counts @ self.unit_images
            weights = np.take(counts, self.unit, axis=1)
            for found, each, tallies in zip(out, weighed, self.tallies, strict=True):
                found.append(each.values(weights, (np.tensordot(counts, tallies, axes=1), images)))
        return [np.concatenate(found) for found in out]

    @cached_property
    def swapped(self) -> Floats:
        """Differences (resamples, 14, classes + 2) with the models' detections exchanged in a random half of the units."""
        weighed = _Weighed(side_by_side(*self.arms), self._whole, self.gating, self.names)
        new, old = self.tallies
        ones, images = np.ones((1, self.images)), np.array([float(self.images)])
        out = []
        for turned in self._draws([weighed], self.seed + b"swap", drawing=False):
            moved = np.tensordot(turned, old - new, axes=1)
            turn = np.take(turned, self.unit, axis=1)
            ours, theirs = np.concatenate([1 - turn, turn], axis=1), np.concatenate([turn, 1 - turn], axis=1)
            first = weighed.values(ours, (new.sum(axis=0) + moved, images), ones)
            out.append(first - weighed.values(theirs, (old.sum(axis=0) - moved, images), ones))
        return np.concatenate(out)

    def swap_p(self) -> Floats:
        """Two-sided p (14, classes + 2) that the models are alike; +1 in numerator and denominator."""
        gap = np.abs(self.observed[0] - self.observed[1])
        reached = (~(np.abs(self.swapped) < gap - SAME)).sum(axis=0)
        return np.asarray((1 + reached) / (1 + self.resamples))

    def _draws(self, weighed: Sequence["_Weighed"], seed: bytes, *, drawing: bool) -> Iterator[Floats]:
        """(draws, units): how often each unit was drawn, or whether it is exchanged. The same whatever the size of the chunks."""
        rng = generator(seed)
        for chunk in chunks(self.resamples, max(each.size for each in weighed)):
            rows = np.empty((chunk.stop - chunk.start, self.units))
            for row in rows:
                row[:] = (
                    np.bincount(rng.integers(self.units, size=self.units), minlength=self.units)
                    if drawing
                    else rng.random(self.units) < 0.5
                )
            yield rows


def _numbered(units: Ints, contents: Sequence[Words]) -> Ints:
    """The unit of each image, numbered by the sums of the `contents` of its images, the first of which counts first."""
    inside = np.unique(units, return_inverse=True)[1]
    sums = [np.zeros(int(inside.max(initial=-1)) + 1, dtype=np.uint64) for _ in contents]
    for total, words in zip(sums, contents, strict=True):
        np.add.at(total, inside, words)
    place = np.empty(sums[0].size, dtype=np.int64)
    place[np.lexsort(sums[::-1])] = np.arange(place.size)
    return place[inside]


class _Weighed:
    """The values of one arm (or of two side by side) under weights of its images; metrics that are not among `names` may be NaN."""

    def __init__(self, arm: Matched, whole: Membership, gating: Bools, names: Collection[str]) -> None:
        layout = arm.layout(whole)
        needed = {int(area) for name, area in zip(COCO, AREA_OF, strict=True) if name in names}
        self.curves = {area: Curves(layout, area, MOST if area == 0 else ()) for area in needed}
        self.froc = arm.froc(whole) if "froc" in names else None
        self.gating, self.classes = gating, arm.classes

    @property
    def size(self) -> int:
        """Numbers to be computed per draw."""
        return max((part.size for part in (*self.curves.values(), self.froc) if part is not None), default=1)

    def values(self, weights: Floats, counts: tuple[Floats, Floats], of_objects: Floats | None = None) -> Floats:
        """(draws, 14, classes + 2); `counts`: tallies (draws, 3, classes + 1) and images (draws,)."""
        shape = (len(weights), len(THRESHOLDS), 1, self.classes)
        unknown = Area(np.full(shape, np.nan), np.full((len(MOST), *shape), np.nan), np.full((len(weights), 1, self.classes), np.nan))
        areas = [self.curves[area].values(weights, of_objects) if area in self.curves else unknown for area in range(len(AREAS))]
        froc = np.full((len(weights), self.classes + 1, 1), np.nan) if self.froc is None else self.froc.points(weights, of_objects)[:, 0]
        return table(coco_rows(areas)[:, 0], operating_rows(*counts), froc, self.gating)
