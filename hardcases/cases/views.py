"""Pages of cases."""

from typing import ClassVar

from django.http import HttpRequest, HttpResponse

from hardcases.cases.access import case_for
from hardcases.projects.doors import ProjectPage
from hardcases.projects.permissions import Can


class CasePage(ProjectPage):
    """One failure, whole."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW_CASES}

    def get(self, request: HttpRequest, project: str, key: str) -> HttpResponse:
        """The page."""
        return HttpResponse(case_for(self.project, key).key)
