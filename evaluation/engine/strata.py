"""Strata as disjoint blocks, so that one pass over the cases serves all strata of an attribute.

A caller names strata in one of two ways: a `Grouping` (one code per case: the values of an attribute, the classes, the bins of a number)
or a `Stratum` (a mask or an index array: a named query, an intersection, "all"). Masks that do not overlap are packed into common blocks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.engine.arrays import BadInput, Bools, Floats, Ints, narrow

PACKED_ROWS = 100_000


@dataclass(frozen=True)
class Grouping:
    """Disjoint strata: `codes` (n,) holds an index into `names`, or -1 for a case in none of them."""

    names: Sequence[str]
    codes: ArrayLike


@dataclass(frozen=True)
class Stratum:
    """One stratum: `members` is a boolean mask (n,) or an array of distinct case indices."""

    name: str
    members: ArrayLike


Strata = Sequence[Grouping | Stratum]


def names_of(strata: Strata) -> list[str]:
    """Every stratum's name, in order."""
    return [name for item in strata for name in ([item.name] if isinstance(item, Stratum) else item.names)]


def with_all(strata: Strata, cases: int) -> Strata:
    """The strata with "all" first, unless it is among them."""
    return strata if "all" in names_of(strata) else [Stratum("all", np.ones(cases, dtype=np.bool_)), *strata]


@dataclass(frozen=True)
class Units:
    """The clusters inside each stratum: `unit` (rows,) numbers them, `stratum` (units,) says whose each is."""

    unit: Ints
    stratum: Ints

    @property
    def count(self) -> int:
        return self.stratum.size

    def totals(self, weights: ArrayLike | None = None) -> Floats:
        """Sum of `weights` (rows,) per unit; the number of rows without weights."""
        return np.bincount(self.unit, None if weights is None else np.asarray(weights, dtype=np.float64), self.count).astype(np.float64)


