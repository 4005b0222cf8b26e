"""Policies, releases, acceptances and signatures: what people ask for. Each act leaves its audit event in the same transaction."""

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils.translation import get_language

from evaluation.registry.models import ModelVersion
from evaluation.releases import steps
from evaluation.releases.documents import read_policy
from evaluation.releases.models import Acceptance, Policy, PolicyVersion, Release, SignOff
from evaluation.releases.queries import facts_of
from evaluation.releases.signing import statement, why_not
from evaluation.runs.models import Run
from evaluation.runs.queries import latest_run
from hardcases.audit.actions import record
from hardcases.audit.actors import Actor
from hardcases.errors import Conflict, Forbidden, Invalid
from hardcases.projects.access import require
from hardcases.projects.models import Project, User
from hardcases.projects.permissions import Can
from hardcases.projects.steps import next_numbers
from hardcases.testsets.models import Version
from hardcases.web.json_edge import digest_of

JSON = dict[str, Any]


class NotYet(Conflict):
    """Something is still missing before this can be signed."""

    code, title = "not_ready_to_sign", "This release cannot be signed yet"


class EvidenceChanged(Conflict):
    """What was shown is not what is there now."""

    code, title = "evidence_changed", "The evidence has changed since the page was shown"


class Closed(Conflict):
    """The release is signed, rejected or withdrawn."""

    code, title = "release_closed", "This release is closed"


def _user_of(actor: Actor) -> User:
    """The person behind the actor; signatures and policies need one."""
    if actor.user_id is None:
        raise Forbidden("Only a person, or a token that a person made, may do this.")
    return User.objects.get(pk=actor.user_id)


def propose_policy(*, actor: Actor, project: Project, document: Any) -> tuple[PolicyVersion, bool]:
    """Store a policy document as the next version of its slug; the newest version with equal content is returned as it is (second value False)."""
    require(actor, Can.PROPOSE_POLICY, project)
    spec = read_policy(document, new=True)
    digest = digest_of(document)
    with transaction.atomic():
        policy, _ = Policy.objects.get_or_create(project=project, slug=spec.slug)
        Policy.objects.select_for_update().get(pk=policy.pk)
        newest = policy.versions.order_by("-number").first()
        if newest is not None and newest.digest == digest:
            return newest, False
        user = _user_of(actor)
        version = PolicyVersion.objects.create(
            policy=policy,
            number=newest.number + 1 if newest else 1,
            document=document,
            digest=digest,
            proposed_by=user,
            proposed_by_name=user.printed_name,
        )
        record(actor, "policy.proposed", "policy", version, project_id=project.pk, after={"digest": digest})
    return version, True


def approve_policy(*, actor: Actor, project: Project, version: PolicyVersion) -> PolicyVersion:
    """A second person approves a policy version. Doing it twice changes nothing."""
    require(actor, Can.APPROVE_POLICY, project)
    if version.proposed_by_id == actor.user_id:
        raise Forbidden("You proposed this policy. A second person has to approve it; nothing was changed.")
    user = _user_of(actor)
    with transaction.atomic():
        mine = PolicyVersion.objects.filter(pk=version.pk, approved_by=None)
        if mine.update(approved_by=user, approved_by_name=user.printed_name, approved_at=Now()):
            record(actor, "policy.approved", "policy", version, project_id=project.pk, after={"digest": version.digest})
    version.refresh_from_db()
    return version


def open_release(
    *,
    actor: Actor,
    project: Project,
    candidate: ModelVersion,
    baseline: ModelVersion,
    version: Version,
    policy: PolicyVersion,
    run: Run | None = None,
) -> Release:
    """Put a model version forward for signature and judge it at once if its run has finished. `run` defaults to the latest that fits.

    Not inside a transaction: judging reads files and computes. Callers with a transaction of their own call `judged_release` before it and
    `store_release` in it.
    """
    judged = judged_release(actor=actor, project=project, candidate=candidate, baseline=baseline, version=version, policy=policy, run=run)
    return store_release(actor=actor, release=judged)


def judged_release(
    *,
    actor: Actor,
    project: Project,
    candidate: ModelVersion,
    baseline: ModelVersion,
    version: Version,
    policy: PolicyVersion,
    run: Run | None = None,
) -> Release:
    """A release that is judged and not stored yet. Its evidence is frozen, so the judgement still holds when it is stored."""
    require(actor, Can.OPEN_RELEASE, project)
    if candidate.pk == baseline.pk:
        raise Invalid(
            "Candidate and baseline are the same model version. Nothing was stored. Name the version that is in production as the baseline."
        )
    if run is not None and (run.model_version_id, run.baseline_version_id, run.test_set_version_id) != (
        candidate.pk,
        baseline.pk,
        version.pk,
    ):
        raise Invalid(
            "That run is not about this candidate, baseline and test-set version. Nothing was stored. Name a run that is, or none."
        )
    user = _user_of(actor)
    release = Release(
        project=project,
        candidate=candidate,
        baseline=baseline,
        test_set_version=version,
        policy_version=policy,
        run=run or latest_run(candidate, baseline, version),
        opened_by=user,
        opened_by_name=user.printed_name,
    )
    release.judgement = steps.judgement_of(release)
    release.verdict = release.judgement["verdict"]
    release.evidence_digest = steps.evidence_digest(release, release.judgement)
    return release


