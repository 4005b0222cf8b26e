"""Average precision and recall of every stratum and class from matches that were made once.

Source: COCO's definition (101 recall points, precision made monotone from the right). The sum over recall points is written as a sum over
the falls of that curve: of all detections only hits can be followed by a fall, and of those only the ones with a higher precision than any
later one. `weigh` does the same with weights of the images.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from evaluation.engine.arrays import Bools, Floats, Ints, ratio, tally
from evaluation.engine.detection.data import Objects
from evaluation.engine.detection.matching import Bits, Matches

RECALLS = np.linspace(0.0, 1.0, 101)
EPS = float(np.spacing(1.0))
DENSE = 8  # strata per stratum of an image, up to which each stratum is asked for its images
POINTS_AT_ONCE = 200_000  # of curves, so that what is made of them stays in the processor's cache
LARGEST_POWER = 950  # of two, and its inverse: products with numbers down to 2⁻⁷⁰ are exact


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

    def by_stratum(self, image: Ints) -> tuple[Ints, Ints]:
        """The same stratum by stratum, rising positions within each."""
        images = self.starts.size - 1
        if self.size > 1 and self.size * images <= DENSE * self.codes.size:  # most images lie in many strata: quicker to ask each stratum
            inside = np.zeros((self.size, images), dtype=np.bool_)
            inside[self.codes, np.repeat(np.arange(images), np.diff(self.starts))] = True
            of = image % images if images else image
            found = [np.flatnonzero(each[of]) for each in inside]
            return np.concatenate(found), np.repeat(np.arange(self.size), [each.size for each in found])
        rows, codes = self.spread(image)
        if self.size < 2:
            return rows, codes
        turn = np.argsort(codes.astype(np.min_scalar_type(self.size)), kind="stable")
        return rows[turn], codes[turn]


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
        places, codes = strata.by_stratum(matches.image[matches.by_class])
        rows = matches.by_class[places]
        return cls(truth, matches, strata, classes, rows, codes * classes + matches.label[rows])

    @property
    def cells(self) -> int:
        return self.strata.size * self.classes

    @cached_property
    def starts(self) -> Ints:
        """Where the rows of each cell begin, and where the last one's end (cells + 1,)."""
        return np.searchsorted(self.cell, np.arange(self.cells + 1))

    @cached_property
    def _objects(self) -> tuple[Ints, Ints]:
        rows, codes = self.strata.spread(self.truth.image)
        return codes * self.classes + self.truth.label[rows], rows

    def objects(self, area: int) -> tuple[Ints, Ints]:
        """(cell, image) of every object that counts in the area range, once for each of its strata."""
        cell, rows = self._objects
        kept = np.flatnonzero(self.matches.counts[area][rows])
        return cell[kept], self.truth.image[rows[kept]]

    def held(self, area: int) -> Floats:
        """How many objects of each cell (1, cells) count in the area range."""
        cell, rows = self._objects
        counts = self.matches.counts[area]
        return sums(cell if counts.all() else cell[counts[rows]], None, self.cells)

    def moving(self, area: int) -> "Moving":
        """The detections that move a curve of the area range."""
        hit, inside = self.matches.hit[area], self.matches.inside[area]
        moves = hit | np.where(inside, self.matches.ignored[area], np.uint16(0))
        place = np.flatnonzero((moves != 0)[self.rows])
        rows, cell = self.rows[place], self.cell[place]
        if inside.all():
            counted = place + 1 - self.starts[cell]
        else:
            total = np.append(np.int32(0), np.cumsum(inside[self.rows], dtype=np.int32))
            counted = (total[place + 1] - total[self.starts][cell]).astype(np.int64)
        return Moving(cell, counted, hit[rows], moves[rows], inside[rows], self.matches.rank[rows])

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


@dataclass(frozen=True, eq=False)
class Moving:
    """Detections of one area range that move a curve, cell by cell: the `cell`, how many of its detections are `counted` by area up to each,
    the bits of the thresholds at which it hits and at which it `moves` the curve, whether it lies `inside`, its `rank` in image and class."""

    cell: Ints
    counted: Ints
    hit: Bits
    moves: Bits
    inside: Bools
    rank: Ints

    def points(self, levels: range, cells: int) -> "Points":
        """The hits at some thresholds, curve by curve ((threshold - the first) * cells + cell)."""
        found = [np.flatnonzero((self.hit & np.uint16(1 << level)) != 0) for level in levels]
        event = np.concatenate(found)
        width = np.concatenate([np.bincount(self.cell[each], minlength=cells) for each in found])
        hits = np.arange(1, event.size + 1) - np.repeat(np.cumsum(width) - width, width)
        at = self.counted[event]
        if self.odd.size:
            at += self._moved(levels, found, cells, width)
        return Points(event, width, hits, at)

    @cached_property
    def odd(self) -> Ints:
        """Those that at some threshold count otherwise than by their area: inside but ignored, or outside but a hit."""
        return np.flatnonzero((self.moves != self.hit) | ~self.inside)

    def _moved(self, levels: range, found: Sequence[Ints], cells: int, width: Ints) -> Ints:
        """Of each of the hits `found` (at each threshold) how many more detections count up to it in its curve than do by area."""
        hit, moves, cell = self.hit[self.odd], self.moves[self.odd], self.cell[self.odd]
        before, place, curve, more = 0, [], [], []
        for turn, (level, hits) in enumerate(zip(levels, found, strict=True)):
            bit = np.uint16(1 << level)
            here = np.flatnonzero((moves & bit) != 0)
            place.append(before + np.searchsorted(hits, self.odd[here]))  # its own place where it hits, else the next hit's
            curve.append(cell[here] + turn * cells)
            won = (hit[here] & bit) != 0
            more.append(np.where(won, ~self.inside[self.odd[here]], -1))
            before += hits.size
        change, at = np.concatenate(more), np.concatenate(place)  # rising
        up_to = np.repeat(np.append(0, np.cumsum(change)), np.diff(at, prepend=0, append=before))
        of_curve = np.bincount(np.concatenate(curve), change, width.size).astype(np.int64)
        up_to -= np.repeat(np.cumsum(of_curve) - of_curve, width)
        return up_to


