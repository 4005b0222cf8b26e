"""Which strata the cases of a version fall into by class, attribute value and bin. Pure: arrays in, arrays out.

A stratum is called as in the public contract: `class=nodule`, `site=clinic-7`, `age=18..65`, and `site=` for cases without a value.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

MOST_VALUES = 50  # an attribute with more values makes no strata by itself: it names cases rather than kinds of cases
_NEEDS_QUOTES = frozenset(" &=\"'")


@dataclass(frozen=True, eq=False)
class Grouping:
    """Disjoint strata. `values` are the values, None standing for "no value"; `codes` (n,) index them, -1 for a case in none."""

    name: str
    values: tuple[str | None, ...]
    codes: NDArray[np.int32]

    @property
    def ids(self) -> list[str]:
        """The stratum id of each value."""
        return [stratum_id(self.name, value) for value in self.values]


def stratum_id(name: str, value: str | None) -> str:
    """`site=clinic-7`; a value that holds a space, &, =, a quote or nothing at all is written as a JSON string, a missing one as nothing."""
    if value is None:
        return f"{name}="
    quoted = not value or any(character in _NEEDS_QUOTES or character.isspace() for character in value)
    return f"{name}={json.dumps(value, ensure_ascii=False) if quoted else value}"


def by_value(name: str, column: pa.DictionaryArray) -> Grouping | None:
    """Strata of a category or boolean, values ascending and the missing one last. None where there are too many values to be kinds."""
    values = [str(value) for value in column.dictionary.to_pylist()]
    if len(values) > MOST_VALUES:
        return None
    order = sorted(range(len(values)), key=values.__getitem__)
    rank = np.empty(len(values) + 1, dtype=np.int32)
    rank[order] = np.arange(len(values))
    rank[-1] = len(values)
    return _with_missing(name, [values[index] for index in order], rank[codes_of(column)])


def by_bin(name: str, numbers: NDArray[np.float64], edges: Sequence[float]) -> Grouping:
    """Strata of a number: `low..high` holds low ≤ x < high; a number outside every bin is in none, NaN is a missing value."""
    codes = np.searchsorted(np.asarray(edges, dtype=np.float64), numbers, side="right").astype(np.int32) - 1
    codes[codes >= len(edges) - 1] = -1
    missing = np.isnan(numbers)
    codes[missing] = len(edges) - 1
    labels = [f"{_plain(low)}..{_plain(high)}" for low, high in pairwise(edges)]
    return _with_missing(name, labels, codes)


def by_class(classes: Sequence[str], label_codes: NDArray[np.int32]) -> Grouping:
    """Strata by reference label."""
    return Grouping("class", tuple(classes), label_codes)


def codes_of(column: pa.DictionaryArray) -> NDArray[np.int32]:
    """Index into the column's dictionary, -1 where there is no value."""
    return np.asarray(column.indices.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int32)


def _with_missing(name: str, values: list[str], codes: NDArray[np.int32]) -> Grouping:
    """The value None, numbered after the others, is named only if some case lacks a value."""
    named: tuple[str | None, ...] = (*values, None) if bool((codes == len(values)).any()) else tuple(values)
    return Grouping(name, named, codes)


def _plain(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else repr(float(number))
