"""The figures of a detection run report: `metrics`, `flips`, `replicates`, `missing` and `sanity` as plain JSON values.

Entries have the shape of `evaluation.engine.report`, which serves classification; equal evidence gives equal values.
"""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from evaluation.engine.arrays import Floats, Ints, optional
from evaluation.engine.detection.data import Detection, Predictions
from evaluation.engine.detection.figures import Bounds, gap_bounds, gaps, levels, object_flips, spread
from evaluation.engine.detection.flips import flip_entry
from evaluation.engine.detection.froc import RATES
from evaluation.engine.detection.metrics import AREA_OF, ROW, Metric, registry
from evaluation.engine.detection.sampling import Sample
from evaluation.engine.detection.sanity import findings
from evaluation.engine.detection.tables import HITS, OBJECTS, WRONG, Matched, matched
from evaluation.engine.entries import Entry, entry_of
from evaluation.engine.estimates import Estimate, Gap, Settings, nothing
from evaluation.engine.over_runs import OverRuns, Runs
from evaluation.engine.replicates import RunValues, replicates_entry, residual_variance
from evaluation.engine.strata import Strata, each_block, names_of, with_all


def detection_report(
    detection: Detection, strata: Strata = (), *, seed: bytes, level: float = 0.95, resamples: int = 2000, home: str | None = None
) -> Entry:
    """Everything a run report says about these predictions.

    `strata` (of images) may overlap; "all" is put first if it is not among them. `seed`: from `seeds.seed_from`. Metrics follow the
    strata's order, then the registry's. Artefacts are replicate 0 of each side; with several replicates the value is their mean. `home` names the
    stratum in which seeds are expected to agree (on the recall), for the underspecification index.
    """
    settings = Settings(seed=seed, level=level, resamples=resamples)
    wanted = with_all(strata, detection.scene.size)
    arms = [matched(detection, each) for side in (detection.candidate, detection.baseline) for each in side]
    entries: dict[str, list[Entry]] = {}
    flips: dict[str, Entry] = {}
    runs: dict[str, RunValues] = {}
    for block in each_block(wanted, detection.scene.size, detection.scene.clusters):
        for name, rows in zip(block.names, block.members(), strict=True):
            part = _Stratum(detection, arms, name, block.rows[rows], settings)
            entries[name] = part.entries()
            if part.flips is not None:
                flips[name] = flip_entry(name, part.sample, part.flips)
            if len(detection.candidate) > 1:
                runs[name] = part.recalls()
    order = names_of(wanted)
    counts = (len(detection.candidate), len(detection.baseline))
    return {
        "metrics": [entry for name in order for entry in entries[name]],
        "flips": {**{k: v for k, v in flips["all"].items() if k != "stratum"}, "strata": [flips[name] for name in order]}
        if flips
        else None,
        "replicates": replicates_entry("recall", counts, runs, order, home, level),
        "missing": _missing(detection),
        "sanity": _sanity(detection),
    }


