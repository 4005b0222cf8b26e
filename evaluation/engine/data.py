"""The arrays of an evaluation, checked once at the door: nothing is dropped, clipped or matched by position further in."""

import operator
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.engine.arrays import BadInput, Bools, Codes, Floats, Ints, booleans, floats, integers, plain
from evaluation.engine.ranking import Ranking, rank

MISSING = -1
MOST_RANKINGS = 20


@dataclass(frozen=True)
class Task:
    """Classes in project order. `positive` is the index of the positive class of a binary project, None for a multi-class one."""

    classes: tuple[str, ...]
    positive: int | None = None

    def __post_init__(self) -> None:
        if len(self.classes) < 2 or len(set(self.classes)) < len(self.classes):
            raise BadInput("a classification has at least two classes with different names")
        if self.positive is not None and not (len(self.classes) == 2 and self.positive in {0, 1}):
            raise BadInput("a positive class belongs to exactly two classes and is the index of one of them")

    @property
    def binary(self) -> bool:
        return self.positive is not None


@dataclass(frozen=True, eq=False)
class Arm:
    """One replicate's predictions on every case of the test-set version, in the order of the truth.

    `labels` (n,): class codes, -1 where the prediction is missing (counts as wrong). `scores`: (n, K), or (n,) for the positive class of
    a binary task, or None; rows of missing predictions may hold NaN. `invalid` (n,) marks non-finite answers of a served model; their
    label must be -1. The sorted scores of the last few classes are kept.
    """

    labels: Codes
    scores: Floats | None = None
    invalid: Bools | None = None
    _rankings: dict[int, Ranking] = field(default_factory=dict, repr=False)
    _cells: list[tuple[Codes, Codes]] = field(default_factory=list, repr=False)

    @cached_property
    def missing(self) -> int:
        """Predictions without a label: they make rank metrics undefined."""
        return int((self.labels == MISSING).sum())

    @property
    def invalid_count(self) -> int:
        return 0 if self.invalid is None else int(self.invalid.sum())

    def cells(self, truth: Codes, classes: int) -> Codes:
        """`cells` (n,) of this truth and the labels, made once for all strata."""
        if not self._cells or self._cells[0][0] is not truth:
            self._cells[:] = [(truth, cells(truth, self.labels, classes))]
        return self._cells[0][1]

    def scores_of(self, index: int, task: Task) -> Floats | None:
        """The scores (n,) of one class; a single column of a binary task serves both of its classes."""
        if self.scores is None:
            return None
        if self.scores.ndim == 2:
            return np.asarray(self.scores[:, index])
        return self.scores if index == task.positive else -self.scores

    def ranking(self, index: int, task: Task) -> Ranking:
        """The class's scores sorted, once for all strata.

        Missing predictions rank as 0: whoever uses a stratum that holds one says "undefined".
        """
        if index not in self._rankings:
            scores = self.scores_of(index, task)
            if scores is None:
                raise BadInput("no scores were given")
            if len(self._rankings) >= MOST_RANKINGS:
                self._rankings.clear()
            self._rankings[index] = rank(np.where(self.labels == MISSING, 0.0, scores) if self.missing else scores)
        return self._rankings[index]


def arm(task: Task, cases: int, labels: ArrayLike, scores: ArrayLike | None = None, invalid: ArrayLike | None = None) -> Arm:
    """Check one replicate: `labels` (n,) are class codes or names of classes, -1 where missing. Raises BadInput that names the first offending row."""
    codes = label_codes(labels, task, cases, least=MISSING)
    bad = np.zeros(cases, dtype=np.bool_) if invalid is None else booleans(invalid, "invalid")
    if bad.shape != (cases,):
        raise BadInput(f"invalid has shape {bad.shape}, but there are {cases} cases")
    odd = np.flatnonzero(bad & (codes != MISSING))
    if odd.size:
        raise BadInput(f"row {odd[0]}: an invalid answer has no label (-1)")
    if scores is None:
        return Arm(codes, None, None if invalid is None else bad)
    values = floats(scores)
    if values.shape not in ({(cases,), (cases, 2)} if task.binary else {(cases, len(task.classes))}):
        raise BadInput(f"scores have shape {values.shape}, but there are {cases} cases and {len(task.classes)} classes")
    finite = np.isfinite(values) if values.ndim == 1 else np.isfinite(values).all(axis=1)
    wrong = np.flatnonzero(~finite & (codes != MISSING))
    if wrong.size:
        raise BadInput(f"row {wrong[0]}: the score is not finite")
    return Arm(codes, values, None if invalid is None else bad)


