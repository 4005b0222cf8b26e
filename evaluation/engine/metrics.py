"""The registry of classification metrics: what each is called, needs, ranges over, and how its interval and paired difference are made.

A metric is a function of one-vs-rest counts (`tables`), of ranked scores (`ranked`), or of scores that are probabilities
(`probabilities`). Nothing outside this page knows a metric by its name.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from evaluation.engine.arrays import BadInput, Bools, Codes, Floats, ratio
from evaluation.engine.data import MISSING, Task
from evaluation.engine.tables import AVERAGES, Table, share_of

Kind = Literal["share", "table", "score"]
Family = Literal["counts", "rank", "loss", "drawn", "hits"]
Needs = Literal["labels", "scores", "probabilities"]


@dataclass(frozen=True)
class Definition:
    """What a metric is, whichever class it is about. `interval` and `difference` name the methods in words; `source` who defined it.

    `kind`: a `share` is a proportion with a score interval, a `table` another function of the confusion matrix, a `score` a function of
    scores, whose `family` says how its interval is made. `paired` proportions have a denominator that depends on the truth alone, so that
    two models can be compared case by case.
    """

    kind: Kind
    needs: Needs
    interval: str
    difference: str
    source: str
    higher_is_better: bool = True
    low: float = 0.0
    high: float = 1.0
    paired: bool = False
    family: Family = "counts"


def _share(source: str, *, paired: bool = True, higher: bool = True) -> Definition:
    difference = "Tango; McNemar mid-P, with clusters the sign-flip test" if paired else "square-and-add; swap permutation"
    return Definition("share", "labels", "Wilson, with clusters on the effective n", difference, source, higher, paired=paired)


def _table(source: str, low: float = 0.0, interval: str = "BCa on multinomial draws of counts") -> Definition:
    return Definition("table", "labels", interval, "square-and-add; swap permutation", source, low=low)


SHARES_JOINED = "square-and-add of Wilson intervals of shares; with clusters BCa on multinomial draws of counts"


def _rank(source: str) -> Definition:
    return Definition(
        "score", "scores", "DeLong on the logit scale, influences summed over clusters", "paired DeLong", source, family="rank"
    )


def _loss(source: str, high: float) -> Definition:
    return Definition(
        "score",
        "probabilities",
        "Student t on cluster sums",
        "Student t on cluster sums of paired differences",
        source,
        False,
        high=high,
        family="loss",
    )


def _bins(source: str) -> Definition:
    interval = "bootstrap of cases or clusters, centred on the estimate; influence functions above 1,000"
    return Definition("score", "probabilities", interval, "percentiles of common draws", source, False, family="drawn")


def _hits(source: str) -> Definition:
    interval, difference = "Wilson, with clusters on the effective n", "Tango; McNemar mid-P, with clusters the sign-flip test"
    return Definition("score", "scores", interval, difference, source, family="hits")


UNBOUNDED = float("inf")
DEFINITIONS: dict[str, Definition] = {
    "accuracy": _share("share of right answers"),
    "sensitivity": _share("recall, true positive rate; ISO/IEC TS 4213"),
    "specificity": _share("true negative rate"),
    "ppv": _share("positive predictive value, precision", paired=False),
    "npv": _share("negative predictive value", paired=False),
    "false_positive_rate": _share("1 - specificity", higher=False),
    "false_negative_rate": _share("1 - sensitivity", higher=False),
    "micro_f1": _share("equals accuracy where each case has one label"),
    "balanced_accuracy": _table("mean sensitivity; Brodersen 2010", interval=SHARES_JOINED),
    "f1": _table("van Rijsbergen 1979"),
    "mcc": _table("Matthews 1975; several classes Gorodkin 2004 (BCa)", low=-1.0, interval=SHARES_JOINED),
    "macro_sensitivity": _table("mean over classes with support", interval=SHARES_JOINED),
    "macro_specificity": _table("mean over classes with support"),
    "macro_ppv": _table("mean over classes with support"),
    "macro_npv": _table("mean over classes with support"),
    "macro_f1": _table("mean over classes with support"),
    "weighted_f1": _table("mean weighted by support"),
    "roc_auc": _rank("Hanley & McNeil 1982; DeLong 1988"),
    "partial_roc_auc": _rank("up to a false positive rate of 0.1, standardised; McClish 1989, Dodd & Pepe 2003"),
    "macro_roc_auc": _rank("mean one-vs-rest over classes with support"),
    "average_precision": Definition(
        "score",
        "scores",
        "BCa stratified by label; influence functions on the logit scale above 1,000 units",
        "percentiles of common draws; paired influences above 1,000 units",
        "step form; Boyd, Eng & Page 2013",
        family="drawn",
    ),
    "macro_average_precision": Definition(
        "score",
        "scores",
        "influence functions on the logit scale",
        "paired influences",
        "mean one-vs-rest over classes with support",
        family="rank",
    ),
    "top_2_accuracy": _hits("the true class is among the two highest scores; Russakovsky 2015"),
    "top_5_accuracy": _hits("the true class is among the five highest scores; Russakovsky 2015"),
    "log_loss": _loss("probabilities clipped at 1e-15; Good 1952", UNBOUNDED),
    "brier": _loss("Brier 1950; over all classes 0..2", 1.0),
    "ece": _bins("15 equal-width bins, l1; Guo 2017"),
    "ece_debiased": _bins("ece less its expected bias; Kumar 2019"),
}
SHARES = ("sensitivity", "specificity", "ppv", "npv", "false_positive_rate", "false_negative_rate")
OF_A_CLASS = ("f1", "mcc", "roc_auc", "partial_roc_auc", "average_precision", "log_loss", "brier", "ece", "ece_debiased")
OVERALL = (
    *(name for name in AVERAGES if name != "balanced_accuracy"),
    "micro_f1",
    "macro_roc_auc",
    "macro_average_precision",
    "top_2_accuracy",
    "top_5_accuracy",
    "log_loss",
    "brier",
    "ece",
    "ece_debiased",
)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One entry of the registry: a definition about one class (`index`) or all of them (None). `id` as in a report: `sensitivity[nodule]`."""

    id: str
    name: str
    definition: Definition
    index: int | None = None

    @property
    def kind(self) -> Kind:
        return self.definition.kind

    @property
    def needs(self) -> Needs:
        return self.definition.needs

    @property
    def family(self) -> Family:
        return self.definition.family

    @property
    def paired(self) -> bool:
        return self.definition.paired

    @property
    def higher_is_better(self) -> bool:
        return self.definition.higher_is_better

    @property
    def low(self) -> float:
        return self.definition.low

    @property
    def high(self) -> float:
        """The largest possible value; the Brier score over all classes reaches 2."""
        return 2.0 if self.name == "brier" and self.index is None else self.definition.high

    @property
    def macro(self) -> bool:
        """A mean over the classes that have support."""
        return self.name.startswith("macro_") or self.name == "balanced_accuracy"

    def value(self, table: Table) -> Floats:
        """The metric of each confusion table (...); NaN where undefined. Functions of scores are made in `scored`."""
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

    def rows(self, truth: Codes, labels: Codes) -> tuple[Bools, Bools]:
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
        """Why the metric is undefined in a stratum that has cases and all it needs."""
        if self.index is None:
            ranked = self.name in {"macro_roc_auc", "macro_average_precision"}
            return "no class with both positives and negatives" if ranked else "the denominator is zero"
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
        }.get(self.name, f"needs cases of {name} and others")


def metric_of(task: Task, metric_id: str) -> Metric:
    """The registry's entry of that id. Raises BadInput that lists the ids there are."""
    found = {metric.id: metric for metric in registry(task)}
    if metric_id not in found:
        raise BadInput(f"there is no metric {metric_id!r} here; there are {', '.join(found)}")
    return found[metric_id]


def registry(task: Task) -> list[Metric]:
    """Every metric of the task in report order: bare names for the positive class of a binary task, else per class and averaged."""
    overall = [_metric("accuracy"), _metric("balanced_accuracy")]
    if task.binary:
        return overall + [_metric(name, task.positive) for name in (*SHARES, *OF_A_CLASS)]
    few = {f"top_{k}_accuracy" for k in (2, 5) if len(task.classes) <= k}
    averaged = [_metric(name) for name in OVERALL if name not in few]
    return (
        overall
        + averaged
        + [_metric(name, index, f"[{label}]") for index, label in enumerate(task.classes) for name in (*SHARES, *OF_A_CLASS)]
    )


def _metric(name: str, index: int | None = None, suffix: str = "") -> Metric:
    return Metric(id=f"{name}{suffix}", name=name, definition=DEFINITIONS[name], index=index)