class _Stratum:
    """The entries of one stratum; `arms` are the candidate's replicates, then the baseline's."""

    def __init__(self, detection: Detection, arms: Sequence[Matched], name: str, images: Ints, settings: Settings) -> None:
        self.scene, self.name, self.level, self.ours = detection.scene, name, settings.level, len(detection.candidate)
        self.all = Sample(detection, arms, images, seed=settings.seed, resamples=settings.resamples)
        self.pairs = max(self.ours, len(arms) - self.ours)
        self.over_runs = self._over_runs() if images.size and self.pairs > 1 else None
        self.sample = self._pair(0)
        self.values = self.sample.observed
        self.levels = [levels(self.sample, arm, self.level) for arm in range(len(self.values))] if images.size else []
        self.flips = object_flips(self.sample) if len(self.values) > 1 else None
        self.gaps = gaps(self.sample, self.flips, self.level) if self.flips is not None and images.size else None

    def _pair(self, number: int) -> Sample:
        """One replicate against one; the shorter side begins anew when it is at its end."""
        theirs = len(self.all.arms) - self.ours
        return self.all.of([number % self.ours, *([self.ours + number % theirs] if theirs else [])])

    def _over_runs(self) -> OverRuns:
        drawn, kept = self.all.drawn, [levels(self.all, arm, self.level) for arm in range(len(self.all.arms))]
        means, sides = [], []
        for numbers in (range(self.ours), range(self.ours, len(kept))):
            if numbers:
                means.append(np.mean([drawn[number] for number in numbers], axis=0))
                cases, each = _variance(means[-1]), np.mean([_variance(drawn[number]) for number in numbers], axis=0)
                residual = np.maximum(each - cases, 0.0) / max(len(numbers) - 1, 1)
                sides.append(
                    _runs([self.all.observed[number] for number in numbers], [kept[number] for number in numbers], cases, residual)
                )
        top = np.where(np.arange(len(ROW)) == ROW["fp_per_image"], np.inf, 1.0)[:, None]
        if len(sides) < 2:
            return OverRuns(sides[0], None, None, (0.0, top), self.level)
        pairs = [self._pair(number) for number in range(self.pairs)]
        found = [gap_bounds(pair, object_flips(pair), self.level) for pair in pairs]
        changes = _runs([pair.observed[0] - pair.observed[1] for pair in pairs], found, _variance(means[0] - means[1]), np.zeros(top.shape))
        return OverRuns(sides[0], sides[1], changes, (0.0, top), self.level)

    def recalls(self) -> RunValues:
        """Each run's recall, the residual variance of found objects, and their number."""
        counted = self.all.arms[0].truth.counted
        found = np.stack([arm.found[counted] for arm in self.all.arms[: self.ours]]).astype(np.float64)
        values = np.array([values[ROW["recall"], -1] for values in self.all.observed[: self.ours]])
        return values, residual_variance(found), found.shape[1]

    def entries(self) -> list[Entry]:
        return [self._entry(metric) for metric in registry(self.scene.classes)]

    def _entry(self, metric: Metric) -> Entry:
        row, column = metric.row, -2 if metric.index is None else metric.index
        sides = [self._side(side, row, column, metric.reason(self.scene.classes)) for side in range(len(self.values))]
        entry = entry_of(
            metric.id,
            self.name,
            sides,
            self._gap(row, column),
            level=self.level,
            n=self.sample.images,
            n_positive=self._objects(row, column),
            clusters=self.sample.units,
            caution="approximate" if metric.coco else None,
            replicates=[sides[0].value],
        )
        if metric.coco and metric.index is None:
            entry["gating"] = self._gating(row)
        if metric.name == "froc":
            points = self.sample.froc_points[0][metric.index if metric.index is not None else -1] if self.levels else [np.nan] * len(RATES)
            entry["points"] = [{"fp_per_image": rate, "sensitivity": optional(point)} for rate, point in zip(RATES, points, strict=True)]
        if self.over_runs is not None:
            self.over_runs.enter(entry, (row, column))
        return entry

    def _objects(self, row: int, column: int) -> int:
        """Objects the metric is about; of an AP of one size those of that size."""
        arm = self.sample.arms[0]
        counts = arm.coco.counts[AREA_OF[row] if row < len(AREA_OF) else 0]
        return int((counts & (arm.truth.label == column)).sum() if column >= 0 else counts.sum())

    def _side(self, side: int, row: int, column: int, reason: str) -> Estimate:
        """The artefact's figure. A proportion at the operating point has its denominator."""
        counts = self.sample.tallies[side][:, :, max(column, -1)].sum(axis=0)
        denominator = {ROW["recall"]: counts[OBJECTS], ROW["precision"]: counts[HITS] + counts[WRONG]}.get(row)
        n = None if denominator is None else int(denominator)
        value = optional(self.values[side][row, column])
        if value is None:
            return nothing(reason if self.levels else "no images", n)
        low, high, method = (getattr(self.levels[side], name)[row, column] for name in ("low", "high", "method"))
        return Estimate(value=value, low=optional(low), high=optional(high), method=method, n=n)

    def _gap(self, row: int, column: int) -> Gap | None:
        if self.gaps is None or np.isnan(self.gaps.value[row, column]):
            return None
        value, p, bounds = float(self.gaps.value[row, column]), optional(self.gaps.p[row, column]), self.gaps.bounds
        low, high = optional(bounds.low[row, column]), optional(bounds.high[row, column])
        return Gap(value=value, low=low, high=high, p=p, method=bounds.method[row, column])

    def _gating(self, row: int) -> Entry | None:
        """The metric over the classes with enough objects, which is what checks judge; None where no class is left out."""
        usable = self.sample.gating[row]
        present = self.sample.tallies[0][:, OBJECTS, :-1].sum(axis=0) > 0
        if not np.any(present & ~usable):
            return None
        gap, values = self._gap(row, -1), [optional(values[row, -1]) for values in self.values]
        return {
            "left_out": [self.scene.classes[k] for k in np.flatnonzero(present & ~usable)],
            "value": values[0],
            "baseline": values[1] if len(values) > 1 else None,
            "difference": None if gap is None else dict(vars(gap)),
        }


def _runs(values: Sequence[Floats], bounds: Sequence[Bounds], cases: Floats, residual: Floats) -> Runs:
    low, high = (np.stack([getattr(each, end) for each in bounds]) for end in ("low", "high"))
    return Runs(value=np.stack(values), low=low, high=high, cases=cases, residual=residual)


def _variance(draws: Floats) -> Floats:
    """Over the draws; 0 where it cannot be told."""
    return np.nan_to_num(spread(draws) ** 2)


def _replicates(detection: Detection) -> list[tuple[str, int, Predictions]]:
    ours = [("candidate", number, each) for number, each in enumerate(detection.candidate)]
    return ours + [("baseline", 0, each) for each in detection.baseline[:1]]


def _missing(detection: Detection) -> list[Entry]:
    """Images without a prediction: they count as images without boxes, and are named."""
    return [
        {"side": side, "replicate": number, "images": [detection.scene.images[i] for i in np.flatnonzero(each.missing | each.invalid)]}
        for side, number, each in _replicates(detection)
        if np.any(each.missing | each.invalid)
    ]


def _sanity(detection: Detection) -> list[Entry]:
    """Findings of every replicate of the candidate, and of the baseline's replicate 0."""
    return [
        {"side": side, "replicate": number, **asdict(finding)}
        for side, number, each in _replicates(detection)
        for finding in findings(detection.scene, detection.truth, each)
    ]
