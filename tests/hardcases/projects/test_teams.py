"""Teams: who is in them, what that gives, and who says so."""

import re
from typing import Any

import pytest
from django.test import Client

from hardcases.audit.actors import SYSTEM
from hardcases.errors import Conflict, Invalid, NotFound
from hardcases.models import AuditEvent, Project, Team, TeamMembership, User
from hardcases.projects import access, people, teams
from hardcases.projects.authentication import person
from hardcases.projects.permissions import InTeam, Role
from tests.builders.people import a_person, a_project

pytestmark = pytest.mark.django_db


def _text(response: Any) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def a_team(manager: User, slug: str = "radiology") -> Team:
    return teams.create_team(actor=person(manager), slug=slug, name="Radiology")


@pytest.fixture
def manager(client: Client) -> User:
    user = a_person("mona")
    client.force_login(user)
    return user


def test_a_team_is_made_changed_and_filled_on_its_pages(client: Client, manager: User) -> None:
    assert "You are in none yet" in _text(client.get("/teams/"))
    said = {"name": "Radiology", "slug": "radiology", "default_role": "viewer"}
    assert client.post("/teams/new/", said)["Location"] == "/teams/radiology/"
    project = a_project(team=Team.objects.get(slug="radiology"), owner=manager)
    grace = a_person("grace")
    answer = client.post("/teams/radiology/members/", {"username": "Grace"})
    assert "grace is in the team" in _text(answer)
    assert "/invite/" not in _text(answer)  # who holds a link sets the password of an account that exists
    assert access.roles_in(person(grace), project) == {Role.VIEWER}
    assert client.post("/teams/radiology/", {"name": "Chest radiology", "default_role": "curator"}).status_code == 302
    assert access.roles_in(person(grace), project) == {Role.CURATOR}
    page = _text(client.get("/teams/radiology/"))
    assert "Everybody in the team is Curator in each of its projects." in page
    assert "Chest radiology" in _text(client.get("/account/"))
    assert "Chest radiology" in _text(client.get("/projects/"))
    assert client.post("/teams/radiology/members/grace/", {"do": "remove"}).status_code == 302
    assert access.roles_in(person(grace), project) == frozenset()
    assert client.post("/teams/radiology/members/grace/", {"do": "remove"}).status_code == 404


def test_every_act_stands_in_the_log_of_the_team_and_of_its_projects(client: Client, manager: User) -> None:
    team = a_team(manager)
    project, other = a_project(team=team, owner=manager), a_project(owner=manager)
    grace = a_person("grace")
    teams.add_team_member(actor=person(manager), team=team, user=grace)
    teams.set_manages(actor=person(manager), team=team, user=grace, manages=True)
    teams.change_team(actor=person(manager), team=team, name="Chest", default_role=Role.CURATOR)
    teams.change_team(actor=person(manager), team=team, name="Chest", default_role=Role.CURATOR)  # changes nothing
    teams.remove_team_member(actor=person(manager), team=team, user=grace)
    acts = ["team.member_added", "team.manager_added", "team.changed", "team.member_removed"]
    events = AuditEvent.objects.filter(object_type="team", object_id=team.slug).order_by("id")
    assert list(events.filter(project_id=project.pk).values_list("action", flat=True)) == acts
    assert list(events.filter(project_id=None).values_list("action", flat=True)) == ["team.created", "team.member_added", *acts]
    assert not events.filter(project_id=other.pk).exists()
    shown = _text(client.get(f"/p/{project.slug}/audit/"))
    assert "put grace into the team radiology" in shown
    assert "let grace manage the team radiology" in _text(client.get("/teams/radiology/"))


def test_a_new_account_gets_a_link_and_only_then(client: Client, manager: User) -> None:
    team = a_team(manager)
    user, code = people.invite_to_team(actor=person(manager), team=team, username="ada")
    assert code is not None
    assert people.link_for(code).user == user
    assert people.invite_to_team(actor=person(manager), team=team, username="ada")[1] not in {None, code}
    other = a_team(a_person(), "elsewhere")
    teams.add_team_member(actor=SYSTEM, team=other, user=user)
    assert people.invite_to_team(actor=person(manager), team=team, username="ada")[1] is None
    assert client.post("/teams/radiology/members/", {"username": "not a name"}).status_code == 422


def test_somebody_always_manages_a_team(client: Client, manager: User) -> None:
    team, grace = a_team(manager), a_person("grace")
    with pytest.raises(Conflict):
        teams.set_manages(actor=person(manager), team=team, user=manager, manages=False)
    assert "last who manages" in _text(client.post("/teams/radiology/members/mona/", {"do": "remove"}, follow=True))
    assert access.team_for(person(manager), "radiology", InTeam.MANAGE).manages
    teams.add_team_member(actor=person(manager), team=team, user=grace)
    client.post("/teams/radiology/members/grace/", {"do": "manage"})
    people.deactivate(actor=SYSTEM, user=grace)
    with pytest.raises(Conflict):  # somebody who cannot sign in manages nothing
        teams.remove_team_member(actor=person(manager), team=team, user=manager)
    people.reactivate(actor=SYSTEM, user=grace)
    assert client.post("/teams/radiology/members/mona/", {"do": "remove"})["Location"] == "/teams/"
    with pytest.raises(NotFound):
        access.team_for(person(manager), "radiology", InTeam.SEE)
    assert not TeamMembership.objects.filter(user=manager).exists()


def test_a_member_sees_the_team_and_changes_nothing(client: Client, manager: User) -> None:
    team, grace = a_team(manager), a_person("grace")
    teams.add_team_member(actor=person(manager), team=team, user=grace)
    client.force_login(grace)
    page = _text(client.get("/teams/radiology/"))
    assert "mona" in page
    assert "<form" not in page.split("<main")[1].split("</main>")[0]
    assert client.post("/teams/radiology/members/grace/", {"do": "manage"}).status_code == 403


@pytest.mark.parametrize(("slug", "refusal"), [("default", Conflict), ("taken", Conflict), ("No Slug", Invalid)])
def test_a_short_name_that_cannot_be_had(client: Client, manager: User, slug: str, refusal: type[Exception]) -> None:
    # `default` owns what names no team: whoever managed it would get into the projects of strangers.
    a_team(a_person(), "taken")
    with pytest.raises(refusal):
        teams.create_team(actor=person(manager), slug=slug, name="Mine")
    page = client.post("/teams/new/", {"name": "Mine", "slug": slug, "default_role": "viewer"})
    assert page.status_code == 422
    assert client.post("/teams/new/", {"name": "Mine", "slug": "mine", "default_role": "king"}).status_code == 422


def test_whoever_makes_a_team_with_a_project_manages_it(client: Client, manager: User) -> None:
    body = {
        "slug": "chest",
        "name": "Chest",
        "team": "lung",
        "task": "classification",
        "key_prefix": "XR",
        "classes": ["a", "b"],
        "positive_class": "b",
    }
    assert client.post("/api/v1/projects/", body, "application/json").status_code == 201
    assert client.post("/api/v1/projects/", body | {"slug": "other", "team": None}, "application/json").status_code == 201
    assert access.team_for(person(manager), "lung", InTeam.MANAGE).team == Project.objects.get(slug="chest").team
    with pytest.raises(NotFound):
        access.team_for(person(manager), "default", InTeam.SEE)


def test_an_unknown_wish_is_refused(client: Client, manager: User) -> None:
    a_team(manager)
    assert client.post("/teams/radiology/members/mona/", {"do": "crown"}).status_code == 422
