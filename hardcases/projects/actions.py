"""What people do to projects and tokens. Each action writes its audit event in its own transaction."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from hardcases.audit.actions import record
from hardcases.audit.actors import Actor
from hardcases.errors import Conflict, Detail, Forbidden, Invalid
from hardcases.projects import tokens
from hardcases.projects.access import scopes_for
from hardcases.projects.documents import ProjectDocument, attribute_rows, check_change, document_of
from hardcases.projects.models import ApiToken, Attribute, Counter, Membership, Project, User
from hardcases.projects.permissions import Role, Scope
from hardcases.projects.teams import team_to_own

TOKEN_DAYS, MAX_TOKEN_DAYS = 90, 365
CHANGE_OVER = timedelta(hours=24)


class SlugTaken(Conflict):
    code, title = "slug_taken", "A project with this slug exists"


class WouldLockOut(Conflict):
    code, title = "no_admin_left", "The project would have no admin"


@transaction.atomic
def create_project(*, actor: Actor, document: ProjectDocument, owner: User) -> Project:
    """A new project; its owner becomes its admin. Raises SlugTaken and teams.NotYourTeam."""
    team = team_to_own(actor=actor, slug=document.team)
    try:
        with transaction.atomic():
            project = Project.objects.create(team=team, owner=owner, **_columns(document))
    except IntegrityError as error:
        raise SlugTaken(f"A project with the slug {document.slug} exists already. Nothing was stored. Choose another slug.") from error
    Attribute.objects.bulk_create(attribute_rows(project, document))
    Membership.objects.create(project=project, user=owner, role=Role.ADMIN)
    after = {"document": document.as_json(), "owner": owner.username}
    record(actor, "project.created", "project", project.slug, project_id=project.pk, after=after)
    return project


def _columns(document: ProjectDocument) -> dict[str, object]:
    return {
        "slug": document.slug,
        "name": document.name,
        "task": document.task,
        "key_prefix": document.key_prefix,
        "classes": list(document.classes),
        "positive_class": document.positive_class,
        "cluster_attribute": document.cluster_attribute,
        "strip_metadata": document.strip_metadata,
        "leaks": document.leaks,
        "dicom": document.dicom.as_json() or None,
    }


@transaction.atomic
def update_project(*, actor: Actor, project: Project, document: ProjectDocument) -> Project:
    """Make the project what the document says. Raises Invalid where that would change the meaning of stored cases; equal content changes nothing."""
    locked = Project.objects.select_for_update(of=("self",)).select_related("team").get(pk=project.pk)
    before = document_of(locked)
    if before == document:
        return locked
    check_change(before, document, has_cases=Counter.objects.filter(project=locked, kind="case", value__gt=0).exists())
    if document.team != before.team:
        locked.team = team_to_own(actor=actor, slug=document.team)
    columns = _columns(document)
    for name, value in columns.items():
        setattr(locked, name, value)
    locked.save(update_fields=[*columns, "team"])
    _replace_attributes(locked, document)
    record(actor, "project.changed", "project", locked.slug, project_id=locked.pk, before=before.as_json(), after=document.as_json())
    return locked


def _replace_attributes(project: Project, document: ProjectDocument) -> None:
    """Write the document's attributes; rows that stay keep their id."""
    wanted = attribute_rows(project, document)
    Attribute.objects.filter(project=project).exclude(name__in=[row.name for row in wanted]).delete()
    Attribute.objects.bulk_create(
        wanted, update_conflicts=True, unique_fields=["project", "name"], update_fields=["position", "type", "values", "bins", "implied"]
    )


