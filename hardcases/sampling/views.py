"""The page of a project's sampling rules."""

from typing import Any, ClassVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from hardcases.errors import Refusal
from hardcases.projects.doors import ProjectPage
from hardcases.projects.permissions import Can
from hardcases.sampling import actions, presenting, queries
from hardcases.sampling.forms import RuleForm
from hardcases.sampling.rules import read_rules
from hardcases.web.pages import render_page
from hardcases.web.queries import Parameters, read_page_parameters


class SamplingPage(ProjectPage):
    """Which arrivals are kept: the rules in their order, what they did, and a form for one more."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.MANAGE, "POST": Can.MANAGE}

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """The page."""
        notes = read_page_parameters(request, Parameters).notes
        return self._page(request, RuleForm(self.project), notes=notes)

    def _page(self, request: HttpRequest, form: RuleForm, status: int = 200, **more: Any) -> HttpResponse:
        done = queries.in_force(self.project)
        context = {
            "form": form,
            "rules": [presenting.row(one) for one in done],
            "seen": ",".join(str(one.row.pk) for one in done),
            "left_out": [presenting.left_out(row) for row in queries.newest_left_out(self.project)],
        }
        return render_page(request, "sampling/sampling.html", context | more, status=status)

    def post(self, request: HttpRequest, project: str) -> HttpResponse:
        """`do` is preview or add (of the form), or remove or up (of the rule `rule`)."""
        if request.POST.get("do") in {"remove", "up"}:
            return self._move(request)
        form = RuleForm(self.project, request.POST)
        if not form.is_valid():
            return self._page(request, form, status=422)
        try:
            (document,) = read_rules([form.document()], {attribute.name for attribute in self.project.attributes.all()})
            if request.POST.get("do") != "add":
                tried = queries.try_rule(self.project, document)
                return self._page(request, form, tried=tried, tried_words=presenting.in_words(document))
            others = [one.row.document for one in queries.in_force(self.project)]
            wanted = [document, *others] if form.cleaned_data["first"] else [*others, document]
            actions.set_rules(actor=self.actor, project=self.project, documents=wanted, seen=_seen(request))
        except Refusal as refusal:
            form.refuse(refusal)
            return self._page(request, form, status=422)
        messages.success(request, _("The rule decides about what arrives from now on."))
        return HttpResponseRedirect(reverse("sampling", args=[self.project.slug]))

    def _move(self, request: HttpRequest) -> HttpResponse:
        rules = [one.row for one in queries.in_force(self.project)]
        at = next((index for index, row in enumerate(rules) if str(row.pk) == request.POST.get("rule")), None)
        if at is not None:
            row = rules.pop(at)
            if request.POST.get("do") == "up":
                rules.insert(max(0, at - 1), row)
            try:
                actions.set_rules(actor=self.actor, project=self.project, documents=[one.document for one in rules], seen=_seen(request))
            except Refusal as refusal:
                messages.error(request, refusal.sentence)
        return HttpResponseRedirect(reverse("sampling", args=[self.project.slug]))


def _seen(request: HttpRequest) -> list[int]:
    """The ids of the rules that stood on the page."""
    return [int(one) for one in request.POST.get("seen", "").split(",") if one.isascii() and one.isdigit() and len(one) < 18]
