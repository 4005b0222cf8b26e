"""The doors: the only place that finds things by id for somebody. A stranger gets the same 404 as for nothing at all; a member who may not gets 403."""

from typing import Any
from uuid import UUID

from django.db.models import CharField, Count, F, OuterRef, Q, QuerySet, Subquery, Value

from hardcases.audit.actors import Actor
from hardcases.database.prepared import Given, Prepared
from hardcases.errors import Forbidden, NotFound
from hardcases.projects.models import ApiToken, Membership, Project, Team, TeamMembership, User
from hardcases.projects.permissions import PURPOSES, ROLES, SCOPES, Can, InTeam, Role, Scope, allowed
from hardcases.work.models import Job

NOTHING_HERE = "There is nothing at this address that you can see. Check the address, or ask for access to the project."


def roles_in(actor: Actor, project: Project) -> frozenset[Role]:
    """Every role the person (for a token: its maker) has in the project now, by membership or through the owning team. One query."""
    if actor.kind == "system":
        return frozenset(Role)
    if actor.user_id is None:
        return frozenset()
    return frozenset(Role(role) for (role,) in _ROLES.all(project=project.pk, team=project.team_id, user=actor.user_id))


def _own_and_team_roles() -> Any:
    own = Membership.objects.filter(project_id=Given("project"), user_id=Given("user"), user__is_active=True)
    team = TeamMembership.objects.filter(team_id=Given("team"), user_id=Given("user"), user__is_active=True)
    return own.order_by().values_list("role").union(team.order_by().values_list("team__default_role"))


_ROLES: Prepared[tuple[str]] = Prepared(_own_and_team_roles)


def _may(actor: Actor, permission: Can, project: Project, roles: frozenset[Role]) -> bool:
    if actor.kind == "token" and (actor.project_id != project.pk or SCOPES[permission] not in (actor.scopes or ())):
        return False
    return allowed(permission, roles)


def can(actor: Actor, permission: Can, project: Project) -> bool:
    """Whether the actor may do this in this project: role and, for a token, scope. One query."""
    return _may(actor, permission, project, roles_in(actor, project))


def permissions_in(actor: Actor, project: Project) -> frozenset[Can]:
    """Everything the actor may do in the project, in one query: for menus and pages with many buttons."""
    roles = roles_in(actor, project)
    return frozenset(permission for permission in Can if _may(actor, permission, project, roles))


def scopes_for(actor: Actor, project: Project) -> list[Scope]:
    """The scopes a person may give a token: those that cover at least one thing that they may do themselves."""
    roles = roles_in(actor, project)
    useful = {scope for permission, scope in SCOPES.items() if scope is not None and not roles.isdisjoint(ROLES[permission])}
    return [scope for scope in Scope if scope in useful]


def projects_of(actor: Actor) -> QuerySet[Project]:
    """The projects the actor belongs to by slug, in one query. Nothing for somebody deactivated."""
    if actor.kind == "system":
        return Project.objects.select_related("team").order_by("slug")
    if actor.user_id is None:
        return Project.objects.none()
    # Subqueries, not joins: a join over an absent membership compares with NULL and needs DISTINCT besides.
    mine = Q(pk__in=Membership.objects.filter(user_id=actor.user_id, user__is_active=True).values("project_id"))
    ours = Q(team_id__in=TeamMembership.objects.filter(user_id=actor.user_id, user__is_active=True).values("team_id"))
    found = Project.objects.select_related("team").filter(mine | ours).order_by("slug")
    return found.filter(pk=actor.project_id or 0) if actor.kind == "token" else found


def project_for(actor: Actor, slug: str, permission: Can, *, read: Project | None = None) -> Project:
    """The project by slug, for this actor and this purpose, in two queries. Raises NotFound to strangers, Forbidden to members who may not.

    `read` is a token's own project where it was read together with the token, which saves a query. A token stays a token of its project when its maker has
    left: it is told so with 403, while every other project is 404 to it.
    """
    project = read or Project.objects.select_related("team").filter(slug=slug).first()
    if project is None or project.slug != slug or (actor.kind == "token" and actor.project_id != project.pk):
        raise NotFound(NOTHING_HERE)
    roles = roles_in(actor, project)
    if not roles and actor.kind != "token":
        raise NotFound(NOTHING_HERE)
    if not _may(actor, permission, project, roles):
        raise Forbidden(_why_not(actor, permission, roles))
    return project


def require(actor: Actor, permission: Can, project: Project) -> None:
    """A second permission on a project already opened. Raises Forbidden."""
    roles = roles_in(actor, project)
    if not _may(actor, permission, project, roles):
        raise Forbidden(_why_not(actor, permission, roles))


def job_for(actor: Actor, job_id: UUID) -> Job:
    """A job of a project whose cases the actor may see. Raises NotFound to everybody else, and for work of the installation itself."""
    job = Job.objects.filter(pk=job_id).first()
    project = None if job is None or job.project_id is None else projects_of(actor).filter(pk=job.project_id).first()
    if job is None or project is None:
        raise NotFound(NOTHING_HERE)
    require(actor, Can.VIEW_CASES, project)
    return job


