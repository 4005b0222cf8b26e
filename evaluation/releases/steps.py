"""Judging a release and binding the judgement to its evidence; shared by opening, accepting, signing and the sweep."""

from typing import Any

from django.db import transaction
from django.db.models import F, Q

from evaluation.registry.models import Replicate
from evaluation.releases import judging
from evaluation.releases.documents import read_policy
from evaluation.releases.models import Release
from evaluation.runs.material import material_of
from evaluation.runs.models import Run
from evaluation.runs.queries import latest_run
from evaluation.runs.reports import report_of
from hardcases.audit.actions import record
from hardcases.audit.actors import Actor
from hardcases.cases.models import Case
from hardcases.testsets.models import Entry, Version
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


def judge(actor: Actor, release: Release) -> Release:
    """Compute the checks from stored evidence and keep the answer. The same evidence gives the same digest and writes nothing."""
    if release.state != "open":
        return release
    judgement = judgement_of(release)
    digest = evidence_digest(release, judgement)
    with transaction.atomic():
        locked = Release.objects.select_for_update().get(pk=release.pk)
        if locked.state == "open" and (locked.evidence_digest != digest or locked.judgement != judgement):
            before = {"verdict": locked.verdict, "evidence_digest": locked.evidence_digest}
            locked.judgement, locked.verdict, locked.evidence_digest = judgement, judgement["verdict"], digest
            locked.save(update_fields=["judgement", "verdict", "evidence_digest"])
            after = {"verdict": locked.verdict, "evidence_digest": digest}
            record(actor, "release.judged", "release", release, project_id=release.project_id, before=before, after=after)
    release.refresh_from_db()
    return release


def attach_run(actor: Actor, release: Release) -> Release:
    """Give a release that was opened before its run finished the run that has finished since, and judge it."""
    run = latest_run(release.candidate, release.baseline, release.test_set_version)
    if run is not None and Release.objects.filter(pk=release.pk, state="open", run=None).update(run=run):
        release.refresh_from_db()
    return judge(actor, release)


def mark_erasure(actor: Actor, case: Case) -> None:
    """Note on every release whose test-set version held the case that a member was lawfully erased since; signatures stay as they are."""
    for entry in Entry.objects.filter(case=case):
        within = Q(test_set_version__number__gte=entry.added_in)
        if entry.removed_in is not None:
            within &= Q(test_set_version__number__lt=entry.removed_in)
        touched = Release.objects.filter(within, test_set_version__test_set_id=entry.test_set_id)
        for release in touched:
            record(actor, "release.member_erased", "release", release, project_id=release.project_id, after={"case": case.key})
        touched.update(affected_by_erasure=F("affected_by_erasure") + 1)
