"""Does the same input get the same answer: again, in another order, in batches of another size?"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.engine.arrays import BadInput, Bools, Floats, Ints, floats
from evaluation.engine.intervals import wilson

LEAST = 3  # answers to each input: two that agree prove little
NAMED = 20  # rows named in a report


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """One further round of answers against the first: `flips` cases whose label differs, the largest change of a score and its row."""

    name: str
    flips: int
    largest: float
    largest_row: int


@dataclass(frozen=True, kw_only=True)
class Determinism:
    """All rounds together. A case flips if its labels are not the same in all rounds; `passed` asks for none.

    `flip_rate_at_most` is Wilson's upper end (95 %, two-sided): no flip in n cases does not mean that none can happen. `rows` are the first 20.
    """

    n: int
    answers: int
    flips: int
    flip_rate_at_most: float
    largest: float
    rows: tuple[int, ...]
    repeats: tuple[Repeat, ...]
    passed: bool


def determinism(rounds: Mapping[str, ArrayLike], *, threshold: float | None = None) -> Determinism:
    """Compare rounds of answers to the same n cases, all in the order of the cases, by name; the first is what the others are held against.

    Scores are (n, K), labelled by the highest, or (n,), labelled by `threshold`. Raises BadInput below three rounds, on different shapes
    and on answers that are not finite, which are no answers.
    """
    if len(rounds) < LEAST:
        raise BadInput(f"{len(rounds)} rounds of answers; at least {LEAST} are needed to speak of determinism")
    names = list(rounds)
    tables = [finite_scores(values, name) for name, values in rounds.items()]
    for name, table in zip(names, tables, strict=True):
        if table.shape != tables[0].shape:
            raise BadInput(f"{name} has answers of shape {table.shape}, {names[0]} of shape {tables[0].shape}")
    if not len(tables[0]):
        raise BadInput("there are no cases")
    labels = [labels_of(table, threshold) for table in tables]
    repeats = [
        _against(name, tables[0], labels[0], table, said) for name, table, said in zip(names[1:], tables[1:], labels[1:], strict=True)
    ]
    flipped = np.flatnonzero(np.any([said != labels[0] for said in labels[1:]], axis=0))
    n = len(tables[0])
    return Determinism(
        n=n,
        answers=len(tables),
        flips=int(flipped.size),
        flip_rate_at_most=float(wilson(flipped.size, n)[1]),
        largest=float(np.ptp(np.stack(tables), axis=0).max()),
        rows=tuple(flipped[:NAMED].tolist()),
        repeats=tuple(repeats),
        passed=not flipped.size,
    )


def _against(name: str, first: Floats, first_labels: Ints | Bools, table: Floats, labels: Ints | Bools) -> Repeat:
    change = np.abs(table - first).max(axis=1)
    return Repeat(name=name, flips=int((labels != first_labels).sum()), largest=float(change.max()), largest_row=int(change.argmax()))


def finite_scores(values: ArrayLike, name: str) -> Floats:
    """Scores (n, K), K = 1 for a single column. Raises BadInput that names the first row that is not finite."""
    table = floats(values)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2:
        raise BadInput(f"{name}: scores are (n,) or (n, K), not of shape {table.shape}")
    bad = np.flatnonzero(~np.isfinite(table).all(axis=1))
    if bad.size:
        raise BadInput(f"{name}, row {bad[0]}: the answer is not finite")
    return table


def labels_of(table: Floats, threshold: float | None) -> Ints | Bools:
    """The label of each row (n, K): the highest score's column, or whether the only one reaches `threshold`."""
    if table.shape[1] > 1:
        return np.asarray(table.argmax(axis=1))
    if threshold is None:
        raise BadInput("a single score is turned into a label by a threshold; none was given")
    return np.asarray(table[:, 0] >= threshold)