def token_for(actor: Actor, project: Project, token_id: UUID) -> ApiToken:
    """A token of a project that the actor has opened: any to those who manage it, to others their own. Raises NotFound."""
    found = ApiToken.objects.select_related("created_by").filter(project=project, pk=token_id).first()
    if found is None or not (found.created_by_id == actor.user_id or can(actor, Can.MANAGE, project)):
        raise NotFound(NOTHING_HERE)
    return found


def memberships_of(actor: Actor) -> list[tuple[Project, list[Role]]]:
    """The projects of a person with their roles there, by slug, in three queries."""
    if actor.user_id is None:
        return []
    projects = list(projects_of(actor))
    held: dict[int, set[str]] = {}
    for project_id, role in Membership.objects.filter(user_id=actor.user_id).values_list("project_id", "role"):
        held.setdefault(project_id, set()).add(role)
    teams = set(TeamMembership.objects.filter(user_id=actor.user_id).values_list("team_id", flat=True))
    for project in projects:
        if project.team_id in teams:
            held.setdefault(project.pk, set()).add(project.team.default_role)
    return [(project, [role for role in Role if role in held.get(project.pk, ())]) for project in projects]


def member_for(project: Project, username: str) -> User:
    """A person who is in the project by membership or through its team. Raises NotFound."""
    people = User.objects.filter(Q(memberships__project=project) | Q(team_memberships__team_id=project.team_id)).distinct()
    found = people.filter(username=username).first()
    if found is None:
        raise NotFound(NOTHING_HERE)
    return found


def people_in(project: Project) -> list[dict[str, Any]]:
    """Everybody in the project: `{user, roles, own, through_team}`, by name, in two queries. `own` are the roles held here, without the team's."""
    role = F("role")
    own = Membership.objects.filter(project=project).annotate(held=role, how=Value("", CharField())).values_list("user_id", "held", "how")
    team = TeamMembership.objects.filter(team_id=project.team_id).annotate(held=F("team__default_role"), how=F("team__slug"))
    roles: dict[int, set[str]] = {}
    here: dict[int, set[str]] = {}
    through: dict[int, str] = {}
    for user_id, held, how in own.union(team.values_list("user_id", "held", "how")):
        roles.setdefault(user_id, set()).add(held)
        if how:
            through[user_id] = how
        else:
            here.setdefault(user_id, set()).add(held)
    return [
        {
            "user": user,
            "roles": [role for role in Role if role in roles[user.pk]],
            "own": [role for role in Role if role in here.get(user.pk, ())],
            "through_team": through.get(user.pk, ""),
        }
        for user in User.objects.filter(pk__in=roles).order_by("username")
    ]


def teams_of(actor: Actor) -> QuerySet[TeamMembership]:
    """A person's own memberships of teams, each with `people` and `projects` of its team counted, by name, in one query."""
    people = TeamMembership.objects.filter(team=OuterRef("team"), user__is_active=True).order_by().values("team").annotate(n=Count("pk"))
    projects = Project.objects.filter(team=OuterRef("team")).order_by().values("team").annotate(n=Count("pk"))
    found = TeamMembership.objects.filter(user_id=actor.user_id or 0, user__is_active=True).select_related("team")
    return found.annotate(people=Subquery(people.values("n")), projects=Subquery(projects.values("n"))).order_by("team__name", "team_id")


def team_for(actor: Actor, slug: str, right: InTeam) -> TeamMembership:
    """A person's own membership of the team by slug, with its team. Raises NotFound to who is not in it, Forbidden to who does not manage it."""
    found = TeamMembership.objects.select_related("team").filter(team__slug=slug, user_id=actor.user_id or 0, user__is_active=True).first()
    if actor.kind != "person" or found is None:
        raise NotFound(NOTHING_HERE)
    if right is InTeam.MANAGE and not found.manages:
        raise Forbidden("You are in this team but do not manage it. Nothing was changed. Ask one of those who do.")
    return found


def team_member_for(team: Team, username: str) -> User:
    """A person who is in the team. Raises NotFound."""
    found = User.objects.filter(team_memberships__team=team, username=username).first()
    if found is None:
        raise NotFound(NOTHING_HERE)
    return found


def _why_not(actor: Actor, permission: Can, roles: frozenset[Role]) -> str:
    purpose = PURPOSES[permission]
    scope = SCOPES[permission]
    if actor.kind != "token":
        return f"With your roles in this project you may not {purpose}. Nothing was changed. Ask a project admin."
    if scope is None:
        return f"No token may {purpose}. A person does this in the browser."
    if scope not in (actor.scopes or ()):
        return f"This token lacks the scope {scope}, which it needs to {purpose}. Nothing was changed. Make a token with that scope."
    if not roles:
        return (
            "The person who made this token is no longer in the project, so the token may do nothing. Nothing was changed. Make a new one."
        )
    return f"The person who made this token may no longer {purpose} in this project. Nothing was changed. Ask a project admin."
