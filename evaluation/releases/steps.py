"""Judging a release and binding the judgement to its evidence; shared by opening, accepting, signing and the sweep."""

from typing import Any

from django.db import transaction
from django.db.models import F, Q

from evaluation.registry.models import Replicate
from evaluation.releases import judging
from evaluation.releases.documents import read_policy
from evaluation.releases.models import Acceptance, Release
from evaluation.runs.models import Run
from evaluation.runs.queries import latest_run
from evaluation.runs.reports import evidence_of
from hardcases.audit.actions import record
from hardcases.audit.actors import Actor
from hardcases.cases.models import Case
from hardcases.testsets.models import Entry
from hardcases.web.json_edge import digest_of

JSON = dict[str, Any]
WAITING = "no run of the candidate against this baseline on this version has finished."


def judgement_of(release: Release) -> JSON:
    """What the pinned policy says about the pinned run now. Reads stored predictions, writes nothing."""
    policy = read_policy(release.policy_version.document)
    run = release.run
    if run is None or run.state != "succeeded":
        return judging.not_run(policy, WAITING)
    accepted = {item.check_name: item.strata for item in _acceptances(release)}
    return judging.judge(policy, evidence_of(run), accepted=accepted)


def _acceptances(release: Release) -> list[Acceptance]:
    """By check; none of a release that is not stored yet."""
    return list(Acceptance.objects.filter(release_id=release.pk).order_by("check_name"))


def evidence_digest(release: Release, judgement: JSON) -> str | None:
    """SHA-256 over everything a signature covers; None while there is no run.

    Never over run ids, times or host names: a rerun with the same result voids no signature.
    """
    run = release.run
    if run is None or run.state != "succeeded":
        return None
    return digest_of(
        {
            "candidate": _identity(release.candidate_id, run.replicates),
            "baseline": _identity(release.baseline_id, run.baseline_run.replicates if run.baseline_run else []),
            "manifest": release.test_set_version.digest,
            "predictions": _predictions(run),
            "metrics": run.report_sha256,
            "policy": release.policy_version.digest,
            "verdict": judgement["verdict"],
            "checks": judgement["checks"],
            "waivers": [],
            "acceptances": [
                {"check": item.check_name, "strata": item.strata, "reason": item.reason, "by": item.by_name}
                for item in _acceptances(release)
            ],
            "reviews": [],
        }
    )


def _identity(model_version_id: int, evaluated: list[int]) -> JSON:
    """What the model version is: the registered digest of each evaluated replicate. One that is registered later changes no evidence."""
    rows = Replicate.objects.filter(model_version_id=model_version_id, number__in=evaluated).order_by("number")
    return {"replicates": list(rows.values_list("number", "digest"))}


def _predictions(run: Run) -> JSON:
    baseline = run.baseline_run
    return {"candidate": run.predictions_digest, "baseline": baseline.predictions_digest if baseline else None}


def judge(actor: Actor, release: Release) -> Release:
    """Compute the checks from stored evidence and keep the answer. The same evidence gives the same digest and writes nothing.

    Computing takes a while and happens outside the transaction, so what it was computed from is compared again under the lock.
    """
    while release.state == "open":
        seen = _changeable(release)
        judgement = judgement_of(release)
        digest = evidence_digest(release, judgement)
        with transaction.atomic():
            locked = Release.objects.select_for_update().get(pk=release.pk)
            unchanged = _changeable(locked) == seen
            if unchanged:
                _store_judgement(actor, locked, judgement, digest)
        release.refresh_from_db()
        if unchanged:
            break
    return release


def _changeable(release: Release) -> tuple[int | None, str | None, list[str]]:
    """What a judgement depends on and can still change while the release is open: all else is frozen."""
    state = Run.objects.values_list("state", flat=True).get(pk=release.run_id) if release.run_id else None
    return release.run_id, state, [item.check_name for item in _acceptances(release)]


def _store_judgement(actor: Actor, locked: Release, judgement: JSON, digest: str | None) -> None:
    if locked.state != "open" or (locked.evidence_digest == digest and locked.judgement == judgement):
        return
    before = {"verdict": locked.verdict, "evidence_digest": locked.evidence_digest}
    locked.judgement, locked.verdict, locked.evidence_digest = judgement, judgement["verdict"], digest
    locked.save(update_fields=["judgement", "verdict", "evidence_digest"])
    after = {"verdict": locked.verdict, "evidence_digest": digest}
    record(actor, "release.judged", "release", locked, project_id=locked.project_id, before=before, after=after)


def attach_run(actor: Actor, release: Release) -> Release:
    """Give a release that was opened before its run finished the run that has finished since, and judge it."""
    run = None if release.run_id else latest_run(release.candidate, release.baseline, release.test_set_version)
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
