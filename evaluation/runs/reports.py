"""The report of a run: computed once from stored predictions, kept as JSON with sorted keys under the digest of its bytes.

It holds digests, names and numbers, and no run number, time or host: the same evidence gives the same bytes.
"""

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from evaluation.engine.autopsy.outputs import output_autopsy
from evaluation.engine.data import MISSING, Comparison
from evaluation.engine.report import report
from evaluation.engine.sanity import answer_findings
from evaluation.engine.strata import Strata
from evaluation.runs.material import FAILURES, Answers, Material, material_of
from evaluation.runs.models import Run
from evaluation.runs.weights import weighted
from hardcases.blobs.store import get_store
from hardcases.errors import Conflict
from hardcases.web.json_edge import read_json, stable

FORMAT = "hardcases/report/1"
LISTED = 100
MOST_TRIED = 2_000_000  # cases times classes on which the autopsy tries its hypotheses
MAX_REPORT = 256_000_000
Report = dict[str, Any]


class NoReportYet(Conflict):
    code, title = "no_report_yet", "There is no report yet"


def build(material: Material) -> Report:
    """The whole report as plain values."""
    run = material.run
    home = run.plan.get("home")
    figures = report(material.comparison, material.strata, seed=material.seed, home=home if home in material.names else None)
    return {
        "format": FORMAT,
        "verdict": None,
        "model": str(run.model_version),
        "baseline": str(run.baseline_version) if run.baseline_version else None,
        "test_set": str(run.test_set_version),
        "manifest_digest": run.manifest_digest,
        "cases": run.cases,
        "plan": run.plan,
        "predictions": {
            "candidate": [_about(answers) for answers in material.candidate],
            "baseline": [_about(answers) for answers in material.baseline],
        },
        "coverage": {
            "value": material.coverage,
            "answered": sum(int(answers.answered.sum()) for answers in material.candidate),
            "expected": run.cases * len(material.candidate),
            "missing": unanswered(material),
        },
        "seed": material.seed.hex(),
        "stress": None,
        **figures,
        "production": weighted(material, figures["metrics"]),
        "sanity": [*figures["sanity"], *_answered_alike(material)],
        "autopsy": _autopsy(material),
    }


def _answered_alike(material: Material) -> list[Report]:
    """Did the candidate's replicate 0 look at every input? Cases with equal bytes may be answered equally."""
    arm = material.comparison.candidate[0]
    if arm.scores is None:
        return []
    rows = np.flatnonzero(arm.labels != MISSING)
    inputs = np.ascontiguousarray(material.cases.content_bytes[rows]).view("V32").ravel()
    found = answer_findings(arm.scores[rows], inputs, material.comparison.truth[rows])
    return [{"side": "candidate", "replicate": 0, **asdict(finding)} for finding in found]


def _autopsy(material: Material) -> list[Report] | None:
    """Which fault of the interface would explain the answers of the candidate's replicate 0; None where looking would cost too much."""
    arm, classes = material.comparison.candidate[0], len(material.task.classes)
    if material.run.cases * classes > MOST_TRIED:
        return None
    found = output_autopsy(material.task, material.comparison.truth, arm, clusters=material.comparison.clusters, seed=material.seed)
    return [asdict(each) for each in found]


def _about(answers: Answers) -> Report:
    return {
        "replicate": answers.replicate,
        "digest": answers.digest,
        "answered": int(answers.answered.sum()),
        "refused": int(answers.refused.sum()),
        "invalid": int(answers.invalid.sum()),
    }


def unanswered(material: Material) -> Report:
    """Cases without an answer, counted by reason; the first hundred by key."""
    listed: list[Report] = []
    reasons: dict[str, int] = {}
    for answers in material.candidate:
        for row in np.flatnonzero(~answers.answered):
            code = why_unanswered(answers, int(row))
            reasons[code] = reasons.get(code, 0) + 1
            if len(listed) < LISTED:
                listed.append({"case": material.cases.key(int(row)), "replicate": answers.replicate, "reason": code})
    return {"count": sum(reasons.values()), "reasons": reasons, "first": listed}


def why_unanswered(answers: Answers, row: int) -> str:
    """The code of a failure (see `material.FAILURES`), `no_prediction` where a file left the case out or its shard failed."""
    message = answers.message(row)
    return message if message in FAILURES else "no_prediction"


def report_of(run: Run) -> Report:
    """The stored report. Raises NoReportYet until the run has succeeded."""
    if run.report_sha256 is None:
        raise NoReportYet(f"Run {run.number} is {run.state}; its report exists once it has succeeded. Ask again later.")
    return _read(run.report_sha256)


@lru_cache(maxsize=4)
def _read(sha256: str) -> Report:
    """Stored under its digest, so it never changes; nobody may change what is returned either."""
    stored: Report = read_json(get_store().read(sha256), limit=MAX_REPORT)
    return stored


def figures_of(run: Run) -> list[Report]:
    """The metric entries of the stored report: the numbers that a signature covers."""
    entries: list[Report] = report_of(run)["metrics"]
    return entries


@dataclass(frozen=True)
class Evidence:
    """What checks judge: stored predictions as a comparison, the strata of the version, the report's findings."""

    comparison: Comparison
    strata: Strata
    names: list[str]
    minimums: dict[str, int]
    sanity: list[Report]
    answered: int
    seed: bytes


def evidence_of(run: Run) -> Evidence:
    """Read the evidence of a succeeded run again. `minimums` are those the version pins, `answered` counts replicate 0."""
    material = material_of(run)
    pinned = run.test_set_version.header["strata"]
    return Evidence(
        comparison=material.comparison,
        strata=material.strata,
        names=material.names,
        minimums={f"stratum:{rule['slug']}": rule["minimum"] for rule in pinned if rule["minimum"]},
        sanity=report_of(run)["sanity"],
        answered=int(material.candidate[0].answered.sum()),
        seed=material.seed,
    )


def store_report(document: Report) -> str:
    """Keep a report under the SHA-256 of its bytes, and return that."""
    return get_store().put_bytes(stable(document))


def entry(document: Report, metric: str, stratum: str) -> Report | None:
    """One metric in one stratum."""
    return next((item for item in document["metrics"] if item["metric"] == metric and item["stratum"] == stratum), None)