@transaction.atomic
def store_release(*, actor: Actor, release: Release) -> Release:
    """Give a judged release its number and store it."""
    project = release.project
    release.number = next_numbers(project, "release")
    release.save(force_insert=True)
    named = {
        "candidate": release.candidate,
        "baseline": release.baseline,
        "version": release.test_set_version,
        "policy": release.policy_version,
    }
    after = {name: str(row) for name, row in named.items()} | {"verdict": release.verdict, "evidence_digest": release.evidence_digest}
    record(actor, "release.opened", "release", release, project_id=project.pk, after=after)
    release.refresh_from_db(fields=["opened_at"])
    return release


def judge_release(*, actor: Actor, release: Release) -> Release:
    """Judge again. The same evidence gives the same digest and writes nothing."""
    return steps.judge(actor, release)


def accept_too_few(*, actor: Actor, release: Release, check_name: str, reason: str) -> Release:
    """A named person accepts in writing that one check has too few cases. Only where the policy lets it; the verdict then names the strata."""
    require(actor, Can.SIGN, release.project)
    check = next((item for item in release.judgement.get("checks", []) if item["name"] == check_name), None)
    if check is None or check["if_too_few"] != "accept" or check["result"] != "not_enough_evidence":
        raise Invalid(
            "This check does not wait for an acceptance: the policy must say `if_too_few: accept`, and the check must have too few cases."
        )
    if not reason.strip():
        raise Invalid("An acceptance needs a reason in writing. Nothing was stored.")
    user = _user_of(actor)
    strata = [item["stratum"] for item in check["strata"] if item["result"] == "not_enough_evidence"]
    with transaction.atomic():
        # Under the release's lock: an acceptance is in the evidence that is signed, or it comes too late.
        if Release.objects.select_for_update().get(pk=release.pk).state != "open":
            raise Closed("This release is closed; nothing can be accepted any more. Nothing was stored. Open a new release.")
        _, made = Acceptance.objects.get_or_create(
            release=release,
            check_name=check_name,
            defaults={"strata": strata, "reason": reason.strip(), "by": user, "by_name": user.printed_name},
        )
        if made:
            after = {"check": check_name, "strata": strata, "reason": reason.strip()}
            record(actor, "release.too_few_accepted", "release", release, project_id=release.project_id, after=after)
    return judge_release(actor=actor, release=release)


def sign_release(*, actor: Actor, release: Release, password: str, evidence_digest: str, meaning: str, comment: str = "") -> SignOff:
    """Sign or reject, bound to the evidence that was shown. The signer's password is asked again here, so that no way in skips it.

    Raises Forbidden (token, role, four eyes, wrong password), EvidenceChanged (409), NotYet (409), Closed (409).
    """
    require(actor, Can.SIGN, release.project)
    if actor.kind != "person":
        raise Forbidden("Only a person signs, in the browser. No token does.")
    user = _user_of(actor)
    if not user.check_password(password):
        raise Forbidden("The password is not right. Nothing was signed.")
    if meaning == "reject" and not comment.strip():
        raise Invalid("A rejection needs a reason in writing. Nothing was stored.")
    release = judge_release(actor=actor, release=release)
    with transaction.atomic():
        locked = Release.objects.select_for_update(of=("self",)).select_related(
            "project", "candidate__model", "baseline__model", "test_set_version__test_set", "policy_version__policy", "run"
        ).get(pk=release.pk)  # fmt: skip
        _refuse_unless_signable(locked, user, evidence_digest, meaning)
        text = statement(
            str(locked),
            str(locked.candidate),
            str(locked.baseline),
            str(locked.test_set_version),
            str(locked.policy_version),
            f"sha256:{evidence_digest}",
            locked.judgement,
            meaning,
        )
        signature = _store_signature(locked, user, meaning, text, comment.strip(), evidence_digest)
        locked.state, locked.closed_at = ("signed" if meaning == "approve" else "rejected"), signature.at
        locked.save(update_fields=["state", "closed_at"])
        action = "release.signed" if meaning == "approve" else "release.rejected"
        after = {"evidence_digest": evidence_digest, "statement": text}
        record(actor, action, "release", locked, project_id=locked.project_id, before={"state": "open"}, after=after)
    return signature


def _refuse_unless_signable(release: Release, user: User, evidence_digest: str, meaning: str) -> None:
    if release.state != "open":
        raise Closed(f"This release is {release.state} already. Nothing was changed.")
    # Once more under the lock: an acceptance may have come in since the judgement.
    if not evidence_digest == release.evidence_digest == steps.evidence_digest(release, release.judgement):
        raise EvidenceChanged(
            "The evidence is not what the page showed: its digest has changed. Nothing was signed. Read the page again, then sign.",
            extra={"evidence_digest": release.evidence_digest},
        )
    facts = facts_of(release)
    if (refused := why_not(facts, user.username)) is not None:
        raise Forbidden(refused)
    if meaning == "approve":
        if not facts.policy_approved_by:
            raise NotYet(f"Policy {facts.policy_name} has not been approved by a second person. Nothing was signed.")
        if release.verdict != "pass":
            raise NotYet(f"The verdict is {release.verdict.replace('_', ' ')}, not pass. Nothing was signed.")


def _store_signature(release: Release, user: User, meaning: str, text: str, comment: str, digest: str) -> SignOff:
    try:
        with transaction.atomic():
            signature = SignOff.objects.create(
                release=release,
                person=user,
                printed_name=user.printed_name,
                meaning=meaning,
                statement=text,
                language=get_language() or "en",
                comment=comment,
                evidence_digest=digest,
            )
    except IntegrityError as error:
        raise Conflict("You have signed exactly this evidence already. Nothing was changed.") from error
    signature.refresh_from_db()
    return signature