@dataclass(frozen=True)
class Block:
    """Strata over `rows` (case indices, ascending within each stratum); a case that belongs to several of them has a row for each (`repeated`).

    `codes` (rows,) is the stratum of each row in the smallest integers that hold it, `clusters` (rows,) its cluster or None.
    """

    names: tuple[str, ...]
    rows: Ints
    codes: NDArray[np.integer[Any]]
    cases: int
    clusters: Ints | None
    repeated: bool = False

    @property
    def whole(self) -> bool:
        """Every case has exactly one row."""
        return self.rows.size == self.cases and not self.repeated

    @property
    def size(self) -> int:
        return len(self.names)

    @cached_property
    def n(self) -> Ints:
        return np.bincount(self.codes, minlength=self.size).astype(np.int64)

    @cached_property
    def units(self) -> Units | None:
        """None where every case is its own cluster throughout the block."""
        if self.clusters is None:
            return None
        width = int(self.clusters.max(initial=0)) + 1
        keys, unit = np.unique(self.codes.astype(np.int64) * width + self.clusters, return_inverse=True)
        return None if keys.size == self.rows.size else Units(unit.astype(np.int64), (keys // width).astype(np.int64))

    @cached_property
    def clusters_per_stratum(self) -> Ints:
        return self.n if self.units is None else np.bincount(self.units.stratum, minlength=self.size).astype(np.int64)

    @property
    def clustered(self) -> Bools:
        """Per stratum: some cluster holds more than one of its cases."""
        return np.asarray(self.clusters_per_stratum < self.n)

    def pick(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """`values` (cases, ...) at the block's rows, without a copy where the block holds every case."""
        return values if self.whole else values[self.rows]

    def members(self) -> list[Ints]:
        """Per stratum the positions (into `rows`) of its cases."""
        return np.split(np.argsort(self.codes, kind="stable"), np.cumsum(self.n)[:-1])


def blocks(strata: Strata, cases: int, clusters: Ints | None = None) -> list[Block]:
    """The strata as blocks, all at once."""
    return list(each_block(strata, cases, clusters))


def each_block(strata: Strata, cases: int, clusters: Ints | None = None) -> Iterator[Block]:
    """The strata as blocks, one after the other, so that one block's arrays are gone before the next one's are made.

    Raises BadInput for wrong lengths, codes or indices out of range, repeated members and repeated names.
    """
    everyone = np.arange(cases)
    for part in _packed(layers(strata, cases)):
        yield _block(part, everyone, clusters)


def layers(strata: Strata, cases: int) -> "list[Disjoint]":
    """The strata as groups that do not overlap: (names, code (cases,) of each case in the smallest integers, -1 for none of them).

    Groupings in their order, then masks, those that do not overlap in one group. Raises BadInput like `each_block`.
    """
    names = names_of(strata)
    repeated = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if repeated:
        raise BadInput(f"stratum {repeated[0]!r} is given twice")
    found = [_grouping(item, cases) for item in strata if isinstance(item, Grouping)]
    packed: list[tuple[list[str], Ints]] = []
    for item in strata:
        if isinstance(item, Stratum):
            _pack(packed, item.name, _mask(item, cases))
    return found + [(tuple(names), codes) for names, codes in packed]


Disjoint = tuple[tuple[str, ...], NDArray[np.integer[Any]]]


def _packed(found: list[Disjoint]) -> list[list[Disjoint]]:
    """Small groups of strata side by side: one pass over all of them costs little more than one over a single group."""
    out: list[list[Disjoint]] = []
    room = 0
    for names, codes in found:
        size = int((codes >= 0).sum())
        if out and size <= room:
            out[-1].append((names, codes))
            room -= size
        else:
            out.append([(names, codes)])
            room = PACKED_ROWS - size
    return out


def _block(parts: list[Disjoint], everyone: Ints, clusters: Ints | None) -> Block:
    names = tuple(name for names, _ in parts for name in names)
    if len(parts) == 1 and (parts[0][1] >= 0).all():
        return Block(names, everyone, narrow(parts[0][1], len(names)), everyone.size, clusters)
    rows = np.concatenate([np.flatnonzero(codes >= 0) for _, codes in parts])
    starts = np.cumsum([0, *(len(names) for names, _ in parts[:-1])])
    inside = np.concatenate([codes[codes >= 0].astype(np.int64) + start for (_, codes), start in zip(parts, starts, strict=True)])
    kept = None if clusters is None else clusters[rows]
    return Block(names, rows, narrow(inside, len(names)), everyone.size, kept, repeated=len(parts) > 1)


def _grouping(item: Grouping, cases: int) -> Disjoint:
    codes = np.asarray(item.codes)
    if codes.size and codes.dtype.kind not in "iu":
        raise BadInput("a grouping has integer codes, one a case")
    if codes.shape != (cases,):
        raise BadInput(f"a grouping has codes of shape {codes.shape}, but there are {cases} cases")
    if codes.size and (codes.min() < -1 or codes.max() >= len(item.names)):
        wrong = np.flatnonzero((codes < -1) | (codes >= len(item.names)))
        raise BadInput(f"row {wrong[0]}: code {codes[wrong[0]]} names none of the {len(item.names)} strata of its grouping")
    return tuple(item.names), codes.astype(np.min_scalar_type(-max(len(item.names), 1)), copy=False)


def _mask(item: Stratum, cases: int) -> Bools:
    members = np.asarray(item.members)
    if members.dtype == np.bool_:
        if members.shape != (cases,):
            raise BadInput(f"stratum {item.name!r}: the mask has shape {members.shape}, but there are {cases} cases")
        return members
    indices = members.astype(np.int64)
    if indices.size and (indices.min() < 0 or indices.max() >= cases):
        raise BadInput(f"stratum {item.name!r}: an index lies outside the {cases} cases")
    mask = np.zeros(cases, dtype=np.bool_)
    mask[indices] = True
    if int(mask.sum()) != indices.size:
        raise BadInput(f"stratum {item.name!r}: a case is listed twice")
    return mask


def _pack(packed: list[tuple[list[str], Ints]], name: str, mask: Bools) -> None:
    """Put the mask into the first block it does not overlap with, else into a new one."""
    for names, codes in packed:
        if not np.any(codes[mask] >= 0):
            codes[mask] = len(names)
            names.append(name)
            return
    packed.append(([name], np.where(mask, 0, -1).astype(np.int64)))
