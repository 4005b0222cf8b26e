"""The inbox, group by group, and the page of one group."""

from typing import Any, ClassVar

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from rest_framework import serializers

from hardcases.cases import presenting as cases
from hardcases.cases.access import number_in
from hardcases.cases.models import Case
from hardcases.errors import Refusal
from hardcases.groups import actions, presenting, queries
from hardcases.groups.access import act_for, cases_for, group_for
from hardcases.groups.forms import ChooseForm, GroupDecisionForm, MergeForm
from hardcases.groups.models import Fingerprint, Group, GroupAct
from hardcases.projects.access import can
from hardcases.projects.doors import ProjectPage
from hardcases.projects.permissions import Can
from hardcases.web.pages import render_page
from hardcases.web.pagination import counted, keyset_page
from hardcases.web.queries import ListParameters, Parameters, read_page_parameters
from hardcases.web.search import QueryRefused

LISTED, BEFORE = 40, 5
STRIP = 9
GRID = 48
SHOWN_STATES = ("inbox", "accepted", "declined", "snoozed")


class InboxParameters(Parameters):
    """What the inbox's address may say: the search, the open group and case, and what was just done."""

    q = serializers.CharField(required=False, max_length=200, default="", allow_blank=True)
    group = serializers.CharField(required=False, max_length=24)
    case = serializers.CharField(required=False, max_length=64)
    undo = serializers.IntegerField(required=False, min_value=1, max_value=1 << 60)


class InboxPage(ProjectPage):
    """The groups that wait for a decision, most urgent first; one is open, the next already there."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.TRIAGE}

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """The page, or for htmx the inspector alone."""
        given = read_page_parameters(request, InboxParameters)
        q, notes = given.values["q"], list(given.notes)
        waiting = queries.waiting_groups(self.project)
        try:
            waiting = queries.found_by(waiting, self.project, q, state="inbox") if q else waiting
        except QueryRefused as refusal:
            notes.append(refusal.sentence)
        case = given.values.get("case")
        context = self._context(waiting, given.values.get("group") or self._group_of(case), case, notes)
        here = {"group": context["open"].key} if context["current"] else {}
        context |= {"q": q, "notes": notes, "undo": self._undo(given.values.get("undo"))}
        context["case_address"] = f"?{urlencode(here | ({'q': q} if q else {}) | {'case': ''})}"
        return render_page(request, "groups/inbox.html", context, fragment="groups/_inspector.html")

    def _context(self, waiting: QuerySet[Group], key: str | None, case: str | None, notes: list[str]) -> dict[str, Any]:
        asked = self._asked(waiting, key, notes)
        # The open group stands in the list with a little of what comes before it, however long the list is.
        before = queries.around(waiting, asked, after=False, most=BEFORE)[::-1] if asked else []
        rest = queries.around(waiting, asked, after=True, most=LISTED - len(before) - 1) if asked else list(waiting[:LISTED])
        groups = [*before, *([asked] if asked else []), *rest]
        current = asked or (groups[0] if groups else None)
        at = groups.index(current) if current in groups else 0
        following = groups[at + 1] if at + 1 < len(groups) else None
        undecided, undecided_words = counted(queries.undecided(self.project))
        listed = presenting.shown(groups, slug=self.project.slug, today=timezone.now().date())
        context: dict[str, Any] = {
            "groups": counted(waiting)
            if asked or len(groups) == LISTED
            else (len(groups), str(len(groups))),  # a search need not look twice
            "cases": counted(Case.objects.filter(project=self.project, state="inbox")),
            "undecided": undecided,
            "undecided_words": undecided_words,
            "listed": listed,
            "current": None,
            "next": following,
            "previous": groups[at - 1] if at else None,
            "oldest": min((group.waiting_since for group in groups), default=None),
        }
        return context | (opened(self, listed[at], case, "inbox") if current else {}) | {"upcoming": _first_picture(self, following)}

    def _asked(self, waiting: QuerySet[Group], key: str | None, notes: list[str]) -> Group | None:
        if not key:
            return None
        try:
            group = group_for(self.project, key)
        except Refusal as refusal:
            notes.append(refusal.sentence)
            return None
        asked = waiting.filter(pk=group.pk).first()
        if asked is None:
            notes.append(_("No case of %(key)s waits here.") % {"key": group.key})
        return asked

    def _group_of(self, key: str | None) -> str | None:
        """The group of a case that somebody links to without it."""
        number = number_in(self.project, key) if key else None
        case = Case.objects.filter(project=self.project, number=number).only("group_number").first() if number else None
        return case.group_key if case else None

    def _undo(self, act_id: int | None) -> dict[str, str] | None:
        act = GroupAct.objects.select_related("group", "other").filter(project=self.project, pk=act_id or 0, undone_at=None).first()
        return presenting.toast(act, self.project.slug) if act else None


class PlacingNote(ProjectPage):
    """How many new cases have no group yet, for the inbox, which asks again until there are none."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.TRIAGE}

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """The note alone; at the end the way to what came."""
        undecided, words = counted(queries.undecided(self.project))
        context = {"undecided": undecided, "undecided_words": words, "asked_again": True, "project": self.project}
        return render_page(request, "groups/_placing.html", context)


