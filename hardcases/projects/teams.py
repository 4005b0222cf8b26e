"""What people do to teams. A team owns projects, so each act stands in the log of every project it owns as well as in the team's own."""

from typing import Any

from django.db import IntegrityError, transaction

from hardcases.audit.actions import record
from hardcases.audit.actors import Actor
from hardcases.errors import Conflict, Detail, Forbidden, Invalid
from hardcases.projects.documents import DEFAULT_TEAM, SLUG_RULE, is_slug
from hardcases.projects.models import Project, Team, TeamMembership, User
from hardcases.projects.permissions import Role


class TeamTaken(Conflict):
    code, title = "team_taken", "A team with this short name exists"


class NotYourTeam(Forbidden):
    code, title = "not_your_team", "You are not in this team"


class NoManagerLeft(Conflict):
    code, title = "no_manager_left", "The team would have nobody who manages it"


def _record(actor: Actor, action: str, team: Team, **change: dict[str, Any]) -> None:
    """One entry for the team, one for each project that it owns: who is in a team decides who gets into them."""
    for project_id in (None, *Project.objects.filter(team=team).order_by("pk").values_list("pk", flat=True)):
        record(actor, action, "team", team.slug, project_id=project_id, **change)


@transaction.atomic
def team_to_own(*, actor: Actor, slug: str) -> Team:
    """The team that is to own a project, made on first use. A person brings a project into a team only from within; `default` is open to everybody.

    Raises NotYourTeam.
    """
    team, made = Team.objects.get_or_create(slug=slug, defaults={"name": slug})
    if made:
        _found(actor, team)
    elif (
        slug != DEFAULT_TEAM and actor.user_id is not None and not TeamMembership.objects.filter(team=team, user_id=actor.user_id).exists()
    ):
        raise NotYourTeam(f"The team {slug} exists and you are not in it. Nothing was stored. Ask to join, or name another team.")
    return team


@transaction.atomic
def create_team(*, actor: Actor, slug: str, name: str, default_role: Role = Role.VIEWER) -> Team:
    """A new team; whoever makes it is its first member and manages it. Raises Invalid and TeamTaken."""
    if not is_slug(slug):
        raise Invalid(f"{SLUG_RULE} No team was made.", errors=[Detail(pointer="/slug", detail=SLUG_RULE)])
    taken = TeamTaken(f"A team with the short name {slug} exists already. No team was made. Choose another short name.")
    if slug == DEFAULT_TEAM:  # it owns the projects of everybody who names no team, so it is never somebody's own
        raise taken
    try:
        with transaction.atomic():
            team = Team.objects.create(slug=slug, name=name, default_role=default_role)
    except IntegrityError as error:
        raise taken from error
    _found(actor, team)
    return team


def _found(actor: Actor, team: Team) -> None:
    """Enter the new team; whoever made it manages it. `default` belongs to nobody, and neither does what a command made."""
    _record(actor, "team.created", team, after={"name": team.name, "role": team.default_role})
    if team.slug == DEFAULT_TEAM or actor.user_id is None:
        return
    TeamMembership.objects.create(team=team, user_id=actor.user_id, manages=True)
    _record(actor, "team.member_added", team, after={"user": actor.name, "role": team.default_role, "manages": True})


@transaction.atomic
def change_team(*, actor: Actor, team: Team, name: str, default_role: Role) -> Team:
    """Another name, another role for its members in each of its projects. Equal values change nothing."""
    locked = _locked(team)
    before, after = ({"name": locked.name, "role": locked.default_role}, {"name": name, "role": default_role.value})
    if before != after:
        locked.name, locked.default_role = name, default_role
        locked.save(update_fields=["name", "default_role"])
        _record(actor, "team.changed", locked, before=before, after=after)
    return locked


@transaction.atomic
def add_team_member(*, actor: Actor, team: Team, user: User) -> TeamMembership:
    """Put a person into a team: from now on they have its default role in each of its projects. Doing it again changes nothing."""
    membership, made = TeamMembership.objects.get_or_create(team=team, user=user)
    if made:
        _record(actor, "team.member_added", team, after={"user": user.username, "role": team.default_role})
    return membership


@transaction.atomic
def remove_team_member(*, actor: Actor, team: Team, user: User) -> None:
    """Take a person out of a team; roles given in single projects stay. Raises NoManagerLeft for the last one who manages it."""
    _locked(team)
    managed = TeamMembership.objects.filter(team=team, user=user, manages=True).exists()
    if TeamMembership.objects.filter(team=team, user=user).delete()[0]:
        _record(actor, "team.member_removed", team, before={"user": user.username})
    if managed:
        _refuse_without_manager(team, user)


@transaction.atomic
def set_manages(*, actor: Actor, team: Team, user: User, manages: bool) -> None:
    """Let a member manage the team, or no longer. Raises NoManagerLeft for the last one who does."""
    _locked(team)
    if TeamMembership.objects.filter(team=team, user=user, manages=not manages).update(manages=manages):
        code = "team.manager_added" if manages else "team.manager_removed"
        _record(actor, code, team, after={"user": user.username})
        _refuse_without_manager(team, user)


def _locked(team: Team) -> Team:
    """The team's row, locked: two managers who remove each other at once come one after the other."""
    return Team.objects.select_for_update().get(pk=team.pk)


def _refuse_without_manager(team: Team, user: User) -> None:
    if not TeamMembership.objects.filter(team=team, manages=True, user__is_active=True).exists():
        raise NoManagerLeft(
            f"{user.username} is the last who manages the team {team.slug}. Nothing was changed. Let somebody else manage it first."
        )
