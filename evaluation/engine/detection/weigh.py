"""Average precision and recall under weights of the images: how often each was drawn, or which model's detections it takes.

Everything is a weighted cumulative sum, and the values are bit for bit those of a data set in which the images were physically repeated
(where no image holds two detections of a class with the same score: their copies would take turns).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.engine.arrays import Bools, Floats, Ints
from evaluation.engine.detection.accumulate import EPS, Area, Layout, Moves, ladders, recall_points, sums


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
    """The precision–recall curves of all cells in one area range, ready to be weighed.

    `most`: the numbers of detections per image and class at which recall is wanted.
    """

    def __init__(self, layout: Layout, area: int, most: Sequence[int] = ()) -> None:
        self.layout, self.most = layout, most
        self.object_cell, self.object_image = layout.objects(area)
        moves = layout.within(area)
        self.image, self.inside = layout.matches.image[moves.rows], moves.inside
        self.starts, self.width = moves.starts[:-1], np.diff(moves.starts)
        self.ladders = list(self._ladders(moves))

    def _ladders(self, moves: Moves) -> Iterator[_Ladder]:
        """Where the curves move: hits, threshold by threshold, and (rarely) detections that count at some thresholds only."""
        levels, cells = len(self.layout.matches.thresholds), self.layout.cells
        found = [np.flatnonzero((moves.hit | moves.aside) & np.uint16(1 << t) != 0) for t in range(levels)]
        event = np.concatenate(found)
        level = np.repeat(np.arange(levels), [each.size for each in found])
        hits = None if moves.even else (moves.hit[event] >> level.astype(np.uint16) & 1).astype(np.bool_)
        rank = self.layout.matches.rank[moves.rows]
        for curve, points, real in ladders(np.bincount(level * cells + moves.cell[event], minlength=levels * cells)):
            step, there = points.ravel(), real.ravel()
            place = event[step]
            won = there if hits is None else there & hits[step]
            extra = None if hits is None else np.where(won, ~moves.inside[place], np.where(there, -1.0, 0.0))
            ranks = [((rank[place] < most) & won).astype(np.float64) for most in self.most]
            image = np.where(there, self.image[place], -1)
            yield _Ladder(points.shape[1], curve, place, image, None if hits is None else won, extra, ranks)

    @property
    def size(self) -> int:
        """Numbers to be computed per draw."""
        return self.image.size + max((ladder.place.size for ladder in self.ladders), default=0)

    def values(self, weights: Floats, of_objects: Floats | None = None) -> Area:
        """AP and recall under `weights` (draws, images) of the detections' images and `of_objects` of the objects' (default: the same)."""
        cells, draws = self.layout.cells, len(weights)
        objects = sums(self.object_cell, np.take(weights if of_objects is None else of_objects, self.object_image, axis=1), cells)
        objects = np.broadcast_to(objects, (draws, cells))
        drawn = np.concatenate([weights, np.zeros((draws, 1))], axis=1)  # the last image is the padding's
        counted = self._counted(drawn)
        shape = (draws, len(self.layout.matches.thresholds) * cells)
        under, won = np.zeros(shape), np.zeros((len(self.most), *shape))
        for ladder in self.ladders:
            hits = self._climb(ladder, drawn, counted, objects, under)
            for total, rank in zip(won, ladder.ranks, strict=True):
                total[:, ladder.curve] = (hits * rank).reshape(draws, -1, ladder.length).sum(axis=-1)
        return self.layout.shaped(under, won, objects)

    def _counted(self, drawn: Floats) -> Floats:
        """At each detection how many of its cell count up to it, by area alone."""
        base = np.take(drawn, self.image, axis=1)
        if not self.inside.all():
            base *= self.inside
        total: Floats = np.cumsum(base, axis=1, out=base)
        before = np.where(self.starts > 0, total[:, self.starts - 1], 0.0) if total.size else np.zeros((len(total), self.layout.cells))
        total -= np.repeat(before, self.width, axis=1)
        return total

    def _climb(self, ladder: _Ladder, drawn: Floats, counted: Floats, objects: Floats, under: Floats) -> Floats:
        """Fill in the area `under` the ladder's curves: the sum of each fall of the monotone precision times the recall points reached by
        then. Returns the weights of the hits."""
        weight = np.take(drawn, ladder.image, axis=1)
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
        hits /= np.maximum(np.take(objects, ladder.curve % self.layout.cells, axis=1), 1.0)[..., None]
        height *= recall_points(hits)
        under[:, ladder.curve] = np.cumsum(height, axis=-1, out=height)[..., -1]  # one by one: steps of 0 leave no trace
        return weight


def chunks(draws: int, size: int, most: int = 1 << 18) -> Iterator[slice]:
    """Slices of the draws, each of about `most` numbers."""
    step = max(1, most // max(size, 1))
    yield from (slice(start, min(start + step, draws)) for start in range(0, draws, step))
