"""Every error of the product as an answer: RFC 9457 problem+json for the API, a calm page for people.

One table of causes, one shape. The API handler is REST framework's `EXCEPTION_HANDLER`; pages arrive through `handler400/403/404/500` and
`EdgeMiddleware`. Whatever is not known here is a bug: Django logs it with its trace, the caller gets a sentence and the request id.
"""

import errno
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import BadRequest as DjangoBadRequest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation, TooManyFieldsSent, TooManyFilesSent
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.template import loader
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import set_rollback

from hardcases.errors import BadRequest, Detail, Forbidden, Invalid, NotFound, Refusal, StorageFull, TooLarge, Unavailable, UnsupportedMedia
from hardcases.web.json_edge import pointer

log = logging.getLogger(__name__)

REQUEST_ID = "HTTP_X_REQUEST_ID"
DATABASE_REFUSED = "database_refused"
PROBLEM_TYPE = "application/problem+json"
NOTHING_HERE = "There is nothing at this address, or it is not yours to see. Check the address and the project."
NOT_ALLOWED = "Your role or token does not allow this. Nothing was changed. Ask an administrator of the project."
DISK_FULL = "53100"  # PostgreSQL
FULL = "There is no room left on the disk. Nothing was stored. An operator must free some space; then send it again."
BUSY = "The database is busy or away. Nothing was stored by this request. Send it again in a few seconds."
TOO_BIG = "The request is larger than this address accepts. Nothing was stored. Send less at once."
UNREADABLE = "The request could not be read. Nothing was stored. Check how it is built."
API_PREFIX = "/api/"


class Unauthenticated(Refusal):
    status, code, title = 401, "unauthenticated", "You are not signed in"


class MethodRefused(Refusal):
    status, code, title = 405, "method_not_allowed", "This address does not take that method"


class NotAcceptable(Refusal):
    status, code, title = 406, "not_acceptable", "This answer does not exist in that format"


class TooManyRequests(Refusal):
    status, code, title = 429, "too_many_requests", "Too many requests"


class Bug(Refusal):
    status, code, title = 500, "internal_error", "Something went wrong on our side"


def request_id(request: HttpRequest | Request) -> str:
    """The id that `RequestIdMiddleware` gave; empty before it ran."""
    return str(request.META.get(REQUEST_ID, ""))


def refusal_for(error: BaseException) -> Refusal | None:
    """The refusal that says what `error` means to the caller, or None when it is a bug."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, exceptions.ValidationError):
        return _invalid(error)
    if isinstance(error, exceptions.Throttled):
        wait = max(1, round(getattr(error, "wait", None) or 1))
        return TooManyRequests(f"Too many requests. Nothing was stored. Try again in {wait} s.", retry_after=wait)
    if out_of_room(error):
        return StorageFull(FULL, retry_after=60)
    said = error.detail if isinstance(error, exceptions.APIException) else ""
    sentence = str(said) if isinstance(said, str) else ""
    return next((meaning(sentence) for causes, meaning in _MEANINGS if isinstance(error, causes)), None)


def out_of_room(error: BaseException) -> bool:
    """Whether the disk is full: under an upload on its way in (Django keeps large ones in temp files), or under the database."""
    if isinstance(error, OperationalError):
        return "disk is full" in str(error) or getattr(error.__cause__, "sqlstate", None) == DISK_FULL
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


# What the frameworks raise, and what it means to the caller. The first match counts; `said` is REST framework's own sentence.
_MEANINGS: tuple[tuple[tuple[type[BaseException], ...], Callable[[str], Refusal]], ...] = (
    ((OperationalError,), lambda said: Unavailable(BUSY, retry_after=2)),
    ((Http404, exceptions.NotFound), lambda said: NotFound(NOTHING_HERE)),
    ((exceptions.NotAuthenticated, exceptions.AuthenticationFailed), Unauthenticated),
    ((PermissionDenied, exceptions.PermissionDenied), lambda said: Forbidden(said or NOT_ALLOWED)),
    ((exceptions.MethodNotAllowed,), MethodRefused),
    ((exceptions.NotAcceptable,), NotAcceptable),
    ((exceptions.UnsupportedMediaType,), lambda said: UnsupportedMedia(f"{said} Nothing was stored. Check the Content-Type.")),
    ((exceptions.ParseError,), lambda said: BadRequest(f"{said} Nothing was stored.")),
    ((RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent), lambda said: TooLarge(TOO_BIG)),
    ((SuspiciousOperation, DjangoBadRequest, UnreadablePostError), lambda said: BadRequest(UNREADABLE)),
)


def _invalid(error: exceptions.ValidationError) -> Invalid:
    findings = list(_findings(error.detail, ()))
    where = f"at {findings[0].pointer}: " if findings and findings[0].pointer else ""
    first = findings[0].detail if findings else "The content breaks a rule."
    return Invalid(
        f"The content breaks a rule {where}{first} Nothing was stored." if where else f"{first} Nothing was stored.", errors=findings
    )


def _findings(detail: Any, path: tuple[str | int, ...]) -> Iterator[Detail]:
    """Walk the nested lists and dicts of a serializer's errors."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _findings(inner, path if name == "non_field_errors" else (*path, name))
    elif isinstance(detail, (list, tuple)):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, (Mapping, list, tuple))
            yield from _findings(inner, (*path, index) if nested else path)
    else:
        yield Detail(pointer=pointer(*path), detail=str(detail))


