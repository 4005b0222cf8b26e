"""The two middlewares of the edge: a name for each request, and an answer when the database is busy or a page refuses."""

import re
import uuid
from collections.abc import Callable

from django.db import OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from hardcases.errors import NotFound, Refusal
from hardcases.web.problems import DATABASE_REFUSED, NOTHING_HERE, REQUEST_ID, out_of_room, request_id, respond_to

GetResponse = Callable[[HttpRequest], HttpResponseBase]
_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
ATTEMPTS = 3


class RequestIdMiddleware:
    """Gives the request an id (the caller's `X-Request-Id` if it looks like one) and returns it in `X-Request-Id`.

    The id lives in `request.META`, where django-structlog, placed below, finds the same one.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.META.get(REQUEST_ID, "")
        request.META[REQUEST_ID] = given if _ACCEPTABLE_ID.fullmatch(given) else str(uuid.uuid4())
        response = self.get_response(request)
        response["X-Request-Id"] = request_id(request)
        return response


class EdgeMiddleware:
    """Turns refusals and a busy database into answers, and repeats reads the database refused; writes are the client's to repeat."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path.isprintable():
            # No address of ours holds control characters, and PostgreSQL would answer a NUL with an error.
            return respond_to(request, NotFound(NOTHING_HERE))
        response = self.get_response(request)
        for _ in range(ATTEMPTS - 1):
            if request.method not in _SAFE_METHODS or not getattr(response, DATABASE_REFUSED, False):
                break
            connection.close_if_unusable_or_obsolete()
            response = self.get_response(request)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Called by Django for exceptions of plain views; REST views have answered before this."""
        if isinstance(exception, (Refusal, OperationalError)) or out_of_room(exception):
            return respond_to(request, exception)
        return None
