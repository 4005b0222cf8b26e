"""The OpenAPI file, and a page made of it. Both are built here: the page needs no script and nothing from another server."""

import json
from collections.abc import Iterable
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views import View
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView
from rest_framework.permissions import AllowAny

METHODS = ("get", "post", "put", "patch", "delete")


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How a token is sent, for the schema."""

    target_class = "hardcases.projects.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """A bearer."""
        return {"type": "http", "scheme": "bearer", "description": "A project's token, hc_…"}


class BrowserScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The browser's session, for the schema."""

    target_class = "hardcases.projects.authentication.BrowserAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """A cookie, with X-CSRFToken on unsafe methods."""
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}


def only_with_slash(endpoints: Iterable[tuple[str, str, str, Any]], **_: Any) -> list[tuple[str, str, str, Any]]:
    """Each call once: the twins without the trailing slash are a courtesy, not part of the contract."""
    return [endpoint for endpoint in endpoints if endpoint[0].endswith("/")]


class Schema(SpectacularAPIView):
    """The OpenAPI description of this server, for everybody."""

    authentication_classes = []
    permission_classes = [AllowAny]


@cache
def _calls() -> list[dict[str, Any]]:
    """The calls of the API, grouped by subject, each with a curl that runs once the capitals are filled in."""
    generator: Any = SchemaGenerator()  # type: ignore[no-untyped-call]
    described = generator.get_schema(request=None, public=True)
    groups: dict[str, list[dict[str, Any]]] = {}
    for address, item in sorted(described["paths"].items()):
        for method in METHODS:
            if method in item:
                groups.setdefault(_subject(address), []).append(_call(address, method, item[method]))
    return [{"subject": subject, "calls": calls} for subject, calls in groups.items()]


def _subject(address: str) -> str:
    parts = [part for part in address.removeprefix("/api/v1/").split("/") if part and not part.startswith("{")]
    return (parts[1] if parts[0] == "projects" and len(parts) > 1 else parts[0]).replace("-", " ")


def _call(address: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "address": address,
        "about": operation.get("description", ""),
        "parameters": [p for p in operation.get("parameters", []) if p["in"] == "query"],
        "answers": ", ".join(sorted(operation.get("responses", {}))),
        "curl": _curl(address, method, operation),
    }


def _curl(address: str, method: str, operation: dict[str, Any]) -> str:
    filled = address
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            filled = filled.replace("{" + parameter["name"] + "}", parameter["name"].upper())
    lines = ['curl -sS -H "Authorization: Bearer $HARDCASES_TOKEN"']
    content = operation.get("requestBody", {}).get("content", {})
    if method != "get":
        lines.append(f"-X {method.upper()}")
    if "application/json" in content:
        lines.append(f"-H 'Content-Type: application/json' -d '{json.dumps(_example(content['application/json']))}'")
    elif "multipart/form-data" in content:
        lines.append("-F file=@FILE -F 'case={…}'")
    return " \\\n  ".join([*lines, f"{settings.PUBLIC_URL}{filled}"])


def _example(content: dict[str, Any]) -> Any:
    examples = content.get("examples", {})
    return next(iter(examples.values()))["value"] if examples else {}


class Docs(View):
    """`/api/docs/`: every call as curl, from the same description that /api/schema/ serves."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """The page."""
        return render(request, "api_docs.html", {"groups": _calls()})
