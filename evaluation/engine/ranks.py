"""Ranks of plain numbers and how far two orders agree (Spearman 1904)."""

import numpy as np

from evaluation.engine.arrays import Floats


def midranks(values: Floats) -> Floats:
    """Ranks (n,) from 1 of finite numbers (n,), equal ones sharing the mean of theirs."""
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[where])


def spearman(first: Floats, second: Floats) -> float:
    """Correlation of the midranks of two rows (n,), -1 to 1; NaN where one of them does not vary."""
    ours, theirs = (midranks(values) - (values.size + 1) / 2 for values in (first, second))
    spread = float((ours**2).sum() * (theirs**2).sum()) ** 0.5
    return float((ours * theirs).sum()) / spread if spread else float("nan")
