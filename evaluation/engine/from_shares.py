"""Intervals of mean sensitivity and of one class's MCC from those of the shares they are made of, where every case stands alone.

A bootstrap of ten positives draws from the two that were found and knows nothing of the third: it held the MCC in 78 of 100 sets. Sensitivity and specificity stand on
different cases, so their Wilson intervals can be joined: how far the number moves when one share moves to the end of its interval, squared and added (MOVER: Zou &
Donner 2008; for functions of more than one number Newcombe 2011, J Biopharm Stat 21:1). Clusters lie on both sides and are left to the bootstrap.
"""

import numpy as np

from evaluation.engine.arrays import Floats, ratio
from evaluation.engine.intervals import Pair, wilson
from evaluation.engine.metrics import Metric
from evaluation.engine.tables import Table

METHOD = "square-and-add of shares"
MEANS = {"balanced_accuracy", "macro_sensitivity"}
UNKNOWN = 4  # of so many cases of the smallest class a correlation of two models says nothing: without it differences held 90 to 94 %


def made_of_shares(metric: Metric) -> bool:
    return metric.name in MEANS or (metric.name == "mcc" and metric.index is not None)


def from_shares(metric: Metric, table: Table, level: float) -> Pair:
    """Bounds (...) of a metric that is `made_of_shares`; NaN where it is undefined."""
    return _mean(table, level) if metric.index is None else _mcc(table, metric.index, level)


def cautious(correlation: Floats | float, smallest: float) -> Floats:
    """A positive correlation of two models' estimates, as far as `smallest` cases of a class can show it."""
    known = max(1 - UNKNOWN / max(smallest, 1.0), 0.0)
    return np.minimum(correlation, np.multiply(correlation, known))


def _mean(table: Table, level: float) -> Pair:
    """Of the sensitivities of the classes that have cases."""
    low, high = wilson(table.tp, table.support, level)
    each, classes = table.share("sensitivity"), (table.support > 0).sum(axis=-1)
    value = table.macro(each)
    return value - ratio(_root(each - low), classes), value + ratio(_root(high - each), classes)


def _mcc(table: Table, index: int, level: float) -> Pair:
    """Of one class against the others, from its sensitivity, its specificity and its share of the cases."""
    tp, fn, fp, tn = (np.asarray(each[..., index]) for each in (table.tp, table.fn, table.fp, table.tn))
    at = [ratio(tp, tp + fn), ratio(tn, tn + fp), ratio(tp + fn, table.n)]
    value = np.asarray(table.mcc[..., index])
    down, up = [], []
    for place, (k, n) in enumerate(((tp, tp + fn), (tn, tn + fp), (tp + fn, table.n))):
        moved = [_phi(*(end if i == place else share for i, share in enumerate(at))) for end in wilson(k, n, level)]
        down.append(np.maximum(value - np.minimum(*moved), 0.0))
        up.append(np.maximum(np.maximum(*moved) - value, 0.0))
    return value - _root(np.stack(down, axis=-1)), value + _root(np.stack(up, axis=-1))


def _phi(sensitivity: Floats, specificity: Floats, share: Floats) -> Floats:
    """MCC at these shares; 0 where all cases are called alike."""
    called = share * sensitivity + (1 - share) * (1 - specificity)
    return np.nan_to_num(ratio((sensitivity + specificity - 1) * np.sqrt(share * (1 - share)), np.sqrt(called * (1 - called))))


def _root(moves: Floats) -> Floats:
    return np.asarray(np.sqrt((np.nan_to_num(moves) ** 2).sum(axis=-1)))
