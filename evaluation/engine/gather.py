"""From predictions to what a check is judged on: one metric, replicate 0 on both sides, every stratum, larger is better."""

from functools import partial

import numpy as np

from evaluation.engine.artefact import Artefact
from evaluation.engine.data import Comparison
from evaluation.engine.estimates import Settings
from evaluation.engine.evidence import (
    AucLevel,
    Difference,
    FlipDifference,
    Level,
    MeanDifference,
    NormalDifference,
    ResampledDifference,
    ResampledLevel,
    ShareLevel,
)
from evaluation.engine.figures import FlipFigures
from evaluation.engine.gates import StratumEvidence
from evaluation.engine.metrics import Metric, metric_of, registry
from evaluation.engine.resample import Values, level_intervals
from evaluation.engine.scored import Scored
from evaluation.engine.square_and_add import Ends, SquareAndAdd, implied_correlation
from evaluation.engine.strata import Block, Strata, each_block, names_of, with_all

GATE_RESAMPLES = 10_000


def gather(
    comparison: Comparison, metric_id: str, strata: Strata | None = None, *, seed: bytes, resamples: int = GATE_RESAMPLES
) -> list[StratumEvidence]:
    """Evidence per stratum in the order of `strata`, for `gates.judge`; without `strata` of all cases together.

    `n` is the number of cases the metric is about (positives for a sensitivity). Raises BadInput for an unknown metric.
    """
    metric = metric_of(comparison.task, metric_id)
    settings = Settings(seed=seed, resamples=resamples)
    accuracy = registry(comparison.task)[0]
    strata = with_all((), comparison.cases) if strata is None else strata
    wanted = [accuracy] if metric.id == accuracy.id else [accuracy, metric]
    found: dict[str, StratumEvidence] = {}
    for block in each_block(strata, comparison.cases, comparison.clusters):
        part = Artefact(comparison, block, settings, wanted)
        make = {"share": _share, "table": _table, "score": _score}[metric.kind]
        found |= {name: make(part, block, metric, stratum) for stratum, name in enumerate(block.names)}
        del block, part  # before the next block is made
    return [found[name] for name in names_of(strata)]


def _evidence(
    part: Artefact,
    block: Block,
    metric: Metric,
    stratum: int,
    *,
    n: int,
    clusters: int,
    undefined: str | None,
    difference: Difference | None,
    level: Level | None,
) -> StratumEvidence:
    bad = part.comparison.candidate[0].invalid
    invalid = 0 if bad is None else int(bad[block.rows[part.recipes.members[stratum]]].sum())
    grouped = clusters if clusters < n else None
    return StratumEvidence(
        stratum=block.names[stratum],
        n=n,
        clusters=grouped,
        undefined=undefined,
        invalid=invalid,
        difference=difference,
        level=level,
        limits=(metric.low, metric.high),
    )


def _share(part: Artefact, block: Block, metric: Metric, stratum: int) -> StratumEvidence:
    """A proportion: paired flips where its denominator depends on the truth alone, square-and-add else."""
    row = next(i for i, each in enumerate(part.share_metrics) if each.id == metric.id)
    share = part.shares[0]
    n, clusters = int(share.n[row, stratum]), int(share.clusters[row, stratum])
    if not n:
        return _evidence(
            part, block, metric, stratum, n=0, clusters=0, undefined=metric.reason(part.comparison.task), difference=None, level=None
        )
    value = float(share.value[row, stratum])
    effect = n / float(share.effective[row, stratum])
    level = ShareLevel(share=value if metric.higher_is_better else 1 - value, n=n, design_effect=effect)
    difference: Difference | None = None
    if part.comparison.baseline:
        if metric.paired:
            difference = _flips(part, metric, stratum)
        else:
            (difference,) = part.differences(Values(part.sample(stratum), [metric]), stratum)
    return _evidence(part, block, metric, stratum, n=n, clusters=clusters, undefined=None, difference=difference, level=level)


def _flips(part: Artefact, metric: Metric, stratum: int) -> FlipDifference:
    row = next(i for i, each in enumerate(part.paired_metrics) if each.id == metric.id)
    return _of_flips(part.flips, row, metric, stratum)


def _of_flips(flips: FlipFigures, row: int, metric: Metric, stratum: int) -> FlipDifference:
    lost, gained, n = (int(counts[row, stratum]) for counts in (flips.lost, flips.gained, flips.n))
    clusters, loss = int(flips.clusters[row, stratum]), float(flips.p_loss[row, stratum])
    if not metric.higher_is_better:
        lost, gained, loss = gained, lost, float(flips.p_gain[row, stratum])
    if clusters >= n:
        return FlipDifference(lost=lost, gained=gained, n=n)
    return FlipDifference(
        lost=lost, gained=gained, n=n, design_effect=float(flips.design_effect[row, stratum]), clusters=clusters, loss_p=loss
    )


