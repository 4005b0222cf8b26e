"""The figures of a run report from arrays: `metrics`, `flips`, `replicates` and `sanity` as plain JSON values, equal for equal evidence.

`report` is the one entry point. Stratum by stratum it says the mean over replicates with an interval in which runs and cases are random,
and, where there are several, the artefact (replicate 0), which is what checks judge.
"""

from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from evaluation.engine.arrays import BadInput, Floats, optional
from evaluation.engine.artefact import Artefact
from evaluation.engine.calibration import calibration_details
from evaluation.engine.caution import Caution, caution
from evaluation.engine.compare import Flips
from evaluation.engine.data import Arm, Comparison, Task, cluster_codes, label_codes
from evaluation.engine.estimates import Column, Settings
from evaluation.engine.figures import FlipFigures
from evaluation.engine.intervals import exact_upper
from evaluation.engine.metrics import Metric, metric_of, registry
from evaluation.engine.recipes import Estimates, Ranged, recipe_interval
from evaluation.engine.replicates import residual_variance, spread_interval, underspecification
from evaluation.engine.sanity import label_findings, score_findings
from evaluation.engine.strata import Block, Strata, each_block, names_of, with_all

Entry = dict[str, Any]
LEAST_RUNS_FOR_SD = 3


def comparison_of(
    task: Task, truth: ArrayLike, candidate: Sequence[Arm], baseline: Sequence[Arm] = (), clusters: ArrayLike | None = None
) -> Comparison:
    """Check that everything is about the same cases. Raises BadInput that names what does not fit."""
    cases = np.asarray(truth).size
    codes = label_codes(truth, task, cases)
    if not candidate:
        raise BadInput("a report needs at least one replicate of the candidate")
    for side, arms in (("candidate", candidate), ("baseline", baseline)):
        for number, arm in enumerate(arms):
            if arm.labels.shape != (cases,):
                raise BadInput(f"{side} replicate {number} has {arm.labels.size} predictions, but there are {cases} cases")
    return Comparison(task, codes, tuple(candidate), tuple(baseline), cluster_codes(clusters, cases))


def report(
    comparison: Comparison,
    strata: Strata,
    *,
    seed: bytes,
    level: float = 0.95,
    resamples: int = 2000,
    home: str | None = None,
    only: Sequence[str] | None = None,
) -> Entry:
    """Everything a run report says about these predictions; keys `metrics`, `flips`, `replicates`, `sanity`, `confusion`, `calibration`.

    `strata` may overlap; "all" is put first if it is not among them. `seed`: from `seeds.seed_from`. `home` names the stratum in which
    seeds are expected to agree, for the underspecification index. Metrics follow the strata's order, then the registry's; `only` names
    some of them (accuracy is always among them; `calibration` is None without a metric of probabilities). Raises BadInput for a stratum
    given twice or a metric that there is not.
    """
    settings = Settings(seed=seed, level=level, resamples=resamples)
    wanted = with_all(strata, comparison.cases)
    metrics = _chosen(comparison.task, only)
    entries: dict[str, list[Entry]] = {}
    flips: dict[str, Entry] = {}
    runs: dict[str, tuple[Floats, float, int]] = {}
    for block in each_block(wanted, comparison.cases, comparison.clusters):
        part = _BlockReport(comparison, block, settings, metrics)
        entries |= part.entries()
        flips |= part.flips()
        runs |= part.runs()
        del block, part  # before the next block is made: only one is held at a time
    order = names_of(wanted)
    return {
        "metrics": [entry for name in order for entry in entries[name]],
        "flips": {**{k: v for k, v in flips["all"].items() if k != "stratum"}, "strata": [flips[name] for name in order]}
        if flips
        else None,
        "replicates": _replicates(comparison, runs, order, home, level),
        "sanity": _sanity(comparison),
        "confusion": _confusion(comparison),
        "calibration": calibration_details(comparison) if any(metric.needs == "probabilities" for metric in metrics) else None,
    }


