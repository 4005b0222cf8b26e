"""Shapes of what is sent about labels."""

from typing import Any

from rest_framework import serializers

from hardcases.cases.serializers import Strict
from hardcases.errors import Refusal
from hardcases.labels.actions import MAX_NOTE, Labelled
from hardcases.web.problems import problem_body


class LabelBody(Strict):
    """One statement about one case."""

    case = serializers.CharField(max_length=64)
    label = serializers.JSONField()
    note = serializers.CharField(required=False, allow_blank=True, max_length=MAX_NOTE, default="")


def result(index: int, outcome: Labelled | Refusal, case: str | None, request_id: str) -> dict[str, Any]:
    """One entry of the 207."""
    if isinstance(outcome, Refusal):
        return {"index": index, "status": outcome.status, "case": case, "problem": problem_body(outcome, request_id=request_id)}
    return {"index": index, "status": 201 if outcome.created else 200, "case": case, "revision": outcome.revision.number}
