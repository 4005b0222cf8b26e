"""REST: labels."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from hardcases.cases.access import case_for
from hardcases.errors import Invalid, Refusal, TooLarge
from hardcases.labels import actions
from hardcases.labels.actions import LabelItem
from hardcases.labels.queries import shown
from hardcases.labels.serializers import LabelBody, result
from hardcases.projects.doors import ProjectAPI
from hardcases.projects.permissions import Can
from hardcases.web.idempotency import content_hash, idempotent
from hardcases.web.problems import refusal_for, request_id
from hardcases.web.queries import Parameters, read_parameters

MAX_ITEMS = 1_000


class LabelList(ProjectAPI):
    """Labels of many cases at once."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.LABEL}

    @extend_schema(request=LabelBody(many=True), responses={207: dict})
    def post(self, request: Request, project: str) -> Response:
        """New revisions, never overwritten; good items are kept when others fail."""
        read_parameters(request, Parameters)
        said = _list(request.data)
        items, refused = _read(said)
        with idempotent(request, owner=self.actor.owner, content_hash=content_hash(json=said)) as slot:
            if not slot.replayed:
                outcomes = iter(actions.label_cases(actor=self.actor, project=self.project, items=items))
                results = [
                    result(index, refused.get(index) or next(outcomes), _case_of(item), request_id(request))
                    for index, item in enumerate(said)
                ]
                slot.reply(207, {"results": results})
        return slot.response()


def _list(body: Any) -> list[Any]:
    if not isinstance(body, list) or not body:
        raise Invalid("The body is not a list of labels. Nothing was stored.")
    if len(body) > MAX_ITEMS:
        raise TooLarge(f"The list has {len(body):,} labels; at most {MAX_ITEMS:,} go at once. Nothing was stored. Send it in parts.")
    return body


def _read(said: list[Any]) -> tuple[list[LabelItem], dict[int, Refusal]]:
    shape = LabelBody()
    items: list[LabelItem] = []
    refused: dict[int, Refusal] = {}
    for index, item in enumerate(said):
        try:
            items.append(LabelItem(**shape.run_validation(item)))
        except ValidationError as error:
            refused[index] = refusal_for(error) or Invalid("The item cannot be read.")
    return items, refused


def _case_of(item: Any) -> str | None:
    case = item.get("case") if isinstance(item, dict) else None
    return case[:64] if isinstance(case, str) else None


class CaseLabels(ProjectAPI):
    """The labels of one case."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW_CASES}

    @extend_schema(responses={200: dict})
    def get(self, request: Request, project: str, key: str) -> Response:
        """Every revision, newest first."""
        read_parameters(request, Parameters)
        revisions = case_for(self.project, key).label_revisions.order_by("-number")[:1_000]
        return Response({"results": [shown(revision) for revision in revisions], "next": None})