def _chosen(task: Task, only: Sequence[str] | None) -> list[Metric]:
    """The registry, or accuracy and those named, in the registry's order."""
    if only is None:
        return registry(task)
    wanted = {"accuracy", *(metric_of(task, name).id for name in only)}
    return [metric for metric in registry(task) if metric.id in wanted]


def _confusion(comparison: Comparison) -> Entry:
    """Counts over all cases, truth by prediction, the last column of which is a missing one; replicate 0 of each side."""
    classes = len(comparison.task.classes)
    sides = [arm.cells(comparison.truth, classes) for arm in comparison.artefacts]
    counts = [np.bincount(cells, minlength=classes * (classes + 1)).reshape(classes, classes + 1).tolist() for cells in sides]
    return {"classes": list(comparison.task.classes), "candidate": counts[0], "baseline": counts[1] if len(counts) > 1 else None}


class OverRuns:
    """What several replicates say about one metric, over the strata of a block: mean, interval, difference in which runs and cases are random."""

    def __init__(self, metric: Ranged, ours: Floats, theirs: Floats | None, estimates: Estimates, level: float) -> None:
        self.ours, self.theirs = ours, theirs
        self.mean, self.defined = ours.mean(axis=0), ~np.asarray(np.isnan(ours).any(axis=0))
        self.sd = np.std(ours, axis=0, ddof=1) if len(ours) >= LEAST_RUNS_FOR_SD else np.full(self.mean.size, np.nan)
        self.own = recipe_interval(estimates.candidate, metric, self.mean, level) if len(ours) > 1 else None
        if theirs is None or estimates.baseline is None or estimates.difference is None:
            self.difference = None
            return
        self.their_mean, self.both = theirs.mean(axis=0), self.defined & ~np.asarray(np.isnan(theirs).any(axis=0))
        self.their_own = recipe_interval(estimates.baseline, metric, self.their_mean, level) if len(theirs) > 1 else None
        self.difference = estimates.difference
        self.gap = self.mean - self.their_mean
        low, high = self.difference.interval(level, low=-np.inf, high=np.inf)
        shift, reach = self.gap - self.difference.value, metric.high - metric.low  # pseudo-values centre on the value only to first order
        self.low, self.high, self.p = np.maximum(low + shift, -reach), np.minimum(high + shift, reach), self.difference.p()

    def enter(self, entry: Entry, stratum: int) -> None:
        """Replace the artefact's figures by those over replicates and keep the former under `artefact`."""
        entry["artefact"] = {key: entry[key] for key in ("value", "low", "high", "method", "difference")}
        entry["sd"] = optional(self.sd[stratum])
        if not self.defined[stratum]:
            entry |= {"value": None, "low": None, "high": None, "method": None, "difference": None}
            entry["undefined"] = entry["undefined"] or "undefined in some replicates"
            return
        if self.own is not None:
            entry["value"] = float(self.mean[stratum])
            if not np.isnan(self.own[0][stratum]):
                entry |= {"low": float(self.own[0][stratum]), "high": float(self.own[1][stratum]), "method": "variance components"}
        if self.theirs is None or self.difference is None or not self.both[stratum]:
            return
        if self.their_own is not None:
            entry["baseline"]["value"] = float(self.their_mean[stratum])
            if not np.isnan(self.their_own[0][stratum]):
                entry["baseline"] |= {"low": float(self.their_own[0][stratum]), "high": float(self.their_own[1][stratum])}
        if self.difference.variance[stratum] > 0:
            method = "variance components" if len(self.theirs) > 1 else "variance components, recipe against this artefact"
            numbers = {"value": self.gap, "low": self.low, "high": self.high, "p": self.p}
            entry["difference"] = {name: float(column[stratum]) for name, column in numbers.items()} | {"method": method}


