"""Strata as disjoint blocks, so that one pass over the cases serves all strata of an attribute.

A caller names strata in one of two ways: a `Grouping` (one code per case: the values of an attribute, the classes, the bins of a number)
or a `Stratum` (a mask or an index array: a named query, an intersection, "all"). Masks that do not overlap are packed into common blocks.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.engine.arrays import BadInput, Bools, Floats, Ints, integers, narrow, occurrences, plain

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
Disjoint = tuple[tuple[str, ...], NDArray[np.integer[Any]]]  # names, and the code of each case


def names_of(strata: Strata) -> list[str]:
    """Every stratum's name, in order. Raises BadInput for what is no list of strata."""
    _listed(strata)
    return [name for item in strata for name in ([item.name] if isinstance(item, Stratum) else item.names)]


def _listed(given: object) -> None:
    if not isinstance(given, Sequence) or not all(isinstance(item, (Grouping, Stratum)) for item in given):
        raise BadInput("strata are a list, each a Grouping (a code for each case) or a Stratum (a mask or indices of cases)")


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
        return occurrences(self.codes, self.size)

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
    """The strata as blocks, each made when it is asked for, so that a caller who keeps none holds the arrays of one at a time.

    Before the first one raises BadInput for wrong lengths, codes or indices out of range, repeated members and repeated names.
    """
    everyone = np.arange(cases)
    for part in _packed(_checked(strata, cases)):
        yield _block(part, everyone, clusters)


def layers(strata: Strata, cases: int) -> list[Disjoint]:
    """The strata as groups that do not overlap: (names, code (cases,) of each case in the smallest integers, -1 for none of them).

    Groupings in their order, then masks, those that do not overlap in one group. Raises BadInput like `each_block`.
    """
    return [(layer.names, layer.codes()) for layer in _checked(strata, cases)]


def _checked(strata: Strata, cases: int) -> "list[_Layer]":
    names = names_of(strata)
    repeated = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if repeated:
        raise BadInput(f"stratum {repeated[0]!r} is given twice")
    layers = [_layer(item, cases) for item in strata if isinstance(item, Grouping)]
    layers += _side_by_side([item for item in strata if isinstance(item, Stratum)], cases)
    return layers


@dataclass(frozen=True, eq=False)
class _Layer:
    """Disjoint strata that hold `members` cases in all; `codes` makes the stratum of each case (cases,), -1 for none."""

    names: tuple[str, ...]
    members: int
    codes: Callable[[], NDArray[np.signedinteger[Any]]]


def _packed(layers: list[_Layer]) -> list[list[_Layer]]:
    """Small layers side by side: one pass over all of them costs little more than one over a single layer."""
    out: list[list[_Layer]] = []
    room = 0
    for layer in layers:
        if out and layer.members <= room:
            out[-1].append(layer)
            room -= layer.members
        else:
            out.append([layer])
            room = PACKED_ROWS - layer.members
    return out


def _block(parts: list[_Layer], everyone: Ints, clusters: Ints | None) -> Block:
    names = tuple(name for part in parts for name in part.names)
    if len(parts) == 1 and parts[0].members == everyone.size:
        return Block(names, everyone, narrow(parts[0].codes(), len(names)), everyone.size, clusters)
    rows, inside, start = [], [], 0
    for part in parts:
        codes = part.codes()
        rows.append(np.flatnonzero(codes >= 0))
        inside.append(narrow(codes[rows[-1]].astype(np.int64) + start, len(names)))
        start += len(part.names)
    row = np.concatenate(rows)
    kept = None if clusters is None else clusters[row]
    return Block(names, row, np.concatenate(inside), everyone.size, kept, repeated=len(parts) > 1)


def _layer(item: Grouping, cases: int) -> _Layer:
    codes = plain(item.codes, "the code of a grouping")
    if codes.dtype.kind not in "iu":
        if codes.dtype.kind in "OUT" and any(isinstance(code, str) for code in codes.flat):
            raise BadInput(
                f"a grouping has codes, the places in its names ({', '.join(map(str, item.names[:3]))} …), -1 for none; not text"
            )
        codes = integers(codes, "the code of a grouping")
    if codes.shape != (cases,):
        raise BadInput(f"a grouping has codes of shape {codes.shape}, but there are {cases} cases")
    least = int(codes.min(initial=0))
    if codes.size and (least < -1 or codes.max(initial=0) >= len(item.names)):
        wrong = np.flatnonzero((codes < -1) | (codes >= len(item.names)))
        raise BadInput(f"row {wrong[0]}: code {codes[wrong[0]]} names none of the {len(item.names)} strata of its grouping")
    small = np.min_scalar_type(-max(len(item.names), 1))
    members = cases if least == 0 else int(np.count_nonzero(codes >= 0))
    return _Layer(tuple(item.names), members, lambda: codes.astype(small, copy=False))


def _side_by_side(items: list[Stratum], cases: int) -> list[_Layer]:
    """Single strata as layers: each goes into the first layer in which it overlaps with none, else into a new one."""
    packed: list[tuple[list[Stratum], Bools]] = []
    for item in items:
        mask = _mask(item, cases)
        for inside, taken in packed:
            if not np.any(taken & mask):
                inside.append(item)
                np.logical_or(taken, mask, out=taken)
                break
        else:
            packed.append(([item], mask.copy()))
    return [
        _Layer(tuple(item.name for item in inside), int(np.count_nonzero(taken)), partial(_codes, inside, cases))
        for inside, taken in packed
    ]


def _codes(items: list[Stratum], cases: int) -> NDArray[np.signedinteger[Any]]:
    out = np.full(cases, -1, dtype=np.min_scalar_type(-len(items)))
    for code, item in enumerate(items):
        out[_mask(item, cases)] = code
    return out


def _mask(item: Stratum, cases: int) -> Bools:
    members = plain(item.members, f"a member of stratum {item.name!r}")
    if members.dtype == np.bool_:
        if members.shape != (cases,):
            raise BadInput(f"stratum {item.name!r}: the mask has shape {members.shape}, but there are {cases} cases")
        return members
    indices = integers(members, f"an index of stratum {item.name!r}")
    if indices.ndim != 1:
        raise BadInput(f"stratum {item.name!r}: the indices have shape {indices.shape}, but they are one row")
    if indices.size and (indices.min() < 0 or indices.max() >= cases):
        raise BadInput(f"stratum {item.name!r}: an index lies outside the {cases} cases")
    mask = np.zeros(cases, dtype=np.bool_)
    mask[indices] = True
    if int(mask.sum()) != indices.size:
        raise BadInput(f"stratum {item.name!r}: a case is listed twice; a mask holds true and false, not 1 and 0")
    return mask
