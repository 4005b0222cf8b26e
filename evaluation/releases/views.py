"""Pages: policies, releases, and the one place where a release is signed."""

from typing import ClassVar

from allauth.core import ratelimit
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from rest_framework import serializers

from evaluation.releases import actions, presenting
from evaluation.releases.access import policies_of, policy_version_for, release_for, releases_of
from evaluation.releases.forms import AcceptForm, OpenReleaseForm, PolicyForm, SignForm
from evaluation.releases.models import Release
from evaluation.releases.queries import comparable_runs
from hardcases.errors import Forbidden, NotFound, Refusal
from hardcases.projects.access import can
from hardcases.projects.doors import ProjectPage
from hardcases.projects.permissions import Can
from hardcases.web.pages import render_page
from hardcases.web.pagination import keyset_page
from hardcases.web.queries import ListParameters, Parameters, read_page_parameters


class ReleaseParameters(Parameters):
    """What the address of a release page may say."""

    stratum = serializers.CharField(required=False, max_length=300)


class PolicyParameters(Parameters):
    """What the address of a policy's page may say: the run on whose cases and flips it is simulated."""

    run = serializers.IntegerField(required=False, min_value=1, max_value=1_000_000_000)


class ReleaseListPage(ProjectPage):
    """Candidates, newest first."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """The list."""
        given = read_page_parameters(request, ListParameters)
        page = keyset_page(
            releases_of(self.project).order_by("-id"), order=["-id"], cursor=given.values.get("cursor"), limit=given.values["limit"]
        )
        rows = [presenting.line(release) for release in page.rows]
        may_open = can(self.actor, Can.OPEN_RELEASE, self.project)
        return render_page(request, "releases/list.html", {"rows": rows, "next": page.next, "may_open": may_open, "notes": given.notes})


class OpenReleasePage(ProjectPage):
    """Put a model version forward."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.OPEN_RELEASE, "POST": Can.OPEN_RELEASE}

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """The form; the address may pre-fill it."""
        return render_page(request, "releases/open.html", {"form": OpenReleaseForm(self.project, initial=request.GET.dict())})

    def post(self, request: HttpRequest, project: str) -> HttpResponse:
        """Open and judge."""
        form = OpenReleaseForm(self.project, request.POST)
        if form.is_valid():
            try:
                release = actions.open_release(actor=self.actor, project=self.project, **form.cleaned_data)
            except Refusal as refusal:
                form.add_error(None, refusal.sentence)
            else:
                return HttpResponseRedirect(_address(release))
        return render_page(request, "releases/open.html", {"form": form}, status=422)


class ReleasePage(ProjectPage):
    """The sign-off page: where we are, the checks, what is missing, what changed, what it stands on."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    def get(self, request: HttpRequest, project: str, number: int) -> HttpResponse:
        """Complete at once."""
        given = read_page_parameters(request, ReleaseParameters)
        release = release_for(self.project, number)
        context = presenting.page(release, stratum=given.values.get("stratum"))
        may_sign = can(self.actor, Can.SIGN, self.project)
        return render_page(request, "releases/release.html", context | {"may_sign": may_sign, "notes": given.notes})


@method_decorator([never_cache, sensitive_post_parameters("password")], name="dispatch")
class SignPage(ProjectPage):
    """What is signed, its meaning, and the password again."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.SIGN, "POST": Can.SIGN}

    def get(self, request: HttpRequest, project: str, number: int) -> HttpResponse:
        """The statement and the form, bound to the digest that is shown."""
        release = release_for(self.project, number)
        rejects = release.verdict != "pass" or request.GET.get("meaning") == "reject"
        form = SignForm(initial={"evidence_digest": release.evidence_digest, "meaning": "reject" if rejects else "approve"})
        return self._page(request, release, form)

    def post(self, request: HttpRequest, project: str, number: int) -> HttpResponse:
        """Sign, or say why not."""
        release = release_for(self.project, number)
        if (limited := ratelimit.consume_or_429(request, action="reauthenticate", user=request.user)) is not None:
            return limited  # type: ignore[no-any-return]
        form = SignForm(request.POST)
        if not form.is_valid():
            return self._page(request, release, form, status=422)
        given = form.cleaned_data
        try:
            signature = actions.sign_release(
                actor=self.actor,
                release=release,
                password=given["password"],
                evidence_digest=given["evidence_digest"],
                meaning=given["meaning"],
                comment=given["comment"],
            )
        except Forbidden as refusal:
            form.add_error("password", refusal.sentence)
            return self._page(request, release, form, status=403)
        except Refusal as refusal:
            form.add_error(None, refusal.sentence)
            return self._page(request, release_for(self.project, number), form, status=refusal.status)
        done = _("Rejected by %(name)s.") if signature.meaning == "reject" else _("Approved and signed by %(name)s.")
        messages.success(request, done % {"name": signature.printed_name})
        return HttpResponseRedirect(_address(release))

    def _page(self, request: HttpRequest, release: Release, form: SignForm, status: int = 200) -> HttpResponse:
        context = presenting.signing(release, self.actor.name) | {"form": form}
        return render_page(request, "releases/sign.html", context, status=status)


