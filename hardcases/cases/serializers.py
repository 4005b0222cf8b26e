"""Shapes of what is sent about cases, and how a case is shown."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.urls import reverse
from rest_framework import serializers

from hardcases.cases.bulk import Change
from hardcases.cases.content import File, Record, Sent, Text
from hardcases.cases.models import DECLINE_REASONS, Case
from hardcases.cases.queries import case_facts, external_ids
from hardcases.cases.steps import Fields, Reported
from hardcases.errors import Refusal
from hardcases.sampling.models import LeftOut
from hardcases.web.problems import problem_body
from hardcases.web.queries import Parameters
from hardcases.web.search import MAX_CHARACTERS
from hardcases.web.serializers import Digest, Flag, StrictSerializer
from hardcases.web.serializers import Text as Words

MAX_TAGS = 50
DIGESTS = 1_000
TAG = 64


class InputBody(StrictSerializer):
    """`{"text": …}` or `{"record": {…}}`."""

    text = Words(required=False, max_length=1_000_000)
    record = serializers.DictField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One of the two."""
        if len(attrs) != 1:
            raise serializers.ValidationError("Send either text or record.")
        return attrs


class ReportBody(StrictSerializer):
    """What is said about a failure. Whether attributes and classes fit the project is the action's matter, which sets misfits aside."""

    external_id = Words(required=False, allow_null=True, max_length=255)
    captured_at = serializers.DateTimeField(required=False, allow_null=True)
    reason = Words(required=False, allow_null=True, allow_blank=True, max_length=128)
    source = Words(required=False, allow_null=True, allow_blank=True, max_length=256)  # type: ignore[assignment]  # DRF's own belongs to fields
    model = Words(required=False, allow_null=True, allow_blank=True, max_length=256)
    prediction = serializers.JSONField(required=False, allow_null=True)
    correction = serializers.JSONField(required=False, allow_null=True)
    attributes = serializers.DictField(required=False, allow_null=True)
    tags = serializers.ListField(child=Words(max_length=TAG), required=False, allow_null=True, max_length=MAX_TAGS)


class InputReportBody(ReportBody):
    """A report whose content is a text or a record in the JSON itself."""

    input = InputBody()


