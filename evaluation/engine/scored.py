"""One metric of scores, of one arm, in every stratum of a block: its value, and each case's influence on it.

Whatever the metric, its variance is a sum of squared influences over clusters, the difference of two models' the same of the difference
of their influences, and value + n * influence are the pseudo-values of a recipe. Arrays over rows are made when asked for, not kept.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np

from evaluation.engine.arrays import Bools, Floats, ratio, tally
from evaluation.engine.auc import auc_of, partial_auc_of
from evaluation.engine.data import MISSING, Arm, Comparison
from evaluation.engine.estimates import missing_reason
from evaluation.engine.metrics import Metric
from evaluation.engine.precision import precision_of
from evaluation.engine.probabilities import bin_effects, bins_of, came_true, chance_of, equal_width, fault, losses, places
from evaluation.engine.ranked import Ranked, RankMetric, influence_variance
from evaluation.engine.strata import Block

RANKED: dict[str, Callable[[Ranked], RankMetric]] = {
    "roc_auc": auc_of,
    "partial_roc_auc": partial_auc_of,
    "average_precision": precision_of,
    "macro_roc_auc": auc_of,
    "macro_average_precision": precision_of,
}
ROUNDING = 1e-12
TOP = {"top_2_accuracy": 2, "top_5_accuracy": 5}


@dataclass(frozen=True, eq=False)
class Scored:
    """Figures over the strata of a block.

    `smaller` is the class size that bounds where there is no variance, `undefined` says why a stratum has no value. `rows` makes the
    influences (raw, scaled), each (rows,); `spread` the variance where it needs none of them. `cases` (rows,) are what a mean is of.
    `by_chance` says of a normal quantile in which strata a calibrated model would have such an error.
    """

    block: Block
    value: Floats
    smaller: Floats
    undefined: list[str | None]
    rows: Callable[[bool], Floats]
    spread: Callable[[], Floats] | None = None
    cases: Floats | None = None
    by_chance: Callable[[float], Bools] | None = None

    def influence(self, *, scaled: bool) -> Floats:
        """Each row's influence (rows,); `scaled` so that its squares, summed over clusters, are the variance."""
        return self.rows(scaled)

    @cached_property
    def variance(self) -> Floats:
        """Per stratum; NaN where the value is undefined or it cannot be estimated."""
        found = self.spread() if self.spread is not None else influence_variance(self.rows(True), self.block)
        return np.where(np.isnan(self.value), np.nan, found)

    @property
    def degrees(self) -> Floats:
        """Of Student's t: clusters of the stratum - 1."""
        return np.asarray(self.block.clusters_per_stratum - 1.0)


