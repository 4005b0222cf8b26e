"""Reads over runs: which one compares two model versions, which cases changed, what was said about one case."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from django.db.models import Max
from numpy.typing import NDArray

from evaluation.registry.models import ModelVersion
from evaluation.runs.material import Answers, Material, material_of
from evaluation.runs.models import Run
from evaluation.runs.reports import why_unanswered
from hardcases.cases.models import Case
from hardcases.errors import BadRequest, NotFound
from hardcases.testsets.models import Entry, Version

COMPARED = ("newly_wrong", "newly_right", "both_wrong", "both_right", "missing")
ALONE = ("wrong", "right", "missing")


@dataclass(frozen=True, kw_only=True)
class Said:
    """What one model version said about a case; `label` None where nothing decides, `why` then names the reason."""

    label: str | None
    score: float | None
    right: bool
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Flip:
    """One case of a run's replicate 0, with what both models said. `swing` is how far the score of the reference label moved, where there are scores."""

    case_id: int
    key: str
    label: str
    outcome: str
    candidate: Said
    baseline: Said | None
    swing: float | None


@dataclass(frozen=True)
class Flips:
    """A page of cases in one cell, those with the largest swing first, and how many there are."""

    rows: list[Flip]
    total: int


def latest_run(candidate: ModelVersion, baseline: ModelVersion | None, version: Version) -> Run | None:
    """The candidate's newest succeeded run against that baseline on that version."""
    related = ("model_version__model", "baseline_version__model", "baseline_run", "test_set_version__test_set", "project")
    found = Run.objects.filter(model_version=candidate, baseline_version=baseline, test_set_version=version, state="succeeded")
    return found.select_related(*related).order_by("-number").first()


def outcomes_of(run: Run) -> tuple[str, ...]:
    """The cells a case of this run can be in."""
    return COMPARED if run.baseline_run_id else ALONE


def flips(run: Run, outcome: str, stratum: str = "all", *, offset: int = 0, limit: int = 60) -> Flips:
    """Cases of replicate 0 in one cell and stratum. Raises BadRequest for an unknown outcome, NotFound for a stratum the version does not have."""
    if outcome not in outcomes_of(run):
        raise BadRequest(f"There is no outcome {outcome!r} in this run. Choose one of {', '.join(outcomes_of(run))}.")
    material = material_for_reading(run)
    members = material.mask(stratum)
    if members is None:
        raise NotFound(f"The version of this run has no stratum {stratum!r}. Check its name in the report.")
    chosen = np.flatnonzero(cells(material)[outcome] & members)
    swing = _swing(material)
    order = chosen[np.argsort(-np.nan_to_num(np.abs(swing[chosen]), nan=-1.0), kind="stable")]
    rows = order[offset : offset + limit]
    return Flips([_flip(material, int(row), outcome, float(swing[row])) for row in rows], len(chosen))


def cells(material: Material) -> dict[str, NDArray[np.bool_]]:
    """Which cases are in which cell; a case without an answer of the candidate is wrong, and also in `missing`."""
    truth, new = material.cases.label_codes, material.candidate[0]
    right = new.labels == truth
    missing = ~new.answered
    if not material.baseline:
        return {"wrong": ~right, "right": right, "missing": missing}
    was = material.baseline[0].labels == truth
    return {
        "newly_wrong": was & ~right,
        "newly_right": ~was & right,
        "both_wrong": ~was & ~right,
        "both_right": was & right,
        "missing": missing,
    }


def _swing(material: Material) -> NDArray[np.float64]:
    """Change of the reference label's score from baseline to candidate; without a baseline the candidate's own score. NaN without scores."""
    truth = material.cases.label_codes
    if truth.min(initial=0) < 0:
        return np.full(truth.size, np.nan)
    new = _reference_scores(material, material.candidate[0])
    return new - _reference_scores(material, material.baseline[0]) if material.baseline else -new


def _reference_scores(material: Material, answers: Answers) -> NDArray[np.float64]:
    """The score of each case's reference label; where one class is positive its score speaks for both, lower being better for the other."""
    truth, positive = material.cases.label_codes, material.task.positive
    if positive is None:
        return answers.scores[np.arange(truth.size), truth]
    return np.where(truth == positive, answers.scores[:, positive], -answers.scores[:, positive])


def _flip(material: Material, row: int, outcome: str, swing: float) -> Flip:
    cases = material.cases
    code = int(cases.label_codes[row])
    return Flip(
        case_id=int(cases.case_ids[row]),
        key=cases.key(row),
        label=cases.classes[code] if code >= 0 else "",
        outcome=outcome,
        candidate=_said(material.candidate[0], cases.classes, row, code),
        baseline=_said(material.baseline[0], cases.classes, row, code) if material.baseline else None,
        swing=None if np.isnan(swing) else swing,
    )


def _said(answers: Answers, classes: Sequence[str], row: int, truth: int) -> Said:
    label = int(answers.labels[row])
    if label < 0:
        why = "refused" if answers.refused[row] else why_unanswered(answers, row)
        return Said(label=None, score=None, right=False, why=why)
    score = float(answers.scores[row, label])
    return Said(label=classes[label], score=None if np.isnan(score) else score, right=label == truth)


def material_for_reading(run: Run) -> Material:
    """The material of an ended run, remembered: nothing it is read from changes any more."""
    return _material(run.pk, run.report_sha256) if run.report_sha256 else material_of(run)


@lru_cache(maxsize=4)
def _material(run_id: int, report_sha256: str) -> Material:
    related = ("project", "test_set_version", "model_version__model", "baseline_run__test_set_version", "baseline_run__project")
    return material_of(Run.objects.select_related(*related).get(pk=run_id))


@dataclass(frozen=True, kw_only=True)
class CaseAnswer:
    """What one model version's newest run on a version with this case said about it."""

    run: Run
    said: Said
    label: str


def answers_about(case: Case, limit: int = 6) -> list[CaseAnswer]:
    """Newest succeeded run of each model version on versions that hold the case, newest first."""
    held = [
        version
        for entry in Entry.objects.filter(case=case).select_related("test_set")
        for version in Version.objects.filter(test_set=entry.test_set_id, number__gte=entry.added_in)
        if entry.removed_in is None or version.number < entry.removed_in
    ]
    newest = (
        Run.objects.filter(test_set_version__in=held, state="succeeded")
        .values("model_version")
        .annotate(newest=Max("pk"))
        .order_by("-newest")
        .values_list("newest", flat=True)[:limit]
    )
    found = []
    for run in Run.objects.filter(pk__in=list(newest)).select_related("model_version__model", "test_set_version__test_set").order_by("-pk"):
        material = material_for_reading(run)
        for row in np.flatnonzero(material.cases.case_ids == case.pk).tolist():
            code = int(material.cases.label_codes[row])
            label = material.cases.classes[code] if code >= 0 else ""
            found.append(CaseAnswer(run=run, said=_said(material.candidate[0], material.cases.classes, row, code), label=label))
    return found
