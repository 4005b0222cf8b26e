"""Confusion counts of every class against the others, and what is read off them.

A missing prediction is wrong in every one-vs-rest table: a false negative of its own class, a false positive of the others. Undefined is
NaN here and None with a reason in a report, never 0, 1 or -1.
"""

from collections.abc import Callable
from functools import cached_property

import numpy as np

from evaluation.engine.arrays import Codes, Floats, floats, ratio
from evaluation.engine.data import cells

ROWS_AT_ONCE = 1 << 15  # what counting makes of them stays in the processor's cache


def margins_of(confusion: Floats) -> Floats:
    """What metrics need of confusion counts (..., K truths, K + 1 predictions, the last one missing), summed up: (..., 4, K).

    Per class: cases of it, of those right, cases called so, cases of it without a prediction. Margins add up as counts do, at a fraction of the size.
    """
    counts = floats(confusion)
    return np.stack([counts.sum(axis=-1), np.diagonal(counts, axis1=-2, axis2=-1), counts[..., :-1].sum(axis=-2), counts[..., -1]], axis=-2)


class Table:
    """One-vs-rest counts of every class, from margins (..., 4, K). Everything derived is cached."""

    def __init__(self, margins: Floats) -> None:
        self.margins = floats(margins)
        self._shares: dict[str, Floats] = {}

    @classmethod
    def of(cls, confusion: Floats) -> "Table":
        """Of confusion counts (..., K, K + 1)."""
        return cls(margins_of(confusion))

    @property
    def support(self) -> Floats:
        return np.asarray(self.margins[..., 0, :])

    @property
    def tp(self) -> Floats:
        return np.asarray(self.margins[..., 1, :])

    @property
    def called(self) -> Floats:
        return np.asarray(self.margins[..., 2, :])

    @property
    def missing(self) -> Floats:
        return np.asarray(self.margins[..., 3, :])

    @cached_property
    def n(self) -> Floats:
        return np.asarray(self.support.sum(axis=-1))

    @cached_property
    def fn(self) -> Floats:
        return self.support - self.tp

    @cached_property
    def fp(self) -> Floats:
        """A missing prediction is a false positive of every class but its own."""
        return np.asarray(self.called - self.tp + self.missing.sum(axis=-1, keepdims=True) - self.missing)

    def share(self, name: str) -> Floats:
        """A one-vs-rest proportion (..., K); NaN where undefined."""
        if name not in self._shares:
            self._shares[name] = ratio(*share_of(name, self))
        return self._shares[name]

    @cached_property
    def tn(self) -> Floats:
        return self.n[..., None] - self.tp - self.fn - self.fp

    @cached_property
    def f1(self) -> Floats:
        return ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @cached_property
    def mcc(self) -> Floats:
        spread = (self.tp + self.fp) * (self.tp + self.fn) * (self.tn + self.fp) * (self.tn + self.fn)
        return ratio(self.tp * self.tn - self.fp * self.fn, np.sqrt(spread))

    def accuracy(self) -> Floats:
        return ratio(self.tp.sum(axis=-1), self.n)

    def macro(self, per_class: Floats) -> Floats:
        """Mean over the classes that have support and a defined value; NaN where there is none."""
        usable = (self.support > 0) & ~np.isnan(per_class)
        return ratio(np.where(usable, per_class, 0.0).sum(axis=-1), usable.sum(axis=-1))

    def weighted(self, per_class: Floats) -> Floats:
        """Mean weighted by support."""
        return ratio((np.nan_to_num(per_class) * self.support).sum(axis=-1), self.n)

    def multiclass_mcc(self) -> Floats:
        """Gorodkin's R_K; a missing prediction counts as one class more that is never true."""
        cross = self.tp.sum(axis=-1) * self.n - (self.called * self.support).sum(axis=-1)
        absent = self.missing.sum(axis=-1)
        ours, theirs = self.n**2 - (self.support**2).sum(axis=-1), self.n**2 - (self.called**2).sum(axis=-1) - absent**2
        return ratio(cross, np.sqrt(ours * theirs))


def share_of(name: str, table: Table) -> tuple[Floats, Floats]:
    """Numerator and denominator (..., K) of a one-vs-rest proportion."""
    tp, fp, fn, tn = table.tp, table.fp, table.fn, table.tn
    top, other = {
        "sensitivity": (tp, fn),
        "false_negative_rate": (fn, tp),
        "specificity": (tn, fp),
        "false_positive_rate": (fp, tn),
        "ppv": (tp, fp),
        "npv": (tn, fn),
    }[name]
    return top, top + other


AVERAGES: dict[str, Callable[[Table], Floats]] = {
    "balanced_accuracy": lambda t: t.macro(t.share("sensitivity")),
    "mcc": lambda t: t.multiclass_mcc(),
    "macro_sensitivity": lambda t: t.macro(t.share("sensitivity")),
    "macro_specificity": lambda t: t.macro(t.share("specificity")),
    "macro_ppv": lambda t: t.macro(t.share("ppv")),
    "macro_npv": lambda t: t.macro(t.share("npv")),
    "macro_f1": lambda t: t.macro(t.f1),
    "weighted_f1": lambda t: t.weighted(t.f1),
}


def confusion(codes: Codes, strata: int, truth: Codes, labels: Codes, classes: int) -> Floats:
    """Confusion counts (strata, K, K + 1) of rows with stratum `codes`; missing labels (-1) land in the last column."""
    return counted(codes, strata, cells(truth, labels, classes), classes * (classes + 1)).reshape(strata, classes, classes + 1)


def counted(codes: Codes, strata: int, cell: Codes, cells: int) -> Floats:
    """Rows of each stratum in each of `cells` cells: (strata, cells)."""
    wide = np.min_scalar_type(strata * cells)
    width = max(ROWS_AT_ONCE, strata * cells)
    out = np.zeros(strata * cells, dtype=np.int64)
    for start in range(0, cell.size, width):
        both = cell[start : start + width].astype(wide)
        if strata > 1:
            both += codes[start : start + width].astype(wide) * wide.type(cells)
        out += np.bincount(both, minlength=out.size)
    return out.reshape(strata, cells).astype(np.float64)