@dataclass(frozen=True, eq=False)
class Scorer:
    """Makes the figures of one comparison in one block. The steps of the class asked for last are kept for each arm."""

    comparison: Comparison
    block: Block
    _ranked: dict[int, tuple[int, Ranked]] = field(default_factory=dict, repr=False)
    _missing: dict[int, Floats] = field(default_factory=dict, repr=False)

    def missing(self, arm: Arm) -> Floats:
        """Per stratum the cases that the arm did not answer."""
        if id(arm) not in self._missing:
            absent = np.asarray(self.block.pick(arm.labels)) == MISSING if arm.missing else np.zeros(0, dtype=np.bool_)
            self._missing[id(arm)] = tally(self.block.codes[absent] if arm.missing else self.block.codes[:0], None, self.block.size)
        return self._missing[id(arm)]

    def of(self, arm: Arm, metric: Metric) -> Scored:
        """The figures of one metric."""
        why = "no scores were given" if arm.scores is None else None
        if why is None and metric.needs == "probabilities":
            why = fault(arm, self.comparison.task, metric.index)
        if why is not None:
            return self._nothing(why)
        if metric.name in RANKED:
            return self._over_ranks(arm, metric)
        if metric.family == "drawn":
            return self._over_bins(arm, metric)
        return self._over_cases(arm, metric, self.case_values(arm, metric))

    def _nothing(self, why: str) -> Scored:
        empty = np.full(self.block.size, np.nan)
        return Scored(self.block, empty, np.zeros(self.block.size), [why] * self.block.size, lambda _: np.zeros(self.block.codes.size))

    def _defined(self, arm: Arm, metric: Metric, value: Floats) -> tuple[Floats, list[str | None]]:
        """Undefined where a prediction is missing or the metric says so, with the reasons."""
        missing = self.missing(arm)
        value = np.where(missing > 0, np.nan, value)
        reason = metric.reason(self.comparison.task)
        return value, [
            missing_reason(int(m)) or (reason if np.isnan(v) else None) for m, v in zip(missing.tolist(), value.tolist(), strict=True)
        ]

    def ranked(self, arm: Arm, index: int) -> Ranked:
        """One class's scores in the order of ranks."""
        known = self._ranked.get(id(arm))
        if known is None or known[0] != index:
            known = index, Ranked(arm.ranking(index, self.comparison.task), self.comparison.truth == index, self.block)
            self._ranked[id(arm)] = known
        return known[1]

    def _over_ranks(self, arm: Arm, metric: Metric) -> Scored:
        """One class, or the mean over the classes for which it exists."""
        make = RANKED[metric.name]
        if metric.index is not None:
            one = make(self.ranked(arm, metric.index))
            value, undefined = self._defined(arm, metric, one.value)
            size = one.steps.positives if metric.name == "average_precision" else one.smaller_class
            return Scored(self.block, value, size.astype(np.float64), undefined, _rows_of(one), lambda: one.variance)
        total, used, smaller = np.zeros(self.block.size), np.zeros(self.block.size), np.full(self.block.size, np.inf)
        for index in range(len(self.comparison.task.classes)):
            one = make(self.ranked(arm, index))
            defined = ~np.isnan(one.value)
            total, used = total + np.where(defined, one.value, 0.0), used + defined
            size = one.smaller_class if metric.name == "macro_roc_auc" else one.steps.positives
            smaller = np.where(defined, np.minimum(smaller, size), smaller)
        value, undefined = self._defined(arm, metric, ratio(total, used))

        def rows(scaled: bool) -> Floats:
            out = np.zeros(self.block.codes.size)
            for index in range(len(self.comparison.task.classes)):
                one = make(self.ranked(arm, index))
                out += np.where(np.isnan(one.value)[self.block.codes], 0.0, _rows_of(one)(scaled))
            return np.asarray(out / np.maximum(used, 1)[self.block.codes])

        return Scored(self.block, value, np.where(np.isfinite(smaller), smaller, 0.0), undefined, rows)

    def case_values(self, arm: Arm, metric: Metric) -> Floats:
        """Per row what the metric is the mean of: a loss, or 1 where the true class is near the top."""
        truth, task = self.comparison.truth, self.comparison.task
        if metric.family == "hits":
            values = (places(arm, truth) < TOP[metric.name]).astype(np.float64)
        else:
            values = losses(metric.name, arm, task, truth, metric.index)
        return np.asarray(self.block.pick(np.where(arm.labels == MISSING, 0.0, values) if arm.missing else values))

    def _over_cases(self, arm: Arm, metric: Metric, values: Floats) -> Scored:
        value, undefined = self._defined(arm, metric, ratio(tally(self.block.codes, values, self.block.size), self.block.n))

        def rows(scaled: bool) -> Floats:
            centred = (values - np.nan_to_num(value)[self.block.codes]) / self.block.n[self.block.codes]
            return np.asarray(centred * _factor(self.block)[self.block.codes] if scaled else centred)

        spread = partial(mean_variance, values, self.block) if self.block.units is None else None
        return Scored(self.block, value, self.block.n.astype(np.float64), undefined, rows, spread, values)

    def binned(self, arm: Arm, index: int | None) -> tuple[Floats, Bools]:
        """Per row the probability and whether it came true; missing predictions as 0, whose strata are undefined anyway."""
        chance = chance_of(arm, self.comparison.task, index)
        chance = np.where(arm.labels == MISSING, 0.0, chance) if arm.missing else chance
        happened = came_true(arm, self.comparison.truth, index)
        return np.asarray(self.block.pick(chance)), np.asarray(self.block.pick(happened))

    def effects(self, arm: Arm, index: int | None) -> Floats:
        """By how much clusters inflate the variance of each bin's rate (strata, bins)."""
        chance, happened = self.binned(arm, index)
        place = equal_width(chance)
        bins = bins_of(chance, happened, place, self.block)
        return np.broadcast_to(bin_effects(bins, happened, place, self.block), bins.n.shape)

    def _over_bins(self, arm: Arm, metric: Metric) -> Scored:
        chance, happened = self.binned(arm, metric.index)
        place = equal_width(chance)
        bins = bins_of(chance, happened, place, self.block)
        plain = bins.error()
        effects = bin_effects(bins, happened, place, self.block)
        value, undefined = self._defined(arm, metric, plain if metric.name == "ece" else bins.debiased(effects))

        def rows(scaled: bool) -> Floats:
            above = np.sign(np.nan_to_num(bins.gaps)).ravel()[self.block.codes.astype(np.int64) * bins.n.shape[-1] + place]
            centred = (above * (chance - happened) - np.nan_to_num(plain)[self.block.codes]) / self.block.n[self.block.codes]
            return np.asarray(centred * _factor(self.block)[self.block.codes] if scaled else centred)

        def spread() -> Floats:
            """Of cases that stand alone: the square of a case's part does not depend on its bin's sign."""
            squares = ratio(tally(self.block.codes, (chance - happened) ** 2, self.block.size), self.block.n)
            return ratio(np.maximum(squares - plain**2, 0.0), self.block.n - 1)

        size = self.block.n.astype(np.float64)
        return Scored(
            self.block, value, size, undefined, rows, spread if self.block.units is None else None, None, partial(bins.by_chance, effects)
        )


def mean_variance(values: Floats, block: Block) -> Floats:
    """Variance per stratum of the mean of `values` (rows,) that stand alone; 0 where they differ by rounding only, NaN for one case."""
    total, squares = tally(block.codes, values, block.size), tally(block.codes, values**2, block.size)
    rest = squares - ratio(total**2, block.n)
    return ratio(np.where(rest > ROUNDING * squares, rest, 0.0), block.n * (block.n - 1.0))


def _factor(block: Block) -> Floats:
    """sqrt(G / (G - 1)) per stratum; NaN with fewer than two clusters."""
    return np.sqrt(ratio(block.clusters_per_stratum, block.clusters_per_stratum - 1))


def _rows_of(metric: RankMetric) -> Callable[[bool], Floats]:
    return lambda scaled: metric.influence.scaled if scaled else metric.influence.raw
