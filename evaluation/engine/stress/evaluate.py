"""What stress does to accuracy: per perturbation and severity, per perturbation, and over the suite; candidate beside baseline.

Every figure is paired on the same cases. Accuracy over several severities is a share of (case, severity) rows in which a case is a cluster,
so that five severities of a case do not count as five cases. Steps that do not keep the label are shown and take no part in means or claims.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.engine.arrays import BadInput, Bools, Ints, optional, tally
from evaluation.engine.data import cluster_codes
from evaluation.engine.entries import Entry
from evaluation.engine.intervals import t_quantile
from evaluation.engine.replicates import residual_variance, underspecification
from evaluation.engine.strata import Grouping
from evaluation.engine.stress.paired import adjust, hits_of, share_entries
from evaluation.engine.stress.plan import Plan
from evaluation.engine.stress.registry import perturbation


@dataclass(frozen=True, eq=False)
class Outcomes:
    """One model's right and wrong answers: `clean` (runs, cases) and `stressed` (runs, steps, cases), replicate 0 first; a missing answer is wrong."""

    clean: Bools
    stressed: Bools


def outcomes(plan: Plan, clean: ArrayLike, stressed: ArrayLike) -> Outcomes:
    """Check one model's answers against the plan's steps; (cases,) and (steps, cases) are one run. Raises BadInput that names the shapes."""
    one = np.asarray(clean).ndim == 1
    first, rest = (np.asarray(values)[None] if one else np.asarray(values) for values in (clean, stressed))
    if first.ndim != 2 or not first.shape[0]:
        raise BadInput(f"clean answers have shape {np.shape(clean)}, but (cases,) or (runs, cases) is needed")
    runs, cases = first.shape
    return Outcomes(hits_of(first, (runs, cases), "clean answers"), hits_of(rest, (runs, len(plan.steps), cases), "answers under stress"))


def stress_report(
    plan: Plan, candidate: Outcomes, baseline: Outcomes | None = None, clusters: ArrayLike | None = None, level: float = 0.95
) -> Entry:
    """Keys: `plan` (digest), `clean`, `metrics` (one entry per step), `perturbations`, `suite` (both over severities), `worst`.

    An entry has the shape of a run report's, and besides: `perturbation`, `severity`, `meaning`, `label_kept`; `from_clean`, stressed - clean
    of replicate 0, here and under `baseline`; `p_holm` and `p_bh` over all steps in `difference` and `from_clean`; with several runs
    `underspecification` against the clean cases. Raises BadInput where the baseline or the clusters are about other cases.
    """
    cases = candidate.clean.shape[1]
    if baseline is not None and baseline.clean.shape[1] != cases:
        raise BadInput(f"the candidate answered {cases} cases and the baseline {baseline.clean.shape[1]}; they are compared case by case")
    return _Suite(plan, candidate, baseline, cluster_codes(clusters, cases), level).report()


