"""Pages of runs: the list, the form, progress that becomes the report, the gallery, and a fragment for the case page."""

from typing import Any, ClassVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from rest_framework import serializers

from evaluation.runs import actions, presenting, states
from evaluation.runs.access import run_for, runs_of
from evaluation.runs.figures import flips_url, stratum_name
from evaluation.runs.flips import cards_of, said_in_words
from evaluation.runs.forms import StartForm
from evaluation.runs.models import Run
from evaluation.runs.queries import answers_about, flips, outcomes_of
from hardcases.cases.access import case_for
from hardcases.errors import Refusal
from hardcases.projects.access import can
from hardcases.projects.doors import ProjectPage
from hardcases.projects.permissions import Can
from hardcases.web.pages import render_page, wants_fragment
from hardcases.web.pagination import keyset_page
from hardcases.web.queries import ListParameters, Parameters, read_page_parameters

GALLERY = 60


def address_of(run: Run) -> str:
    """The run's page."""
    return reverse("run-page", args=[run.project.slug, run.number])


class RunListPage(ProjectPage):
    """Runs, newest first."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """The list."""
        given = read_page_parameters(request, ListParameters)
        page = keyset_page(runs_of(self.project), order=["-number"], cursor=given.values.get("cursor"), limit=given.values["limit"])
        context = {"rows": page.rows, "next": page.next, "notes": given.notes, "may_run": can(self.actor, Can.RUN, self.project)}
        return render_page(request, "runs/list.html", context)


class RunNewPage(ProjectPage):
    """Start a run."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.RUN, "POST": Can.RUN}

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """The form; the address may fill it."""
        chosen = {name: request.GET[name] for name in ("model", "test_set", "baseline") if name in request.GET}
        return render_page(request, "runs/new.html", {"form": StartForm(self.project, initial=chosen)})

    def post(self, request: HttpRequest, project: str) -> HttpResponse:
        """Start."""
        form = StartForm(self.project, request.POST)
        if form.is_valid():
            chosen = form.cleaned_data
            try:
                run = actions.start_run(
                    actor=self.actor,
                    project=self.project,
                    model_version=chosen["model"],
                    version=chosen["test_set"],
                    baseline=chosen["baseline"],
                )
            except Refusal as refusal:
                form.add_error(None, refusal.sentence)
            else:
                return HttpResponseRedirect(address_of(run))
        return render_page(request, "runs/new.html", {"form": form}, status=422)


class RunParameters(Parameters):
    """Which metric the strata table shows."""

    metric = serializers.CharField(required=False, max_length=200, default="accuracy")


class RunPage(ProjectPage):
    """Progress, and afterwards the report at the same address."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    def get(self, request: HttpRequest, project: str, number: int) -> HttpResponse:
        """Polled by its own fragment until the run has ended."""
        given = read_page_parameters(request, RunParameters)
        run = run_for(self.project, number)
        common = {"notes": given.notes, "may_run": can(self.actor, Can.RUN, self.project)}
        if run.state == "succeeded" and not wants_fragment(request):
            return render_page(request, "runs/report.html", common | presenting.report_page(run, metric=given.values["metric"]))
        response = render_page(request, "runs/progress.html", common | presenting.progress(run), fragment="runs/_progress.html")
        if states.is_final(run) and wants_fragment(request):
            response["HX-Refresh"] = "true"
        return response


class RunCancelPage(ProjectPage):
    """Stop a run."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.RUN}

    def post(self, request: HttpRequest, project: str, number: int) -> HttpResponse:
        """Stop it and show it."""
        run = actions.cancel_run(actor=self.actor, run=run_for(self.project, number))
        messages.success(request, _("Run %(number)s was cancelled.") % {"number": run.number})
        return HttpResponseRedirect(address_of(run))


class RunRetryPage(ProjectPage):
    """Run again what failed."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.RUN}

    def post(self, request: HttpRequest, project: str, number: int) -> HttpResponse:
        """Start the new run and show it."""
        return HttpResponseRedirect(address_of(actions.retry_run(actor=self.actor, run=run_for(self.project, number))))


class FlipParameters(Parameters):
    """Which cell of which stratum, and from where."""

    outcome = serializers.CharField(required=False, max_length=32)
    stratum = serializers.CharField(required=False, max_length=600, default="all")
    start = serializers.IntegerField(required=False, min_value=0, max_value=10_000_000, default=0)


class FlipsPage(ProjectPage):
    """The gallery of one cell."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW_CASES}

    def get(self, request: HttpRequest, project: str, number: int) -> HttpResponse:
        """The largest change of score first."""
        given = read_page_parameters(request, FlipParameters)
        run = run_for(self.project, number)
        if run.state != "succeeded":
            return HttpResponseRedirect(address_of(run))
        outcome, stratum, start = given.values.get("outcome") or outcomes_of(run)[0], given.values["stratum"], given.values["start"]
        found = flips(run, outcome, stratum, offset=start, limit=GALLERY)
        here = flips_url(run, stratum, outcome)
        context: dict[str, Any] = {
            "run": run,
            "notes": given.notes,
            "stratum": stratum_name(stratum),
            "outcome": outcome,
            "outcome_name": _(presenting.OUTCOMES[outcome]),
            "tabs": presenting.outcome_tabs(run, outcome, stratum),
            "cards": cards_of(run, found.rows),
            "total": found.total,
            "shown": len(found.rows),
            "newer_url": f"{here}&start={max(0, start - GALLERY)}" if start else None,
            "older_url": f"{here}&start={start + GALLERY}" if start + GALLERY < found.total else None,
        }
        return render_page(request, "runs/flips.html", context)


class CaseAnswersFragment(ProjectPage):
    """What each model version said about a case: a slot of the case page."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW_CASES}

    def get(self, request: HttpRequest, project: str, key: str) -> HttpResponse:
        """A small table."""
        rows = [
            {"run": answer.run, "url": address_of(answer.run), "said": said_in_words(answer.said), "right": answer.said.right}
            for answer in answers_about(case_for(self.project, key))
        ]
        return render_page(request, "runs/_case_answers.html", {"rows": rows})
