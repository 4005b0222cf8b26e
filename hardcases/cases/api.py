"""REST: cases. Each view reads the request, makes one call into the domain and writes the answer."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import QueryDict
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from hardcases.cases import actions, content
from hardcases.cases import serializers as shapes
from hardcases.cases.access import case_for
from hardcases.cases.doors import SendingAPI
from hardcases.cases.media import open_media
from hardcases.cases.queries import keys_of, search
from hardcases.cases.refusals import note
from hardcases.cases.steps import Fields, Report, Reported
from hardcases.errors import BadRequest, Invalid, Refusal, TooLarge
from hardcases.projects.access import require
from hardcases.projects.doors import ProjectAPI
from hardcases.projects.permissions import Can
from hardcases.sampling.models import LeftOut
from hardcases.web.idempotency import content_hash, idempotent
from hardcases.web.json_edge import Line, StrictJSONParser, StrictNDJSONParser, json_part
from hardcases.web.pages import file_response
from hardcases.web.pagination import keyset_page
from hardcases.web.problems import refusal_for, request_id
from hardcases.web.queries import Parameters, SearchParameters, read_parameters

SINGLE_LIMIT = content.FILE_LIMIT + 1_100_000  # the file, the JSON part and the multipart frame around them
BATCH_LIMIT = 256 * 1024 * 1024
BATCH_ITEMS = 1_000
BATCH_JSON = 8_000_000


def refuse_longer(request: Request, limit: int) -> None:
    """Before a byte of the body is read. Raises TooLarge."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isdigit() and int(length) > limit:
        raise TooLarge(f"The request has {int(length):,} bytes; the limit here is {limit:,}. Nothing was stored. Send less at once.")


class CaseList(SendingAPI):
    """All cases of a project."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW_CASES, "POST": Can.REPORT}
    parser_classes = (StrictJSONParser, MultiPartParser)

    @extend_schema(parameters=[SearchParameters], responses={200: dict})
    def get(self, request: Request, project: str) -> Response:
        """Newest first."""
        asked = read_parameters(request, SearchParameters)
        found = search(self.project, asked["q"]).select_related("project")
        page = keyset_page(found, order=["-id"], cursor=asked.get("cursor"), limit=asked["limit"])
        return Response({"results": shapes.show(page.rows), "next": page.next})

    @extend_schema(request=shapes.InputReportBody, responses={201: dict, 200: dict, 202: dict})
    def post(self, request: Request, project: str) -> Response:
        """Report one failure: multipart with `file` and `case`, or JSON with `input`."""
        read_parameters(request, Parameters)
        refuse_longer(request, SINGLE_LIMIT)
        sent, fields = _read_single(self, request)
        taken = content.take_one(self.project, sent)
        self.charge(0 if taken.known else taken.size)
        with idempotent(
            request, owner=self.actor.owner, content_hash=content_hash(json=self.said, files={"content": taken.sha256})
        ) as slot:
            if not slot.replayed:
                outcome = actions.receive_case(actor=self.actor, project=self.project, content=taken, fields=fields)
                status, answer = shapes.answered(outcome)
                slot.reply(status, answer, headers={"Location": answer["url"]} if status == 201 else {})
        return slot.response()


def _read_single(view: SendingAPI, request: Request) -> tuple[content.Sent, Fields]:
    """(the content, the checked fields); the JSON as it was sent is left with the view."""
    if not request.content_type.startswith("multipart/"):
        view.said = request.data
        body = shapes.INPUT_REPORT.run_validation(_object(view.said))
        return shapes.input_of(body["input"]), shapes.fields_of(body)
    parts = {*request.data, *request.FILES}
    if unknown := sorted(parts - {"file", "case"}):
        raise BadRequest(f"There is no part “{unknown[0][:64]}” here. Nothing was stored. Send the parts file and case.")
    files = request.FILES.getlist("file")
    if len(files) != 1:
        raise BadRequest("Send one part “file” with a file name, and the facts as a JSON part “case”. Nothing was stored.")
    view.said = json_part(_parts(request), request.FILES, "case") if "case" in parts else {}
    body = shapes.REPORT.run_validation(_object(view.said))
    return shapes.file_of(files[0]), shapes.fields_of(body)


def _parts(request: Request) -> QueryDict:
    data = request.data
    return data if isinstance(data, QueryDict) else QueryDict()


def _object(body: Any) -> Mapping[str, Any]:
    if not isinstance(body, Mapping):
        raise Invalid("The body is not a JSON object. Nothing was stored. Send an object with the fields of a case.")
    return body


class CaseBatch(SendingAPI):
    """Many failures in one request; good ones are kept when others fail."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.REPORT}
    parser_classes = (MultiPartParser, StrictNDJSONParser)
    ndjson_limit = BATCH_LIMIT
    ndjson_lines = BATCH_ITEMS

    @extend_schema(request=shapes.FileReportBody(many=True), responses={207: dict})
    def post(self, request: Request, project: str) -> Response:
        """Multipart with the list `cases` and the files it names, or NDJSON of texts and records."""
        read_parameters(request, Parameters)
        refuse_longer(request, BATCH_LIMIT)
        lines, files = _read_batch(request)
        batch = _Batch(self.project, lines, files)
        self.charge(batch.new_bytes())
        hashed = content_hash(json=[line.value for line in lines], files=batch.digests())
        with idempotent(request, owner=self.actor.owner, content_hash=hashed) as slot:
            if not slot.replayed:
                outcomes = actions.receive_cases(actor=self.actor, project=self.project, reports=batch.reports())
                all_outcomes = batch.with_refusals(outcomes)
                slot.reply(207, shapes.batch_answer(all_outcomes, request_id(request)))
        if not slot.replayed:
            refused = [(one, line.value) for one, line in zip(all_outcomes, lines, strict=True) if isinstance(one, Refusal)]
            note(self.actor, self.project, refused)
        return slot.response()


