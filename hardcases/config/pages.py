"""Fragments that show several rooms at once: only the composition root may look into all of them."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from evaluation.registry.models import ModelVersion, ProductionMark
from evaluation.releases.models import Release
from evaluation.releases.presenting import line
from evaluation.runs.models import Run
from hardcases.cases.models import Case
from hardcases.cases.received import last_received
from hardcases.projects.access import permissions_in
from hardcases.projects.doors import ProjectPage
from hardcases.projects.models import Project
from hardcases.projects.permissions import Can
from hardcases.testsets.models import Version
from hardcases.web.pages import render_page
from hardcases.web.pagination import counted

LATEST, MARKS = 5, 200
OF_A_LINE = ("project", "candidate__model", "baseline__model")
UNDER_WAY = ("queued", "running", "finalising")


def _line(rows: QuerySet[Any], moment: str, sentence: tuple[str, str], page: str, project: Project) -> dict[str, Any] | None:
    """One line of the list: how many, since when, where to go; None where there is nothing."""
    number, words = counted(rows)
    oldest = rows.order_by("pk").values_list(moment, flat=True).first()  # rows are written in the order of their moments
    if oldest is None:
        return None
    try:
        address = reverse(page, args=[project.slug])
    except NoReverseMatch:
        address = None
    return {"sentence": ngettext(*sentence, number) % {"n": words}, "oldest": oldest, "url": address}


class Needs(ProjectPage):
    """What waits for a person, for the overview."""

    can = {"GET": Can.VIEW}

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """At most three lines, two queries each."""
        here = self.project
        may = permissions_in(self.actor, here)
        inbox = Case.objects.filter(project=here, state="inbox")
        releases = Release.objects.filter(project=here, state="open")
        runs = Run.objects.filter(project=here, state__in=UNDER_WAY)
        lines = [
            _line(inbox, "received_at", ("%(n)s case waits in the inbox", "%(n)s cases wait in the inbox"), "inbox", here)
            if Can.TRIAGE in may
            else None,
            _line(
                releases,
                "opened_at",
                ("%(n)s release waits to be signed or rejected", "%(n)s releases wait to be signed or rejected"),
                "release-list",
                here,
            )
            if Can.SIGN in may
            else None,
            _line(runs, "created_at", ("%(n)s run is under way", "%(n)s runs are under way"), "run-list-page", here),
        ]
        return render_page(request, "projects/_needs.html", {"lines": [line for line in lines if line]})


class Standing(ProjectPage):
    """What serves now, what was put forward last, and what that stood on; before the first run, the way there."""

    can = {"GET": Can.VIEW}

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """Two cards, or the five steps from an empty project to the first run."""
        here = self.project
        if not Run.objects.filter(project=here).exists():
            return render_page(request, "projects/_steps.html", {"steps": self._steps(here), "project": here})
        marks = ProductionMark.objects.filter(model__project=here).select_related("model_version__model").order_by("-id")[:MARKS]
        serving = {mark.model_id: mark for mark in reversed(list(marks))}  # of each model the newest
        releases = Release.objects.filter(project=here).select_related(*OF_A_LINE).order_by("-number")[:LATEST]
        versions = Version.objects.filter(test_set__project=here).select_related("test_set").order_by("-id")[:LATEST]
        context = {"serving": serving.values(), "releases": [line(release) for release in releases], "versions": versions}
        return render_page(request, "projects/_standing.html", context)

    def _steps(self, here: Project) -> list[dict[str, Any]]:
        """Sentence, page and chip of each, in the order in which people do them."""
        cases = Case.objects.filter(project=here)
        steps = (
            (_("Send the first case"), "project-upload", cases),
            (_("Label it"), "case-list", cases.filter(current_label__isnull=False)),
            (_("Freeze version 1 of a test set"), "test-set-list-page", Version.objects.filter(test_set__project=here)),
            (_("Register a model version"), "model-list-page", ModelVersion.objects.filter(model__project=here)),
            (_("Start a run"), "run-list-page", Run.objects.filter(project=here)),
        )
        done = [rows.exists() for _said, _page, rows in steps]
        following = done.index(False)
        chips = [("done", "") if is_done else ("waiting", _("Next") if at == following else _("Later")) for at, is_done in enumerate(done)]
        return [
            {"sentence": said, "url": reverse(page, args=[here.slug]), "chip": chip}
            for (said, page, _rows), chip in zip(steps, chips, strict=True)
        ]


class LastReceived(ProjectPage):
    """What came in last, for the Upload page that waits for the first case."""

    can = {"GET": Can.VIEW_CASES}

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """The newest in a sentence, and the last answers in a table."""
        newest = Case.objects.filter(project=self.project).select_related("project").order_by("-id").first()
        context = {
            "newest": newest,
            "waiting": _("Waiting for your first case…"),
            "project": self.project,
            "lines": last_received(self.project),
        }
        return render_page(request, "projects/_last_received.html", context)


pages = [
    path("p/<slug:project>/needs/", Needs.as_view(), name="overview-needs"),
    path("p/<slug:project>/standing/", Standing.as_view(), name="overview-standing"),
    path("p/<slug:project>/upload/last/", LastReceived.as_view(), name="last-received"),
]
