"""Pages of projects: the list, one project's overview, its settings."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views import View

from hardcases.errors import Conflict, Forbidden, Invalid
from hardcases.projects import actions, people
from hardcases.projects.access import can, member_for, people_in, permissions_in, projects_of, teams_of
from hardcases.projects.authentication import actor_of
from hardcases.projects.documents import document_of, read
from hardcases.projects.doors import ProjectPage
from hardcases.projects.forms import ROLE_NAMES, InviteForm, ProjectForm, RolesForm
from hardcases.projects.permissions import Can, Role
from hardcases.projects.upload import tokens_of
from hardcases.web.pages import render_page


class Home(LoginRequiredMixin, View):
    """`/`: the project you had open last, else your only one, else the list."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Go on."""
        mine = {project.slug: project for project in projects_of(actor_of(request))[:50]}
        last = str(request.session.get("project", ""))
        slug = last if last in mine else next(iter(mine)) if len(mine) == 1 else None
        if slug is None or not can(actor_of(request), Can.VIEW, mine[slug]):
            return redirect("project-list")
        return redirect("project-overview", project=slug)


class ProjectList(LoginRequiredMixin, View):
    """Your projects."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """All of them: a person is in a few."""
        actor = actor_of(request)
        teams = {membership.team_id for membership in teams_of(actor)}
        return render_page(request, "projects/list.html", {"mine": projects_of(actor), "teams": teams})


class ProjectNew(LoginRequiredMixin, View):
    """A new project."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """The empty form."""
        return render_page(request, "projects/new.html", {"form": ProjectForm()})

    def post(self, request: HttpRequest) -> HttpResponse:
        """Create it and go to its Upload page, where the first case comes from."""
        form = ProjectForm(request.POST)
        if form.is_valid() and not request.user.is_anonymous:
            try:
                project = actions.create_project(actor=actor_of(request), document=read(form.body()), owner=request.user)
            except (Invalid, Conflict, Forbidden) as refusal:
                form.refuse(refusal)
            else:
                return redirect("project-upload", project=project.slug)
        return render_page(request, "projects/new.html", {"form": form}, status=422)


class Overview(ProjectPage):
    """What needs a person now, and what the project is."""

    can = {"GET": Can.VIEW}

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """The page; rooms above fill its slots."""
        document = document_of(self.project)
        may = permissions_in(self.actor, self.project)
        context = {"document": document, "may_report": Can.REPORT in may, "may_manage": Can.MANAGE in may}
        return render_page(request, "projects/overview.html", context)


def _words(roles: Iterable[Role]) -> str:
    return ", ".join(str(ROLE_NAMES[role]) for role in roles)


class Settings(ProjectPage):
    """People and what they may do, tokens, classes and attributes."""

    can = {"GET": Can.MANAGE, "POST": Can.MANAGE}

    def _page(
        self, request: HttpRequest, form: ProjectForm, *, invite: InviteForm | None = None, status: int = 200, **more: Any
    ) -> HttpResponse:
        members = [
            member | {"words": _words(member["own"]), "form": RolesForm(initial={"roles": member["own"]}, auto_id=f"id_{number}_%s")}
            for number, member in enumerate(people_in(self.project))
        ]
        context = {
            "form": form,
            "team_role": ROLE_NAMES[Role(self.project.team.default_role)],
            "invite": invite or InviteForm(auto_id="id_invite_%s"),
            "members": members,
        }
        response = render_page(request, "projects/settings.html", context | tokens_of(self) | more, status=status)
        response["Cache-Control"] = "no-store"  # the page may show a sign-in link
        return response

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """The page."""
        return self._page(request, ProjectForm(initial=ProjectForm.initial_of(document_of(self.project))))

    def post(self, request: HttpRequest, project: str) -> HttpResponse:
        """Change classes, attributes and names."""
        form = ProjectForm(request.POST)
        if form.is_valid():
            try:
                actions.update_project(actor=self.actor, project=self.project, document=read(form.body()))
            except (Invalid, Conflict, Forbidden) as refusal:
                form.refuse(refusal)
            else:
                messages.success(request, _("The project was changed."))
                return redirect("project-settings", project=self.project.slug)
        return self._page(request, form, status=422)


class MemberInvite(Settings):
    """Bring somebody in."""

    can = {"GET": Can.MANAGE, "POST": Can.MANAGE}

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """A reload after the link was shown leads back to the settings."""
        return redirect("project-settings", project=self.project.slug)

    def post(self, request: HttpRequest, project: str) -> HttpResponse:
        """Roles, and for a new account the link, shown this once."""
        invite = InviteForm(request.POST, auto_id="id_invite_%s")
        settled = ProjectForm(initial=ProjectForm.initial_of(document_of(self.project)))
        if not invite.is_valid():
            return self._page(request, settled, invite=invite, status=422)
        try:
            user, code = people.invite(
                actor=self.actor, project=self.project, username=invite.cleaned_data["username"], roles=invite.chosen()
            )
        except (Invalid, Conflict) as refusal:
            invite.refuse(refusal)
            return self._page(request, settled, invite=invite, status=422)
        link = f"{settings.PUBLIC_URL}{reverse('invite', args=[code])}" if code else None
        return self._page(request, settled, invited=user, link=link)


class MemberRoles(ProjectPage):
    """Change what somebody may do, or take them out."""

    can = {"POST": Can.MANAGE}

    def post(self, request: HttpRequest, project: str, username: str) -> HttpResponse:
        """Exactly the roles ticked."""
        user = member_for(self.project, username)
        form = RolesForm(request.POST)
        if form.is_valid():
            try:
                actions.set_roles(actor=self.actor, project=self.project, user=user, roles=form.chosen())
            except Conflict as refusal:
                messages.error(request, refusal.sentence)
            else:
                messages.success(request, _("The roles of %(name)s were set.") % {"name": user.username})
        return redirect("project-settings", project=self.project.slug)
