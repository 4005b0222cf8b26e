"""Pages of test sets: the list, one set, its draft and freezing, a version, what changed between two, the strata."""

from typing import Any, ClassVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from rest_framework import serializers

from hardcases.errors import Refusal
from hardcases.projects.access import can
from hardcases.projects.doors import ProjectPage
from hardcases.projects.permissions import Can
from hardcases.testsets import actions, presenting, queries, snapshots
from hardcases.testsets.access import numbered_version, test_set_for
from hardcases.testsets.actions import DraftChanged
from hardcases.testsets.forms import DraftForm, FreezeForm, StratumForm, TestSetForm
from hardcases.testsets.manifests import manifest_response
from hardcases.testsets.models import Snapshot, Stratum, TestSet, Version
from hardcases.web.pages import render_page
from hardcases.web.queries import Parameters, read_page_parameters

SHOWN = 60  # cases of a gallery; a list that is longer says so
ERRORS = 5


class TestSetPageBase(ProjectPage):
    """What the pages of one test set share."""

    def shown(self, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
        """The page, knowing what the person may do."""
        return render_page(
            self.request, f"testsets/{template}.html", {"may_curate": can(self.actor, Can.CURATE, self.project)} | context, status=status
        )


class TestSetListPage(TestSetPageBase):
    """All test sets of the project."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """By name; a project has a few."""
        sets = list(TestSet.objects.filter(project=self.project).select_related("created_by").order_by("slug"))
        newest, pending = queries.newest_of(sets), queries.pending_changes(sets)
        rows = [{"set": found, "newest": newest.get(found.pk), "pending": pending.get(found.pk, 0)} for found in sets]
        return self.shown("list", {"rows": rows})


class TestSetNewPage(TestSetPageBase):
    """A new test set."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.CURATE, "POST": Can.CURATE}

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """The empty form."""
        return self.shown("new", {"form": TestSetForm()})

    def post(self, request: HttpRequest, project: str) -> HttpResponse:
        """Create it and go on to its draft."""
        form = TestSetForm(request.POST)
        if form.is_valid():
            try:
                made = actions.create_test_set(actor=self.actor, project=self.project, **form.cleaned_data)
            except Refusal as refusal:
                form.refuse(refusal)
            else:
                return redirect("draft-page", project, made.slug)
        return self.shown("new", {"form": form}, status=422)


class TestSetPage(TestSetPageBase):
    """One test set: its versions as a history, and the state of its draft."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    def get(self, request: HttpRequest, project: str, test_set: str) -> HttpResponse:
        """Newest version first."""
        found = test_set_for(self.project, test_set)
        versions = list(Version.objects.filter(test_set=found).order_by("-number"))
        return self.shown(
            "test_set", {"test_set": found, "versions": versions, "pending": queries.pending_changes([found]).get(found.pk, 0)}
        )


class DraftPage(TestSetPageBase):
    """What the next version will be, and what stands in its way."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW, "POST": Can.CURATE}

    def get(self, request: HttpRequest, project: str, test_set: str) -> HttpResponse:
        """The draft with an empty form."""
        return self._page(test_set_for(self.project, test_set), DraftForm())

    def post(self, request: HttpRequest, project: str, test_set: str) -> HttpResponse:
        """Add or remove cases; the button says which."""
        found, form = test_set_for(self.project, test_set), DraftForm(request.POST)
        if form.is_valid():
            direction = "remove" if request.POST.get("do") == "remove" else "add"
            try:
                changed = actions.change_draft(actor=self.actor, test_set=found, **{direction: form.selection()})
            except Refusal as refusal:
                form.refuse(refusal)
            else:
                _tell(request, changed)
                return redirect("draft-page", project, test_set)
        return self._page(found, form, status=422)

    def _page(self, found: TestSet, form: DraftForm, status: int = 200) -> HttpResponse:
        context = {"test_set": found, "form": form, "state": queries.readiness(found), "next": queries.next_number(found)}
        lists = {name: self._drafted(found, adds=name == "adds") for name in ("adds", "removes")}
        return self.shown("draft", context | lists, status=status)

    def _drafted(self, found: TestSet, *, adds: bool) -> list[presenting.Drafted]:
        return [presenting.drafted(self.project.key_prefix, change) for change in queries.drafted_cases(found, adds=adds)[:SHOWN]]


def _tell(request: HttpRequest, changed: DraftChanged) -> None:
    """One message for what was done, one for each case that was left as it is, and their number where there are many."""
    added = ngettext("%(n)d case added", "%(n)d cases added", changed.added) % {"n": changed.added}
    removed = ngettext("%(n)d case removed", "%(n)d cases removed", changed.removed) % {"n": changed.removed}
    messages.success(request, _("%(added)s, %(removed)s.") % {"added": added, "removed": removed})
    for error in changed.errors[:ERRORS]:
        messages.warning(request, f"{error.key}: {error.detail}" if error.key else error.detail)
    if len(changed.errors) > ERRORS:
        messages.warning(request, _("%(n)d more were left as they are.") % {"n": len(changed.errors) - ERRORS})


class FreezePage(TestSetPageBase):
    """Freezing asks first, on a page of its own: it cannot be undone."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.CURATE, "POST": Can.CURATE}

    def get(self, request: HttpRequest, project: str, test_set: str) -> HttpResponse:
        """The summary, and the reason to be given."""
        return self._page(test_set_for(self.project, test_set), FreezeForm())

    def post(self, request: HttpRequest, project: str, test_set: str) -> HttpResponse:
        """Freeze, at once or in the background."""
        found, form = test_set_for(self.project, test_set), FreezeForm(request.POST)
        if form.is_valid():
            try:
                return self._freeze(found, form.cleaned_data["reason"])
            except Refusal as refusal:
                form.refuse(refusal)
        return self._page(found, form, status=422)

    def _freeze(self, found: TestSet, reason: str) -> HttpResponse:
        if queries.is_large(found):
            actions.stage(actor=self.actor, test_set=found, reason=reason)
            return redirect("draft-page", self.project.slug, found.slug)
        version = actions.freeze(actor=self.actor, test_set=found, reason=reason)
        return redirect("version-page", self.project.slug, found.slug, version.number)

    def _page(self, found: TestSet, form: FreezeForm, status: int = 200) -> HttpResponse:
        return self.shown(
            "freeze",
            {"test_set": found, "form": form, "state": queries.readiness(found), "next": queries.next_number(found)},
            status=status,
        )


class CasesAfter(Parameters):
    """Where the gallery goes on."""

    after = serializers.IntegerField(required=False, min_value=0, max_value=2**53)


class VersionPage(TestSetPageBase):
    """What this evidence is made of."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    def get(self, request: HttpRequest, project: str, test_set: str, number: int) -> HttpResponse:
        """Identity, composition, strata, cases."""
        asked = read_page_parameters(request, CasesAfter)
        found = test_set_for(self.project, test_set)
        version = numbered_version(found, number)
        cases = list(queries.members_after(version, asked.values.get("after", 0))[: SHOWN + 1])
        context = {
            "test_set": found,
            "version": version,
            "notes": asked.notes,
            "erased": version.erasures.count(),
            "composition": self._composition(version),
            "cases": [_thumb(self.project.slug, self.project.key_prefix, case) for case in cases[:SHOWN]],
            "after": cases[SHOWN - 1].number if len(cases) > SHOWN else None,
        }
        return self.shown("version", context)

    def _composition(self, version: Version) -> list[presenting.Composition] | None:
        """None while a worker still writes the snapshot of a large version."""
        if version.cases > queries.LARGE and not Snapshot.objects.filter(version=version).exists():
            return None
        return presenting.composition(snapshots.members(version))


def _thumb(project: str, key_prefix: str, case: Any) -> dict[str, Any]:
    key = f"{key_prefix}-{case.number}"
    picture = f"{reverse('api-case-media', args=[project, key])}?as=thumbnail" if case.thumbnail_sha256 else ""
    shown = {"key": key, "url": reverse("case-page", args=[project, key]), "image_url": picture, "text": (case.text or "")[:200]}
    return shown | {
        "note": case.pinned_label,
        "alt": f"{key}, {case.pinned_label}",
        "pixelated": max(case.width or 64, case.height or 64) < 64,
    }


class VersionManifestPage(TestSetPageBase):
    """The manifest as a download for people."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    def get(self, request: HttpRequest, project: str, test_set: str, number: int) -> StreamingHttpResponse:
        """The same bytes that the API sends."""
        return manifest_response(numbered_version(test_set_for(self.project, test_set), number))


class VersionDiffPage(TestSetPageBase):
    """What one version has that another has not, in a sentence first."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    def get(self, request: HttpRequest, project: str, test_set: str, a: int, b: int) -> HttpResponse:
        """From `a` to `b`."""
        found = test_set_for(self.project, test_set)
        older, newer = numbered_version(found, a), numbered_version(found, b)
        diff = queries.diff(older, newer)
        context = {"test_set": found, "a": older, "b": newer, "diff": diff, "answers": presenting.answer_moves(diff), "shown": SHOWN}
        prefix = self.project.key_prefix
        lists = {
            "added": [presenting.member(prefix, pinned) for pinned in diff.added[:SHOWN]],
            "removed": [presenting.member(prefix, pinned) for pinned in diff.removed[:SHOWN]],
            "changed": [presenting.repinned(prefix, *pair) for pair in diff.changed[:SHOWN]],
        }
        return self.shown("diff", context | lists)


class StratumListPage(TestSetPageBase):
    """The named strata and a form for one more."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW, "POST": Can.CURATE}

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """With how many cases each holds now."""
        return self._page(StratumForm())

    def post(self, request: HttpRequest, project: str) -> HttpResponse:
        """Name another."""
        form = StratumForm(request.POST)
        if form.is_valid():
            try:
                stratum = actions.create_stratum(actor=self.actor, project=self.project, **form.cleaned_data)
            except Refusal as refusal:
                form.refuse(refusal)
            else:
                messages.success(request, _("Stratum %(slug)s is part of every version frozen from now on.") % {"slug": stratum.slug})
                return redirect("stratum-list-page", project)
        return self._page(form, status=422)

    def _page(self, form: StratumForm, status: int = 200) -> HttpResponse:
        strata = Stratum.objects.filter(project=self.project).order_by("slug")
        rows = [{"stratum": stratum, "cases": queries.accepted_in(self.project, stratum.q)} for stratum in strata]
        return self.shown("strata", {"rows": rows, "form": form}, status=status)
