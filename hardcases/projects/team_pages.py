"""Pages of teams: those you are in, one of them with its people and projects, a new one."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views import View

from hardcases.audit.models import AuditEvent
from hardcases.audit.sentences import sentence
from hardcases.errors import Conflict, Invalid
from hardcases.projects import people, teams
from hardcases.projects.access import team_member_for, teams_of
from hardcases.projects.authentication import actor_of
from hardcases.projects.doors import TeamPage
from hardcases.projects.forms import ROLE_NAMES, NewTeamForm, TeamForm, TeamInviteForm
from hardcases.projects.models import Project, TeamMembership
from hardcases.projects.permissions import InTeam, Role
from hardcases.web.pages import render_page

SHOWN_EVENTS = 20


class TeamList(LoginRequiredMixin, View):
    """Your teams."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """All of them: a person is in a few."""
        rows = [{"membership": mine, "role": ROLE_NAMES[Role(mine.team.default_role)]} for mine in teams_of(actor_of(request))]
        return render_page(request, "projects/teams.html", {"rows": rows})


class TeamNew(LoginRequiredMixin, View):
    """A new team."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """The empty form."""
        return render_page(request, "projects/team_new.html", {"form": NewTeamForm()})

    def post(self, request: HttpRequest) -> HttpResponse:
        """Make it, and go where people are brought in."""
        form = NewTeamForm(request.POST)
        if form.is_valid():
            said = form.cleaned_data
            try:
                team = teams.create_team(actor=actor_of(request), slug=said["slug"], name=said["name"], default_role=form.role())
            except (Invalid, Conflict) as refusal:
                form.refuse(refusal)
            else:
                return redirect("team", team=team.slug)
        return render_page(request, "projects/team_new.html", {"form": form}, status=422)


class TeamDetail(TeamPage):
    """Who is in the team, what it owns, what was changed about it."""

    can = {"GET": InTeam.SEE, "POST": InTeam.MANAGE}

    def _page(
        self, request: HttpRequest, form: TeamForm | None = None, invite: TeamInviteForm | None = None, status: int = 200, **more: object
    ) -> HttpResponse:
        team = self.team
        members = TeamMembership.objects.filter(team=team).select_related("user").order_by("-manages", "user__username")
        log = AuditEvent.objects.filter(object_type="team", object_id=team.slug, project_id=None).order_by("-id")[:SHOWN_EVENTS]
        context = {
            "team": team,
            "role": ROLE_NAMES[Role(team.default_role)],
            "manages": self.manages,
            "members": members,
            "owned": Project.objects.filter(team=team).order_by("name", "pk"),
            "history": [{"event": event, "sentence": sentence(event)} for event in log],
            "form": form or TeamForm(initial={"name": team.name, "default_role": team.default_role}),
            "invite": invite or TeamInviteForm(auto_id="id_invite_%s"),
        }
        response = render_page(request, "projects/team.html", context | more, status=status)
        response["Cache-Control"] = "no-store"  # the page may show a sign-in link
        return response

    def get(self, request: HttpRequest, team: str) -> HttpResponse:
        """The page."""
        return self._page(request)

    def post(self, request: HttpRequest, team: str) -> HttpResponse:
        """Another name or another role for its members."""
        form = TeamForm(request.POST)
        if not form.is_valid():
            return self._page(request, form=form, status=422)
        teams.change_team(actor=self.actor, team=self.team, name=form.cleaned_data["name"], default_role=form.role())
        messages.success(request, _("The team was changed."))
        return redirect("team", team=self.team.slug)


class TeamInvite(TeamDetail):
    """Bring somebody in."""

    can = {"GET": InTeam.MANAGE, "POST": InTeam.MANAGE}

    def get(self, request: HttpRequest, team: str) -> HttpResponse:
        """A reload after the link was shown leads back to the team."""
        return redirect("team", team=self.team.slug)

    def post(self, request: HttpRequest, team: str) -> HttpResponse:
        """Into the team; for a new account the link, shown this once."""
        invite = TeamInviteForm(request.POST, auto_id="id_invite_%s")
        if not invite.is_valid():
            return self._page(request, invite=invite, status=422)
        try:
            user, code = people.invite_to_team(actor=self.actor, team=self.team, username=invite.cleaned_data["username"])
        except (Invalid, Conflict) as refusal:
            invite.refuse(refusal)
            return self._page(request, invite=invite, status=422)
        return self._page(request, invited=user, link=f"{settings.PUBLIC_URL}{reverse('invite', args=[code])}" if code else None)


class TeamMember(TeamPage):
    """Take somebody out, or let them manage the team."""

    can = {"POST": InTeam.MANAGE}

    def post(self, request: HttpRequest, team: str, username: str) -> HttpResponse:
        """`do` is `remove`, `manage` or `not_manage`."""
        user, do = team_member_for(self.team, username), request.POST.get("do")
        try:
            if do == "remove":
                teams.remove_team_member(actor=self.actor, team=self.team, user=user)
                messages.success(request, _("%(name)s is no longer in the team.") % {"name": user.printed_name})
            elif do in ("manage", "not_manage"):
                teams.set_manages(actor=self.actor, team=self.team, user=user, manages=do == "manage")
                said = _("%(name)s manages the team.") if do == "manage" else _("%(name)s no longer manages the team.")
                messages.success(request, said % {"name": user.printed_name})
            else:
                raise Invalid("The form did not say what to do: remove, manage or not_manage. Nothing was changed.")
        except Conflict as refusal:
            messages.error(request, refusal.sentence)
        return redirect("team", team=team) if self._still_in() else redirect("team-list")

    def _still_in(self) -> bool:
        """Whoever took themselves out cannot see the team any more."""
        return TeamMembership.objects.filter(team=self.team, user_id=self.actor.user_id or 0).exists()