def _first_picture(page: ProjectPage, group: Group | None) -> str | None:
    """The address of the picture that the next group will open with."""
    case = queries.cases_of(group, "inbox").select_related("project").order_by("-id").first() if group else None
    return cases.shown(case).display_url if case else None


def opened(page: ProjectPage, entry: presenting.ShownGroup, key: str | None, back: str) -> dict[str, Any]:
    """What is shown of an open group: one of its waiting cases, a strip of the others, the facts and the ways to decide."""
    group = entry.group
    waiting = queries.cases_of(group, "inbox").select_related("project").order_by("-id")
    number = number_in(page.project, key) if key else None
    current = waiting.filter(number=number).first() if number else None
    newer = list(waiting.filter(pk__gt=current.pk).reverse()[: STRIP // 2])[::-1] if current else []
    older = waiting.filter(pk__lte=current.pk) if current else waiting
    strip = newer + list(older[: STRIP - len(newer)])
    current = current or (strip[0] if strip else None)
    at = strip.index(current) if current else 0
    stored = queries.placed([current]) if current and back == "inbox" else {}
    because = presenting.whys(stored, page.project.key_prefix)
    return {
        "open": entry,
        "rule": presenting.rule(group),
        "current": cases.shown(current) if current else None,
        "strip": cases.inbox_words(strip),
        "newer": cases.shown(strip[at - 1]) if at else None,
        "older": cases.shown(strip[at + 1]) if at + 1 < len(strip) else None,
        "position": at + 1 if len(newer) < STRIP // 2 else None,
        "upto": _newest(waiting, strip, newer),
        "facts": presenting.facts(current, because.get(current.pk, "")) if current else [],
        "nearest": _near_words(group, stored.get(current.pk) if current else None),
        "reasons": cases.reasons(),
        "snoozes": cases.snoozes(),
        "back": back,
    }


def _newest(waiting: QuerySet[Case], strip: list[Case], newer: list[Case]) -> int | None:
    """The number of the newest case of a group that the person could have looked at."""
    if len(newer) == STRIP // 2:
        return waiting.values_list("number", flat=True).first()
    return strip[0].number if strip else None


def _near_words(group: Group, stored: Fingerprint | None) -> list[tuple[queries.NearGroup, str, str]]:
    near = queries.nearest_groups(group, stored)
    return [(found, presenting.title(found.group), presenting.number(found.alike)) for found in near]


class GroupPage(ProjectPage):
    """One group as a page to link to."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW_CASES}

    def get(self, request: HttpRequest, project: str, group: str) -> HttpResponse:
        """Its cases by state, why they are together, what people did, what is near."""
        found = group_for(self.project, group)
        given = read_page_parameters(request, GroupParameters)
        wanted = given.values.get("state") or ("inbox" if found.waiting else "accepted")
        rows = queries.cases_of(found, wanted).select_related("project")
        try:
            page = keyset_page(rows, order=["-id"], cursor=given.values.get("cursor"), limit=GRID)
        except Refusal as refusal:
            return HttpResponseRedirect(_with_message(request, refusal, reverse("group-page", args=[project, group])))
        stored = queries.placed(page.rows)
        because = presenting.whys(stored, self.project.key_prefix)
        (entry,) = presenting.shown([found], slug=project, today=timezone.now().date())
        context = opened(self, entry, None, "group") | {
            "nearest": _near_words(found, stored.get(page.rows[0].pk) if page.rows else None),
            "grid": [(cases.shown(case), because.get(case.pk, "")) for case in page.rows],
            "tabs": self._tabs(found, wanted),
            "older_url": f"?{urlencode({'state': wanted, 'cursor': page.next})}" if page.next else None,
            "history": presenting.history(queries.acts_of(found), project),
            "apart": queries.kept_apart(found),
            "may_triage": can(self.actor, Can.TRIAGE, self.project),
            "notes": given.notes,
        }
        return render_page(request, "groups/group.html", context)

    def _tabs(self, group: Group, wanted: str) -> list[dict[str, Any]]:
        words = {"inbox": _("Waiting"), "accepted": _("Accepted"), "declined": _("Declined"), "snoozed": _("Snoozed")}
        counts = {state: counted(queries.cases_of(group, state))[1] for state in ("accepted", "declined")}
        counts |= {"inbox": f"{group.waiting:,}", "snoozed": f"{group.snoozed:,}"}
        return [
            {"label": f"{words[state]} {counts[state]}", "url": f"?state={state}", "current": state == wanted} for state in SHOWN_STATES
        ]


class GroupParameters(ListParameters):
    """Which of a group's cases are shown."""

    state = serializers.ChoiceField(choices=SHOWN_STATES, required=False)


def _with_message(request: HttpRequest, refusal: Refusal, address: str) -> str:
    messages.error(request, refusal.sentence)
    return address


class _Acting(ProjectPage):
    """Where the buttons of inbox and group page go: do it, then on to what comes next."""

    can: ClassVar[dict[str, Can]] = {}

    def done(self, back: str, act: GroupAct | None, show: Group | None) -> HttpResponse:
        """Back to the page that the person came from, with the way to undo."""
        slug = self.project.slug
        asked = {"group": show.key} if show else {}
        if act is not None:
            asked["undo"] = str(act.pk)
        if back == "group" and show is not None:
            return HttpResponseRedirect(reverse("group-page", args=[slug, show.key]))
        address = reverse("inbox", args=[slug])
        return HttpResponseRedirect(f"{address}?{urlencode(asked)}" if asked else address)

    def unreadable(self, request: HttpRequest, group: Group) -> HttpResponse:
        """For a form that no button of ours sends."""
        messages.error(request, _("This could not be read. Nothing was changed."))
        return self.done("inbox", None, group)


class DecideGroupPage(_Acting):
    """Decide every case of a group that waits."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.TRIAGE}

    def post(self, request: HttpRequest, project: str, group: str) -> HttpResponse:
        """Decide, then on to the next group."""
        found = group_for(self.project, group)
        form = GroupDecisionForm(request.POST)
        if not form.is_valid():
            return self.unreadable(request, found)
        back = form.cleaned_data["back"]
        following = queries.following(self.project, found) if back == "inbox" else found
        try:
            act = actions.decide_group(actor=self.actor, group=found, decision=form.decision(), upto=form.cleaned_data["upto"])
        except Refusal as refusal:
            messages.error(request, refusal.sentence)
            return self.done(back, None, following)
        return self.done(back, act, following)


class MergePage(_Acting):
    """Put a group into another one."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.TRIAGE}

    def post(self, request: HttpRequest, project: str, group: str) -> HttpResponse:
        """Merge, then on to the group that has grown."""
        found = group_for(self.project, group)
        form = MergeForm(request.POST)
        if not form.is_valid():
            return self.unreadable(request, found)
        try:
            into = group_for(self.project, form.cleaned_data["into"].strip().upper())
            act = actions.merge_groups(actor=self.actor, group=found, into=into)
        except Refusal as refusal:
            messages.error(request, refusal.sentence)
            return self.done(form.cleaned_data["back"], None, found)
        return self.done(form.cleaned_data["back"], act, into)


class SplitPage(_Acting):
    """Split some cases off, or move them to another group."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.TRIAGE}

    def post(self, request: HttpRequest, project: str, group: str) -> HttpResponse:
        """Split or move, and stay."""
        found = group_for(self.project, group)
        form = ChooseForm(request.POST)
        if not form.is_valid():
            return self.unreadable(request, found)
        back, into = form.cleaned_data["back"], form.cleaned_data["into"].strip().upper()
        try:
            chosen = cases_for(self.project, form.keys()[: actions.MOST_CHOSEN + 1])
            if into:
                act = actions.move_cases(actor=self.actor, group=found, cases=chosen, into=group_for(self.project, into))
            else:
                act = actions.split_group(actor=self.actor, group=found, cases=chosen)
        except Refusal as refusal:
            messages.error(request, refusal.sentence)
            return self.done(back, None, found)
        return self.done(back, act, found)


class UndoActPage(_Acting):
    """Take back what was done with a group."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.TRIAGE}

    def post(self, request: HttpRequest, project: str, group: str, act: int) -> HttpResponse:
        """Undo, with the group open again."""
        found = group_for(self.project, group)
        try:
            actions.undo(actor=self.actor, act=act_for(found, act))
        except Refusal as refusal:
            messages.error(request, refusal.sentence)
        return self.done("group" if request.POST.get("back") == "group" else "inbox", None, found)
