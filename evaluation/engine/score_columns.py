"""Intervals and paired differences of the metrics of scores, over the strata of a block.

By family: `rank` DeLong and its kin on the logit scale; `loss` Student's t on cluster sums; `hits` the proportion's score intervals;
`drawn` a bootstrap in strata of at most 1,000 units and influence functions above. Where nothing varies an exact bound answers, never an
interval without width.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from evaluation.engine.arrays import Bools, Floats, Ints, optional, ratio
from evaluation.engine.auc import FEW, auc_interval, difference_interval, difference_p, few_interval
from evaluation.engine.compare import square_and_add, tango
from evaluation.engine.data import Arm, Comparison
from evaluation.engine.draws import MOST_DRAWN, Draws, kinds_of, units_by_content
from evaluation.engine.estimates import Column, Estimate, Gap, Settings, nothing
from evaluation.engine.figures import FlipFigures, flips_of_hits
from evaluation.engine.intervals import (
    Pair,
    clopper_pearson,
    clustered_share,
    expanded,
    expanded_p,
    normal_quantile,
    seen,
    t_quantile,
    wilson,
)
from evaluation.engine.metrics import Metric
from evaluation.engine.precision import logit_interval
from evaluation.engine.ranked import influence_variance
from evaluation.engine.resample import SAME, bca, percentiles
from evaluation.engine.scored import Scored, Scorer, mean_variance
from evaluation.engine.seeds import generator
from evaluation.engine.square_and_add import Triple, capped, implied_correlation
from evaluation.engine.strata import Block

JOINED = {"roc_auc", "average_precision"}
Bounds = tuple[Floats, Floats, list[str]]


@dataclass(frozen=True, eq=False)
class ScoreColumns:
    """Makes the columns of one block. `spare` gives Tango bounds (low, high) of the strata's flips of right and wrong."""

    comparison: Comparison
    block: Block
    settings: Settings
    scorer: Scorer
    members: Callable[[], list[Ints]]
    spare: Callable[[], Pair]
    _draws: dict[tuple[int, bool], Draws] = field(default_factory=dict, repr=False)
    _errors: dict[tuple[int, int | None], dict[int, dict[str, Floats]]] = field(default_factory=dict, repr=False)

    def column(self, metric: Metric, sides: list[Scored]) -> Column:
        """Each arm's estimates, and with two arms their differences."""
        arms = self.comparison.artefacts
        drawn = [self.drawn(metric, arm, side) for arm, side in zip(arms, sides, strict=True)] if metric.family == "drawn" else []
        estimates = [
            self._estimates(metric, side, self.bounds(metric, arm, side, drawn[number] if drawn else {}))
            for number, (arm, side) in enumerate(zip(arms, sides, strict=True))
        ]
        if len(sides) == 1:
            return Column(estimates[0], None, None)
        return Column(estimates[0], estimates[1], self._gaps(metric, sides, drawn))

    def _estimates(self, metric: Metric, side: Scored, bounds: Bounds) -> list[Estimate]:
        rows = zip(
            *(column.tolist() for column in (side.value, bounds[0], bounds[1], self.block.n)), bounds[2], side.undefined, strict=True
        )
        return [
            nothing(undefined if n else "no cases")
            if math.isnan(value)
            else Estimate(
                value=value,
                low=optional(low),
                high=optional(high),
                method=None if math.isnan(low) else method,
                n=n if metric.family == "hits" else None,
            )
            for value, low, high, n, method, undefined in rows
        ]

    def bounds(self, metric: Metric, arm: Arm, side: Scored, drawn: dict[int, Floats], level: float | None = None) -> Bounds:
        """Interval (low, high, method) of each stratum."""
        level = self.settings.level if level is None else level
        make = {"rank": self._rank, "loss": self._loss, "hits": self._hits, "drawn": self._by_influence}[metric.family]
        low, high, methods = make(metric, arm, side, level)
        for stratum, draws in drawn.items():
            found = self._bootstrap(metric, side, stratum, draws, level)
            if not np.isnan(found[0]):
                low[stratum], high[stratum] = found
                methods[stratum] = "bca, expanded" if metric.name == "average_precision" else "bootstrap percentile, centred"
            else:
                exact = clopper_pearson(side.value[stratum] * side.smaller[stratum], side.smaller[stratum], level)
                low[stratum], high[stratum] = float(exact[0]), float(exact[1])
                methods[stratum] = "clopper-pearson"
        if side.by_chance is not None:  # no lower end above 0 where chance alone gives such an error
            low = np.where(side.by_chance(normal_quantile(level)), 0.0, low)
        return low, high, methods

    def _named(self, plain: str, exact: Bools, spare: str) -> list[str]:
        grouped = self.block.clustered
        return [
            spare if degenerate else f"{plain}, clusters" if group else plain
            for degenerate, group in zip(exact.tolist(), grouped.tolist(), strict=True)
        ]

    def _rank(self, metric: Metric, arm: Arm, side: Scored, level: float) -> Bounds:
        low, high, exact = auc_interval(side.value, side.variance, side.smaller, level)
        plain = "influence, logit" if metric.name == "macro_average_precision" else "delong"
        methods = self._named(plain, exact, "clopper-pearson on the smaller class")
        if metric.name != "roc_auc":
            return low, high, methods
        low, high, few = few_interval(side.value, side.variance, side.smaller, self.block.n - side.smaller, level)
        return (
            low,
            high,
            [score if each else plain for plain, score, each in zip(methods, self._named("score", exact, ""), few, strict=True)],
        )

    def few(self, metric: Metric, new: Scored, old: Scored) -> Bools:
        """Strata whose difference is by square-and-add unless it is drawn: of areas that stand on fewer than 50 cases, where one of them varies."""
        return np.asarray((metric.name in JOINED) & (new.smaller < FEW) & ((new.variance > 0) | (old.variance > 0)))

    def few_levels(self, metric: Metric, sides: Sequence[Scored], here: Ints, level: float) -> list[Triple]:
        """(value, low, high) of each side in the strata `here`."""
        make = self._rank if metric.family == "rank" else self._by_influence
        found = [make(metric, arm, side, level) for arm, side in zip(self.comparison.artefacts, sides, strict=True)]
        return [(side.value[here], low[here], high[here]) for side, (low, high, _) in zip(sides, found, strict=True)]

    def _loss(self, metric: Metric, arm: Arm, side: Scored, level: float) -> Bounds:
        """Student's t, cut to the range; a loss that does not vary as if it were a share of its range; without an end there is no interval."""
        varied = side.variance > 0
        half = t_quantile(level, side.degrees) * np.sqrt(np.where(varied, side.variance, 0.0))
        low = np.where(varied, np.maximum(side.value - half, metric.low), np.nan)
        high = np.where(varied, np.minimum(side.value + half, metric.high), np.nan)
        if np.isfinite(metric.high):
            exact = clopper_pearson(np.nan_to_num(side.value / metric.high) * side.smaller, side.smaller, level)
            low, high = np.where(varied, low, exact[0] * metric.high), np.where(varied, high, exact[1] * metric.high)
        return low, high, self._named("student t", ~varied, "clopper-pearson")

    def _hits(self, metric: Metric, arm: Arm, side: Scored, level: float) -> Bounds:
        n = self.block.n.astype(np.float64)
        if self.block.units is None or side.cases is None:
            low, high = wilson(np.nan_to_num(side.value) * n, n, level)
            return low, high, ["wilson"] * self.block.size
        units = self.block.units
        share = clustered_share(units.totals(side.cases), units.totals(), units.stratum, self.block.size)
        grouped = self.block.clustered
        effective = np.where(grouped, share.n_effective, n)
        quantile = np.where(grouped, t_quantile(level, share.clusters - 1), normal_quantile(level))
        low, high = wilson(np.nan_to_num(side.value) * effective, effective, level, quantile=quantile)
        return low, high, ["wilson, effective n of clusters" if each else "wilson" for each in grouped]

    def _by_influence(self, metric: Metric, arm: Arm, side: Scored, level: float) -> Bounds:
        """Student's t on influences; average precision on the logit scale. Strata that were drawn are overwritten."""
        varied = (side.variance > 0) & (side.value > 0) & (side.value < 1)
        degrees = np.minimum(side.degrees, side.smaller - 1)
        half = t_quantile(level, degrees) * np.sqrt(np.where(varied, side.variance, 0.0))
        middle = np.where(varied, side.value, 0.5)
        if metric.name == "average_precision":
            low, high = logit_interval(middle, half)
        else:
            low, high = np.maximum(middle - half, metric.low), np.minimum(middle + half, metric.high)
        exact_low, exact_high = clopper_pearson(np.nan_to_num(side.value) * side.smaller, side.smaller, level)
        return np.where(varied, low, exact_low), np.where(varied, high, exact_high), self._named("influence", ~varied, "clopper-pearson")

    def draws(self, stratum: int, *, within_labels: bool) -> Draws:
        """The stratum's resamples, common to arms. A calibration error needs the share of the classes to vary, so its draws are plain."""
        key = (stratum, within_labels)
        if key not in self._draws:
            here, clusters = self.members()[stratum], self.block.clusters
            single = clusters is None or not self.block.clustered[stratum]
            unit = units_by_content(self._content(here), None if single or clusters is None else clusters[here])
            kind = np.zeros(int(unit.max()) + 1, dtype=np.int64)
            if within_labels:
                truth = np.asarray(self.block.pick(self.comparison.truth))[here].astype(np.int64)
                kind = kinds_of(unit, truth, single=single, binary=self.comparison.task.binary)
            self._draws[key] = Draws(unit, kind, self.settings.resamples, generator(self.settings.seed + b"cases"))
        return self._draws[key]

    def _content(self, here: Ints) -> list[NDArray[Any]]:
        """What tells the cases at these rows of the block apart."""
        columns: list[NDArray[Any]] = []
        for arm in self.comparison.artefacts:
            if arm.scores is not None:
                chosen = arm.scores[self.block.rows[here]]
                columns += [chosen] if chosen.ndim == 1 else list(chosen.T)
            columns.append(arm.labels[self.block.rows[here]])
        return [*columns, self.comparison.truth[self.block.rows[here]]]

    def drawn(self, metric: Metric, arm: Arm, side: Scored) -> dict[int, Floats]:
        """By stratum the metric of each resample, where there are few enough units; none for one class of several, of which there are many."""
        if metric.index is not None and not self.comparison.task.binary:
            return {}
        few = ~np.isnan(side.value) & (self.block.clusters_per_stratum <= MOST_DRAWN) & (self.block.clusters_per_stratum > 1)
        found = {}
        task, members = self.comparison.task, self.members()
        if metric.name != "average_precision" and few.any():
            return self._binned(metric, arm, np.flatnonzero(few).tolist())
        for stratum in np.flatnonzero(few).tolist():
            here, draws = members[stratum], self.draws(stratum, within_labels=True)
            assert metric.index is not None  # average precision is of a class
            scores = arm.scores_of(metric.index, task)
            assert scores is not None  # the value is defined
            positive = np.asarray(self.block.pick(self.comparison.truth))[here] == metric.index
            found[stratum] = draws.precision(np.asarray(self.block.pick(scores))[here], positive)
        return found

    def _binned(self, metric: Metric, arm: Arm, strata: list[int]) -> dict[int, Floats]:
        """Both calibration errors of each resample, drawn once; those of one class at a time are kept."""
        key = (id(arm), metric.index)
        if key not in self._errors:
            for other in [known for known in self._errors if known[1] != metric.index]:
                del self._errors[other]
            chance, happened = self.scorer.binned(arm, metric.index)
            effects, made = self.scorer.effects(arm, metric.index), {}
            for stratum in strata:
                here = self.members()[stratum]
                bins = self.draws(stratum, within_labels=False).bins(chance[here], happened[here])
                made[stratum] = {"ece": bins.error(), "ece_debiased": bins.debiased(effects[stratum])}
            self._errors[key] = made
        return {stratum: self._errors[key][stratum][metric.name] for stratum in strata}

    def _bootstrap(self, metric: Metric, side: Scored, stratum: int, draws: Floats, level: float) -> tuple[float, float]:
        """BCa of average precision, with the acceleration of its influences; else percentiles moved so that the draws' mean is the value.

        The bootstrap of a sum of absolute values lies above it; how it scatters is right, where it lies is not. NaN where degenerate.
        """
        value = float(side.value[stratum])
        if metric.name == "average_precision":
            resample, here = self.draws(stratum, within_labels=True), self.members()[stratum]
            units = resample.totals(side.influence(scaled=False)[here])
            wide = expanded(level, self.units(metric)[stratum])
            if not seen(wide, draws.size):
                return np.nan, np.nan
            low, high = bca(draws[None], np.array([value]), (value - units)[None], np.ones(units.size, dtype=np.int64), wide)
            return float(low[0]), float(high[0])
        if np.ptp(draws) == 0:
            return np.nan, np.nan
        shift = value - float(draws.mean())
        low_end, high_end = (end + shift for end in percentiles(draws, level))
        return max(min(low_end, value), metric.low), min(max(high_end, value), metric.high)

    def _gaps(self, metric: Metric, sides: list[Scored], drawn: list[dict[int, Floats]]) -> list[Gap | None]:
        new, old = sides
        if np.isnan(new.value - old.value).all():
            return [None] * self.block.size
        if metric.family == "hits":
            return self._hit_gaps(metric, new.value - old.value)
        difference, variance = new.value - old.value, self.difference_variance(new, old)
        low, high, p, methods = self._normal_gaps(metric, new, difference, variance)
        here = np.flatnonzero(self.few(metric, new, old))
        if here.size:
            correlation = implied_correlation(new.variance[here], old.variance[here], variance[here])
            levels = self.few_levels(metric, sides, here, self.settings.level)
            low[here], high[here] = square_and_add(levels[0], levels[1], capped(correlation, new.smaller[here]))
            for s in here.tolist():
                methods[s] = f"square-and-add, {'delong' if metric.family == 'rank' else 'influence'} p"
        for s, ours in (drawn[0] if drawn else {}).items():
            if s in drawn[1]:
                common = ours - drawn[1][s]
                units = self.units(metric)[s]
                low[s], high[s], p[s], methods[s] = self._drawn_gap(
                    common[~np.isnan(common)], self._spare(metric, new), s, difference[s], units
                )
        return [
            None if np.isnan(value) else Gap(value=value, low=optional(low[s]), high=optional(high[s]), p=optional(p[s]), method=methods[s])
            for s, value in enumerate(difference.tolist())
        ]

    def difference_variance(self, new: Scored, old: Scored) -> Floats:
        """Of new - old per stratum: squares of the paired influences' differences over clusters."""
        if new.cases is not None and old.cases is not None and self.block.units is None:
            return mean_variance(new.cases - old.cases, self.block)
        return influence_variance(new.influence(scaled=True) - old.influence(scaled=True), self.block)

    def _normal_gaps(self, metric: Metric, new: Scored, difference: Floats, variance: Floats) -> tuple[Floats, Floats, Floats, list[str]]:
        level, varied = self.settings.level, variance > 0
        if metric.family == "rank":
            low, high = difference_interval(difference, variance, new.smaller, level)
            plain = "influence paired" if metric.name == "macro_average_precision" else "delong paired"
            methods = [plain if each else "tango on the smaller class" for each in varied]
            return low, high, difference_p(difference, variance), methods
        spread = np.sqrt(np.where(varied, variance, np.nan))
        reach = metric.high - metric.low
        half = t_quantile(level, new.degrees) * spread
        p = np.where(difference == 0, 1.0, 2 * special.stdtr(np.maximum(new.degrees, 1), -np.nan_to_num(ratio(np.abs(difference), spread))))
        least, most, spare = self._spare(metric, new)
        low = np.where(varied, np.maximum(difference - half, -reach), np.minimum(least, difference))
        high = np.where(varied, np.minimum(difference + half, reach), np.maximum(most, difference))
        plain = "student t, paired" if metric.family == "loss" else "influence paired"
        return low, high, p, [plain if each else spare for each in varied]

    def _spare(self, metric: Metric, new: Scored) -> tuple[Floats, Floats, str]:
        """Where a difference does not vary: Tango on the flips; of average precision, which stands on the cases of its class, Tango of none among these."""
        if metric.name == "average_precision":
            return *tango(0, 0, new.smaller, self.settings.level), "tango on the class"
        return *self.spare(), "tango on flips"

    def units(self, metric: Metric) -> Floats:
        """Per stratum what draws stand on: of average precision the clusters (cases that stand alone) that hold a case of the class, or those that hold another
        one, whichever are fewer. Others are not expanded.
        """
        if metric.name != "average_precision" or metric.index is None:
            return np.full(self.block.size, np.inf)
        return np.minimum(*self.scorer.ranked(self.comparison.artefacts[0], metric.index).holders).astype(np.float64)

    def _drawn_gap(
        self, common: Floats, spare: tuple[Floats, Floats, str], stratum: int, value: float, units: float
    ) -> tuple[float, float, float, str]:
        """Percentiles of common draws, and the p at which they would just exclude 0; `spare` where they have no width or do not reach so far."""
        level = expanded(self.settings.level, units)
        if common.size < max(20, self.settings.resamples // 2) or np.ptp(common) <= SAME or not seen(level, common.size):
            least, most, method = spare
            return min(float(least[stratum]), value), max(float(most[stratum]), value), 1.0, method
        low, high = percentiles(common, level)
        beyond = min(int((common <= 0).sum()), int((common >= 0).sum()))
        p = 2 * expanded_p(min((1 + beyond) / (1 + common.size), 0.5), units)
        return min(low, value), max(high, value), p, "bootstrap percentile" if units == np.inf else "bootstrap percentile, expanded"

    def hit_flips(self, metric: Metric) -> FlipFigures:
        """Newly wrong and newly right of a metric that is a proportion over all cases."""
        ours, theirs = (self.scorer.case_values(arm, metric) > 0 for arm in self.comparison.artefacts)
        return flips_of_hits(self.block, ours, theirs)

    def _hit_gaps(self, metric: Metric, difference: Floats) -> list[Gap | None]:
        flips = self.hit_flips(metric)
        (low,), (high,) = flips.interval(self.settings.level)
        return [
            None
            if np.isnan(value)
            else Gap(value=value, low=float(low[s]), high=float(high[s]), p=float(flips.p[0, s]), method=flips.method(0, s))
            for s, value in enumerate(difference.tolist())
        ]