def _read_batch(request: Request) -> tuple[list[Line], dict[str, Any]]:
    """The items, and the files by the name of their part."""
    if not request.content_type.startswith("multipart/"):
        return list(request.data), {}
    said = json_part(_parts(request), request.FILES, "cases", limit=BATCH_JSON)
    if not isinstance(said, list) or not said:
        raise Invalid("The part “cases” is not a list of cases. Nothing was stored.")
    if len(said) > BATCH_ITEMS:
        raise TooLarge(f"The batch has {len(said):,} items; at most {BATCH_ITEMS:,} go at once. Nothing was stored. Send it in parts.")
    repeated = next((name for name in request.FILES if len(request.FILES.getlist(name)) > 1), None)
    if repeated:
        raise BadRequest(f"The part “{repeated[:64]}” occurs twice. Nothing was stored. Give each file a name of its own.")
    files = {name: upload for name, upload in request.FILES.items() if name != "cases"}
    named = {item.get("file") for item in said if isinstance(item, dict) and isinstance(item.get("file"), str)}
    if stray := sorted(({*request.data} - {"cases"} | set(files)) - named):
        raise Invalid(f"No case names the part “{stray[0][:64]}”. Nothing was stored. Name each file in one item's “file”.")
    return [Line(number, value) for number, value in enumerate(said)], files


