"""Which detection finds which object: greedy matching as COCO defines it, for all images, classes, thresholds and area ranges at once.

Rule: within one image and class, detections come in order of falling score (equal scores in the order given). Each takes, among the objects
not yet taken at that IoU threshold whose IoU reaches it, the one with the highest IoU (of equal ones the last); objects that count come
before ignored ones. A crowd region is never used up. A detection matched to an ignored object is ignored; so is an unmatched one whose own
area lies outside the range. Source: Lin et al. 2014 and the reference implementation pycocotools.

Thresholds are bits of one integer, so that one pass matches all of them; passes go over the k-th contested detection of every image and
class together. Only pairs that overlap enough are ever looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.engine.arrays import BadInput, Bools, Floats, Ints
from evaluation.engine.detection.data import Objects, Predictions
from evaluation.engine.ranking import ascending

Bits = NDArray[np.uint16]
Range = tuple[float, float]
EVERYTHING: Range = (0.0, 1e10)
MOST_THRESHOLDS = 16
PAIRS_AT_ONCE = 2_000_000


@dataclass(frozen=True, eq=False)
class Matches:
    """Detections in order of falling score (then image, then the order given), of each image and class at most the first `most`.

    `rank` (d,) is the place within image and class from 0. Bit t of `hit` and `ignored` (areas, d): at threshold t the detection found an
    object that counts; it does not count. Neither is a false positive. `inside` (areas, d): its own area lies in the range. `found` (areas,
    m): bit t, the object was found; `counts` (areas, m): it counts in that range; `finder` (m,): score of the detection that found it at
    the first threshold in the first range, NaN where none did; `row` (m,) is that detection's row among the predictions, -1 where none did.
    """

    image: Ints
    label: Ints
    scores: Floats
    rank: Ints
    hit: Bits
    ignored: Bits
    inside: Bools
    found: Bits
    counts: Bools
    finder: Floats
    row: Ints
    thresholds: tuple[float, ...]

    @cached_property
    def by_class(self) -> Ints:
        """The rows class by class, by falling score within each."""
        return np.argsort(narrow(self.label), kind="stable")

    def of_images(self, place: Ints, objects: Ints) -> "Matches":
        """Those on some images: `place` (all images,) is the new number of each or -1, `objects` the rows of their objects."""
        some = self.rows(np.flatnonzero(place[self.image] >= 0))
        return replace(
            some,
            image=place[some.image],
            found=self.found[:, objects],
            counts=self.counts[:, objects],
            finder=self.finder[objects],
            row=self.row[objects],
        )

    def rows(self, rows: Ints) -> "Matches":
        """The detections `rows`, in that order."""
        return replace(
            self,
            image=self.image[rows],
            label=self.label[rows],
            scores=self.scores[rows],
            rank=self.rank[rows],
            hit=self.hit[:, rows],
            ignored=self.ignored[:, rows],
            inside=self.inside[:, rows],
        )

    def beside(self, other: "Matches", images: int) -> "Matches":
        """The detections of both, as if the `other`'s were on copies of the images (image + images). The objects are one's own."""
        both = replace(
            self,
            image=np.concatenate([self.image, other.image + images]),
            label=np.concatenate([self.label, other.label]),
            scores=np.concatenate([self.scores, other.scores]),
            rank=np.concatenate([self.rank, other.rank]),
            hit=np.concatenate([self.hit, other.hit], axis=1),
            ignored=np.concatenate([self.ignored, other.ignored], axis=1),
            inside=np.concatenate([self.inside, other.inside], axis=1),
        )
        return both.rows(np.argsort(-both.scores, kind="stable"))


def match(
    truth: Objects, predicted: Predictions, thresholds: Sequence[float], areas: Sequence[Range] = (EVERYTHING,), most: int | None = None
) -> Matches:
    """Match one replicate. `thresholds`: at most 16 rising IoU thresholds in (0, 1]."""
    limits = np.minimum(np.asarray(thresholds, dtype=np.float64), 1 - 1e-10)
    if not 1 <= limits.size <= MOST_THRESHOLDS or np.any(np.diff(limits) <= 0) or limits[0] <= 0:
        raise BadInput(f"give 1 to {MOST_THRESHOLDS} rising IoU thresholds above 0")
    width = int(max(truth.label.max(initial=0), predicted.label.max(initial=0))) + 1
    order, group, rank, by_score = _sorted(predicted, width, most)
    key = truth.image * width + truth.label
    turn, key = _gathered(key)
    ours, theirs = (np.ascontiguousarray(np.take(boxes, rows, axis=0).T) for boxes, rows in ((predicted.boxes, order), (truth.boxes, turn)))
    pairs = _pairs(group, key, ours, theirs, truth.crowd[turn], limits)
    own, size = ours[2] * ours[3], truth.areas
    inside = np.stack([(own >= low) & (own <= high) for low, high in areas])
    counts = np.stack([truth.counted & (size >= low) & (size <= high) for low, high in areas])
    done, ignored, found, finder = _assign(pairs, group, np.take(counts, turn, axis=1), truth.crowd[turn])
    full = np.uint16((1 << limits.size) - 1)
    back = np.empty_like(turn)
    back[turn] = np.arange(turn.size)
    ignored |= np.where(inside, np.uint16(0), ~done & full)
    rows = order[by_score]
    return Matches(
        image=predicted.image[rows],
        label=predicted.label[rows],
        scores=predicted.scores[rows],
        rank=rank[by_score],
        hit=np.take(done & ~ignored, by_score, axis=1),
        ignored=np.take(ignored, by_score, axis=1),
        inside=np.take(inside, by_score, axis=1),
        found=np.take(found, back, axis=1),
        counts=counts,
        finder=np.append(predicted.scores[order], np.nan)[finder[back]],
        row=np.append(order, -1)[finder[back]],
        thresholds=tuple(thresholds),
    )


def _sorted(predicted: Predictions, width: int, most: int | None) -> tuple[Ints, Ints, Ints, Ints]:
    """Detections by image, class and falling score: (rows, group of each, place within the group), and the order by score alone."""
    order = np.argsort(narrow(predicted.image), kind="stable")
    order = order[ascending(0.0 - predicted.scores[order])[0]]  # not their negative: 0 would come before -0
    turn, group = _gathered((predicted.image * width + predicted.label)[order])
    by_score = np.empty_like(turn)
    by_score[turn] = np.arange(turn.size)
    order = order[turn]
    rank = _place(group)
    if most is not None and rank.max(initial=0) >= most:
        kept = rank < most
        by_score = (np.cumsum(kept) - 1)[by_score[kept[by_score]]]
        order, group, rank = order[kept], group[kept], rank[kept]
    return order, group, rank, by_score


def _gathered(codes: Ints) -> tuple[Ints, Ints]:
    """(rows by rising code, those with the same in the order given; the codes in that order). Code and row are one integer, where it holds both."""
    row = max(codes.size - 1, 0).bit_length()
    if int(codes.max(initial=0)).bit_length() + row > 63:
        turn = np.argsort(codes, kind="stable")
        return turn, codes[turn]
    keys = (codes << row) | np.arange(codes.size)
    keys.sort()
    return keys & ((1 << row) - 1), keys >> row


def narrow(codes: Ints) -> NDArray[np.integer[Any]]:
    """Codes from 0 as small as they allow: numpy sorts 16-bit integers by radix."""
    return codes.astype(np.uint16) if codes.max(initial=0) < 1 << 16 else codes


def _changes(codes: Ints) -> Bools:
    """Where a run of equal numbers begins."""
    fresh = np.ones(codes.size, dtype=np.bool_)
    np.not_equal(codes[1:], codes[:-1], out=fresh[1:])
    return fresh


def _place(group: Ints) -> Ints:
    """Position of each row within its run of equal numbers."""
    if group.size == 0:
        return group
    starts = np.flatnonzero(_changes(group))
    return np.arange(group.size) - np.repeat(starts, np.diff(np.append(starts, group.size)))


@dataclass(frozen=True, eq=False)
class _Pairs:
    """A detection and an object of its image and class that overlap enough; bit t of `passes`: their IoU reaches threshold t."""

    detection: Ints
    object: Ints
    iou: Floats
    passes: Bits


def _pairs(group: Ints, key: Ints, ours: Floats, theirs: Floats, crowd: Bools, limits: Floats) -> _Pairs:
    """All pairs that reach the lowest threshold, ordered by detection; candidates are made a few million at a time. Boxes (4, n)."""
    fresh = np.flatnonzero(_changes(key))  # where the objects of an image and class begin
    place = np.searchsorted(key[fresh], group)
    there = np.append(key[fresh], -1)[place] == group
    first, n = np.append(fresh, 0)[place], np.where(there, np.append(np.diff(fresh, append=key.size), 0)[place], 0)
    ends = np.cumsum(n)
    total = int(ends[-1]) if ends.size else 0
    cuts = np.searchsorted(ends, np.arange(PAIRS_AT_ONCE, total, PAIRS_AT_ONCE), "right")
    edges = [0, *np.unique(cuts).tolist(), group.size]
    parts = [_overlaps(start, first[start:end], n[start:end], ours, theirs, crowd, limits[0]) for start, end in pairwise(edges)]
    detection, target, iou = (np.concatenate(column) for column in zip(*parts, strict=True))
    passes = (1 << np.searchsorted(limits, iou, "right")) - 1
    return _Pairs(detection, target, iou, passes.astype(np.uint16))


def _overlaps(start: int, first: Ints, n: Ints, ours: Floats, theirs: Floats, crowd: Bools, least: float) -> tuple[Ints, Ints, Floats]:
    """(detections, objects, IoU) with IoU >= least, of detections from `start` on; the k-th has the n[k] objects from first[k] on."""
    detection = np.repeat(np.arange(start, start + n.size), n)
    target = np.arange(detection.size) + np.repeat(first - np.cumsum(n) + n, n)
    across = None
    for low, size in ((0, 2), (1, 3)):  # left to right, then top to bottom of those that meet
        side = np.minimum((ours[low] + ours[size])[detection], (theirs[low] + theirs[size])[target])
        side -= np.maximum(ours[low][detection], theirs[low][target])
        kept = np.flatnonzero(side > 0)
        detection, target, side = detection[kept], target[kept], side[kept]
        across = side if across is None else across[kept] * side
    area = (ours[2] * ours[3])[detection]
    iou = across / np.where(crowd[target], area, area + (theirs[2] * theirs[3])[target] - across)
    kept = np.flatnonzero(iou >= least)
    return detection[kept], target[kept], iou[kept]


def _assign(pairs: _Pairs, group: Ints, counts: Bools, crowd: Bools) -> tuple[Bits, Bits, Bits, Ints]:
    """Greedy matching: (matched, matched to an ignored object) of detections, (found, first finder) of objects, each (areas, ...)."""
    areas, size = counts.shape
    n = np.bincount(pairs.detection, minlength=group.size)
    turns = _rounds(pairs, group, n, size)
    places = np.stack([_preference(pairs, n, counts[area]) for area in range(areas)])
    slots = int(places.max(initial=0)) + 1
    step = (turns * slots + places).ravel()
    step = step.astype(np.uint16) if step.max(initial=0) < 1 << 16 else step
    order = np.argsort(step, kind="stable")
    detection = (pairs.detection + group.size * np.arange(areas)[:, None]).ravel()[order]
    target = (pairs.object + size * np.arange(areas)[:, None]).ravel()[order]
    passes = np.tile(pairs.passes, areas)[order]
    whole = np.uint16(0xFFFF)
    free = np.tile(np.where(crowd, whole, np.uint16(0)), areas)
    done, taken = np.zeros(areas * group.size, dtype=np.uint16), np.zeros(areas * size, dtype=np.uint16)
    given = np.zeros(pairs.passes.size * areas, dtype=np.uint16)
    edges = np.append(np.flatnonzero(_changes(step[order])), order.size)
    for start, end in pairwise(edges):
        here = slice(start, end)  # no detection and no object twice: the updates do not collide
        d, o = detection[here], target[here]
        before, held = done[d], taken[o]
        new = passes[here] & ~before & (~held | free[o])
        done[d], taken[o], given[here] = before | new, held | new, new
    ignored = np.zeros_like(done)
    aside = np.flatnonzero((given != 0) & ~counts.ravel()[target])
    np.bitwise_or.at(ignored, detection[aside], given[aside])
    finder = np.full(size, -1, dtype=np.int64)
    by = np.flatnonzero((given & 1).astype(np.bool_) & (target < size))
    finder[target[by]] = detection[by]
    return done.reshape(areas, -1), ignored.reshape(areas, -1), taken.reshape(areas, -1), finder


def _rounds(pairs: _Pairs, group: Ints, n: Ints, size: int) -> Ints:
    """Per pair the turn of its detection: its place among the contested ones of its image and class, 0 for a pair that nobody contests."""
    contested = (n[pairs.detection] > 1) | (np.bincount(pairs.object, minlength=size)[pairs.object] > 1)
    waiting = np.zeros(n.size, dtype=np.bool_)
    waiting[pairs.detection[contested]] = True
    turn = np.zeros(n.size, dtype=np.int64)
    turn[waiting] = _place(group[waiting])
    return turn[pairs.detection]


def _preference(pairs: _Pairs, n: Ints, counts: Bools) -> Ints:
    """Per pair its place in its detection's order of preference: objects that count first, then the higher IoU, then the later object."""
    place = np.zeros(pairs.iou.size, dtype=np.int64)
    several = np.flatnonzero(n[pairs.detection] > 1)
    target = pairs.object[several]
    order = several[np.lexsort((-target, -pairs.iou[several], ~counts[target], pairs.detection[several]))]
    place[order] = _place(pairs.detection[order])
    return place
