"""What the database itself refuses in this room's tables."""

from hardcases.audit.guards import Guard, append_only

_POLICY = "evaluation_policyversion"
_RELEASE = "evaluation_release"

GUARDS: list[Guard] = [
    *append_only("evaluation_signoff", "Signatures are never changed or deleted."),
    *append_only("evaluation_acceptance", "An acceptance in writing is never changed or deleted."),
    Guard(name=f"{_POLICY}_no_delete", table=_POLICY, event="DELETE", sentence="A policy version is never deleted."),
    Guard(
        name=f"{_POLICY}_frozen",
        table=_POLICY,
        event="UPDATE",
        sentence="A policy version is frozen; only its approval is added, once.",
        when="OLD.document <> NEW.document OR OLD.digest <> NEW.digest OR OLD.number <> NEW.number OR OLD.approved_by_id IS NOT NULL",
    ),
    Guard(name=f"{_RELEASE}_no_delete", table=_RELEASE, event="DELETE", sentence="A release is never deleted."),
    Guard(
        name=f"{_RELEASE}_closed",
        table=_RELEASE,
        event="UPDATE",
        sentence="A signed, rejected or withdrawn release does not change.",
        when=(
            "OLD.state <> 'open' AND (OLD.state <> NEW.state OR COALESCE(OLD.run_id, 0) <> COALESCE(NEW.run_id, 0)"
            " OR COALESCE(OLD.evidence_digest, '') <> COALESCE(NEW.evidence_digest, '') OR OLD.verdict <> NEW.verdict OR OLD.judgement <> NEW.judgement"
            " OR OLD.policy_version_id <> NEW.policy_version_id OR OLD.test_set_version_id <> NEW.test_set_version_id"
            " OR OLD.candidate_id <> NEW.candidate_id OR OLD.baseline_id <> NEW.baseline_id)"
        ),
    ),
]