class _Suite:
    """A plan's answers, checked; `unit` (cases,) is each one's cluster or itself, `kept` the steps that keep the label."""

    def __init__(self, plan: Plan, candidate: Outcomes, baseline: Outcomes | None, clusters: Ints | None, level: float) -> None:
        self.plan, self.candidate, self.baseline, self.clusters, self.level = plan, candidate, baseline, clusters, level
        self.cases = candidate.clean.shape[1]
        self.unit = np.arange(self.cases) if clusters is None else clusters
        self.kept = [i for i, step in enumerate(plan.steps) if perturbation(step.name).label_kept]

    def report(self) -> Entry:
        entries = self._steps()
        kept = [entries[i] for i in self.kept]
        adjust(entry["difference"] for entry in kept)
        adjust(entry["from_clean"] for entry in kept)
        adjust(entry["baseline"]["from_clean"] for entry in kept if entry["baseline"] is not None)
        names = [name for name in self.plan.names if perturbation(name).label_kept]
        over = self._means(names, [names.index(self.plan.steps[i].name) for i in self.kept])
        adjust(entry["difference"] for entry in over)
        worst = min((entry for entry in over if entry["value"] is not None), key=lambda entry: entry["value"], default=None)
        sides = [None if side is None else side.clean for side in (self.candidate, self.baseline)]
        return {
            "plan": self.plan.digest,
            "clean": self._entries("accuracy", sides, ["clean"], [0], self.clusters)[0],
            "metrics": entries,
            "perturbations": over,
            "suite": self._means(["suite"], [0] * len(self.kept))[0] if self.kept else None,
            "worst": None if worst is None else {"perturbation": worst["stratum"], "value": worst["value"]},
        }

    def _entries(
        self, metric: str, sides: Sequence[Bools | None], names: Sequence[str], codes: Sequence[int], clusters: Ints | None
    ) -> list[Entry]:
        """One entry per name. Each side is (runs, arrays * cases), `codes` says which name each array belongs to."""
        ours, theirs = sides
        assert ours is not None  # the candidate is always given
        units = None if clusters is None else np.tile(clusters, len(codes))
        return share_entries(metric, ours, theirs, Grouping(names, np.repeat(codes, self.cases)), units, self.level)

    def _steps(self) -> list[Entry]:
        """The entries of every step."""
        steps = self.plan.steps
        names, codes = [step.stratum for step in steps], range(len(steps))
        sides = [None if side is None else side.stressed.reshape(len(side.stressed), -1) for side in (self.candidate, self.baseline)]
        entries = self._entries("accuracy", sides, names, codes, self.clusters)
        ours = self._from_clean(self.candidate)
        theirs = [None] * len(steps) if self.baseline is None else self._from_clean(self.baseline)
        for i, (step, entry) in enumerate(zip(steps, entries, strict=True)):
            row = perturbation(step.name)
            entry.update(perturbation=step.name, severity=step.severity, meaning=row.meaning(step.severity), label_kept=row.label_kept)
            entry["from_clean"] = ours[i]
            if entry["baseline"] is not None:
                entry["baseline"]["from_clean"] = theirs[i]
            self._add_spread(entry, [i])
        return entries

    def _from_clean(self, side: Outcomes) -> list[Entry | None]:
        """Replicate 0 under each step against itself without stress."""
        steps = side.stressed.shape[1]
        sides = [side.stressed[:1].reshape(1, -1), np.tile(side.clean[:1], steps)]
        return [
            entry["difference"] for entry in self._entries("accuracy", sides, list(map(str, range(steps))), range(steps), self.clusters)
        ]

    def _add_spread(self, entry: Entry, steps: Sequence[int]) -> None:
        """How much further the seeds part under these steps than on the clean cases."""
        if len(self.candidate.clean) > 1 and self.cases:
            clean, stressed = self.candidate.clean.astype(np.float64), self.candidate.stressed[:, list(steps)].mean(axis=(1, 2))
            found = underspecification(clean.mean(axis=1), stressed, residual_variance(clean), self.cases, self.level)
            entry["underspecification"] = asdict(found)

    def _means(self, names: Sequence[str], codes: Sequence[int]) -> list[Entry]:
        """Accuracy over the steps that keep the label, each counted alike, with cases (or their clusters) as clusters; `codes`: each one's name."""
        sides = [
            None if side is None else side.stressed[:, self.kept].reshape(len(side.stressed), -1)
            for side in (self.candidate, self.baseline)
        ]
        entries = self._entries("mean_accuracy", sides, names, codes, self.unit) if names else []
        for code, entry in enumerate(entries):
            steps = [i for i, own in zip(self.kept, codes, strict=True) if own == code]
            entry.update(steps=len(steps), relative_robustness=self._relative(self.candidate, steps))
            if self.baseline is not None:
                entry["baseline"]["relative_robustness"] = self._relative(self.baseline, steps)
            self._add_spread(entry, steps)
        return entries

    def _relative(self, side: Outcomes, steps: Sequence[int]) -> Entry:
        """Mean accuracy under stress over clean accuracy, of replicate 0; the interval from the cases' influences on the logarithm."""
        clean, stressed = side.clean[0].astype(np.float64), side.stressed[0, list(steps)].mean(axis=0)
        if not clean.any():
            return {"value": None, "low": None, "high": None, "undefined": "no clean case is right" if self.cases else "no cases"}
        value = float(stressed.mean() / clean.mean())
        units = int(np.unique(self.unit).size)
        influence = tally(self.unit, stressed / max(stressed.mean(), np.finfo(float).tiny) - clean / clean.mean()) / self.cases
        spread = float(np.sqrt(units / max(units - 1, 1) * (influence**2).sum())) * float(t_quantile(self.level, units - 1))
        known = value > 0 and spread > 0  # where nothing varies this says nothing, and the intervals of the accuracies answer
        low, high = (value * np.exp(-spread), value * np.exp(spread)) if known else (np.nan, np.nan)
        return {"value": value, "low": optional(low), "high": optional(high), "undefined": None}
