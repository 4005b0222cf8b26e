"""Pages of what was set aside: its findings, and the repair of one."""

from typing import Any, ClassVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from rest_framework import serializers

from hardcases.errors import NotFound, Refusal
from hardcases.projects.access import can
from hardcases.projects.doors import ProjectPage
from hardcases.projects.permissions import Can
from hardcases.repairs import actions, presenting, queries
from hardcases.repairs.collecting import Finding
from hardcases.repairs.forms import DECLARE, RepairForm
from hardcases.repairs.rules import Rule
from hardcases.web.pages import render_page
from hardcases.web.queries import Parameters, read_page_parameters


class FindingsParameters(Parameters):
    """Whether reviewed findings are shown as well."""

    reviewed = serializers.BooleanField(required=False, default=False)


class QuarantinePage(ProjectPage):
    """Everything that did not fit, finding by finding; asking to read all of it again."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.TRIAGE, "POST": Can.TRIAGE}

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """The findings, the repairs that are kept, and the last ones that were asked for."""
        given = read_page_parameters(request, FindingsParameters)
        found = queries.findings(self.project)
        shown = [finding for finding in found.findings if given.values["reviewed"] or finding.open]
        context = {
            "rows": [presenting.row(self.project, finding) for finding in shown[: presenting.MOST_SHOWN]],
            "total": len(shown),
            "reviewed": len(found.findings) - sum(1 for finding in found.findings if finding.open),
            "found": found,
            "rules": [presenting.rule_row(row) for row in queries.standing_rules(self.project)],
            "jobs": [presenting.job_row(job) for job in queries.newest_jobs(self.project)],
            "notes": given.notes,
            "show_reviewed": given.values["reviewed"],
        }
        return render_page(request, "repairs/quarantine.html", context)

    def post(self, request: HttpRequest, project: str) -> HttpResponse:
        """Read everything again, as it is: after an attribute was declared or a class added."""
        actions.start_repair(actor=self.actor, project=self.project, rule=Rule(action="again"))
        messages.success(request, _("Everything that was set aside is being read again."))
        return HttpResponseRedirect(reverse("quarantine", args=[project]))


class FindingPage(ProjectPage):
    """One finding: preview a repair, then carry it out."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.TRIAGE, "POST": Can.TRIAGE}

    def _finding(self, name: str) -> Finding:
        finding = next((finding for finding in queries.findings(self.project).findings if finding.id == name), None)
        if finding is None:
            raise NotFound(_("Nothing of this kind is set aside any more. Go back to the list."))
        return finding

    def _page(self, request: HttpRequest, finding: Finding, form: RepairForm, status: int = 200, **more: Any) -> HttpResponse:
        context = {"row": presenting.row(self.project, finding), "form": form, "may_declare": can(self.actor, Can.MANAGE, self.project)}
        return render_page(request, "repairs/finding.html", context | more, status=status)

    def get(self, request: HttpRequest, project: str, finding: str) -> HttpResponse:
        """The finding, its examples, the form."""
        found = self._finding(finding)
        return self._page(request, found, RepairForm(self.project, found, may_declare=can(self.actor, Can.MANAGE, self.project)))

    def post(self, request: HttpRequest, project: str, finding: str) -> HttpResponse:
        """`do` is preview or apply."""
        found = self._finding(finding)
        form = RepairForm(self.project, found, request.POST, may_declare=can(self.actor, Can.MANAGE, self.project))
        if not form.is_valid():
            return self._page(request, found, form, status=422)
        try:
            if form.cleaned_data["action"] == DECLARE:
                name = found.place.removeprefix("attributes.")
                actions.declare_attribute(actor=self.actor, project=self.project, name=name, kind=form.cleaned_data["kind"])
            else:
                rule = form.rule()
                actions.check(self.project, rule)
                if request.POST.get("do") != "apply":
                    seen = presenting.preview(queries.preview(self.project, rule), rule)
                    return self._page(request, found, form, preview=seen)
                actions.start_repair(actor=self.actor, project=self.project, rule=rule, remember=bool(form.cleaned_data.get("remember")))
        except Refusal as refusal:
            form.refuse(refusal)
            return self._page(request, found, form, status=422)
        messages.success(request, _("The repair is under way. Its progress stands below."))
        return HttpResponseRedirect(reverse("quarantine", args=[project]))


class RetirePage(ProjectPage):
    """Stop a repair of reports to come."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.TRIAGE}

    def post(self, request: HttpRequest, project: str, number: int) -> HttpResponse:
        """What it repaired stays."""
        actions.retire_rule(actor=self.actor, project=self.project, number=number)
        messages.success(request, _("Reports to come are no longer read with this repair. What it repaired stays."))
        return HttpResponseRedirect(reverse("quarantine", args=[project]))
