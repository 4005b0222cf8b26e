"""What every page's frame shows: the project at hand and its menu."""

from typing import Any

from django.http import HttpRequest


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context for `base.html`."""
    project = getattr(request, "project", None)
    return {"project": project, "nav": []}
