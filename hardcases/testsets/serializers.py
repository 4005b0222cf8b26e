"""Shapes of what is sent about test sets, and how test sets are shown."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from hardcases.testsets.actions import DraftChanged
from hardcases.testsets.drafts import Selection
from hardcases.testsets.models import Stratum, TestSet, Version
from hardcases.testsets.queries import Diff, Pinned, Readiness
from hardcases.web.search import MAX_CHARACTERS
from hardcases.web.serializers import StrictSerializer, Text

LISTED = 1_000  # cases that a diff names in each of its lists; its counts are exact


class TestSetBody(StrictSerializer):
    """`{"slug", "purpose"}`."""

    slug = serializers.SlugField(max_length=64)
    purpose = Text(required=False, allow_blank=True, max_length=500, default="")


class StratumBody(StrictSerializer):
    """`{"slug", "name", "q", "minimum"}`."""

    slug = serializers.SlugField(max_length=64)
    name = Text(trim_whitespace=True, max_length=150)
    q = Text(max_length=MAX_CHARACTERS)
    minimum = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=1_000_000_000)


class FreezeBody(StrictSerializer):
    """`{"reason"}`."""

    reason = Text(trim_whitespace=True, max_length=500)


@extend_schema_field(
    {"oneOf": [{"type": "array", "items": {"type": "string"}}, {"type": "object", "properties": {"q": {"type": "string"}}}]}
)
class SelectionField(serializers.Field[Selection, Any, Any, Any]):
    """A list of keys, or `{"q": …}`."""

    def to_internal_value(self, data: Any) -> Selection:
        """Refuse everything that is neither."""
        if isinstance(data, list) and all(isinstance(key, str) and 0 < len(key) <= 64 for key in data):
            return Selection(keys=tuple(dict.fromkeys(data)))
        if isinstance(data, dict) and list(data) == ["q"] and isinstance(data["q"], str):
            return Selection(q=data["q"])
        raise serializers.ValidationError('Send a list of case keys, or {"q": "a search"}.')

    def to_representation(self, value: Selection) -> Any:
        """As it was sent."""
        return {"q": value.q} if value.q is not None else list(value.keys)


class DraftBody(StrictSerializer):
    """`{"add": …, "remove": …}`."""

    add = SelectionField(required=False)
    remove = SelectionField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One of the two at least."""
        if not attrs:
            raise serializers.ValidationError("Send add, remove or both.")
        return attrs


def shown_test_set(test_set: TestSet, newest: Version | None) -> dict[str, Any]:
    """A test set in a list."""
    return {
        "slug": test_set.slug,
        "purpose": test_set.purpose,
        "created_at": test_set.created_at,
        "newest": shown_version(newest) if newest else None,
    }


def shown_version(version: Version) -> dict[str, Any]:
    """A version as freezing answers it."""
    return {
        "name": str(version),
        "number": version.number,
        "digest": f"sha256:{version.digest}",
        "cases": version.cases,
        "added": version.added,
        "removed": version.removed,
        "changed": version.changed,
        "reason": version.reason,
        "frozen_by": version.frozen_by_name,
        "frozen_at": version.frozen_at,
    }


def version_detail(version: Version) -> dict[str, Any]:
    """A version with what its header pins; `erased` counts the members that were lawfully erased since."""
    return shown_version(version) | {"header": version.header, "erased": version.erasures.count()}


def shown_stratum(stratum: Stratum) -> dict[str, Any]:
    """A named stratum."""
    return {"id": f"stratum:{stratum.slug}", "slug": stratum.slug, "name": stratum.name, "q": stratum.q, "minimum": stratum.minimum}


def shown_change(changed: DraftChanged) -> dict[str, Any]:
    """What became of a change to a draft."""
    errors = [{"case": error.key, "detail": error.detail} for error in changed.errors]
    return {"added": changed.added, "removed": changed.removed, "errors": errors}


def shown_readiness(state: Readiness) -> dict[str, Any]:
    """The state of a draft."""
    return {
        "base": state.base,
        "cases": state.cases,
        "adds": state.adds,
        "removes": state.removes,
        "touched": state.touched,
        "unlabelled": {"count": state.unlabelled, "cases": state.unlabelled_keys},
        "strata": [
            {"slug": size.slug, "cases": size.cases, "minimum": size.minimum, "large_enough": size.large_enough} for size in state.strata
        ],
        "being_frozen": state.staging,
        "ready": state.ready,
    }


def shown_diff(found: Diff, key_prefix: str) -> dict[str, Any]:
    """Exact counts, and the first LISTED cases of each list."""

    def key(pinned: Pinned) -> str:
        return f"{key_prefix}-{pinned.number}"

    changed = [
        {
            "case": key(after),
            "answer": None if before.label == after.label else {"from": before.label, "to": after.label},
            "attributes": before.attributes != after.attributes,
            "strata": None if before.strata == after.strata else {"from": before.strata.split(), "to": after.strata.split()},
        }
        for before, after in found.changed[:LISTED]
    ]
    return {
        "counts": {
            "added": len(found.added),
            "removed": len(found.removed),
            "changed": len(found.changed),
            "answers_changed": len(found.answers),
        },
        "added": [key(pinned) for pinned in found.added[:LISTED]],
        "removed": [key(pinned) for pinned in found.removed[:LISTED]],
        "changed": changed,
    }
