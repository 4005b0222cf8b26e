"""The registry of classification metrics: what each is called, needs, ranges over, and how its interval and paired difference are made.

Every metric is a function of one-vs-rest counts or of ranked scores. A missing prediction is wrong in every one-vs-rest table: a false
negative of its own class, a false positive of the others. Undefined is NaN here and None with a reason in a report, never 0, 1 or -1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from evaluation.engine.arrays import BadInput, Bools, Floats, Ints, floats, ratio
from evaluation.engine.data import MISSING, Task

Kind = Literal["share", "table", "rank"]


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


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One entry of the registry.

    `id` as in a report (`sensitivity[nodule]`), `name` without the class, `index` the class it is about (None: all classes). `kind`: a
    `share` is a proportion with a score interval, a `table` is another function of the confusion matrix (bootstrap), a `rank` needs
    scores (DeLong). `paired` proportions have a denominator that depends on the truth alone, so that two models can be compared case by
    case.
    """

    id: str
    name: str
    kind: Kind
    index: int | None = None
    higher_is_better: bool = True
    low: float = 0.0
    high: float = 1.0
    paired: bool = False

    @property
    def needs(self) -> Literal["labels", "scores"]:
        return "scores" if self.kind == "rank" else "labels"

    def value(self, table: Table) -> Floats:
        """The metric of each confusion table (...); NaN where undefined. Rank metrics are computed in `auc`."""
        if self.kind == "share":
            return ratio(*self.parts(table)) if self.index is None else np.asarray(table.share(self.name)[..., self.index])
        if self.index is not None:
            return np.asarray((table.f1 if self.name == "f1" else table.mcc)[..., self.index])
        return AVERAGES[self.name](table)

    def parts(self, table: Table) -> tuple[Floats, Floats]:
        """Numerator and denominator (...) of a share."""
        if self.index is None:
            return np.asarray(table.tp.sum(axis=-1)), table.n
        top, bottom = share_of(self.name, table)
        return np.asarray(top[..., self.index]), np.asarray(bottom[..., self.index])

    def rows(self, truth: Ints, labels: Ints) -> tuple[Bools, Bools]:
        """Per case of a share: (counts in the numerator, counts in the denominator)."""
        if self.index is None:
            return truth == labels, np.ones(truth.size, dtype=np.bool_)
        true = truth == self.index
        said = (labels == self.index) | ((labels == MISSING) & ~true)
        return {
            "sensitivity": (true & said, true),
            "false_negative_rate": (true & ~said, true),
            "specificity": (~true & ~said, ~true),
            "false_positive_rate": (~true & said, ~true),
            "ppv": (true & said, said),
            "npv": (~true & ~said, ~said),
        }[self.name]

    def reason(self, task: Task) -> str:
        """Why the metric is undefined in a stratum that has cases."""
        if self.index is None:
            return "no class with both positives and negatives" if self.kind == "rank" else "the denominator is zero"
        name = task.classes[self.index]
        return {
            "sensitivity": f"no case of {name}",
            "false_negative_rate": f"no case of {name}",
            "specificity": f"no case that is not {name}",
            "false_positive_rate": f"no case that is not {name}",
            "ppv": f"no case was called {name}",
            "npv": f"every case was called {name}",
            "f1": f"no case of {name} and none was called so",
            "mcc": "the truth or the predictions hold one class only",
            "roc_auc": f"needs cases of {name} and others",
        }[self.name]


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
SHARES = ("sensitivity", "specificity", "ppv", "npv", "false_positive_rate", "false_negative_rate")


def metric_of(task: Task, metric_id: str) -> Metric:
    """The registry's entry of that id. Raises BadInput that lists the ids there are."""
    found = {metric.id: metric for metric in registry(task)}
    if metric_id not in found:
        raise BadInput(f"there is no metric {metric_id!r} here; there are {', '.join(found)}")
    return found[metric_id]


def registry(task: Task) -> list[Metric]:
    """Every metric of the task in report order: bare names for the positive class of a binary task, else per class and averaged."""
    overall = [
        Metric(id="accuracy", name="accuracy", kind="share", paired=True),
        Metric(id="balanced_accuracy", name="balanced_accuracy", kind="table"),
    ]
    if task.binary:
        return overall + _of_class(task.positive, "")
    averaged = [
        Metric(id=name, name=name, kind="table", low=-1.0 if name == "mcc" else 0.0) for name in AVERAGES if name != "balanced_accuracy"
    ]
    averaged += [
        Metric(id="micro_f1", name="micro_f1", kind="share", paired=True),
        Metric(id="macro_roc_auc", name="macro_roc_auc", kind="rank"),
    ]
    per_class = [metric for index, name in enumerate(task.classes) for metric in _of_class(index, f"[{name}]")]
    return overall + averaged + per_class


def _of_class(index: int | None, suffix: str) -> list[Metric]:
    shares = [
        Metric(
            id=f"{name}{suffix}",
            name=name,
            kind="share",
            index=index,
            higher_is_better="false" not in name,
            paired=name not in {"ppv", "npv"},
        )
        for name in SHARES
    ]
    others = [
        Metric(id=f"f1{suffix}", name="f1", kind="table", index=index),
        Metric(id=f"mcc{suffix}", name="mcc", kind="table", index=index, low=-1.0),
        Metric(id=f"roc_auc{suffix}", name="roc_auc", kind="rank", index=index),
    ]
    return shares + others


def confusion(codes: Ints, strata: int, truth: Ints, labels: Ints, classes: int) -> Floats:
    """Confusion counts (strata, K, K + 1) of rows with stratum `codes`; missing labels (-1) land in the last column."""
    width = classes + 1
    cell = (codes * classes + truth) * width + np.where(labels == MISSING, classes, labels)
    return np.bincount(cell, minlength=strata * classes * width).reshape(strata, classes, width).astype(np.float64)
