"""Shares of right answers (or of broken expectations) by stratum, candidate beside baseline, as a report's entries.

Right and wrong are a classification whose truth is always "right", so that intervals, paired tests, clusters and replicates are those of
the engine's accuracy and nothing is computed twice.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from evaluation.engine.arrays import BadInput, Bools, optional
from evaluation.engine.data import Task, arm
from evaluation.engine.entries import Entry
from evaluation.engine.estimates import Settings
from evaluation.engine.metrics import metric_of
from evaluation.engine.multiplicity import benjamini_hochberg, holm
from evaluation.engine.report import BlockReport, comparison_of
from evaluation.engine.strata import Grouping, blocks

ANSWERS = Task(("wrong", "right"), 1)


def hits_of(values: ArrayLike, shape: tuple[int, ...], what: str) -> Bools:
    """Booleans of that shape. Raises BadInput for any other shape, and for values that are not true or false."""
    hits = np.asarray(values)
    if hits.shape != shape:
        raise BadInput(f"{what}: the shape is {hits.shape}, but {shape} is needed")
    if hits.dtype != np.bool_:
        raise BadInput(f"{what}: true or false is needed for each case, not {hits.dtype}; a missing answer is false")
    return hits


def share_entries(
    metric: str, candidate: Bools, baseline: Bools | None, strata: Grouping, clusters: ArrayLike | None, level: float
) -> list[Entry]:
    """One entry per name of `strata`, in their order.

    `candidate` and `baseline` (runs, rows): whether the row counts; replicate 0 first. `clusters` (rows,): rows of one cluster are not
    independent. With several runs the figures are over replicates and those of replicate 0 lie under `artefact`.
    """
    rows = candidate.shape[1]
    new, old = ([] if side is None else [arm(ANSWERS, rows, run.astype(np.int64)) for run in side] for side in (candidate, baseline))
    comparison = comparison_of(ANSWERS, np.ones(rows, dtype=np.int64), new, old, clusters)
    block = blocks([strata], rows, comparison.clusters)[0]
    found = BlockReport(comparison, block, Settings(seed=b"", level=level), [metric_of(ANSWERS, "accuracy")]).entries()
    return [found[name][0] | {"metric": metric, "n_positive": None} for name in block.names]


def adjust(gaps: Iterable[Entry | None]) -> None:
    """Add `p_holm` and `p_bh` to the differences of one family; None takes no part in it."""
    family = [gap for gap in gaps if gap is not None]
    p = [np.nan if gap["p"] is None else gap["p"] for gap in family]
    for gap, by_holm, by_bh in zip(family, holm(p), benjamini_hochberg(p), strict=True):
        gap |= {"p_holm": optional(by_holm), "p_bh": optional(by_bh)}
