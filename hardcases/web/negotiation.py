"""Addresses at which `?format=` names the format of a file."""

from typing import Any

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request


class AnyFormat(BaseContentNegotiation):
    """`?format=` names a file format here, not a renderer."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """The only one."""
        return next(iter(parsers), None)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        """JSON, for problems."""
        return renderers[0], renderers[0].media_type
