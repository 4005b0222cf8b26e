"""Average precision and recall under weights of the images: how often each was drawn, or which model's detections it takes.

Everything is a weighted cumulative sum, and the values are bit for bit those of a data set in which the images were physically repeated
(where no image holds two detections of a class with the same score: their copies would take turns).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.engine.arrays import Bools, Floats, Ints, floats
from evaluation.engine.detection.accumulate import EPS, Area, Layout, Moves, ladders, recall_points, running, sums


@dataclass(frozen=True, eq=False)
class _Ladder:
    """Curves of similar length side by side, padded to `length` with detections that weigh nothing.

    `curve` (curves,) numbers them; all else is (length, curves): each step's place among the detections, its image, whether it hits
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
        self.starts = moves.starts[:-1]
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
            step, there = np.ascontiguousarray(points.T), real.T
            place = event[step]
            won = there if hits is None else there & hits[step]
            extra = None if hits is None else np.where(won, ~moves.inside[place], np.where(there, -1.0, 0.0))
            ranks = [((rank[place] < most) & won).astype(np.float64) for most in self.most]
            image = np.where(there, self.image[place], -1)
            yield _Ladder(len(step), curve, place, image, None if hits is None else won, extra, ranks)

    @property
    def size(self) -> int:
        """Numbers to be computed per draw."""
        return self.image.size + max((ladder.place.size for ladder in self.ladders), default=0)

    def values(self, weights: Floats, of_objects: Floats | None = None) -> Area:
        """AP and recall under `weights` (draws, images) of the detections' images and `of_objects` of the objects' (default: the same)."""
        cells, draws = self.layout.cells, len(weights)
        objects = sums(self.object_cell, np.take(weights if of_objects is None else of_objects, self.object_image, axis=1), cells)
        objects = np.broadcast_to(objects, (draws, cells))
        drawn = np.concatenate([weights.T, np.zeros((1, draws))])  # the last image is the padding's
        counted, before = self._counted(drawn)
        shape = (draws, len(self.layout.matches.thresholds) * cells)
        under, won = np.zeros(shape), np.zeros((len(self.most), *shape))
        for ladder in self.ladders:
            cell = ladder.curve % cells
            found, hits = self._climb(ladder, drawn, counted, before[cell], np.maximum(objects[:, cell].T, 1.0))
            under[:, ladder.curve] = found.T
            for total, rank in zip(won, ladder.ranks, strict=True):
                total[:, ladder.curve] = np.einsum("ij,ijk->kj", rank, hits)
        return self.layout.shaped(under, won, objects)

    def _counted(self, drawn: Floats) -> tuple[Floats, Floats]:
        """By area alone how many detections count up to each (detections, draws), and how many of them in cells before its own (cells, draws)."""
        total = np.take(drawn, self.image, axis=0)
        if not self.inside.all():
            total *= self.inside[:, None]
        running(np.add, total)
        before = np.zeros((self.layout.cells, total.shape[1]))
        later = np.flatnonzero(self.starts)
        before[later] = total[self.starts[later] - 1]
        return total, before

    def _climb(self, ladder: _Ladder, drawn: Floats, counted: Floats, before: Floats, objects: Floats) -> tuple[Floats, Floats]:
        """The area under the ladder's curves (curves, draws): the sum of each fall of the monotone precision times the recall points reached by
        then; and the weights of the hits (length, curves, draws). `before` and `objects` are (curves, draws)."""
        weight = np.take(drawn, ladder.image, axis=0)
        place = np.take(counted, ladder.place, axis=0)
        place -= before
        if ladder.extra is not None:
            place += running(np.add, weight * ladder.extra[..., None])
        if ladder.hits is not None:
            weight *= ladder.hits[..., None]
        hits = running(np.add, weight.copy())
        place += EPS
        height = np.divide(hits, place, out=place)
        height *= weight > 0
        running(np.maximum, height[::-1])
        height[:-1] -= height[1:]
        falls = np.flatnonzero(height > 0)  # elsewhere the curve lies level
        column = falls % objects.size
        points = recall_points(hits.ravel()[falls] / objects.ravel()[column])
        under = np.bincount(column, height.ravel()[falls] * points, objects.size)  # one by one, as without weights
        return floats(under).reshape(objects.shape), weight


def chunks(draws: int, size: int, most: int = 1 << 18) -> Iterator[slice]:
    """Slices of the draws, each of about `most` numbers."""
    step = max(1, most // max(size, 1))
    yield from (slice(start, min(start + step, draws)) for start in range(0, draws, step))
