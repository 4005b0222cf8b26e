"""Fragments that show several rooms at once: only the composition root may look into all of them."""

from typing import Any

from django.db.models import Count, Min, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from evaluation.releases.models import Release
from evaluation.runs.models import Run
from hardcases.cases.models import Case
from hardcases.projects.access import permissions_in
from hardcases.projects.doors import ProjectPage
from hardcases.projects.models import Project
from hardcases.projects.permissions import Can
from hardcases.web.pages import render_page

UNDER_WAY = ("queued", "running", "finalising")


def _line(rows: QuerySet[Any], moment: str, sentence: tuple[str, str], page: str, project: Project) -> dict[str, Any] | None:
    """One line of the list: how many, since when, where to go; None where there is nothing."""
    found = rows.aggregate(number=Count("pk"), oldest=Min(moment))
    if not found["number"]:
        return None
    try:
        address = reverse(page, args=[project.slug])
    except NoReverseMatch:
        address = None
    said = ngettext(*sentence, found["number"]) % {"n": f"{found['number']:,}"}
    return {"sentence": said, "oldest": found["oldest"], "url": address}


class Needs(ProjectPage):
    """What waits for a person, for the overview."""

    can = {"GET": Can.VIEW}

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """At most three lines, each one query."""
        here = self.project
        may = permissions_in(self.actor, here)
        inbox = Case.objects.filter(project=here, state="inbox")
        releases = Release.objects.filter(project=here, state="open")
        runs = Run.objects.filter(project=here, state__in=UNDER_WAY)
        lines = [
            _line(inbox, "received_at", ("%(n)s case waits in the inbox", "%(n)s cases wait in the inbox"), "inbox", here)
            if Can.TRIAGE in may
            else None,
            _line(releases, "opened_at", ("%(n)s release is open", "%(n)s releases are open"), "release-list", here),
            _line(runs, "created_at", ("%(n)s run is under way", "%(n)s runs are under way"), "run-list-page", here),
        ]
        return render_page(request, "projects/_needs.html", {"lines": [line for line in lines if line]})


class LastReceived(ProjectPage):
    """The newest case, for the Upload page that waits for the first."""

    can = {"GET": Can.VIEW_CASES}

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """One line."""
        newest = Case.objects.filter(project=self.project).select_related("project").order_by("-id").first()
        context = {"newest": newest, "waiting": _("Waiting for your first case…")}
        return render_page(request, "projects/_last_received.html", context)


pages = [
    path("p/<slug:project>/needs/", Needs.as_view(), name="overview-needs"),
    path("p/<slug:project>/upload/last/", LastReceived.as_view(), name="last-received"),
]
