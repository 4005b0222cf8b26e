"""Every detection metric of a stratum in one table: rows are metrics, columns the classes, then all classes, then those that may gate.

The values of many strata, of resamples and of both models are made by the same functions from matches that were made once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from evaluation.engine.arrays import Bools, Floats, Ints, ratio, tally
from evaluation.engine.detection.accumulate import Area, Layout, Membership, area_of, sums
from evaluation.engine.detection.data import Detection, Objects, Operating, Predictions
from evaluation.engine.detection.froc import Froc
from evaluation.engine.detection.matching import EVERYTHING, Matches, Range, match
from evaluation.engine.detection.metrics import AREA_OF
from evaluation.engine.strata import Block

THRESHOLDS: tuple[float, ...] = tuple(np.linspace(0.5, 0.95, 10).tolist())
AREAS: tuple[Range, ...] = (EVERYTHING, (0.0, 1024.0), (1024.0, 9216.0), (9216.0, 1e10))
MOST = (1, 10, 100)
LEAST_OBJECTS = 10
ROWS_AT_ONCE = 400_000

HITS, WRONG, OBJECTS = 0, 1, 2


@dataclass(frozen=True, eq=False)
class Matched:
    """One replicate matched to the truth: for the COCO metrics, and at the operating point's IoU without a limit per image."""

    truth: Objects
    coco: Matches
    single: Matches
    operating: Operating
    images: int
    classes: int

    @cached_property
    def found(self) -> Bools:
        """Per object: found at the operating point."""
        return np.asarray(self.single.finder >= self.operating.score)

    @cached_property
    def wrong(self) -> Ints:
        """The rows of `single` that are false positives at the operating point."""
        return np.flatnonzero((self.single.scores >= self.operating.score) & (self.single.hit[0] == 0) & (self.single.ignored[0] == 0))

    def tallies(self, where: Membership) -> Floats:
        """Hits, false positives and objects at the operating point: (size, 3, classes + 1), the last column for all classes."""
        counted = np.flatnonzero(self.truth.counted)
        hit = counted[self.found[counted]]
        out = np.zeros((where.size, 3, self.classes + 1))
        wrong = (self.single.image[self.wrong], self.single.label[self.wrong])
        for kind, (image, label) in enumerate(
            ((self.truth.image[hit], self.truth.label[hit]), wrong, (self.truth.image[counted], self.truth.label[counted]))
        ):
            rows, codes = where.spread(image)
            out[:, kind, :-1] = sums(codes * self.classes + label[rows], None, where.size * self.classes).reshape(where.size, self.classes)
        out[..., -1] = out[..., :-1].sum(axis=-1)
        return out

    def within(self, images: Ints) -> "Matched":
        """The same on some of the images, numbered anew in the order given."""
        place = np.full(self.images, -1, dtype=np.int64)
        place[images] = np.arange(images.size)
        rows = np.flatnonzero(place[self.truth.image] >= 0)
        truth = self.truth
        some = Objects(
            place[truth.image[rows]], truth.label[rows], truth.boxes[rows], truth.areas[rows], truth.crowd[rows], truth.ignore[rows]
        )
        coco, single = (each.of_images(place, rows) for each in (self.coco, self.single))
        return Matched(some, coco, single, self.operating, images.size, self.classes)

    def areas(self, strata: Membership) -> list[Area]:
        """AP and recall of every cell in each of AREAS."""
        layout = self.layout(strata)
        return [area_of(layout, area, MOST if area == 0 else ()) for area in range(len(AREAS))]

    def layout(self, strata: Membership) -> Layout:
        return Layout.of(self.truth, self.coco, strata, self.classes)

    def froc(self, strata: Membership) -> Froc:
        return Froc(self.truth, self.single, strata, self.classes, self.images, self.operating)


def matched(detection: Detection, predicted: Predictions) -> Matched:
    """Match one replicate for every metric."""
    truth, operating = detection.truth, detection.operating
    coco = match(truth, predicted, THRESHOLDS, AREAS, MOST[-1])
    single = match(truth, predicted, [operating.iou])
    return Matched(truth, coco, single, operating, detection.scene.size, len(detection.scene.classes))


