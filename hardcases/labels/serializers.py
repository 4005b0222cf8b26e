"""Shapes of what is sent about labels."""

from typing import Any

from rest_framework import serializers

from hardcases.errors import Refusal
from hardcases.labels.actions import MAX_NOTE, Labelled
from hardcases.web.problems import problem_body
from hardcases.web.serializers import StrictSerializer, Text


class LabelBody(StrictSerializer):
    """One statement about one case."""

    case = Text(max_length=64)
    label = serializers.JSONField()  # type: ignore[assignment]  # DRF's own attribute of this name belongs to fields, not to bodies
    note = Text(required=False, allow_blank=True, max_length=MAX_NOTE, default="")


def result(index: int, outcome: Labelled | Refusal, case: str | None, request_id: str) -> dict[str, Any]:
    """One entry of the 207."""
    if isinstance(outcome, Refusal):
        return {"index": index, "status": outcome.status, "case": case, "problem": problem_body(outcome, request_id=request_id)}
    return {"index": index, "status": 201 if outcome.created else 200, "case": case, "revision": outcome.revision}