class _Batch:
    """A batch on its way: items are read and their contents taken in; what is refused on the way keeps its place."""

    def __init__(self, project: Any, lines: list[Line], files: dict[str, Any]) -> None:
        self.files = files
        self.refused: dict[int, Refusal] = {}
        bodies: dict[int, Mapping[str, Any]] = {}
        sent: dict[int, content.Sent] = {}
        for line in lines:
            try:
                bodies[line.number] = body = _read_item(line)
                sent[line.number] = self._content(body)
            except (Refusal, ValidationError) as error:
                refusal = refusal_for(error)
                self.refused[line.number] = refusal or Invalid("The item cannot be read.")
        self.total = len(lines)
        self.taken = dict(zip(sent, content.take(project, list(sent.values())), strict=True))
        self.bodies = bodies
        self.refused |= {number: item for number, item in self.taken.items() if isinstance(item, Refusal)}

    def _content(self, body: Mapping[str, Any]) -> content.Sent:
        if "input" in body:
            return shapes.input_of(body["input"])
        if body["file"] not in self.files:
            raise Invalid(f"The request has no file part “{body['file'][:64]}”. This item was not stored.")
        return shapes.file_of(self.files[body["file"]])

    def new_bytes(self) -> int:
        """Of contents that the project did not have."""
        return sum(item.size for item in self.taken.values() if isinstance(item, content.Taken) and not item.known)

    def digests(self) -> dict[str, str]:
        return {str(number): item.sha256 for number, item in self.taken.items() if isinstance(item, content.Taken)}

    def reports(self) -> list[Report]:
        """What is left to file, in order."""
        return [
            Report(content=item, fields=shapes.fields_of(self.bodies[number]))
            for number, item in self.taken.items()
            if isinstance(item, content.Taken)
        ]

    def with_refusals(self, outcomes: list[Reported | LeftOut | Refusal]) -> list[Reported | LeftOut | Refusal]:
        """The outcomes of `reports()` and the refusals before them, in the order of the request."""
        filed = iter(outcomes)
        return [self.refused[number] if number in self.refused else next(filed) for number in range(self.total)]


def _read_item(line: Line) -> Mapping[str, Any]:
    if line.refusal is not None:
        raise line.refusal
    checked: Mapping[str, Any] = shapes.FILE_REPORT.run_validation(_object(line.value))
    return checked


class CaseDigests(ProjectAPI):
    """What of a folder the project has already, so that only the rest is sent."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.REPORT}

    @extend_schema(request=shapes.DigestsBody, responses={200: dict})
    def post(self, request: Request, project: str) -> Response:
        """Which of these digests this project knows, and under which key. Other projects are never looked at."""
        read_parameters(request, Parameters)
        digests = dict.fromkeys(shapes.DigestsBody().run_validation(_object(request.data))["sha256"])
        known = keys_of(self.project, digests)
        return Response({"known": known, "unknown": [digest for digest in digests if digest not in known]})


class CaseDetail(ProjectAPI):
    """One case."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW_CASES, "PATCH": Can.TRIAGE}

    @extend_schema(responses={200: dict})
    def get(self, request: Request, project: str, key: str) -> Response:
        """Everything about it, with its newest arrivals."""
        read_parameters(request, Parameters)
        case = case_for(self.project, key)
        arrivals = case.sightings.order_by("-id").values("at", "actor_name", "body")[:50]
        return Response(shapes.show([case])[0] | {"arrivals": list(arrivals)})

    @extend_schema(request=shapes.ChangeBody, responses={200: dict})
    def patch(self, request: Request, project: str, key: str) -> Response:
        """Decide about it, or correct its attributes and tags. All or nothing."""
        read_parameters(request, Parameters)
        body = shapes.ChangeBody().run_validation(_object(request.data))
        case = actions.change_case(actor=self.actor, case=case_for(self.project, key), change=body)
        return Response(shapes.show([case])[0])


class CaseMedia(ProjectAPI):
    """The bytes of a case."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW_CASES}

    @extend_schema(parameters=[shapes.MediaParameters], responses={(200, "application/octet-stream"): bytes})
    def get(self, request: Request, project: str, key: str) -> HttpResponseBase:
        """`as=original` is what was received, with whatever it carries, and needs a right of its own."""
        version = read_parameters(request, shapes.MediaParameters)["as"]
        if version == "original":
            require(self.actor, Can.VIEW_ORIGINAL, self.project)
        media = open_media(case_for(self.project, key), version)
        return file_response(
            media.file, media_type=media.media_type, name=media.name, own_image=media.own_image, digest=media.digest, max_age=3600
        )
