"""Pages of cases: the inbox, the list, decisions and erasure. The page of one case lives with the labels, which it shows."""

from typing import Any, ClassVar

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from rest_framework import serializers

from hardcases.cases import actions, presenting
from hardcases.cases.access import case_for, number_in
from hardcases.cases.content import Text
from hardcases.cases.forms import DecisionForm, EraseForm
from hardcases.cases.models import Case
from hardcases.cases.queries import case_facts, condition, emptied_by, search
from hardcases.cases.steps import Fields
from hardcases.errors import Refusal
from hardcases.projects.access import roles_in
from hardcases.projects.doors import ProjectPage
from hardcases.projects.permissions import Can, allowed
from hardcases.web.pages import render_page
from hardcases.web.pagination import keyset_page
from hardcases.web.queries import Parameters, SearchParameters, read_page_parameters
from hardcases.web.search import QueryRefused

LISTED = 40
STRIP = 8
PAGE = 60
TEST_CASE = Fields(reason="test_upload", source="upload page", tags=["test"])


class InboxParameters(Parameters):
    """What the inbox's address may say: the search, the open case, and the case that was just decided."""

    q = serializers.CharField(required=False, max_length=200, default="", allow_blank=True)
    case = serializers.CharField(required=False, max_length=64)
    undo = serializers.CharField(required=False, max_length=64)


class InboxPage(ProjectPage):
    """What waits for a decision, oldest first; one case open, the next already there."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.TRIAGE}

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """The page, or for htmx the inspector alone."""
        given = read_page_parameters(request, InboxParameters)
        q, notes = given.values["q"], list(given.notes)
        try:
            waiting = Case.objects.filter(condition(self.project, q), project=self.project, state="inbox")
        except QueryRefused as refusal:
            notes.append(refusal.sentence)
            waiting = Case.objects.filter(project=self.project, state="inbox")
        context = self._context(waiting.select_related("project").order_by("id"), given.values.get("case"))
        context |= {"q": q, "notes": notes, "undo": self._undo(given.values.get("undo"))}
        return render_page(request, "cases/inbox.html", context, fragment="cases/_inspector.html")

    def _context(self, waiting: QuerySet[Case], key: str | None) -> dict[str, Any]:
        number = number_in(self.project, key) if key else None
        # The open case stands in the list with a little of what came before it, however long the list is.
        before = list(waiting.filter(number__lt=number).order_by("-id")[:5])[::-1] if number else []
        cases = before + list(waiting.filter(number__gte=number or 0)[: LISTED - len(before)])
        current = next((case for case in cases if case.number == (number or case.number)), cases[0] if cases else None)
        at = cases.index(current) if current else 0
        listed = presenting.inbox_words(cases)
        return {
            "total": waiting.count(),
            "position": 1 + (waiting.filter(number__lt=current.number).count() if current and before else 0),
            "listed": listed,
            "current": listed[at] if current else None,
            "facts": presenting.facts(current) if current else [],
            "upcoming": listed[at + 1 : at + 1 + STRIP],
            "next": listed[at + 1] if at + 1 < len(listed) else None,
            "previous": listed[at - 1] if at else None,
            "reasons": presenting.reasons(),
            "snoozes": presenting.snoozes(),
            "back": "inbox",
            "oldest": cases[0].received_at if cases and not before else None,
        }

    def _undo(self, key: str | None) -> dict[str, str] | None:
        number = number_in(self.project, key) if key else None
        case = Case.objects.filter(project=self.project, number=number, state__in=actions.DECISIONS).first() if number else None
        if case is None:
            return None
        sentences = {"accepted": _("%(key)s accepted."), "declined": _("%(key)s declined."), "snoozed": _("%(key)s snoozed.")}
        return {"sentence": sentences[case.state] % {"key": key}, "url": reverse("case-undo", args=[self.project.slug, key])}


class DecidePage(ProjectPage):
    """Where the buttons of inbox and case page go."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.TRIAGE}

    def post(self, request: HttpRequest, project: str, key: str) -> HttpResponse:
        """Decide, then on to the next case."""
        case = case_for(self.project, key)
        form = DecisionForm(request.POST)
        following = (
            Case.objects.filter(project=self.project, state="inbox", pk__gt=case.pk).order_by("pk").values_list("number", flat=True)[:1]
        )
        upcoming = [f"{self.project.key_prefix}-{number}" for number in following]
        asked: dict[str, str] = {}
        if not form.is_valid():
            messages.error(request, _("This decision could not be read. Nothing was changed."))
            return _to_inbox(project, case=key)
        try:
            actions.decide(actor=self.actor, case=case, decision=form.decision())
            asked["undo"] = key
        except Refusal as refusal:
            messages.error(request, refusal.sentence)
        if form.cleaned_data["back"] == "case":
            return HttpResponseRedirect(reverse("case-page", args=[project, key]))
        return _to_inbox(project, **asked, **({"case": upcoming[0]} if upcoming else {}))


class UndoPage(ProjectPage):
    """Take a decision back."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.TRIAGE}

    def post(self, request: HttpRequest, project: str, key: str) -> HttpResponse:
        """Back to the inbox, with the case open."""
        try:
            actions.undo_decision(actor=self.actor, case=case_for(self.project, key))
        except Refusal as refusal:
            messages.error(request, refusal.sentence)
        return _to_inbox(project, case=key)


def _to_inbox(project: str, **asked: str) -> HttpResponseRedirect:
    address = reverse("inbox", args=[project])
    return HttpResponseRedirect(f"{address}?{urlencode(asked)}" if asked else address)


class CaseListPage(ProjectPage):
    """Find anything."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW_CASES}

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """Search line and grid."""
        given = read_page_parameters(request, SearchParameters)
        q = given.values["q"]
        context: dict[str, Any] = {"q": q, "notes": given.notes, "listed": [], "fault": None, "emptied_by": []}
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
