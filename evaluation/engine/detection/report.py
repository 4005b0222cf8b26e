"""The figures of a detection run report: `metrics`, `flips`, `replicates`, `missing` and `sanity` as plain JSON values.

Entries have the shape of `evaluation.engine.report`, which serves classification; equal evidence gives equal values.
"""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from scipy import special

from evaluation.engine.arrays import Floats, Ints, optional
from evaluation.engine.detection.data import Detection, Predictions
from evaluation.engine.detection.figures import Bounds, Gaps, gaps, levels, object_flips, spread
from evaluation.engine.detection.flips import flip_entry
from evaluation.engine.detection.froc import RATES
from evaluation.engine.detection.metrics import AREA_OF, ROW, Metric, registry
from evaluation.engine.detection.sampling import Sample
from evaluation.engine.detection.sanity import findings
from evaluation.engine.detection.tables import HITS, OBJECTS, WRONG, Matched, matched, of_block
from evaluation.engine.estimates import Settings
from evaluation.engine.intervals import t_quantile
from evaluation.engine.report import LEAST_RUNS_FOR_SD, Entry
from evaluation.engine.strata import Strata, each_block, names_of, with_all


def detection_report(detection: Detection, strata: Strata, *, seed: bytes, level: float = 0.95, resamples: int = 2000) -> Entry:
    """Everything a run report says about these predictions.

    `strata` (of images) may overlap; "all" is put first if it is not among them. `seed`: from `seeds.seed_from`. Metrics follow the
    strata's order, then the registry's. Artefacts are replicate 0 of each side; with several replicates the value is their mean.
    """
    settings = Settings(seed=seed, level=level, resamples=resamples)
    wanted = with_all(strata, detection.scene.size)
    sides = [[matched(detection, each) for each in side] for side in (detection.candidate, detection.baseline)]
    entries: dict[str, list[Entry]] = {}
    flips: dict[str, Entry] = {}
    for block in each_block(wanted, detection.scene.size, detection.scene.clusters):
        runs = [[of_block(arm, block).values for arm in side] for side in sides]
        for stratum, (name, rows) in enumerate(zip(block.names, block.members(), strict=True)):
            values = [np.stack([run[stratum] for run in side]) if side else None for side in runs]
            part = _Stratum(detection, name, block.rows[rows], [side[0] for side in sides if side], values, settings)
            entries[name] = part.entries()
            if part.object_flips is not None:
                flips[name] = flip_entry(name, part.sample, part.object_flips)
    order = names_of(wanted)
    return {
        "metrics": [entry for name in order for entry in entries[name]],
        "flips": {**{k: v for k, v in flips["all"].items() if k != "stratum"}, "strata": [flips[name] for name in order]}
        if flips
        else None,
        "replicates": {"candidate": len(detection.candidate), "baseline": len(detection.baseline)},
        "missing": _missing(detection),
        "sanity": _sanity(detection),
    }


class _Stratum:
    """The entries of one stratum; `values` are those of every replicate of candidate and baseline (runs, 14, classes + 2)."""

    def __init__(
        self, detection: Detection, name: str, images: Ints, arms: Sequence[Matched], values: Sequence[Floats | None], settings: Settings
    ) -> None:
        self.scene, self.name, self.settings = detection.scene, name, settings
        self.runs = [side for side in values if side is not None]
        self.sample = Sample(arms, images, detection.scene.units, seed=settings.seed, resamples=settings.resamples)
        self.levels: list[Bounds] = []
        self.object_flips, self.gaps = None, None
        if len(arms) > 1:
            self.object_flips = object_flips(self.sample)
        if images.size:
            self.levels = [levels(self.sample, arm, settings.level) for arm in range(len(arms))]
            self.points = self.sample.froc_points[0]
            self.gaps = None if self.object_flips is None else gaps(self.sample, self.object_flips, settings.level)
        self.over_runs = _over_runs(self.sample, self.runs, settings.level) if images.size and max(map(len, self.runs)) > 1 else None

    def entries(self) -> list[Entry]:
        return [self._entry(metric) for metric in registry(self.scene.classes)]

    def _entry(self, metric: Metric) -> Entry:
        row, column = metric.row, -2 if metric.index is None else metric.index
        entry: Entry = {"metric": metric.id, "stratum": self.name, **self._figures(row, column)}
        if entry["value"] is None:
            entry["undefined"] = metric.reason(self.scene.classes) if self.sample.images else "no images"
        if metric.coco and metric.index is None:
            entry["gating"] = self._gating(row)
        if metric.name == "froc":
            points = self.points[metric.index if metric.index is not None else -1] if self.levels else np.full(len(RATES), np.nan)
            entry["points"] = [{"fp_per_image": rate, "sensitivity": optional(point)} for rate, point in zip(RATES, points, strict=True)]
        if self.over_runs is not None:
            _enter(entry, self.over_runs, row, column)
        return entry

    def _figures(self, row: int, column: int) -> Entry:
        """The artefact's figures."""
        counts = self.sample.tallies[0][:, :, max(column, -1)].sum(axis=0)
        denominator = {ROW["recall"]: counts[OBJECTS], ROW["precision"]: counts[HITS] + counts[WRONG]}.get(row)
        ours, theirs = self._side(0, row, column), self._side(1, row, column) if len(self.runs) > 1 else None
        return {
            **ours,
            "level": self.settings.level,
            "n": self.sample.images,
            "n_positive": self._objects(row, column),
            "denominator": None if denominator is None else int(denominator),
            "clusters": self.sample.units,
            "baseline": None if theirs is None else {**{k: theirs[k] for k in ("value", "low", "high")}, "n": self.sample.images},
            "difference": _difference(self.gaps, row, column),
            "undefined": None,
            "caution": "approximate" if row < len(AREA_OF) and ours["low"] is not None else None,
            "replicates": [optional(value) for value in self.runs[0][:, row, column]],
        }

    def _objects(self, row: int, column: int) -> int:
        """Objects the metric is about; of an AP of one size those of that size."""
        arm = self.sample.arms[0]
        counts = arm.coco.counts[AREA_OF[row] if row < len(AREA_OF) else 0]
        return int((counts & (arm.truth.label == column)).sum() if column >= 0 else counts.sum())

    def _side(self, side: int, row: int, column: int) -> Entry:
        value = optional(self.runs[side][0, row, column])
        if value is None or not self.levels:
            return {"value": value, "low": None, "high": None, "method": None}
        bounds = self.levels[side]
        return {
            "value": value,
            "low": optional(bounds.low[row, column]),
            "high": optional(bounds.high[row, column]),
            "method": bounds.method[row, column],
        }

    def _gating(self, row: int) -> Entry | None:
        """The metric over the classes with enough objects, which is what checks judge; None where no class is left out."""
        usable = self.sample.gating[row]
        present = self.sample.tallies[0][:, OBJECTS, :-1].sum(axis=0) > 0
        if not np.any(present & ~usable):
            return None
        left_out = [self.scene.classes[k] for k in np.flatnonzero(present & ~usable)]
        baseline = self._side(1, row, -1)["value"] if len(self.runs) > 1 else None
        return {
            "left_out": left_out,
            "value": self._side(0, row, -1)["value"],
            "baseline": baseline,
            "difference": _difference(self.gaps, row, -1),
        }


