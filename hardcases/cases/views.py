"""Pages of cases: the list, decisions and erasure. The inbox lives with the groups, the page of one case with the labels, which it shows."""

from typing import Any, ClassVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from hardcases.cases import actions, presenting
from hardcases.cases.access import case_for
from hardcases.cases.content import Text
from hardcases.cases.forms import DecisionForm, EraseForm
from hardcases.cases.queries import case_facts, emptied_by, search
from hardcases.cases.steps import Fields
from hardcases.errors import Refusal
from hardcases.projects.access import roles_in
from hardcases.projects.doors import ProjectPage
from hardcases.projects.permissions import Can, allowed
from hardcases.web.pages import render_page
from hardcases.web.pagination import keyset_page
from hardcases.web.queries import SearchParameters, read_page_parameters

PAGE = 60
TEST_CASE = Fields(reason="test_upload", source="upload page", tags=["test"])


class DecidePage(ProjectPage):
    """Where the buttons of a case's page go. The inbox decides whole groups."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.TRIAGE}

    def post(self, request: HttpRequest, project: str, key: str) -> HttpResponse:
        """Decide, then back to the case."""
        case = case_for(self.project, key)
        form = DecisionForm(request.POST)
        if not form.is_valid():
            messages.error(request, _("This decision could not be read. Nothing was changed."))
            return _to_case(project, key)
        try:
            actions.decide(actor=self.actor, case=case, decision=form.decision())
        except Refusal as refusal:
            messages.error(request, refusal.sentence)
        return _to_case(project, key)


class UndoPage(ProjectPage):
    """Take a decision back."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.TRIAGE}

    def post(self, request: HttpRequest, project: str, key: str) -> HttpResponse:
        """Back to the inbox with it; the case's page stays open."""
        try:
            actions.undo_decision(actor=self.actor, case=case_for(self.project, key))
        except Refusal as refusal:
            messages.error(request, refusal.sentence)
        return _to_case(project, key)


def _to_case(project: str, key: str) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("case-page", args=[project, key]))


class CaseListPage(ProjectPage):
    """Find anything."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW_CASES}

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """Search line and grid."""
        given = read_page_parameters(request, SearchParameters)
        q = given.values["q"]
        context: dict[str, Any] = {"q": q, "notes": given.notes, "listed": [], "fault": None, "emptied_by": [], **permissions(self)}
        try:
            found = search(self.project, q).select_related("project")
            page = keyset_page(found, order=["-id"], cursor=given.values.get("cursor"), limit=min(given.values["limit"], PAGE))
        except Refusal as refusal:
            context["fault"] = refusal.sentence
            return render_page(request, "cases/list.html", context, status=refusal.status)
        labels = case_facts(page.rows).get("label", {})
        context["listed"] = [(presenting.shown(case), labels.get(case.pk)) for case in page.rows]
        context["emptied_by"] = emptied_by(self.project, q) if q and not page.rows else []
        if page.next:
            context["older_url"] = f"?{urlencode({'q': q, 'cursor': page.next})}"
        return render_page(request, "cases/list.html", context)


class LightFragment(ProjectPage):
    """The light box alone: it asks for itself until its picture is there."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW_CASES}

    def get(self, request: HttpRequest, project: str, key: str) -> HttpResponse:
        """The fragment."""
        return render_page(request, "cases/_stage.html", {"current": presenting.shown(case_for(self.project, key))})


class ErasePage(ProjectPage):
    """Erase a case for good, after saying why and which."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.ERASE, "POST": Can.ERASE}

    def get(self, request: HttpRequest, project: str, key: str) -> HttpResponse:
        """What goes, what stays, and the form."""
        case = case_for(self.project, key)
        actions.refuse_erased(case)
        return render_page(request, "cases/erase.html", {"case": case, "form": EraseForm(key)})

    def post(self, request: HttpRequest, project: str, key: str) -> HttpResponse:
        """Erase."""
        case = case_for(self.project, key)
        form = EraseForm(key, request.POST)
        if not form.is_valid():
            return render_page(request, "cases/erase.html", {"case": case, "form": form}, status=422)
        actions.erase_case(actor=self.actor, case=case, reason=form.cleaned_data["reason"])
        messages.success(request, _("%(key)s is erased. Its number and digest remain.") % {"key": key})
        return HttpResponseRedirect(reverse("case-page", args=[project, key]))


def permissions(page: ProjectPage) -> dict[str, bool]:
    """What the person may do on a page of cases, asked of the database once."""
    roles = roles_in(page.actor, page.project)
    wanted = {"may_triage": Can.TRIAGE, "may_label": Can.LABEL, "may_erase": Can.ERASE, "may_see_original": Can.VIEW_ORIGINAL}
    return {name: allowed(permission, roles) for name, permission in wanted.items()}


class TestCasePage(ProjectPage):
    """A case that nobody needs, to see that everything works."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.REPORT}

    def post(self, request: HttpRequest, project: str) -> HttpResponse:
        """Send it, the way production would."""
        text = Text(_("A test case, sent from the Upload page at %(time)s.") % {"time": timezone.now().isoformat(timespec="milliseconds")})
        try:
            reported = actions.report_case(actor=self.actor, project=self.project, content=text, fields=TEST_CASE)
        except Refusal as refusal:
            messages.error(request, refusal.sentence)
        else:
            messages.success(request, _("The test case arrived as %(key)s. Decline it as a test upload.") % {"key": reported.case.key})
        return redirect("project-upload", project=self.project.slug)
