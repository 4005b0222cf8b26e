"""Addresses that exist only to fail, one way each."""

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path, register_converter
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from hardcases.errors import Conflict, Detail, Invalid, StorageFull
from hardcases.web.json_edge import StrictJSONParser

FAILURES: dict[str, type[Exception] | Exception] = {
    "refusal": Conflict("Already there.", errors=[Detail(pointer="/x", detail="Taken.")], extra={"key": "XR-1", "status": 999}),
    "full": StorageFull("No room.", retry_after=60),
    "validation": exceptions.ValidationError(
        {"a/b": ["Bad."], "rows": [{}, {"n": ["Not a number."]}], "non_field_errors": ["Together wrong."]}
    ),
    "anonymous": exceptions.NotAuthenticated,
    "forbidden": exceptions.PermissionDenied,
    "denied": PermissionDenied,
    "absent": Http404("secret model name"),
    "foreign": exceptions.NotFound("secret model name"),
    "throttled": exceptions.Throttled(wait=7.4),
    "parse": exceptions.ParseError("Cannot read it."),
    "big": RequestDataTooBig,
    "locked": OperationalError("database is locked"),
    "bug": ZeroDivisionError("password=hunter2"),
    "validation_page": Invalid("A rule broke.", errors=[Detail(pointer="/x", detail="<script>")]),
}


class Kind:
    regex = "[a-z_]+"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(Kind, "kind")


class OpenView(APIView):
    authentication_classes = []
    permission_classes = []


class FailingView(OpenView):
    parser_classes = [StrictJSONParser]

    def get(self, request: Request, kind: str) -> Response:
        raise FAILURES[kind]

    def post(self, request: Request, kind: str) -> Response:
        class Body(serializers.Serializer[dict[str, object]]):
            n = serializers.IntegerField()

        body = Body(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(body.data)


calls = {"flaky": 0}


class FlakyView(OpenView):
    """Fails twice, then answers, as a database does that is briefly busy."""

    def get(self, request: Request) -> Response:
        calls["flaky"] += 1
        if calls["flaky"] < 3:
            raise OperationalError("database is locked")
        return Response({"calls": calls["flaky"]})

    post = get


def database_away(request: HttpRequest) -> dict[str, object]:
    """A context processor, as the frame of every page has, that needs the database."""
    raise OperationalError("connection refused")


def page(request: HttpRequest, kind: str) -> HttpResponse:
    raise FAILURES[kind]


urlpatterns = [
    path("api/v1/flaky/", FlakyView.as_view()),
    path("api/v1/<kind:kind>/", FailingView.as_view()),
    path("page/<kind:kind>/", page),
]

handler400 = "hardcases.web.problems.bad_request"
handler403 = "hardcases.web.problems.permission_denied"
handler404 = "hardcases.web.problems.page_not_found"
handler500 = "hardcases.web.problems.server_error"
