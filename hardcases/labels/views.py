"""The page of one case: the highest room whose facts it shows itself; rooms above fill the slots."""

import re
from collections.abc import Sequence
from typing import ClassVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from hardcases.cases import presenting
from hardcases.cases.access import case_for
from hardcases.cases.queries import CASE_SLOTS, external_ids
from hardcases.cases.shapes import in_words
from hardcases.cases.views import permissions
from hardcases.errors import Refusal
from hardcases.labels.actions import LabelItem, label_case
from hardcases.projects.doors import ProjectPage
from hardcases.projects.permissions import Can
from hardcases.web.pages import render_page
from hardcases.web.queries import Parameters, read_page_parameters

HISTORY = 50


def keyed(classes: Sequence[str]) -> list[tuple[str, str]]:
    """Each class with the key that follows L: the class itself where all are single letters or digits, else its place up to the ninth."""
    keys = [name.lower() for name in classes]
    if all(re.fullmatch("[a-z0-9]", key) for key in keys) and len(set(keys)) == len(keys):
        return list(zip(classes, keys, strict=True))
    return [(name, str(place) if place < 10 else "") for place, name in enumerate(classes, 1)]


class CasePage(ProjectPage):
    """One failure, whole."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW_CASES}

    def get(self, request: HttpRequest, project: str, key: str) -> HttpResponse:
        """Complete at once, but for what rooms above know about it."""
        case = case_for(self.project, key)
        revisions = [(revision, in_words(revision.label)) for revision in case.label_revisions.order_by("-number")[:HISTORY]]
        return render_page(
            request,
            "labels/case.html",
            {
                "case": case,
                "current": presenting.shown(case),
                "facts": presenting.facts(case),
                "external_ids": external_ids([case])[case.pk],
                "sightings": case.sightings.order_by("-id")[:HISTORY],
                "revisions": revisions,
                "newest": revisions[0][0].label.get("label") if revisions else None,
                "classes": keyed(self.project.classes) if self.project.task == "classification" else [],
                "reasons": presenting.reasons(),
                "declined_as": {code: word for code, word, _key in presenting.reasons()}.get(case.decline_reason or ""),
                "snoozes": presenting.snoozes(),
                "slots": [reverse(name, args=[project, key]) for name in CASE_SLOTS],
                "notes": read_page_parameters(request, Parameters).notes,
                **permissions(self),
            },
        )


class LabelPage(ProjectPage):
    """Where the class buttons go."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.LABEL}

    def post(self, request: HttpRequest, project: str, key: str) -> HttpResponse:
        """Label, then back to the case."""
        item = LabelItem(case=key, label={"label": request.POST.get("label", "")}, note=request.POST.get("note", ""))
        case_for(self.project, key)
        try:
            labelled = label_case(actor=self.actor, project=self.project, item=item)
        except Refusal as refusal:
            messages.error(request, refusal.sentence)
        else:
            words = (
                _("%(key)s is labelled %(label)s.")
                if labelled.created
                else _("%(key)s was labelled %(label)s already; nothing was changed.")
            )
            messages.success(request, words % {"key": key, "label": in_words(labelled.label)})
        return HttpResponseRedirect(reverse("case-page", args=[project, key]))
