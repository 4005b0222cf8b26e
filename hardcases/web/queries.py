"""Query parameters: only declared ones, each of a declared type.

A list declares its parameters as a serializer, which the OpenAPI schema shows as well. The API refuses what is not declared; a page
ignores it with a visible note, because people edit addresses by hand and follow old links.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from django.http import QueryDict
from rest_framework import serializers

from hardcases.errors import BadRequest, Detail
from hardcases.web.search import MAX_CHARACTERS

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


class BadParameter(BadRequest):
    code, title = "bad_parameter", "A query parameter is wrong"


class Parameters(serializers.Serializer[Any]):
    """Base of every declaration: fields are the parameters. Unset ones without a default are absent from the result."""


class ListParameters(Parameters):
    """What every list takes; `q` is added by `SearchParameters`."""

    cursor = serializers.CharField(required=False, max_length=1_000)
    limit = serializers.IntegerField(required=False, min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT)


class SearchParameters(ListParameters):
    q = serializers.CharField(required=False, max_length=MAX_CHARACTERS, default="", allow_blank=True, trim_whitespace=False)


class HasQuery(Protocol):
    """Django's request and REST framework's both have it."""

    @property
    def GET(self) -> QueryDict: ...  # noqa: N802 - Django's name


def read_parameters(request: HasQuery, declared: type[Parameters]) -> dict[str, Any]:
    """The values of an API call's parameters. Raises `BadParameter` (400) for unknown, repeated or ill-typed ones, all at once."""
    fields = declared().fields
    faults = [
        Detail(pointer=f"?{name}", detail=f"There is no parameter “{name}” here. Known: {', '.join(fields) or 'none'}.")
        for name in request.GET
        if name not in fields
    ]
    values, wrong = _checked(request.GET, declared)
    faults += wrong
    if faults:
        raise BadParameter(f"{faults[0].detail} Nothing was done. Correct the address.", errors=faults)
    return values


@dataclass(frozen=True)
class PageParameters:
    """A page's parameters: usable `values`, and sentences about those that were left out, to be shown on the page."""

    values: dict[str, Any]
    notes: tuple[str, ...]


def read_page_parameters(request: HasQuery, declared: type[Parameters]) -> PageParameters:
    """The values of a page's parameters. What is unknown or wrong is left out and noted; a default takes its place."""
    fields = declared().fields
    unknown = [name for name in request.GET if name not in fields]
    values, wrong = _checked(request.GET, declared)
    if wrong:
        kept = request.GET.copy()
        for fault in wrong:
            kept.pop(fault.pointer.removeprefix("?"), None)
        values, _ = _checked(kept, declared)
    notes = [f"The address has a part this page does not know, “{name}”; it was ignored." for name in unknown]
    return PageParameters(values, (*notes, *(f"{fault.detail} It was ignored." for fault in wrong)))


def _checked(query: QueryDict, declared: type[Parameters]) -> tuple[dict[str, Any], list[Detail]]:
    fields = declared().fields
    given: Mapping[str, list[str]] = {name: query.getlist(name) for name in query if name in fields}
    several = {name for name, field in fields.items() if isinstance(field, (serializers.ListField, serializers.MultipleChoiceField))}
    wrong = list(_repeated_or_unstorable(given, several))
    skip = {fault.pointer.removeprefix("?") for fault in wrong}
    data = {name: values if name in several else values[0] for name, values in given.items() if name not in skip}
    form = declared(data=data)
    if not form.is_valid():
        for name, messages in form.errors.items():
            wrong.append(Detail(pointer=f"?{name}", detail=f"The parameter “{name}” is wrong: {_first(messages)}"))
        return {}, wrong
    return dict(form.validated_data), wrong


def _repeated_or_unstorable(given: Mapping[str, list[str]], several: set[str]) -> Iterator[Detail]:
    for name, values in given.items():
        if len(values) > 1 and name not in several:
            yield Detail(pointer=f"?{name}", detail=f"The parameter “{name}” occurs {len(values)} times; it may occur once.")
        elif any("\x00" in value for value in values):
            yield Detail(pointer=f"?{name}", detail=f"The parameter “{name}” contains a NUL character.")


def _first(messages: Any) -> str:
    """The first sentence in the nested errors of a serializer's field."""
    while isinstance(messages, (list, dict)) and messages:
        messages = next(iter(messages.values())) if isinstance(messages, dict) else messages[0]
    return str(messages)
