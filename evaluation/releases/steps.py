"""Judging a release and binding the judgement to its evidence; shared by opening, accepting, signing and the sweep."""

from typing import Any

from evaluation.registry.models import Replicate
from evaluation.releases import judging
from evaluation.releases.documents import read_policy
from evaluation.releases.models import Release
from evaluation.runs.material import material_of
from evaluation.runs.models import Run
from evaluation.runs.reports import report_of
from hardcases.testsets.models import Version
from hardcases.web.json_edge import digest_of

JSON = dict[str, Any]
WAITING = "no run of the candidate against this baseline on this version has finished."


def judgement_of(release: Release) -> JSON:
    """What the pinned policy says about the pinned run now. Reads stored predictions, writes nothing."""
    policy = read_policy(release.policy_version.document)
    run = release.run
    if run is None or run.state != "succeeded":
        return judging.not_run(policy, WAITING)
    material, report = material_of(run), report_of(run)
    evidence = judging.Evidence(
        comparison=material.comparison,
        strata=material.strata,
        names=list(dict.fromkeys(entry["stratum"] for entry in report["metrics"])),
        minimums=_minimums(release.test_set_version),
        sanity=report["sanity"],
        answered=int(material.candidate[0].answered.sum()),
        seed=material.seed,
    )
    return judging.judge(policy, evidence, accepted={item.check_name: item.strata for item in release.acceptances.all()})


def _minimums(version: Version) -> dict[str, int]:
    """The least number of cases that each named stratum was frozen with."""
    return {f"stratum:{item['slug']}": item["minimum"] for item in version.header["strata"] if item.get("minimum")}


def evidence_digest(release: Release, judgement: JSON) -> str | None:
    """SHA-256 over everything a signature covers; None while there is no run.

    Never over run ids, times or host names: a rerun with the same result voids no signature.
    """
    run = release.run
    if run is None or run.state != "succeeded":
        return None
    return digest_of(
        {
            "candidate": _identity(release.candidate_id),
            "baseline": _identity(release.baseline_id),
            "manifest": release.test_set_version.digest,
            "predictions": _predictions(run),
            "metrics": run.report_sha256,
            "policy": release.policy_version.digest,
            "verdict": judgement["verdict"],
            "checks": judgement["checks"],
            "waivers": [],
            "acceptances": [
                {"check": item.check_name, "strata": item.strata, "reason": item.reason, "by": item.by_name}
                for item in release.acceptances.order_by("check_name")
            ],
            "reviews": [],
        }
    )


def _identity(model_version_id: int) -> JSON:
    """What the model version is: the registered digest of each replicate."""
    rows = Replicate.objects.filter(model_version_id=model_version_id).order_by("number")
    return {"replicates": list(rows.values_list("number", "digest"))}


def _predictions(run: Run) -> JSON:
    baseline = run.baseline_run
    return {"candidate": run.predictions_digest, "baseline": baseline.predictions_digest if baseline else None}