def _difference(found: Gaps | None, row: int, column: int) -> Entry | None:
    if found is None or np.isnan(found.value[row, column]):
        return None
    low, high = optional(found.bounds.low[row, column]), optional(found.bounds.high[row, column])
    numbers = {"value": float(found.value[row, column]), "low": low, "high": high, "p": optional(found.p[row, column])}
    return {**numbers, "method": found.bounds.method[row, column]}


def _over_runs(sample: Sample, runs: Sequence[Floats], level: float) -> list[Entry]:
    """Per side, and then for the difference: mean over replicates with half the width of its interval, arrays (14, classes + 2).

    Variance = that of cases (bootstrap of replicate 0) + that of the mean over runs. The residual that both contain is not taken off, so
    the interval is rather too wide; degrees of freedom by Satterthwaite.
    """
    drawn = list(sample.drawn)
    cases = [spread(draws) ** 2 for draws in drawn]
    spreads = [np.var(side, axis=0, ddof=1) / len(side) if len(side) > 1 else np.zeros(side.shape[1:]) for side in runs]
    out = [
        _with_runs(side.mean(axis=0), case, [(run, len(side))], sample.units, level)
        for side, case, run in zip(runs, cases, spreads, strict=True)
    ]
    if len(runs) > 1:
        parts = [(run, len(side)) for run, side in zip(spreads, runs, strict=True)]
        gap = runs[0].mean(axis=0) - runs[1].mean(axis=0)
        out.append(_with_runs(gap, spread(drawn[0] - drawn[1]) ** 2, parts, sample.units, level))
    sd = np.std(runs[0], axis=0, ddof=1) if len(runs[0]) >= LEAST_RUNS_FOR_SD else np.full(runs[0].shape[1:], np.nan)
    out[0]["sd"] = sd
    return out


def _with_runs(mean: Floats, case: Floats, runs: Sequence[tuple[Floats, int]], units: int, level: float) -> Entry:
    parts = [(np.nan_to_num(case), max(units - 1, 1)), *((np.nan_to_num(run), max(k - 1, 1)) for run, k in runs)]
    variance = sum((part for part, _ in parts), np.zeros(mean.shape))
    squares = sum((part**2 / degrees for part, degrees in parts), np.zeros(mean.shape))
    varied = variance > 0
    degrees = np.where(varied, variance**2 / np.where(varied, squares, 1.0), 1.0)
    error = np.sqrt(np.where(varied, variance, np.nan))
    return {"mean": mean, "half": t_quantile(level, degrees) * error, "p": 2 * special.stdtr(degrees, -np.abs(mean) / error)}


def _enter(entry: Entry, over_runs: Sequence[Entry], row: int, column: int) -> None:
    """Replace the artefact's figures by those over replicates and keep the former under `artefact`."""
    entry["artefact"] = {key: entry[key] for key in ("value", "low", "high", "method", "difference")}
    entry["sd"] = optional(over_runs[0]["sd"][row, column])
    top = np.inf if row == ROW["fp_per_image"] else 1.0
    for side, target in zip(over_runs, (entry, entry["baseline"]), strict=False):
        mean, half = float(side["mean"][row, column]), float(side["half"][row, column])
        if target is not None:
            target |= {"value": optional(mean), "low": optional(max(mean - half, 0.0)), "high": optional(min(mean + half, top))}
    entry["method"] = None if entry["value"] is None else "bootstrap of images, spread of runs"
    if entry["value"] is None:
        entry["undefined"] = entry["undefined"] or "undefined in some replicates"
    if len(over_runs) > 2:
        gap, half = float(over_runs[2]["mean"][row, column]), float(over_runs[2]["half"][row, column])
        known = {
            "value": gap,
            "low": optional(max(gap - half, -top)),
            "high": optional(min(gap + half, top)),
            "p": optional(over_runs[2]["p"][row, column]),
        }
        entry["difference"] = None if np.isnan(gap) else known | {"method": "bootstrap of images, spread of runs"}


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