class FileReportBody(ReportBody):
    """An item of a batch: `file` names its part, or `input` holds a text or a record."""

    file = Words(required=False, max_length=255)
    input = InputBody(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One of the two."""
        if ("file" in attrs) == ("input" in attrs):
            raise serializers.ValidationError("Send either file, the name of a part, or input.")
        return attrs


# Made once: a serializer copies its fields for each instance, and validating leaves nothing behind in it.
REPORT, INPUT_REPORT, FILE_REPORT = ReportBody(), InputReportBody(), FileReportBody()


class DigestsBody(StrictSerializer):
    """SHA-256 digests of what somebody might send."""

    sha256 = serializers.ListField(
        child=Digest(), max_length=DIGESTS, help_text="SHA-256 of received bytes, 64 lower-case hex digits each, at most 1,000."
    )


class ChangeBody(StrictSerializer):
    """What a person changes about a case."""

    state = serializers.ChoiceField(choices=("accepted", "declined", "snoozed"), required=False)
    decline_reason = serializers.ChoiceField(choices=DECLINE_REASONS, required=False, allow_null=True)
    snoozed_until = serializers.DateTimeField(required=False, allow_null=True)
    attributes = serializers.DictField(required=False)
    tags = serializers.ListField(child=Words(max_length=TAG), required=False, max_length=MAX_TAGS)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Details of a decision need the decision; an empty change is a mistake."""
        if not attrs:
            raise serializers.ValidationError("Send at least one field to change.")
        if "state" not in attrs and {"decline_reason", "snoozed_until"} & set(attrs):
            raise serializers.ValidationError({"state": ["decline_reason and snoozed_until go with a state."]})
        return attrs


class ActionBody(StrictSerializer):
    """What is done to each case of a bulk change."""

    state = Words(required=False, max_length=16, help_text="accepted, declined or snoozed")
    decline_reason = serializers.ChoiceField(choices=DECLINE_REASONS, required=False, allow_null=True)
    snoozed_until = serializers.DateTimeField(required=False, allow_null=True)
    add_tags = serializers.ListField(child=Words(max_length=TAG), required=False, max_length=MAX_TAGS)
    remove_tags = serializers.ListField(child=Words(max_length=TAG), required=False, max_length=MAX_TAGS)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Details of a decision need the decision."""
        if "state" not in attrs and {"decline_reason", "snoozed_until"} & set(attrs):
            raise serializers.ValidationError({"state": ["decline_reason and snoozed_until go with a state."]})
        return attrs


class BulkBody(StrictSerializer):
    """`{"q", "action", "dry_run"}`."""

    q = Words(allow_blank=True, max_length=MAX_CHARACTERS)
    action = ActionBody()
    dry_run = Flag(required=False, default=False)

    @staticmethod
    def change(action: Mapping[str, Any]) -> Change:
        """The checked action as the rules take it."""
        return Change(
            state=action.get("state"),
            decline_reason=action.get("decline_reason"),
            snoozed_until=action.get("snoozed_until"),
            add_tags=tuple(dict.fromkeys(action.get("add_tags", ()))),
            remove_tags=tuple(dict.fromkeys(action.get("remove_tags", ()))),
        )


class MediaParameters(Parameters):
    """`?as=`; the name is a Python keyword, so it is declared by hand."""

    def get_fields(self) -> dict[str, Any]:
        """The one parameter."""
        return {"as": serializers.ChoiceField(choices=("original", "display", "thumbnail"), default="display")}


def fields_of(body: Mapping[str, Any]) -> Fields:
    """A checked report as the action takes it; a null is the same as leaving the field out."""
    names = Fields.__dataclass_fields__
    return Fields(**{name: value for name, value in body.items() if name in names and value is not None})


def input_of(body: Mapping[str, Any]) -> Sent:
    """The content in a checked `input`."""
    return Text(body["text"]) if "text" in body else Record(body["record"])


def file_of(upload: Any) -> File:
    """The content of a multipart part."""
    return File(upload, upload.name or "")


def page_of(case: Case) -> str:
    """The case's page, as an address that can be sent to somebody."""
    return f"{settings.PUBLIC_URL}{reverse('case-page', args=[case.project.slug, case.key])}"


def answer(reported: Reported) -> dict[str, Any]:
    """The answer to a report."""
    case = reported.case
    return {
        "key": case.key,
        "url": page_of(case),
        "state": case.state,
        "sha256": case.sha256,
        "duplicate": not reported.created,
        "sightings": reported.sightings,
        "group": case.group_key,
        "quarantine": reported.quarantine,
    }


def left_out_answer(row: LeftOut) -> dict[str, Any]:
    """The answer to a report that a sampling rule left out: no case has come of it, and its bytes are not kept."""
    return {
        "key": None,
        "url": None,
        "state": "sampled_out",
        "sha256": row.digest,
        "duplicate": row.times > 1,
        "sightings": row.times,
        "group": None,
        "quarantine": [],
        "sampling_rule": str(row.rule_id),
        "selection_probability": row.probability,
    }


def answered(outcome: Reported | LeftOut) -> tuple[int, dict[str, Any]]:
    """(status, body) of what became of a report."""
    if isinstance(outcome, LeftOut):
        return 202, left_out_answer(outcome)
    return 201 if outcome.created else 200, answer(outcome)


def batch_answer(outcomes: Sequence[Reported | LeftOut | Refusal], request_id: str) -> dict[str, Any]:
    """The 207 of a batch: what became of each item, in order."""
    results: list[dict[str, Any]] = []
    for index, outcome in enumerate(outcomes):
        if isinstance(outcome, Refusal):
            results.append({"index": index, "status": outcome.status, "problem": problem_body(outcome, request_id=request_id)})
        else:
            status, whole = answered(outcome)
            extra = {name: value for name, value in whole.items() if name != "group"}
            results.append({"index": index, "status": status, **extra})
    return {"results": results}


def show(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """Cases as the API shows them; a fixed number of queries. Needs `project` loaded."""
    names = external_ids(cases)
    facts = case_facts(cases)
    return [_shown(case) | {"external_ids": names[case.pk]} | {name: found.get(case.pk) for name, found in facts.items()} for case in cases]


_PLAIN = (
    *("key", "state", "kind", "sha256", "size", "media_type", "width", "height", "picture", "text", "file_name"),
    *("decline_reason", "snoozed_until", "decided_at", "decided_by", "received_at", "captured_at", "last_seen_at"),
    *("reason", "source", "model", "prediction", "correction", "attributes", "tags", "quarantine"),
    *("media_state", "media_failure", "erased_at", "selection_probability", "leaked_at"),
)


def _shown(case: Case) -> dict[str, Any]:
    rule = None if case.sampling_rule_id is None else str(case.sampling_rule_id)
    counted = {"sightings": case.sightings_count, "group": case.group_key, "sampling_rule": rule}
    return {"url": page_of(case), **counted} | {name: getattr(case, name) for name in _PLAIN}