@dataclass(frozen=True, eq=False)
class Points:
    """The hits of precision-recall curves, curve by curve (`width` of each): their places among the moving detections, the `hits` up to each, and
    all that count up to it (`at`)."""

    event: Ints
    width: Ints
    hits: Ints
    at: Ints

    @cached_property
    def curve(self) -> Ints:
        return np.repeat(np.arange(self.width.size), self.width)

    def under(self, objects: Floats) -> Floats:
        """The sum over recall points of the precision made monotone from the right, of each curve; `objects` (cells,)."""
        falls, fall = _falls(self.hits / (self.at + EPS), self.width, self.curve)
        curve = self.curve[falls]
        return tally(curve, fall * recall_points(self.hits[falls] / objects[curve % objects.size]), self.width.size)

    def early(self, ranks: Ints, limit: int) -> Ints:
        """Of each curve the hits whose rank in image and class is below the limit."""
        late = ranks >= limit
        n = np.count_nonzero(late)
        if not n:
            return self.width
        few = late if 2 * n < late.size else ~late
        found = np.bincount(self.curve[np.flatnonzero(few[self.event])], minlength=self.width.size)
        return self.width - found if few is late else found


def area_of(layout: Layout, area: int, most: Sequence[int] = ()) -> Area:
    """AP of every cell in one area range, and recall at `most` detections per image and class, for each number in `most`."""
    objects, moving = layout.held(area), layout.moving(area)
    levels, cells = len(layout.matches.thresholds), layout.cells
    under, recall = np.zeros((1, levels * cells)), np.zeros((len(most), 1, levels * cells))
    step = max(1, min(levels, POINTS_AT_ONCE // max(moving.cell.size, 1)))
    for first in range(0, levels, step):
        some = range(first, min(first + step, levels))
        here, points = slice(some.start * cells, some.stop * cells), moving.points(some, cells)
        under[0, here] = points.under(objects[0])
        for row, limit in zip(recall, most, strict=True):
            row[0, here] = points.early(moving.rank, limit)
    return layout.shaped(under, recall, objects)


def _falls(height: Floats, width: Ints, curve: Ints) -> tuple[Ints, Floats]:
    """The points after which curves fall and by how much, once each is made monotone from the right. `height` (points,) in (0, 1] belongs to
    the `curve` of each, of which curve i has `width[i]`.

    Curves are told apart by powers of two, which change no digit: each is raised above those that follow it, so that one running maximum goes
    through many of them.
    """
    if not height.size:
        return np.zeros(0, dtype=np.int64), height
    step = 2 - int(np.frexp(height.min())[1])  # 2 ** step is more than the highest over the lowest
    together = max(1, (2 * LARGEST_POWER) // step)
    power = np.zeros(width.size, dtype=np.int64)
    there = np.flatnonzero(width)
    power[there] = LARGEST_POWER - step * (np.arange(there.size) % together)
    raised, lowered = np.ldexp(1.0, power), np.ldexp(1.0, -power)
    top = height * np.repeat(raised, width)
    ends = np.cumsum(width[there])
    for start, end in pairwise([0, *ends[together - 1 : -1 : together].tolist(), top.size]):
        back = top[start:end][::-1]
        np.maximum.accumulate(back, out=back)
    last = ends - 1
    fall = np.append(top[:-1] - top[1:], 0.0)
    fall[last] = top[last]
    falls = np.flatnonzero(fall > 0)
    return falls, fall[falls] * lowered[curve[falls]]


def recall_points(reached: Floats) -> Ints:
    """How many of the 101 recall points lie at or below each recall."""
    nearest = (reached * 100 + 0.5).astype(np.intp)
    return nearest + (np.take(RECALLS, nearest) <= reached)


def running(op: np.ufunc, rows: Floats) -> Floats:
    """Running sums or maxima down the rows (n, ...), in place.

    Block by block, many columns at a time: numpy's own `accumulate` goes from number to number and waits for each. Sums of whole numbers
    are exact in any order.
    """
    step = 1 << (len(rows).bit_length() // 2)
    whole = len(rows) // step * step
    blocks = rows[:whole].reshape(-1, step, *rows.shape[1:])
    for row in range(1, step if whole else 0):
        op(blocks[:, row], blocks[:, row - 1], out=blocks[:, row])
    for block in range(1, len(blocks)):
        op(blocks[block], blocks[block - 1, -1], out=blocks[block])
    for row in range(max(whole, 1), len(rows)):
        op(rows[row], rows[row - 1], out=rows[row])
    return rows


def ladders(length: Ints) -> Iterator[tuple[Ints, Ints, Bools]]:
    """Curves of similar length side by side: (curves, their points (curves, steps), which points exist); absent ones are the curve's first."""
    start = np.cumsum(length) - length
    powers = np.ceil(np.log2(np.maximum(length, 1))).astype(np.int64)
    for power in np.unique(powers[length > 0]).tolist():
        curve = np.flatnonzero((powers == power) & (length > 0))
        steps = np.arange(1 << power)
        real = steps < length[curve][:, None]
        yield curve, start[curve][:, None] + np.where(real, steps, 0), real
