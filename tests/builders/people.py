"""People and projects for tests."""

from itertools import count
from typing import Any

from hardcases.audit.actors import Actor
from hardcases.projects.actions import create_token
from hardcases.projects.authentication import person
from hardcases.projects.models import Attribute, Membership, Project, Team, User
from hardcases.projects.permissions import Role, Scope

_numbers = count(1)
PASSWORD = "correct horse battery"


def a_person(name: str | None = None) -> User:
    """A person who can sign in with PASSWORD."""
    return User.objects.create_user(username=name or f"person{next(_numbers)}", password=PASSWORD)


def a_member(project: Project, *roles: Role | str) -> User:
    """A new person with these roles in the project."""
    user = a_person()
    Membership.objects.bulk_create([Membership(project=project, user=user, role=str(role)) for role in roles])
    return user


def actor(project: Project, *roles: Role | str) -> Actor:
    """A new member, as the actor that actions take."""
    return person(a_member(project, *(roles or tuple(Role))))


def a_project(**columns: Any) -> Project:
    """A binary chest X-ray project like the one of the API documentation."""
    number = next(_numbers)
    owner = columns.pop("owner", None) or a_person()
    team, _ = Team.objects.get_or_create(slug=f"team-{number}", defaults={"name": "Radiology"})
    attributes = columns.pop(
        "attributes",
        [("site", "category", None), ("age", "number", [0, 18, 65]), ("portable", "boolean", None), ("patient", "category", None)],
    )
    defaults: dict[str, Any] = {
        "slug": f"chest-{number}",
        "name": "Chest X-ray",
        "team": team,
        "owner": owner,
        "task": "classification",
        "key_prefix": "XR",
        "classes": ["normal", "nodule"],
        "positive_class": "nodule",
        "cluster_attribute": "patient",
    }
    project = Project.objects.create(**(defaults | columns))
    Membership.objects.create(project=project, user=owner, role=Role.ADMIN)
    Attribute.objects.bulk_create(
        [Attribute(project=project, position=i, name=name, type=kind, bins=bins) for i, (name, kind, bins) in enumerate(attributes)]
    )
    return project


def a_token(project: Project, *scopes: Scope | str, by: User | None = None, days: int = 1) -> str:
    """The text of a new token, made by the project's owner unless `by` says otherwise."""
    wanted = [Scope(scope) for scope in scopes]
    return create_token(actor=person(by or project.owner), project=project, name="a token", scopes=wanted, days=days)[1]


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}