@transaction.atomic
def set_roles(*, actor: Actor, project: Project, user: User, roles: Iterable[Role]) -> frozenset[Role]:
    """Give a person exactly these roles in the project; none removes them from it. Raises WouldLockOut when no admin would be left."""
    wanted = frozenset(roles)
    Project.objects.select_for_update().get(pk=project.pk)  # two admins who remove each other at once come one after the other
    held = frozenset(Role(role) for role in Membership.objects.filter(project=project, user=user).values_list("role", flat=True))
    if wanted == held:
        return wanted
    Membership.objects.filter(project=project, user=user, role__in=held - wanted).delete()
    Membership.objects.bulk_create([Membership(project=project, user=user, role=role) for role in sorted(wanted - held)])
    if Role.ADMIN in held and not Membership.objects.filter(project=project, role=Role.ADMIN, user__is_active=True).exists():
        raise WouldLockOut(f"{user.username} is the last admin of the project. Nothing was changed. Make somebody else an admin first.")
    code = "member.roles_set" if wanted else "member.removed"
    record(actor, code, "user", user.username, project_id=project.pk, before={"roles": sorted(held)}, after={"roles": sorted(wanted)})
    return wanted


def _expiry(days: int) -> datetime:
    if not 1 <= days <= MAX_TOKEN_DAYS:
        sentence = f"A token lives 1 to {MAX_TOKEN_DAYS} days."
        raise Invalid(f"{sentence} No token was made.", errors=[Detail(pointer="/days", detail=sentence)])
    return timezone.now() + timedelta(days=days)


@transaction.atomic
def create_token(*, actor: Actor, project: Project, name: str, scopes: Sequence[Scope], days: int = TOKEN_DAYS) -> tuple[ApiToken, str]:
    """A new token and its text, which is shown once and never stored. Only a person makes one, within what they may do themselves."""
    if actor.kind != "person" or actor.user_id is None:
        raise Forbidden("Only a person makes tokens, in the browser. No token was made.")
    beyond = set(scopes) - set(scopes_for(actor, project))
    if beyond:
        named = ", ".join(sorted(beyond))
        raise Forbidden(
            f"Your roles in this project do not cover the scope {named}. No token was made. Leave it out, or ask a project admin."
        )
    if not scopes:
        raise Invalid(
            "A token without a scope could do nothing. No token was made.", errors=[Detail(pointer="/scopes", detail="Choose one.")]
        )
    text = tokens.make()
    row = ApiToken.objects.create(
        project=project,
        created_by_id=actor.user_id,
        name=name,
        prefix=text[: tokens.SHOWN],
        digest=tokens.digest(text),
        scopes=[scope.value for scope in Scope if scope in scopes],
        expires_at=_expiry(days),
    )
    after = {"name": name, "scopes": row.scopes, "expires_at": row.expires_at.isoformat()}
    record(actor, "token.created", "token", row.pk, project_id=project.pk, after=after)
    return row, text


@transaction.atomic
def revoke_token(*, actor: Actor, project: Project, token: ApiToken) -> ApiToken:
    """Stop a token for good, from the next request on. Doing it again changes nothing."""
    if ApiToken.objects.filter(pk=token.pk, project=project, revoked_at=None).update(revoked_at=timezone.now()):
        record(actor, "token.revoked", "token", token.pk, project_id=project.pk, after={"name": token.name})
    token.refresh_from_db()
    return token


@transaction.atomic
def replace_token(*, actor: Actor, project: Project, token: ApiToken) -> tuple[ApiToken, str]:
    """A new token of the same name, scopes and lifetime; the old one works for 24 more hours, so that a service can change over. Raises Conflict, Forbidden."""
    now = timezone.now()
    if token.revoked_at is not None or token.expires_at <= now:
        raise Conflict(
            f"The token “{token.name}” no longer works, so there is nothing to change over. Nothing was changed. Create a new one."
        )
    days = min(MAX_TOKEN_DAYS, max(1, round((token.expires_at - token.created_at) / timedelta(days=1))))
    row, text = create_token(actor=actor, project=project, name=token.name, scopes=[Scope(scope) for scope in token.scopes], days=days)
    until = min(token.expires_at, now + CHANGE_OVER)
    ApiToken.objects.filter(pk=token.pk).update(expires_at=until)
    record(actor, "token.replaced", "token", token.pk, project_id=project.pk, after={"name": token.name, "expires_at": until.isoformat()})
    return row, text