def side_by_side(first: Matched, second: Matched) -> Matched:
    """Both models' detections as if on two copies of the images: image i of the second is image i + n. The objects are those of the first."""
    images = first.images
    return replace(first, coco=first.coco.beside(second.coco, images), single=first.single.beside(second.single, images))


def coco_rows(areas: Sequence[Area]) -> Floats:
    """The COCO metrics per class (draws, strata, 9, classes)."""
    every = areas[0].precision
    rows = [every.mean(axis=1), every[:, 0], every[:, 5], *(area.precision.mean(axis=1) for area in areas[1:])]
    return np.stack([*rows, *areas[0].recall.mean(axis=2)], axis=2)


def operating_rows(tallies: Floats, images: Floats) -> Floats:
    """Precision, recall, F1 and false positives per image (..., 4, columns) from tallies (..., 3, columns) and images (...)."""
    hits, wrong, objects = (tallies[..., kind, :] for kind in (HITS, WRONG, OBJECTS))
    per_image = ratio(wrong, images[..., None])
    return np.stack([ratio(hits, hits + wrong), ratio(hits, objects), ratio(2 * hits, hits + wrong + objects), per_image], axis=-2)


def mean_of(per_class: Floats, usable: Bools | None = None) -> Floats:
    """Mean over the last axis of what is defined (and usable); NaN where nothing is."""
    there = ~np.isnan(per_class) if usable is None else ~np.isnan(per_class) & usable
    return ratio(np.where(there, per_class, 0.0).sum(axis=-1), there.sum(axis=-1))


def table(coco: Floats, operating: Floats, froc: Floats, gating: Bools) -> Floats:
    """(..., 14, classes + 2) from COCO rows (..., 9, classes), the four of the operating point, FROC points (..., classes + 1, rates)."""
    wide = np.concatenate([coco, mean_of(coco)[..., None], mean_of(coco, gating)[..., None]], axis=-1)
    rest = np.concatenate([operating, froc.mean(axis=-1)[..., None, :]], axis=-2)
    return np.concatenate([wide, np.concatenate([rest, rest[..., -1:]], axis=-1)], axis=-2)


def may_gate(objects: Sequence[Floats]) -> Bools:
    """From the objects (..., classes) of each area range: which classes have enough for each COCO metric (..., 9, classes)."""
    return np.stack([objects[area] >= LEAST_OBJECTS for area in AREA_OF], axis=-2)


@dataclass(frozen=True, eq=False)
class Points:
    """Values of one replicate over strata: `values` (strata, 14, classes + 2), `tallies` (strata, 3, classes + 1), `froc` points, `gating`."""

    values: Floats
    tallies: Floats
    froc: Floats
    gating: Bools


def points(arm: Matched, strata: Membership, images: Floats) -> Points:
    """Every metric of every stratum, which hold `images` (strata,), in one pass over the matches."""
    areas = arm.areas(strata)
    gating = may_gate([area.objects[0] for area in areas])
    tallies, froc = arm.tallies(strata), arm.froc(strata).points()[0]
    values = table(coco_rows(areas)[0], operating_rows(tallies, images), froc, gating)
    return Points(values, tallies, froc, gating)


def of_block(arm: Matched, block: Block) -> Points:
    """The strata of a block; so many at a time that the detections to be looked at stay few."""
    found = [points(arm, *part) for part in parts(block, arm.single)]
    return Points(*(np.concatenate([getattr(each, name) for each in found]) for name in ("values", "tallies", "froc", "gating")))


def parts(block: Block, matches: Matches) -> Iterator[tuple[Membership, Floats]]:
    """The block's strata, as many at a time as have about ROWS_AT_ONCE detections, with the number of images of each."""
    load = tally(block.codes, np.bincount(matches.image, minlength=block.cases)[block.rows], block.size)
    turns = (np.cumsum(load) - load) // ROWS_AT_ONCE
    for turn in np.unique(turns):
        first, last = np.searchsorted(turns, turn, "left"), np.searchsorted(turns, turn, "right")
        rows = np.flatnonzero((block.codes >= first) & (block.codes < last))
        member = Membership.of(block.rows[rows], block.codes[rows] - first, int(last - first), block.cases)
        yield member, block.n[first:last].astype(np.float64)