def problem_body(refusal: Refusal, *, request_id: str) -> dict[str, Any]:
    """The members of RFC 9457 and ours; `extra` of a refusal never overwrites them."""
    return {
        **refusal.extra,
        "type": f"urn:hardcases:{refusal.code}",
        "title": refusal.title,
        "status": refusal.status,
        "detail": refusal.sentence,
        "errors": [{"pointer": finding.pointer, "detail": finding.detail} for finding in refusal.errors],
        "request_id": request_id,
    }


def _headers(refusal: Refusal) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after)
    return headers


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """REST framework's `EXCEPTION_HANDLER`. None lets a bug travel on to Django, which logs it and calls `server_error`."""
    refusal = refusal_for(error)
    if refusal is None:
        return None
    set_rollback()
    headers = _headers(refusal)
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = str(getattr(error, "auth_header", None) or "Bearer")
    response = Response(
        problem_body(refusal, request_id=request_id(context["request"])), status=refusal.status, headers=headers, content_type=PROBLEM_TYPE
    )
    _note_database(response, error)
    return response


def respond_to(request: HttpRequest, error: BaseException) -> HttpResponse:
    """Problem+json under `/api/`, a page (or, for htmx, its fragment) elsewhere. For errors outside REST views."""
    refusal = refusal_for(error) or Bug(
        "The request failed because of a mistake in the program. It has been logged; quote the request id when you report it."
    )
    if request.path.startswith(API_PREFIX):
        body = problem_body(refusal, request_id=request_id(request))
        response: HttpResponse = JsonResponse(body, status=refusal.status, content_type=PROBLEM_TYPE)
    else:
        response = problem_page(request, refusal)
    for name, value in _headers(refusal).items():
        response[name] = value
    _note_database(response, error)
    return response


def problem_page(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """The error page with the refusal's sentence; `web/_error.html` alone for an htmx request."""
    template = "web/_error.html" if request.headers.get("HX-Request") == "true" else "web/error.html"
    context = {"refusal": refusal, "phrase": HTTPStatus(refusal.status).phrase, "request_id": request_id(request)}
    # When we or the database are in trouble, the frame's context processors would ask it again: then the frame stays empty.
    frame = None if refusal.status in {500, 503, 507} else request
    response = HttpResponse(loader.render_to_string(template, context, frame), status=refusal.status)
    response["Vary"] = "HX-Request"
    return response


def _note_database(response: HttpResponse | Response, error: BaseException) -> None:
    if isinstance(error, OperationalError):
        log.warning("The database refused a request: %s", error)
        setattr(response, DATABASE_REFUSED, True)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler400`."""
    return respond_to(request, exception if refusal_for(exception) else SuspiciousOperation())


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler403`."""
    return respond_to(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler404`: one text for every absence, so that it does not tell what exists."""
    return respond_to(request, Http404())


def server_error(request: HttpRequest) -> HttpResponse:
    """`handler500`: Django calls it inside its except block, so a busy database in a middleware is still told from a bug."""
    return respond_to(request, sys.exc_info()[1] or RuntimeError())


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """`CSRF_FAILURE_VIEW`."""
    return respond_to(
        request,
        Forbidden("This page was open too long, or its form was sent from elsewhere. Nothing was changed. Reload the page and try again."),
    )
