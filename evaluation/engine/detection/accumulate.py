"""Average precision and recall of every stratum and class from matches that were made once.

Source: COCO's definition (101 recall points, precision made monotone from the right). The sum over recall points is written as a sum over
the falls of that curve: of all detections only hits can be followed by a fall, and of those only the ones with a higher precision than any
later one. `weigh` does the same with weights of the images.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.engine.arrays import Bools, Floats, Ints, ratio, tally
from evaluation.engine.detection.data import Objects
from evaluation.engine.detection.matching import Bits, Matches, narrow

RECALLS = np.linspace(0.0, 1.0, 101)
EPS = float(np.spacing(1.0))


@dataclass(frozen=True, eq=False)
class Membership:
    """In which strata (0..size-1) each image lies: those of image i are `codes[starts[i]:starts[i + 1]]`."""

    starts: Ints
    codes: Ints
    size: int

    @classmethod
    def of(cls, images: Ints, codes: Ints, size: int, count: int) -> "Membership":
        """From one row per (image, stratum) among `count` images."""
        starts = np.concatenate([[0], np.cumsum(np.bincount(images, minlength=count))])
        return cls(starts, codes[np.argsort(images, kind="stable")], size)

    def spread(self, image: Ints) -> tuple[Ints, Ints]:
        """Rows of `image` once for every stratum of theirs: (positions, strata). Copies of the images (i + n, …) are where the image is."""
        image = image % (self.starts.size - 1) if image.size else image
        first, n = self.starts[image], self.starts[image + 1] - self.starts[image]
        if n.size and n.min() == 1 == n.max():
            return np.arange(image.size), self.codes[first]
        rows = np.repeat(np.arange(image.size), n)
        return rows, self.codes[np.arange(rows.size) + np.repeat(first - np.cumsum(n) + n, n)]


def sums(index: Ints, values: Floats | None, size: int) -> Floats:
    """Sum of `values` (draws, n) per index (n,) in 0..size-1, added up in the order given: (draws, size). None counts rows."""
    if values is None:
        return tally(index, None, size)[None]
    flat = (index + size * np.arange(len(values))[:, None]).ravel()
    return tally(flat, values.ravel(), size * len(values)).reshape(len(values), size)


@dataclass(frozen=True, eq=False)
class Area:
    """Values of one area range: `precision` (draws, thresholds, strata, classes) is the AP, NaN where no object counts; `recall` the same
    with a first axis for each number of detections an image may have; `objects` (draws, strata, classes) that count."""

    precision: Floats
    recall: Floats
    objects: Floats


@dataclass(frozen=True, eq=False)
class Layout:
    """The detections of every cell (stratum * classes + class) by falling score: `rows` of the matches and the `cell` of each, rising.

    `matches` may be of several models on as many copies of the images (image, image + n, …).
    """

    truth: Objects
    matches: Matches
    strata: Membership
    classes: int
    rows: Ints
    cell: Ints

    @classmethod
    def of(cls, truth: Objects, matches: Matches, strata: Membership, classes: int) -> "Layout":
        rows, codes = strata.spread(matches.image)
        cell = codes * classes + matches.label[rows]
        turn = np.argsort(narrow(cell), kind="stable")
        return cls(truth, matches, strata, classes, rows[turn], cell[turn])

    @property
    def cells(self) -> int:
        return self.strata.size * self.classes

    @cached_property
    def _objects(self) -> tuple[Ints, Ints]:
        rows, codes = self.strata.spread(self.truth.image)
        return codes * self.classes + self.truth.label[rows], rows

    def objects(self, area: int) -> tuple[Ints, Ints]:
        """(cell, image) of every object that counts in the area range, once for each of its strata."""
        cell, rows = self._objects
        kept = np.flatnonzero(self.matches.counts[area][rows])
        return cell[kept], self.truth.image[rows[kept]]

    def within(self, area: int) -> "Moves":
        """What the area range is about: detections inside it, and those outside that hit an object inside."""
        hit, inside = self.matches.hit[area], self.matches.inside[area]
        aside = np.where(inside, self.matches.ignored[area], np.uint16(0))
        rows, cell = self.rows, self.cell
        used = inside | (hit != 0)
        if not used.all():
            kept = np.flatnonzero(used[rows])
            rows, cell = rows[kept], cell[kept]
        return Moves(rows, cell, np.searchsorted(cell, np.arange(self.cells + 1)), hit[rows], aside[rows], inside[rows])

    def shaped(self, precision: Floats, recall: Floats, objects: Floats) -> Area:
        """From (draws, thresholds * cells), the same with a first axis for limits, and (draws, cells)."""
        draws, levels = len(objects), len(self.matches.thresholds)
        shape = (draws, levels, self.strata.size, self.classes)
        wide = np.tile(objects, levels)
        return Area(
            np.where(wide > 0, precision / RECALLS.size, np.nan).reshape(shape),
            ratio(recall, wide).reshape(-1, *shape),
            objects.reshape(draws, self.strata.size, self.classes),
        )


@dataclass(frozen=True, eq=False)
class Moves:
    """Detections of one area range, cell by cell (`starts` (cells + 1,)). Bits of `hit` and `aside`: at that threshold it hits, or it lies
    inside and does not count. A detection outside (`inside` False) counts at the thresholds at which it hits."""

    rows: Ints
    cell: Ints
    starts: Ints
    hit: Bits
    aside: Bits
    inside: Bools

    @property
    def even(self) -> bool:
        """Every detection counts at every threshold."""
        return bool(self.inside.all()) and not bool(self.aside.any())


def area_of(layout: Layout, area: int, most: Sequence[int] = ()) -> Area:
    """AP of every cell in one area range, and recall at `most` detections per image and class, for each number in `most`."""
    objects = sums(layout.objects(area)[0], None, layout.cells)
    moves, levels = layout.within(area), len(layout.matches.thresholds)
    moved = np.flatnonzero((moves.hit | moves.aside) != 0)
    counted = np.concatenate([[0], np.cumsum(moves.inside)])
    cell = moves.cell[moved]
    place = (counted[moved + 1] - counted[moves.starts][cell]).astype(np.float64)
    some = Moves(moves.rows[moved], cell, np.searchsorted(moved, moves.starts), moves.hit[moved], moves.aside[moved], moves.inside[moved])
    limits = [_limited(layout.matches.rank[some.rows] < limit) for limit in most]
    recall = np.zeros((len(most), 1, levels * layout.cells))
    steps, even = [], moves.even
    for level in range(levels):
        event, hits, at = _hits(some, place, level, even=even)
        here = slice(level * layout.cells, (level + 1) * layout.cells)
        every = np.diff(np.searchsorted(event, some.starts))
        for row, (chosen, beyond) in zip(recall, limits, strict=True):
            won = chosen[(some.hit[chosen] & np.uint16(1 << level)) != 0]
            n = np.diff(np.searchsorted(won, some.starts))
            row[0, here] = every - n if beyond else n
        steps.append(_summits(hits / (at + EPS), hits, cell[event] + here.start))
    height, hits, curve = (np.concatenate(column) for column in zip(*steps, strict=True))
    reached = recall_points(hits / objects[0, curve % layout.cells])
    under = sums(curve, (_falls(height, curve, levels * layout.cells) * reached)[None], levels * layout.cells)
    return layout.shaped(under, recall, objects)


def _limited(early: Bools) -> tuple[Ints, bool]:
    """The fewer of (detections within the limit, False) and (those beyond it, True)."""
    beyond = bool(2 * np.count_nonzero(early) > early.size)
    return np.flatnonzero(~early if beyond else early), beyond


def _hits(moves: Moves, place: Floats, level: int, *, even: bool) -> tuple[Ints, Floats, Floats]:
    """At one threshold: which of the detections hit, the hits up to each in its cell, and the detections that count up to it."""
    bit = np.uint16(1 << level)
    event = np.flatnonzero(((moves.hit if even else moves.hit | moves.aside) & bit) != 0)
    starts = np.searchsorted(event, moves.starts)
    width, at = np.diff(starts), place[event]
    if even:
        return event, np.arange(1.0, event.size + 1) - np.repeat(starts[:-1], width), at
    won = (moves.hit[event] & bit) != 0
    hits = _running(won, starts[:-1], width)
    at += _running(np.where(won, ~moves.inside[event], -1), starts[:-1], width)
    event = event[won]
    return event, hits[won].astype(np.float64), at[won]


def _running(values: NDArray[Any], starts: Ints, width: Ints) -> Ints:
    """Cumulative sums of whole numbers that begin anew at `starts` and go on for `width`."""
    total = np.cumsum(values, dtype=np.int64)
    before = np.where(starts > 0, total[starts - 1], 0) if total.size else starts
    total -= np.repeat(before, width)
    return total


def _summits(height: Floats, hits: Floats, curve: Ints, rounds: int = 3) -> tuple[Floats, Floats, Ints]:
    """Without points that a neighbour to the right on their curve reaches or tops: they lie under the monotone curve."""
    place = np.arange(height.size)
    for _ in range(rounds if height.size else 0):
        ends = curve[1:] != curve[:-1]
        ends |= height[:-1] > height[1:]
        kept = np.append(np.flatnonzero(ends), height.size - 1)
        height, curve, place = height[kept], curve[kept], place[kept]
    return height, hits[place], curve


def recall_points(reached: Floats) -> Ints:
    """How many of the 101 recall points lie at or below each recall."""
    nearest = (reached * 100 + 0.5).astype(np.intp)
    return nearest + (np.take(RECALLS, nearest) <= reached)


def ladders(length: Ints) -> Iterator[tuple[Ints, Ints, Bools]]:
    """Curves of similar length side by side: (curves, their points (curves, steps), which points exist); absent ones are the first point."""
    start = np.cumsum(length) - length
    powers = np.ceil(np.log2(np.maximum(length, 1))).astype(np.int64)
    for power in np.unique(powers[length > 0]).tolist():
        curve = np.flatnonzero((powers == power) & (length > 0))
        steps = np.arange(1 << power)
        real = steps < length[curve][:, None]
        yield curve, np.where(real, start[curve][:, None] + steps, start[curve[0]]), real


def _falls(height: Floats, curve: Ints, curves: int) -> Floats:
    """How far the curve, made monotone from the right, falls after each point."""
    fall = np.zeros(height.size)
    for _, points, real in ladders(np.bincount(curve, minlength=curves)):
        ladder = np.where(real, height[points], 0.0)
        np.maximum.accumulate(ladder[:, ::-1], axis=1, out=ladder[:, ::-1])
        ladder[:, :-1] -= ladder[:, 1:]
        fall[points[real]] = ladder[real]
    return fall
