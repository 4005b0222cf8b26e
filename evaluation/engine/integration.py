"""Is what runs what was signed? Answers of a deployed endpoint against stored reference answers, case by case."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from evaluation.engine.arrays import BadInput, Floats, booleans, integers, optional
from evaluation.engine.determinism import NAMED, finite_scores, labels_of
from evaluation.engine.intervals import wilson
from evaluation.engine.ranks import spearman

Precision = Literal["float32", "float16", "int8"]
TOLERANCE: dict[Precision, float] = {"float32": 1e-4, "float16": 1e-2, "int8": 1e-2}


@dataclass(frozen=True, kw_only=True)
class Integration:
    """The comparison. `flips` count missing answers too; `rows` are the first 20 of them.

    `largest` is the largest change of a score (None without an answer) and `beyond` how many cases exceed the `tolerance`. `rank_correlation`
    is Spearman's, the least over the columns, None where every column is constant. `accuracy` and `reference_accuracy` are None without
    truth. `passed`: no more flips than allowed, no score beyond the tolerance, accuracy within its own tolerance; `failures` name what is not so.
    """

    n: int
    missing: int
    flips: int
    flip_rate_at_most: float
    rows: tuple[int, ...]
    largest: float | None
    largest_row: int | None
    beyond: int
    tolerance: float
    rank_correlation: float | None
    accuracy: float | None
    reference_accuracy: float | None
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.failures


def compare_answers(
    reference: ArrayLike,
    served: ArrayLike,
    *,
    truth: ArrayLike | None = None,
    missing: ArrayLike | None = None,
    precision: Precision = "float32",
    threshold: float | None = None,
    allowed_flips: int = 0,
    metric_tolerance: float = 0.0,
) -> Integration:
    """Hold `served` scores against `reference` scores, both (n, K) or (n,), in the order of the cases.

    `missing` (n,) marks cases without an answer: they count as flips and as wrong, and their scores are ignored. `truth` (n,) holds labels as
    they follow from the scores: columns, or whether the threshold is reached. Raises BadInput on an unknown
    precision, on different shapes, and on scores that are neither finite nor marked as missing.
    """
    if precision not in TOLERANCE:
        raise BadInput(f"there is no precision {precision!r}; there are {', '.join(TOLERANCE)}")
    expected = finite_scores(reference, "reference")
    absent = np.zeros(len(expected), dtype=np.bool_) if missing is None else booleans(missing, "missing")
    given = np.array(served, dtype=np.float64)
    given = given[:, None] if given.ndim == 1 else given
    if given.shape != expected.shape or absent.shape != (len(expected),) or not len(expected):
        raise BadInput(
            f"served has shape {given.shape}, reference {expected.shape}, missing {absent.shape}; they are of the same cases, at least one"
        )
    given[absent] = 0.0
    finite_scores(given, "served")
    ours, theirs = labels_of(expected, threshold), labels_of(given, threshold)
    flipped = np.flatnonzero((ours != theirs) | absent)
    change = np.where(absent, -1.0, np.abs(given - expected).max(axis=1))
    worst, answered = int(change.argmax()), int((~absent).sum())
    beyond = int((change > TOLERANCE[precision]).sum())
    labels = None if truth is None else integers(truth, "the truth")
    if labels is not None and labels.shape != absent.shape:
        raise BadInput(f"truth has shape {labels.shape}, but there are {len(expected)} cases")
    accuracy = None if labels is None else float(((labels == theirs) & ~absent).mean())
    before = None if labels is None else float((labels == ours).mean())
    failures = {
        "flips": flipped.size > allowed_flips,
        "scores": beyond > 0,
        "metric": accuracy is not None and before is not None and abs(accuracy - before) > metric_tolerance + 1e-12,
    }
    return Integration(
        n=len(expected),
        missing=int(absent.sum()),
        flips=int(flipped.size),
        flip_rate_at_most=float(wilson(flipped.size, len(expected))[1]),
        rows=tuple(flipped[:NAMED].tolist()),
        largest=float(change[worst]) if answered else None,
        largest_row=worst if answered else None,
        beyond=beyond,
        tolerance=TOLERANCE[precision],
        rank_correlation=_rank_correlation(expected[~absent], given[~absent]),
        accuracy=accuracy,
        reference_accuracy=before,
        failures=tuple(name for name, failed in failures.items() if failed),
    )


def _rank_correlation(ours: Floats, theirs: Floats) -> float | None:
    if len(ours) < 2:
        return None
    found = [spearman(ours[:, k], theirs[:, k]) for k in range(ours.shape[1])]
    return optional(np.nanmin(found)) if not np.isnan(found).all() else None
