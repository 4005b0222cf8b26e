"""What the views stand on through which cases come in."""

from typing import Any

from rest_framework.response import Response

from hardcases.cases.refusals import note
from hardcases.projects.doors import ProjectAPI
from hardcases.web.problems import refusal_for


class SendingAPI(ProjectAPI):
    """What it refuses is noted for the Upload page, with what was sent in `self.said` where that could be read."""

    can = {}
    said: Any = None

    def handle_exception(self, exc: Exception) -> Response:
        """The answer as ever, and the note."""
        response = super().handle_exception(exc)
        refusal = refusal_for(exc)
        if refusal is not None and self.request.method in {"POST", "PUT"} and hasattr(self, "project"):
            note(self.actor, self.project, [(refusal, self.said)])
        return response
