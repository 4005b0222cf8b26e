"""The doors: the only place that finds things by id for somebody. A stranger gets the same 404 as for nothing at all; a member who may not gets 403."""

from django.db.models import Q, QuerySet

from hardcases.audit.actors import Actor
from hardcases.errors import Forbidden, NotFound
from hardcases.projects.models import Membership, Project, TeamMembership
from hardcases.projects.permissions import SCOPES, Can, Role, allowed

NOTHING_HERE = "There is nothing at this address that you can see. Check the address, or ask for access to the project."


def roles_in(actor: Actor, project: Project) -> frozenset[Role]:
    """Every role the person (for a token: its maker) has in the project now, by membership or through the owning team."""
    if actor.kind == "system":
        return frozenset(Role)
    if actor.user_id is None:
        return frozenset()
    roles = set(Membership.objects.filter(project=project, user_id=actor.user_id, user__is_active=True).values_list("role", flat=True))
    if TeamMembership.objects.filter(team_id=project.team_id, user_id=actor.user_id, user__is_active=True).exists():
        roles.add(project.team.default_role)
    return frozenset(Role(role) for role in roles)


def can(actor: Actor, permission: Can, project: Project) -> bool:
    """Whether the actor may do this in this project: role and, for a token, scope."""
    if actor.kind == "token":
        scope = SCOPES[permission]
        if actor.project_id != project.pk or scope is None or actor.scopes is None or scope not in actor.scopes:
            return False
    return allowed(permission, roles_in(actor, project))


def projects_of(actor: Actor) -> QuerySet[Project]:
    """The projects the actor belongs to, in one query."""
    if actor.kind == "token":
        return Project.objects.filter(pk=actor.project_id)
    mine = Q(memberships__user_id=actor.user_id) | Q(team__memberships__user_id=actor.user_id)
    return Project.objects.filter(mine, pk__isnull=False).distinct().order_by("slug")


def project_for(actor: Actor, slug: str, permission: Can) -> Project:
    """The project by slug, for this actor and this purpose. Raises NotFound to strangers, Forbidden to members who may not."""
    project = Project.objects.select_related("team").filter(slug=slug).first()
    if project is None or (actor.kind == "token" and actor.project_id != project.pk):
        raise NotFound(NOTHING_HERE)
    if not roles_in(actor, project):
        raise NotFound(NOTHING_HERE)
    if not can(actor, permission, project):
        raise Forbidden(_why_not(actor, permission))
    return project


def require(actor: Actor, permission: Can, project: Project) -> None:
    """A second permission on a project already opened."""
    if not can(actor, permission, project):
        raise Forbidden(_why_not(actor, permission))


def _why_not(actor: Actor, permission: Can) -> str:
    purpose = permission.value.replace("_", " ")
    scope = SCOPES[permission]
    if actor.kind == "token" and scope is None:
        return f"No token may {purpose}. A person does this in the browser."
    if actor.kind == "token" and (actor.scopes is None or scope not in actor.scopes):
        return f"This token lacks the scope {scope}, which {purpose} needs. Nothing was changed. Make a token with that scope."
    return f"Your roles in this project do not include {purpose}. Nothing was changed. Ask a project admin."
