"""From detections to what a check is judged on: one metric, replicate 0 on both sides, every stratum, larger is better."""

from functools import partial

import numpy as np

from evaluation.engine.arrays import Floats, Ints
from evaluation.engine.detection.data import Detection
from evaluation.engine.detection.figures import levels, object_flips, usable
from evaluation.engine.detection.metrics import Metric, metric_of
from evaluation.engine.detection.sampling import Sample
from evaluation.engine.detection.tables import HITS, OBJECTS, WRONG, Matched, matched
from evaluation.engine.evidence import Difference, FlipDifference, Level, ResampledDifference, ResampledLevel, ShareLevel
from evaluation.engine.figures import FlipFigures
from evaluation.engine.gates import StratumEvidence
from evaluation.engine.gather import GATE_RESAMPLES
from evaluation.engine.intervals import clustered_share
from evaluation.engine.strata import Strata, each_block, names_of, with_all


def gather_detection(
    detection: Detection, metric_id: str, strata: Strata | None = None, *, seed: bytes, resamples: int = GATE_RESAMPLES
) -> list[StratumEvidence]:
    """Evidence per stratum in the order of `strata`, for `gates.judge`; without `strata` of all images together. Raises BadInput for an unknown metric.

    A COCO metric over all classes is judged on the classes with at least 10 objects in the stratum, and has no level: no floor may stand on
    an AP. `n` counts objects for recall and COCO metrics, images else.
    """
    metric = metric_of(detection.scene.classes, metric_id)
    arms = [matched(detection, predicted) for predicted in detection.artefacts]
    found: dict[str, StratumEvidence] = {}
    strata = with_all((), detection.scene.size) if strata is None else strata
    for block in each_block(strata, detection.scene.size, detection.scene.clusters):
        for name, rows in zip(block.names, block.members(), strict=True):
            found[name] = _evidence(detection, arms, name, block.rows[rows], metric, seed, resamples)
    return [found[name] for name in names_of(strata)]


def _evidence(
    detection: Detection, arms: list[Matched], name: str, images: Ints, metric: Metric, seed: bytes, resamples: int
) -> StratumEvidence:
    sample = Sample(detection, arms, images, seed=seed, resamples=resamples, names=[metric.name])
    invalid = int(detection.candidate[0].invalid[images].sum())
    column = -1 if metric.index is None else metric.index
    objects = int(sample.tallies[0][:, OBJECTS, column].sum())
    n = objects if metric.coco or metric.name == "recall" else images.size
    clusters = int((sample.tallies[0][:, OBJECTS, column] > 0).sum()) if n == objects else sample.units
    grouped = clusters if clusters < n else None
    limits = (0.0, metric.high)
    value = float(sample.observed[0][metric.row, column]) if images.size else np.nan
    if np.isnan(value):
        why = _undefined(metric, sample, detection)
        return StratumEvidence(stratum=name, n=n, clusters=grouped, undefined=why, invalid=invalid, limits=limits)
    difference = _difference(sample, metric, column, n) if len(arms) > 1 else None
    level = _level(sample, metric, column, value)
    return StratumEvidence(stratum=name, n=n, clusters=grouped, difference=difference, level=level, invalid=invalid, limits=limits)


def _undefined(metric: Metric, sample: Sample, detection: Detection) -> str:
    if not sample.images:
        return "no images"
    if metric.coco and metric.index is None and not np.isnan(sample.observed[0][metric.row, -2]):
        return "no class has at least 10 objects"
    return metric.reason(detection.scene.classes)


def _difference(sample: Sample, metric: Metric, column: int, n: int) -> Difference | None:
    flips = object_flips(sample)
    spare = _flips(flips, column)
    if metric.name == "recall":
        return spare
    sign = 1.0 if metric.higher_is_better else -1.0
    value = sign * float(sample.observed[0][metric.row, column] - sample.observed[1][metric.row, column])
    if np.isnan(value) or spare is None:
        return None
    draws = sign * (sample.drawn[0] - sample.drawn[1])[:, metric.row, column]
    good = bool(usable(draws))
    return ResampledDifference(value=value, draws=draws[~np.isnan(draws)] if good else np.empty(0), n=n, spare=spare)


def _flips(flips: FlipFigures, column: int) -> FlipDifference | None:
    """Objects found and missed; None without objects."""
    lost, gained, n, clusters = (int(counts[column]) for counts in (flips.lost, flips.gained, flips.n, flips.clusters))
    if not n:
        return None
    if clusters >= n:
        return FlipDifference(lost=lost, gained=gained, n=n)
    effect, loss = float(flips.design_effect[column]), float(flips.p_loss[column])
    return FlipDifference(lost=lost, gained=gained, n=n, design_effect=effect, clusters=clusters, loss_p=loss)


def _level(sample: Sample, metric: Metric, column: int, value: float) -> Level | None:
    if metric.coco:
        return None
    counts = sample.tallies[0][:, :, column]
    if metric.name in {"recall", "precision"}:
        return _share(counts[:, HITS], counts[:, OBJECTS] if metric.name == "recall" else counts[:, HITS] + counts[:, WRONG])
    sign = 1.0 if metric.higher_is_better else -1.0
    return ResampledLevel(value=sign * value, lower_upper=partial(_bounds, sample, metric, column))


def _share(top: Floats, bottom: Floats) -> ShareLevel:
    share = clustered_share(top, bottom, np.zeros(top.size, dtype=np.int64), 1)
    n = float(share.n[0])
    effective = float(share.n_effective[0]) if share.clusters[0] < n else n
    return ShareLevel(share=float(share.value[0]), n=n, design_effect=n / effective)


def _bounds(sample: Sample, metric: Metric, column: int, alpha: float) -> tuple[float, float]:
    found = levels(sample, 0, 1 - 2 * alpha)
    low, high = float(found.low[metric.row, column]), float(found.high[metric.row, column])
    return (low, high) if metric.higher_is_better else (-high, -low)