def _table(part: Artefact, block: Block, metric: Metric, stratum: int) -> StratumEvidence:
    n, clusters = int(block.n[stratum]), int(block.clusters_per_stratum[stratum])
    if not n:
        return _evidence(part, block, metric, stratum, n=0, clusters=0, undefined="no cases", difference=None, level=None)
    values = Values(part.sample(stratum), [metric])
    value = float(values.observed[0][0])
    if np.isnan(value):
        why = metric.reason(part.comparison.task)
        return _evidence(part, block, metric, stratum, n=n, clusters=clusters, undefined=why, difference=None, level=None)
    level = ResampledLevel(value=value, lower_upper=partial(_table_bounds, values))
    difference = part.differences(values, stratum)[0] if part.comparison.baseline else None
    return _evidence(part, block, metric, stratum, n=n, clusters=clusters, undefined=None, difference=difference, level=level)


def _table_bounds(values: Values, alpha: float) -> tuple[float, float]:
    (found,) = level_intervals([values], 0, 1 - 2 * alpha)
    return float(found.low[0]), float(found.high[0])


def _score(part: Artefact, block: Block, metric: Metric, stratum: int) -> StratumEvidence:
    n, clusters = int(block.n[stratum]), int(block.clusters_per_stratum[stratum])
    new, *rest = part.scored(metric)
    if np.isnan(new.value[stratum]):
        why = new.undefined[stratum] if n else "no cases"
        return _evidence(part, block, metric, stratum, n=n, clusters=clusters, undefined=why, difference=None, level=None)
    difference = None
    if rest and not np.isnan(rest[0].value[stratum]):
        difference = _score_difference(part, metric, new, rest[0], stratum)
    level = _score_level(part, metric, new, stratum)
    return _evidence(part, block, metric, stratum, n=n, clusters=clusters, undefined=None, difference=difference, level=level)


def _score_level(part: Artefact, metric: Metric, new: Scored, stratum: int) -> Level:
    """An AUC by its variance; any other metric by the bounds of its interval, turned round where smaller is better."""
    value = float(new.value[stratum])
    if metric.family == "rank":
        return AucLevel(value=value, variance=float(new.variance[stratum]), smaller_class=int(new.smaller[stratum]))
    return ResampledLevel(value=_sign(metric) * value, lower_upper=partial(_score_bounds, part, metric, new, stratum))


def _score_bounds(part: Artefact, metric: Metric, new: Scored, stratum: int, alpha: float) -> tuple[float, float]:
    arm = part.comparison.candidate[0]
    drawn = part.scores.drawn(metric, arm, new) if metric.family == "drawn" else {}
    low, high, _ = part.scores.bounds(metric, arm, new, drawn, 1 - 2 * alpha)
    ends = (float(low[stratum]), float(high[stratum]))
    return ends if metric.higher_is_better else (-ends[1], -ends[0])


def _score_difference(part: Artefact, metric: Metric, new: Scored, old: Scored, stratum: int) -> Difference:
    """Common draws where the stratum has few units, else the normal distribution of paired influences."""
    value, n = _sign(metric) * float(new.value[stratum] - old.value[stratum]), int(part.block.n[stratum])
    if metric.family == "hits":
        return _of_flips(part.scores.hit_flips(metric), 0, metric, stratum)
    on_class = metric.name == "average_precision"  # which stands on the cases of its class
    spare = FlipDifference(lost=0, gained=0, n=int(new.smaller[stratum])) if on_class else _flips(part, part.paired_metrics[0], stratum)
    if metric.family == "drawn":
        ours, theirs = (part.scores.drawn(metric, arm, side) for arm, side in zip(part.comparison.artefacts, (new, old), strict=True))
        if stratum in ours and stratum in theirs:
            draws = _sign(metric) * (ours[stratum] - theirs[stratum])
            units = float(part.scores.units(metric)[stratum])
            return ResampledDifference(value=value, draws=draws[~np.isnan(draws)], n=n, spare=spare, units=units)
    variance = float(part.scores.difference_variance(new, old)[stratum])
    if part.scores.few(metric, new, old)[stratum]:
        return SquareAndAdd(
            values=(float(new.value[stratum]), float(old.value[stratum])),
            levels=partial(_few_levels, part, metric, (new, old), stratum),
            correlation=float(implied_correlation(new.variance[stratum], old.variance[stratum], variance)),
            smaller=float(new.smaller[stratum]),
            cases=n,
        )
    if metric.family == "rank":
        return NormalDifference(value=value, variance=variance, smaller_class=int(new.smaller[stratum]), n=n)
    return MeanDifference(value=value, variance=variance, degrees=float(new.degrees[stratum]), n=n, spare=spare)


def _few_levels(part: Artefact, metric: Metric, sides: tuple[Scored, Scored], stratum: int, alpha: float) -> tuple[Ends, Ends]:
    ours, theirs = part.scores.few_levels(metric, sides, np.array([stratum]), 1 - 2 * alpha)
    return (float(ours[1][0]), float(ours[2][0])), (float(theirs[1][0]), float(theirs[2][0]))


def _sign(metric: Metric) -> int:
    return 1 if metric.higher_is_better else -1