class _BlockReport:
    """The entries of one block of disjoint strata."""

    def __init__(self, comparison: Comparison, block: Block, settings: Settings, metrics: Sequence[Metric]) -> None:
        self.comparison, self.block, self.settings, self.metrics = comparison, block, settings, metrics
        self.artefact = Artefact(comparison, block, settings, metrics)
        self.recipes = self.artefact.recipes
        self.several = len(comparison.candidate) > 1 or len(comparison.baseline) > 1

    def entries(self) -> dict[str, list[Entry]]:
        out: dict[str, list[Entry]] = {name: [] for name in self.block.names}
        supports = self._supports
        for metric in self.metrics:
            column = self.artefact.column(metric)
            values = self.recipes.values(metric, False)
            over_runs = self._over_runs(metric, values) if self.several else None
            runs = [[optional(value) for value in of_runs] for of_runs in values.T.tolist()]
            about = metric.index if metric.index is not None else self.comparison.task.positive
            for stratum, name in enumerate(self.block.names):
                entry = self._entry(metric, column, stratum, name)
                entry["n_positive"] = None if about is None else supports[stratum][about]
                entry["caution"] = self._caution(metric, entry, stratum)
                if metric.macro:
                    entry["left_out"] = [c for c, held in zip(self.comparison.task.classes, supports[stratum], strict=True) if not held]
                entry["replicates"] = runs[stratum]
                if over_runs is not None:
                    over_runs.enter(entry, stratum)
                out[name].append(entry)
        return out

    def _caution(self, metric: Metric, entry: Entry, stratum: int) -> Caution | None:
        """None, or why the intervals of this entry may be too narrow."""
        if entry["low"] is None:
            return None
        positives, n = entry["n_positive"], entry["n"]
        sizes = self._supports[stratum] if positives is None else (positives, n - positives)
        clusters = entry["clusters"] if entry["clusters"] < n else None
        return caution(metric.name, smallest=min(size for size in sizes if size > 0), errors=self._errors[stratum], clusters=clusters)

    @cached_property
    def _supports(self) -> list[list[int]]:
        """Per stratum the cases of each class. Here and below plain numbers: one by one, those of an array take ten times as long."""
        support: list[list[int]] = self.artefact.tables[0].support.astype(np.int64).tolist()
        return support

    @cached_property
    def _errors(self) -> list[int]:
        """Per stratum the cases that the artefact has wrong."""
        wrong: list[int] = (self.block.n - self.artefact.tables[0].tp.sum(axis=-1).astype(np.int64)).tolist()
        return wrong

    @cached_property
    def _sizes(self) -> list[tuple[int, int]]:
        """Per stratum its cases and its clusters."""
        return list(zip(self.block.n.tolist(), self.block.clusters_per_stratum.tolist(), strict=True))

    def _over_runs(self, metric: Metric, values: Floats) -> OverRuns:
        """The figures over replicates of one metric in every stratum."""
        theirs = self.recipes.values(metric, True) if self.comparison.baseline else None
        return OverRuns(metric, values, theirs, self.recipes.estimates(metric), self.settings.level)

    def _entry(self, metric: Metric, column: Column, stratum: int, name: str) -> Entry:
        """The artefact's figures; where there is one replicate on each side they are the report's."""
        ours, gap = column.candidate[stratum], column.difference[stratum] if column.difference else None
        theirs = column.baseline[stratum] if column.baseline else None
        n, clusters = self._sizes[stratum]
        return {
            "metric": metric.id,
            "stratum": name,
            "value": ours.value,
            "low": ours.low,
            "high": ours.high,
            "level": self.settings.level,
            "method": ours.method,
            "n": n,
            "n_positive": None,
            "denominator": ours.n,
            "clusters": clusters,
            "baseline": None if theirs is None else {"value": theirs.value, "low": theirs.low, "high": theirs.high, "n": n},
            "difference": None if gap is None else dict(vars(gap)),
            "undefined": ours.undefined,
        }

    def flips(self) -> dict[str, Entry]:
        """Newly wrong and newly right of replicate 0 against replicate 0, per stratum."""
        if not self.comparison.baseline:
            return {}
        figures = self.artefact.flips
        new, old = (table.tp.sum(axis=-1) for table in self.artefact.tables)
        return {
            name: _flip_entry(name, figures, stratum, int(new[stratum]), int(old[stratum])) for stratum, name in enumerate(self.block.names)
        }

    def runs(self) -> dict[str, tuple[Floats, float, int]]:
        """Per stratum each run's accuracy, the residual variance of correctness, and n."""
        if len(self.comparison.candidate) < 2:
            return {}
        accuracy = self.metrics[0]
        hits, _ = self.recipes.hits(accuracy, False)
        values = self.recipes.values(accuracy, False)
        return {
            name: (values[:, s], residual_variance(hits[:, self.recipes.members[s]]), int(self.block.n[s]))
            for s, name in enumerate(self.block.names)
        }


