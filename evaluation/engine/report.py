"""The figures of a run report from arrays: `metrics`, `flips`, `replicates` and `sanity` as plain JSON values, equal for equal evidence.

`report` is the one entry point. Stratum by stratum it says the mean over replicates with an interval in which runs and cases are random,
and, where there are several, the artefact (replicate 0), which is what checks judge.
"""

from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property, partial

import numpy as np
from numpy.typing import ArrayLike

from evaluation.engine.arrays import BadInput, optional, plain
from evaluation.engine.artefact import Artefact
from evaluation.engine.calibration import calibration_details
from evaluation.engine.caution import OVERALL_MCC, Caution, caution
from evaluation.engine.compare import Flips
from evaluation.engine.data import Arm, Comparison, Task, cluster_codes, label_codes, replicates_of
from evaluation.engine.entries import Entry, entry_of
from evaluation.engine.estimates import Column, Settings
from evaluation.engine.figures import FlipFigures
from evaluation.engine.intervals import exact_upper
from evaluation.engine.metrics import Metric, metric_of, registry
from evaluation.engine.over_runs import OverRuns, over_runs
from evaluation.engine.replicates import RunValues, replicates_entry, residual_variance
from evaluation.engine.sanity import label_findings, score_findings
from evaluation.engine.strata import Block, Strata, each_block, names_of, with_all


def comparison_of(
    task: Task, truth: ArrayLike, candidate: Sequence[Arm], baseline: Sequence[Arm] = (), clusters: ArrayLike | None = None
) -> Comparison:
    """Check that everything is about the same cases. Raises BadInput that names what does not fit."""
    cases = plain(truth, "the truth").size
    codes = label_codes(truth, task, cases)
    replicates_of(candidate, baseline, Arm)
    for side, arms in (("candidate", candidate), ("baseline", baseline)):
        for number, arm in enumerate(arms):
            if arm.labels.shape != (cases,):
                raise BadInput(f"{side} replicate {number} has {arm.labels.size} predictions, but there are {cases} cases")
    return Comparison(task, codes, tuple(candidate), tuple(baseline), cluster_codes(clusters, cases))


def report(
    comparison: Comparison,
    strata: Strata = (),
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
    runs: dict[str, RunValues] = {}
    for block in each_block(wanted, comparison.cases, comparison.clusters):
        part = BlockReport(comparison, block, settings, metrics)
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
        "replicates": replicates_entry("accuracy", (len(comparison.candidate), len(comparison.baseline)), runs, order, home, level),
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


class BlockReport:
    """The entries of one block of disjoint strata."""

    def __init__(self, comparison: Comparison, block: Block, settings: Settings, metrics: Sequence[Metric]) -> None:
        self.comparison, self.block, self.settings, self.metrics = comparison, block, settings, metrics
        self.artefact = Artefact(comparison, block, settings, metrics)
        self.recipes = self.artefact.recipes

    def entries(self) -> dict[str, list[Entry]]:
        out: dict[str, list[Entry]] = {name: [] for name in self.block.names}
        supports = self._supports
        several = [self._columns(pair) for pair in range(1, self.comparison.pairs)]
        for number, metric in enumerate(self.metrics):
            column = self.artefact.column(metric)
            over_runs = self._over_runs(metric, [column, *(columns[number] for columns in several)]) if several else None
            about = metric.index if metric.index is not None else self.comparison.task.positive
            for stratum, name in enumerate(self.block.names):
                entry = self._entry(metric, column, stratum, None if about is None else supports[stratum][about])
                if metric.macro:
                    entry["left_out"] = [c for c, held in zip(self.comparison.task.classes, supports[stratum], strict=True) if not held]
                if over_runs is not None:
                    over_runs.enter(entry, stratum)
                out[name].append(entry)
        return out

    def _columns(self, pair: int) -> list[Column]:
        """What one replicate against one says, metric by metric."""
        artefact = Artefact(self.comparison.pair(pair), self.block, self.settings, self.metrics, tested=False)
        return [artefact.column(metric) for metric in self.metrics]

    def _over_runs(self, metric: Metric, columns: Sequence[Column]) -> OverRuns:
        """The figures over replicates of one metric in every stratum."""
        scatter = self.recipes.scatter(metric)
        counts = [len(side) for side in (self.comparison.candidate, self.comparison.baseline) if side]
        return over_runs(columns, counts, scatter, (metric.low, metric.high), self.settings.level)

    def _entry(self, metric: Metric, column: Column, stratum: int, positives: int | None) -> Entry:
        """The artefact's figures; where there is one replicate on each side they are the report's."""
        sides, gap = column.at(stratum)
        n, clusters = self._sizes[stratum]
        return entry_of(
            metric.id,
            self.block.names[stratum],
            sides,
            gap,
            level=self.settings.level,
            n=n,
            clusters=clusters,
            n_positive=positives,
            caution=self._caution(metric, stratum, positives) if n else None,
            replicates=[sides[0].value],
        )

    def _caution(self, metric: Metric, stratum: int, positives: int | None) -> Caution | None:
        """None, or why the intervals of this metric may be too narrow in this stratum, which has cases."""
        n, clusters = self._sizes[stratum]
        sizes = self._supports[stratum] if positives is None else (positives, n - positives)
        smallest = min(size for size in sizes if size > 0)
        name = OVERALL_MCC if metric.name == "mcc" and metric.index is None else metric.name
        return caution(name, smallest=smallest, errors=self._errors[stratum], clusters=clusters if clusters < n else None)

    @cached_property
    def _supports(self) -> list[list[int]]:
        """Per stratum the cases of each class. Here and below plain numbers: one by one, those of an array take ten times as long."""
        support: list[list[int]] = self.artefact.tables[0].support.astype(np.int64).tolist() if self.block.size else []
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

    def flips(self) -> dict[str, Entry]:
        """Newly wrong and newly right of replicate 0 against replicate 0, per stratum."""
        if not self.comparison.baseline:
            return {}
        figures = self.artefact.flips
        new, old = (table.tp.sum(axis=-1) for table in self.artefact.tables)
        return {
            name: _flip_entry(name, figures, stratum, int(new[stratum]), int(old[stratum])) for stratum, name in enumerate(self.block.names)
        }

    def runs(self) -> dict[str, RunValues]:
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
