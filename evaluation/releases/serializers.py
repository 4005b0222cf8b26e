"""Shapes of the API: what is asked for, and how rows are written."""

from typing import Any

from rest_framework import serializers

from evaluation.releases.models import PolicyVersion, Release
from evaluation.releases.queries import before_it_can_be_signed
from evaluation.releases.sentences import check_sentence, verdict_sentence
from hardcases.web.serializers import StrictSerializer

JSON = dict[str, Any]


class ReleaseRequest(StrictSerializer):
    """`POST …/releases/`. Model versions as `slug@version` or `slug@production`, the version as `slug@number`, the policy as `slug@number`."""

    candidate = serializers.CharField(max_length=200)
    baseline = serializers.CharField(max_length=200)
    test_set = serializers.CharField(max_length=100)
    policy = serializers.CharField(max_length=100)
    runs = serializers.ListField(child=serializers.CharField(max_length=20), required=False, max_length=1)


def policy_json(version: PolicyVersion) -> JSON:
    """One policy version."""
    return {
        "slug": version.policy.slug,
        "version": version.number,
        "name": str(version),
        "digest": f"sha256:{version.digest}",
        "proposed_by": version.proposed_by_name,
        "approved_by": version.approved_by_name or None,
        "document": version.document,
    }


def release_line(release: Release) -> JSON:
    """One release in a list."""
    return {
        "number": str(release.number),
        "name": str(release),
        "state": release.state,
        "verdict": release.verdict,
        "sentence": verdict_sentence(release.judgement),
        "candidate": str(release.candidate),
        "baseline": str(release.baseline),
        "test_set": str(release.test_set_version),
        "policy": str(release.policy_version),
        "run": str(release.run.number) if release.run else None,
        "opened_by": release.opened_by_name,
        "opened_at": release.opened_at,
        "evidence_digest": f"sha256:{release.evidence_digest}" if release.evidence_digest else None,
    }


def release_json(release: Release, url: str) -> JSON:
    """One release whole."""
    checks = [{**check, "sentence": check_sentence(check)} for check in release.judgement.get("checks", [])]
    missing = [] if release.state != "open" else [item for item in before_it_can_be_signed(release) if item.state != "done"]
    return release_line(release) | {
        "url": url,
        "checks": checks,
        "before_it_can_be_signed": [{"code": item.code, "sentence": item.sentence, "waits_for": item.who} for item in missing],
        "sign_offs": [
            {
                "name": item.printed_name,
                "meaning": item.meaning,
                "at": item.at,
                "statement": item.statement,
                "evidence_digest": f"sha256:{item.evidence_digest}",
            }
            for item in release.sign_offs.order_by("id")
        ],
    }