class AcceptPage(ProjectPage):
    """Accept in writing that a check has too few cases."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.SIGN, "POST": Can.SIGN}

    def get(self, request: HttpRequest, project: str, number: int) -> HttpResponse:
        """Which check, and the form."""
        release = release_for(self.project, number)
        check = presenting.check(release, request.GET.get("check", ""))
        if check is None:
            raise NotFound("This release has no such check.")
        form = AcceptForm(initial={"check_name": check["name"]})
        return render_page(request, "releases/accept.html", {"release": release, "check": check, "form": form})

    def post(self, request: HttpRequest, project: str, number: int) -> HttpResponse:
        """Store the acceptance and judge again."""
        release, form = release_for(self.project, number), AcceptForm(request.POST)
        if form.is_valid():
            try:
                actions.accept_too_few(actor=self.actor, release=release, **form.cleaned_data)
            except Refusal as refusal:
                form.add_error(None, refusal.sentence)
            else:
                return HttpResponseRedirect(_address(release))
        check = presenting.check(release, request.POST.get("check_name", ""))
        return render_page(request, "releases/accept.html", {"release": release, "check": check, "form": form}, status=422)


class PolicyListPage(ProjectPage):
    """Policies and their versions."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """The list."""
        given = read_page_parameters(request, ListParameters)
        page = keyset_page(
            policies_of(self.project).order_by("-id"), order=["-id"], cursor=given.values.get("cursor"), limit=given.values["limit"]
        )
        may_propose = can(self.actor, Can.PROPOSE_POLICY, self.project)
        context = {"versions": page.rows, "next": page.next, "may_propose": may_propose, "notes": given.notes}
        return render_page(request, "releases/policies.html", context)


class ProposePolicyPage(ProjectPage):
    """Write a policy, or the next version of one."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.PROPOSE_POLICY, "POST": Can.PROPOSE_POLICY}

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """The form, with a careful starting point."""
        return render_page(request, "releases/propose.html", {"form": PolicyForm(initial={"document": presenting.STARTING_POLICY})})

    def post(self, request: HttpRequest, project: str) -> HttpResponse:
        """Store the next version."""
        form = PolicyForm(request.POST)
        if form.is_valid():
            try:
                version, _made = actions.propose_policy(actor=self.actor, project=self.project, document=form.cleaned_data["document"])
            except Refusal as refusal:
                for item in refusal.errors or ():
                    form.add_error("document", f"{item.pointer}: {item.detail}")
                if not refusal.errors:
                    form.add_error("document", refusal.sentence)
            else:
                return HttpResponseRedirect(reverse("policy-page", args=[self.project.slug, str(version)]))
        return render_page(request, "releases/propose.html", {"form": form}, status=422)


class PolicyPage(ProjectPage):
    """One policy version: its checks in words, and its approval by a second person."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW, "POST": Can.APPROVE_POLICY}

    def get(self, request: HttpRequest, project: str, policy: str) -> HttpResponse:
        """The page."""
        version = policy_version_for(self.project, policy)
        given = read_page_parameters(request, PolicyParameters)
        mine = version.proposed_by_id == self.actor.user_id
        may_approve = not mine and version.approved_by_id is None and can(self.actor, Can.APPROVE_POLICY, self.project)
        runs = comparable_runs(self.project)
        chosen = next((run for run in runs if run.number == given.values.get("run")), None)
        context = presenting.policy(version) | {
            "may_approve": may_approve,
            "mine": mine,
            "notes": given.notes,
            "runs": runs,
            "chosen": chosen,
        }
        if chosen is not None:
            context["simulation"] = presenting.simulation(version, chosen)
        return render_page(request, "releases/policy.html", context)

    def post(self, request: HttpRequest, project: str, policy: str) -> HttpResponse:
        """Approve."""
        version = policy_version_for(self.project, policy)
        actions.approve_policy(actor=self.actor, project=self.project, version=version)
        messages.success(request, _("Policy %(policy)s is approved.") % {"policy": version})
        return HttpResponseRedirect(reverse("policy-page", args=[self.project.slug, str(version)]))


def _address(release: Release) -> str:
    return reverse("release-page", args=[release.project.slug, release.number])