def _flip_entry(name: str, figures: FlipFigures, stratum: int, new: int, old: int) -> Entry:
    """Row 0 of `figures` is accuracy. The upper bound of the negative flip rate is Clopper–Pearson, one-sided 95 %, on the effective n."""
    lost, gained, n = int(figures.lost[0, stratum]), int(figures.gained[0, stratum]), int(figures.n[0, stratum])
    right = old - lost
    flips = Flips(both_right=np.array(right), lost=np.array(lost), gained=np.array(gained), both_wrong=np.array(n - right - lost - gained))
    effective = n / float(figures.design_effect[0, stratum])
    return {
        "stratum": name,
        "newly_wrong": lost,
        "newly_right": gained,
        "both_right": right,
        "both_wrong": n - right - lost - gained,
        "n": n,
        "negative_flip_rate": lost / n if n else None,
        "negative_flip_rate_high": optional(exact_upper(lost / n * effective, effective, 0.05)) if n else None,
        "positive_flip_rate": gained / n if n else None,
        "trust_compatibility": optional(flips.trust_compatibility),
        "error_compatibility": optional(flips.error_compatibility),
        "p": optional(figures.p[0, stratum]) if n else None,
        "p_exact": optional(figures.p_exact[0, stratum]) if n else None,
    }


def _replicates(
    comparison: Comparison, runs: dict[str, tuple[Floats, float, int]], order: Sequence[str], home: str | None, level: float
) -> Entry:
    """How far the seeds spread in each stratum, and whether they agree at home and disagree elsewhere."""
    out: Entry = {
        "candidate": len(comparison.candidate),
        "baseline": len(comparison.baseline),
        "metric": "accuracy",
        "home": home,
        "strata": [],
    }
    for name in order if runs else []:
        values, _, n = runs[name]
        count = values.size
        sd = float(np.std(values, ddof=1)) if n else float("nan")
        low, high = spread_interval(sd, count, level)
        shown = count >= LEAST_RUNS_FOR_SD
        entry: Entry = {"stratum": name, "n": n, "values": [optional(v) for v in values], "mean": optional(values.mean())}
        entry |= {
            "sd": optional(sd) if shown else None,
            "sd_low": optional(low) if shown else None,
            "sd_high": optional(high) if shown else None,
        }
        if home is not None and home in runs and name != home and n:
            at_home, residual, cases = runs[home]
            entry["underspecification"] = asdict(underspecification(at_home, values, residual, cases, level))
        out["strata"].append(entry)
    return out


def _sanity(comparison: Comparison) -> list[Entry]:
    """Findings of every replicate of the candidate, and of the baseline's replicate 0."""
    task, out = comparison.task, []
    arms = [("candidate", number, arm) for number, arm in enumerate(comparison.candidate)] + [
        ("baseline", 0, arm) for arm in comparison.baseline[:1]
    ]
    for side, number, arm in arms:
        found = label_findings(arm.labels, comparison.truth, task.classes)
        if arm.scores is not None:
            found += score_findings(
                arm.scores,
                comparison.truth,
                task.classes,
                positive=task.positive,
                answered=arm.labels >= 0,
                ranking=partial(arm.ranking, task=task),
            )
        if arm.invalid_count:
            out.append(
                {"side": side, "replicate": number, "code": "non_finite", "severity": "error", "numbers": {"rows": arm.invalid_count}}
            )
        out += [{"side": side, "replicate": number, **asdict(finding)} for finding in found]
    return out
