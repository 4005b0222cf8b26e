"""From predictions to what a check is judged on: one metric, replicate 0 on both sides, every stratum, larger is better."""

from functools import partial

import numpy as np

from evaluation.engine.arrays import Floats
from evaluation.engine.artefact import Artefact, Settings
from evaluation.engine.auc import influence_variance
from evaluation.engine.data import Comparison
from evaluation.engine.evidence import (
    AucLevel,
    Difference,
    FlipDifference,
    Level,
    NormalDifference,
    ResampledDifference,
    ResampledLevel,
    ShareLevel,
)
from evaluation.engine.gates import StratumEvidence
from evaluation.engine.metrics import Metric, metric_of, registry
from evaluation.engine.resample import Values, level_intervals, usable_draws
from evaluation.engine.strata import Block, Strata, Stratum, blocks

GATE_RESAMPLES = 10_000


def gather(
    comparison: Comparison, metric_id: str, strata: Strata, *, seed: bytes, resamples: int = GATE_RESAMPLES
) -> list[StratumEvidence]:
    """Evidence per stratum in the order of `strata`, for `gates.judge`.

    `n` is the number of cases the metric is about (positives for a sensitivity). Raises BadInput for an unknown metric.
    """
    metric = metric_of(comparison.task, metric_id)
    settings = Settings(seed=seed, resamples=resamples)
    accuracy = registry(comparison.task)[0]
    wanted = [accuracy] if metric.id == accuracy.id else [accuracy, metric]
    found: dict[str, StratumEvidence] = {}
    for block in blocks(strata, comparison.cases, comparison.clusters):
        part = Artefact(comparison, block, settings, wanted)
        make = {"share": _share, "table": _table, "rank": _rank}[metric.kind]
        found |= {name: make(part, block, metric, stratum) for stratum, name in enumerate(block.names)}
    return [found[name] for item in strata for name in ([item.name] if isinstance(item, Stratum) else item.names)]


def _evidence(
    part: Artefact,
    block: Block,
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
        stratum=block.names[stratum], n=n, clusters=grouped, undefined=undefined, invalid=invalid, difference=difference, level=level
    )


def _share(part: Artefact, block: Block, metric: Metric, stratum: int) -> StratumEvidence:
    """A proportion: paired flips where its denominator depends on the truth alone, common bootstrap draws else."""
    row = next(i for i, each in enumerate(part.share_metrics) if each.id == metric.id)
    share = part.shares[0]
    n, clusters = int(share.n[row, stratum]), int(share.clusters[row, stratum])
    if not n:
        return _evidence(part, block, stratum, n=0, clusters=0, undefined=metric.reason(part.comparison.task), difference=None, level=None)
    value = float(share.value[row, stratum])
    effect = n / float(share.effective[row, stratum])
    level = ShareLevel(share=value if metric.higher_is_better else 1 - value, n=n, design_effect=effect)
    difference: Difference | None = None
    if part.comparison.baseline:
        difference = _flips(part, metric, stratum) if metric.paired else _drawn(part, metric, stratum)
    return _evidence(part, block, stratum, n=n, clusters=clusters, undefined=None, difference=difference, level=level)


def _flips(part: Artefact, metric: Metric, stratum: int) -> FlipDifference:
    row = next(i for i, each in enumerate(part.paired_metrics) if each.id == metric.id)
    flips = part.flips
    lost, gained, n = (int(counts[row, stratum]) for counts in (flips.lost, flips.gained, flips.n))
    clusters, loss = int(flips.clusters[row, stratum]), float(flips.p_loss[row, stratum])
    if not metric.higher_is_better:
        lost, gained, loss = gained, lost, float(flips.p_gain[row, stratum])
    if clusters >= n:
        return FlipDifference(lost=lost, gained=gained, n=n)
    return FlipDifference(
        lost=lost, gained=gained, n=n, design_effect=float(flips.design_effect[row, stratum]), clusters=clusters, loss_p=loss
    )


def _drawn(part: Artefact, metric: Metric, stratum: int) -> ResampledDifference | None:
    values = Values(part.sample(stratum), [metric])
    value = float(values.gap[0])
    if np.isnan(value):
        return None
    spare = _flips(part, part.paired_metrics[0], stratum)
    return ResampledDifference(value=value, draws=usable_draws(values), n=values.sample.units, spare=spare)


def _table(part: Artefact, block: Block, metric: Metric, stratum: int) -> StratumEvidence:
    n, clusters = int(block.n[stratum]), int(block.clusters_per_stratum[stratum])
    if not n:
        return _evidence(part, block, stratum, n=0, clusters=0, undefined="no cases", difference=None, level=None)
    values = Values(part.sample(stratum), [metric])
    value = float(values.observed[0][0])
    if np.isnan(value):
        why = metric.reason(part.comparison.task)
        return _evidence(part, block, stratum, n=n, clusters=clusters, undefined=why, difference=None, level=None)
    level = ResampledLevel(value=value, lower_upper=partial(_table_bounds, values))
    difference = _drawn(part, metric, stratum) if part.comparison.baseline else None
    return _evidence(part, block, stratum, n=n, clusters=clusters, undefined=None, difference=difference, level=level)


def _table_bounds(values: Values, alpha: float) -> tuple[float, float]:
    found = level_intervals(values, 0, 1 - 2 * alpha)
    return float(found.low[0]), float(found.high[0])


def _rank(part: Artefact, block: Block, metric: Metric, stratum: int) -> StratumEvidence:
    n, clusters = int(block.n[stratum]), int(block.clusters_per_stratum[stratum])
    new, *rest = part.ranks(metric)
    if np.isnan(new.value[stratum]):
        why = new.undefined[stratum] if n else "no cases"
        return _evidence(part, block, stratum, n=n, clusters=clusters, undefined=why, difference=None, level=None)
    smaller = int(new.smaller_class[stratum])
    level = AucLevel(value=float(new.value[stratum]), variance=float(new.variance[stratum]), smaller_class=smaller)
    difference = None
    if rest and not np.isnan(rest[0].value[stratum]):
        variance = _difference_variance(part, metric, block)
        value = float(new.value[stratum] - rest[0].value[stratum])
        difference = NormalDifference(value=value, variance=float(variance[stratum]), smaller_class=smaller, n=n)
    return _evidence(part, block, stratum, n=n, clusters=clusters, undefined=None, difference=difference, level=level)


def _difference_variance(part: Artefact, metric: Metric, block: Block) -> Floats:
    new, old = part.ranks(metric)
    return influence_variance(new.influence - old.influence, block)