def label_codes(labels: ArrayLike, task: Task, cases: int, *, least: int = 0) -> Codes:
    """Class codes (cases,) in `least`..K-1, as the smallest integers that hold them, from codes or the classes' names.

    Raises BadInput that names the first row which is neither.
    """
    values = plain(labels, "the label")
    if values.shape != (cases,):
        raise BadInput(f"labels have shape {values.shape}, but there are {cases} cases")
    if values.dtype.kind not in "iub":
        values = integers(_named(labels, task) if values.dtype.kind in "OUT" else values, "the label")
    if values.size and (values.min() < least or values.max() >= len(task.classes)):
        wrong = np.flatnonzero((values < least) | (values >= len(task.classes)))
        raise BadInput(f"row {wrong[0]}: {values[wrong[0]]} is not the code of one of the {len(task.classes)} classes, which count from 0")
    return values.astype(np.min_scalar_type(-len(task.classes) - 1), copy=False)


def _named(labels: ArrayLike, task: Task) -> NDArray[Any]:
    """Labels with the names of classes replaced by their codes. What is no text stays as it is.

    Raises BadInput for another name, and for a code among names: where classes are called 1 and 2, a 1 beside a "1" would be the class 2.
    """
    known = {name: code for code, name in enumerate(task.classes)}
    values = np.array(labels, dtype=object)  # a list may mix names and -1, which numpy would turn into text
    named = any(isinstance(each, str) for each in values)
    for row, each in enumerate(values):
        if isinstance(each, str):
            if each not in known:
                raise BadInput(f"row {row}: {each!r} is none of the classes {', '.join(map(str, task.classes))}")
            values[row] = known[each]
        elif named and isinstance(each, (Real, np.bool_)) and each in range(len(task.classes)):
            raise BadInput(
                f"row {row}: {each} is a code among names of classes; labels are all codes or all names, and {MISSING} where one is missing"
            )
    return values


def replicates_of(candidate: object, baseline: object, kind: type) -> None:
    """Raises BadInput unless both sides are lists of replicates of this `kind`, and the candidate has one."""
    for side, given in (("candidate", candidate), ("baseline", baseline)):
        if not isinstance(given, Sequence) or not all(isinstance(each, kind) for each in given):
            raise BadInput(
                f"the {side} is a list of replicates, each of type {kind.__name__}; one alone is given as [{kind.__name__.lower()}]"
            )
    if not candidate:
        raise BadInput("a report needs at least one replicate of the candidate")


def cells(truth: Codes, labels: Codes, classes: int) -> Codes:
    """Per row truth * (K + 1) + prediction, missing predictions last; as small integers as they fit into."""
    wide = np.min_scalar_type(classes * (classes + 1))
    out = truth.astype(wide)
    out *= wide.type(classes + 1)
    out += np.where(labels == MISSING, classes, labels).astype(wide)
    return out


def cluster_codes(clusters: ArrayLike | None, cases: int) -> Ints | None:
    """Dense cluster codes, or None where every case is its own cluster. Names are numbers, words or anything that can be a key.

    Raises BadInput for a case without a name (None, NaN): what is not known does not belong together.
    """
    if clusters is None:
        return None
    values = plain(clusters, "the cluster")
    if values.shape != (cases,):
        raise BadInput(f"clusters have shape {values.shape}, but there are {cases} cases")
    lacking = np.flatnonzero(absent(values))
    if lacking.size:
        row = lacking[0]
        raise BadInput(f"row {row}: the case has no cluster ({values[row]}); name one of its own where it stands alone")
    if values.dtype.kind == "O":
        known: dict[Hashable, int] = {}
        codes = np.array([known.setdefault(each, len(known)) for each in values], dtype=np.int64)
        return None if len(known) == cases else codes
    keys, codes = np.unique(values, return_inverse=True)
    return None if keys.size == cases else codes.astype(np.int64)


def absent(values: NDArray[Any]) -> Bools:
    """Which of `values` (n,) are not there: None, NaN and their like."""
    if values.dtype.kind == "O":
        return np.array([nameless(each) for each in values], dtype=np.bool_)
    return np.isnan(values) if values.dtype.kind in "fcmM" else np.zeros(values.shape, dtype=np.bool_)


def nameless(each: Any) -> bool:
    """None, NaN and their like, which do not equal themselves."""
    same = each is not None and operator.eq(each, each)
    return not (isinstance(same, (bool, np.bool_)) and same)


@dataclass(frozen=True, eq=False)
class Comparison:
    """A candidate's replicates, and optionally a baseline's, on the same cases of one frozen version."""

    task: Task
    truth: Codes
    candidate: Sequence[Arm]
    baseline: Sequence[Arm]
    clusters: Ints | None = None

    @property
    def cases(self) -> int:
        return self.truth.size

    @property
    def artefacts(self) -> tuple[Arm, ...]:
        """Replicate 0 of the candidate and, where there is one, of the baseline: what a release signs and checks judge."""
        return (self.candidate[0], *self.baseline[:1])

    @property
    def pairs(self) -> int:
        """Of replicates, one of each side: as many as the larger side has."""
        return max(len(self.candidate), len(self.baseline))

    def pair(self, number: int) -> "Comparison":
        """One replicate against one; the shorter side begins anew when it is at its end."""
        ours, theirs = (tuple(side[number % len(side)] for side in (each,) if side) for each in (self.candidate, self.baseline))
        return replace(self, candidate=ours, baseline=theirs)
