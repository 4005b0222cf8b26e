"""Average precision and recall of every stratum and class from matches that were made once, with any weights of the images.

With weights (how often an image was drawn) everything is a weighted cumulative sum: the values are bit for bit those of a data set in which
the images were physically repeated. Source: COCO's definition (101 recall points, precision made monotone from the right); the sum over
recall points is written as a sum over steps of that curve, so that only detections that hit are looked at.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.engine.arrays import Bools, Floats, Ints, ratio, tally
from evaluation.engine.detection.data import Objects
from evaluation.engine.detection.matching import Matches

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
class _Ladder:
    """Curves of similar length side by side, padded to `length` with detections that weigh nothing.

    `curve` (curves,) numbers them; all else is (curves * length,): `event`'s place among the cell's detections, its image, whether it hits
    (None: all do), and `extra` = what it adds to the detections that count up to it (None: nothing).
    """

    length: int
    curve: Ints
    place: Ints
    image: Ints
    hits: Bools | None
    extra: Floats | None
    ranks: list[Floats]


class Curves:
    """The precision–recall curves of all strata and classes in one area range, ready to be weighed.

    `matches` may be of several models on as many copies of the images (image, image + n, …). `most`: the numbers of detections per image
    and class at which recall is wanted.
    """

    def __init__(self, truth: Objects, matches: Matches, strata: Membership, classes: int, area: int, most: Sequence[int] = ()) -> None:
        self.classes, self.strata, self.most, self.thresholds = classes, strata, most, len(matches.thresholds)
        self.cells = strata.size * classes
        counted = np.flatnonzero(matches.counts[area])
        rows, codes = strata.spread(truth.image[counted])
        self.object_cell = codes * classes + truth.label[counted][rows]
        self.object_image = truth.image[counted][rows]
        inside, hit = matches.inside[area], matches.hit[area]
        aside = np.where(inside, matches.ignored[area], np.uint16(0))  # detections that leave the curve at some thresholds
        used = np.flatnonzero(inside | (hit != 0))
        rows, codes = strata.spread(matches.image[used])
        cell = codes * classes + matches.label[used][rows]
        turn = np.argsort(_narrow(cell), kind="stable")
        rows, cell = used[rows[turn]], cell[turn]
        self.image, self.base = matches.image[rows], inside[rows]
        self.starts = np.searchsorted(cell, np.arange(self.cells))
        self.width = np.diff(np.append(self.starts, cell.size))
        self.ladders = self._ladders(hit[rows], aside[rows], cell, matches.rank[rows])

    def _ladders(self, hit: NDArray[np.uint16], aside: NDArray[np.uint16], cell: Ints, rank: Ints) -> list[_Ladder]:
        """Where the curves move: hits, threshold by threshold, and (rarely) detections that count at some thresholds only."""
        moves = hit | aside
        found = [np.flatnonzero(moves & np.uint16(1 << t)) for t in range(self.thresholds)]
        event = np.concatenate(found)
        level = np.repeat(np.arange(self.thresholds), [each.size for each in found])
        uneven = bool(aside.any()) or not bool(self.base.all())
        hits = (hit[event] >> level.astype(np.uint16) & 1).astype(np.bool_) if uneven else None
        length = np.bincount(level * self.cells + cell[event], minlength=self.thresholds * self.cells)
        start = np.cumsum(length) - length
        powers = np.ceil(np.log2(np.maximum(length, 1))).astype(np.int64)
        out = []
        for power in np.unique(powers[length > 0]).tolist():
            curve = np.flatnonzero((powers == power) & (length > 0))
            steps = np.arange(1 << power)
            real = (steps < length[curve][:, None]).ravel()
            step = np.where(real, (start[curve][:, None] + steps).ravel(), start[curve[0]])
            place = event[step]
            won = real if hits is None else real & hits[step]
            extra = np.where(won, ~self.base[place], np.where(real, -1.0, 0.0)) if uneven else None
            ranks = [((rank[place] < most) & won).astype(np.float64) for most in self.most]
            out.append(
                _Ladder(1 << power, curve, place, np.where(real, self.image[place], -1), None if hits is None else won, extra, ranks)
            )
        return out

    @property
    def size(self) -> int:
        """Numbers to be computed per draw."""
        return self.image.size + max((ladder.place.size for ladder in self.ladders), default=0)

    def values(self, weights: Floats | None = None, of_objects: Floats | None = None) -> Area:
        """AP and recall under `weights` (draws, images) of the detections' images and `of_objects` of the objects' (default: the same)."""
        of_objects = weights if of_objects is None else of_objects
        objects = sums(self.object_cell, None if of_objects is None else np.take(of_objects, self.object_image, axis=1), self.cells)
        draws = 1 if weights is None else len(weights)
        objects = np.broadcast_to(objects, (draws, self.cells))
        drawn = None if weights is None else np.concatenate([weights, np.zeros((draws, 1))], axis=1)  # the last image is the padding's
        counted = self._counted(drawn)
        shape = (draws, self.thresholds * self.cells)
        under, won = np.zeros(shape), np.zeros((len(self.most), *shape))
        for ladder in self.ladders:
            hits = self._climb(ladder, drawn, counted, objects, under)
            for total, rank in zip(won, ladder.ranks, strict=True):
                total[:, ladder.curve] = (hits * rank).reshape(draws, -1, ladder.length).sum(axis=-1)
        wide = np.tile(objects, self.thresholds)
        final = (draws, self.thresholds, self.strata.size, self.classes)
        return Area(
            np.where(wide > 0, under / RECALLS.size, np.nan).reshape(final),
            ratio(won, wide).reshape(-1, *final),
            objects.reshape(draws, self.strata.size, self.classes),
        )

    def _counted(self, drawn: Floats | None) -> Floats:
        """At each detection how many of its cell count up to it, by area alone."""
        base = self.base[None].astype(np.float64) if drawn is None else np.take(drawn, self.image, axis=1)
        if drawn is not None and not self.base.all():
            base *= self.base
        total: Floats = np.cumsum(base, axis=1, out=base)
        before = np.where(self.starts > 0, total[:, self.starts - 1], 0.0) if total.size else np.zeros((len(total), self.cells))
        total -= np.repeat(before, self.width, axis=1)
        return total

    def _climb(self, ladder: _Ladder, drawn: Floats | None, counted: Floats, objects: Floats, under: Floats) -> Floats:
        """Fill in the area `under` the ladder's curves: the sum of each fall of the monotone precision times the recall points reached by
        then. Returns the weights of the hits."""
        weight = (ladder.image >= 0)[None].astype(np.float64) if drawn is None else np.take(drawn, ladder.image, axis=1)
        shape = (len(weight), ladder.curve.size, ladder.length)
        place = np.take(counted, ladder.place, axis=1).reshape(shape)
        if ladder.extra is not None:
            place += np.cumsum((weight * ladder.extra).reshape(shape), axis=-1)
        if ladder.hits is not None:
            weight *= ladder.hits
        hits = np.cumsum(weight.reshape(shape), axis=-1)
        place += EPS
        height = np.divide(hits, place, out=place)
        height *= weight.reshape(shape) > 0
        np.maximum.accumulate(height[..., ::-1], axis=-1, out=height[..., ::-1])
        height[..., :-1] -= height[..., 1:]
        hits /= np.maximum(np.take(objects, ladder.curve % self.cells, axis=1), 1.0)[..., None]
        nearest = (hits * 100 + 0.5).astype(np.intp)
        height *= nearest + (np.take(RECALLS, nearest) <= hits)
        under[:, ladder.curve] = np.cumsum(height, axis=-1, out=height)[..., -1]  # one by one: steps of 0 leave no trace
        return weight


def _narrow(codes: Ints) -> NDArray[np.integer[Any]]:
    return codes.astype(np.uint16) if codes.max(initial=0) < 1 << 16 else codes  # numpy sorts 16-bit integers by radix


def chunks(draws: int, size: int, most: int = 1 << 19) -> Iterator[slice]:
    """Slices of the draws, each of about `most` numbers."""
    step = max(1, most // max(size, 1))
    yield from (slice(start, min(start + step, draws)) for start in range(0, draws, step))
