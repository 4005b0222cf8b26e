"""Who gets through a project's door."""

from uuid import uuid4

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from hardcases.audit.actors import SYSTEM, Actor
from hardcases.errors import Conflict, Forbidden, Invalid, NotFound
from hardcases.models import ApiToken, Job, Project, TeamMembership
from hardcases.projects import access, actions, people, teams
from hardcases.projects.authentication import person
from hardcases.projects.permissions import Can, Role, Scope
from tests.builders.people import a_member, a_person, a_project, a_token, actor, bearer

pytestmark = pytest.mark.django_db


def _token_actor(project: Project, *scopes: str, by: str) -> Actor:
    row = ApiToken.objects.get(digest__isnull=False, created_by__username=by)
    return Actor(kind="token", name=by, user_id=row.created_by_id, token_id=str(row.pk), scopes=frozenset(scopes), project_id=project.pk)


def test_the_door_opens_in_two_queries(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    project = a_project()
    member = actor(project, Role.VIEWER, Role.CURATOR)
    with django_assert_num_queries(2):
        assert access.project_for(member, project.slug, Can.TRIAGE) == project


def test_a_stranger_hears_the_same_as_for_nothing(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    project, stranger = a_project(), person(a_person())
    said = set()
    for slug in (project.slug, "nothing-here"):
        with pytest.raises(NotFound) as refusal:
            access.project_for(stranger, slug, Can.VIEW)
        said.add(refusal.value.sentence)
    assert len(said) == 1


def test_a_member_without_the_permission_is_told_so() -> None:
    project = a_project()
    with pytest.raises(Forbidden):
        access.project_for(actor(project, Role.VIEWER), project.slug, Can.TRIAGE)


def test_roles_elsewhere_count_for_nothing() -> None:
    here, there = a_project(), a_project()
    with pytest.raises(NotFound):
        access.project_for(actor(there, *Role), here.slug, Can.VIEW)


def test_a_deactivated_person_is_nobody() -> None:
    project = a_project()
    member = a_member(project, Role.ADMIN)
    TeamMembership.objects.create(team=project.team, user=member)
    people.deactivate(actor=SYSTEM, user=member)
    assert access.roles_in(person(member), project) == frozenset()
    assert list(access.projects_of(person(member))) == []


def test_the_team_gives_its_default_role() -> None:
    project, other = a_project(), a_project()
    user = a_person()
    teams.add_team_member(actor=SYSTEM, team=project.team, user=user)
    assert access.roles_in(person(user), project) == {Role.VIEWER}
    assert list(access.projects_of(person(user))) == [project]
    project.team.default_role = Role.CURATOR
    project.team.save()
    assert access.can(person(user), Can.TRIAGE, project)
    with pytest.raises(NotFound):
        access.project_for(person(user), other.slug, Can.VIEW)
    teams.remove_team_member(actor=SYSTEM, team=project.team, user=user)
    assert access.roles_in(person(user), project) == frozenset()


def test_an_actor_without_a_person_sees_nothing() -> None:
    a_project()
    assert list(access.projects_of(Actor(kind="person", name="nobody"))) == []


def test_a_project_is_listed_once_for_somebody_with_many_roles() -> None:
    project = a_project()
    member = a_member(project, *Role)
    TeamMembership.objects.create(team=project.team, user=member)
    assert list(access.projects_of(person(member))) == [project]


def test_a_token_needs_its_scope_and_its_makers_role() -> None:
    project = a_project()
    maker = a_member(project, Role.CURATOR)
    a_token(project, "read", "curate", by=maker)
    token = _token_actor(project, "read", "curate", by=maker.username)
    assert access.project_for(token, project.slug, Can.TRIAGE) == project
    with pytest.raises(Forbidden, match="lacks the scope report"):
        access.project_for(token, project.slug, Can.REPORT)
    actions.set_roles(actor=SYSTEM, project=project, user=maker, roles=[Role.VIEWER])
    with pytest.raises(Forbidden, match="made this token may no longer"):
        access.project_for(token, project.slug, Can.TRIAGE)
    actions.set_roles(actor=SYSTEM, project=project, user=maker, roles=[])
    with pytest.raises(Forbidden, match="no longer in the project"):
        access.project_for(token, project.slug, Can.VIEW)
    with pytest.raises(NotFound):
        access.project_for(token, a_project().slug, Can.VIEW)


def test_no_token_signs_or_makes_tokens_whatever_its_scopes() -> None:
    project = a_project()
    maker = a_member(project, *Role)
    a_token(project, *Scope, by=maker)
    token = _token_actor(project, *Scope, by=maker.username)
    for permission in (Can.SIGN, Can.OWN_TOKENS, Can.APPROVE_POLICY):
        assert not access.can(token, permission, project)
    with pytest.raises(Forbidden):
        actions.create_token(actor=token, project=project, name="child", scopes=[Scope.READ])


def test_a_tokens_scopes_stay_within_its_makers_rights() -> None:
    project = a_project()
    viewer = a_member(project, Role.VIEWER)
    assert access.scopes_for(person(viewer), project) == [Scope.READ]
    with pytest.raises(Forbidden, match="curate, run"):
        actions.create_token(actor=person(viewer), project=project, name="x", scopes=[Scope.READ, Scope.CURATE, Scope.RUN])
    with pytest.raises(Invalid):
        actions.create_token(actor=person(viewer), project=project, name="x", scopes=[])
    for days in (0, 366):
        with pytest.raises(Invalid):
            actions.create_token(actor=person(viewer), project=project, name="x", scopes=[Scope.READ], days=days)


def test_a_revoked_or_orphaned_token_stops_at_the_next_request(client: Client) -> None:
    project = a_project()
    maker = a_member(project, Role.ENGINEER)
    first, second = a_token(project, "read", by=maker), a_token(project, "read", by=maker)

    def status(token: str) -> int:
        return client.get(f"/api/v1/projects/{project.slug}/", headers=bearer(token)).status_code

    assert (status(first), status(second)) == (200, 200)
    row = ApiToken.objects.get(prefix=first[:9])
    actions.revoke_token(actor=SYSTEM, project=project, token=row)
    assert (status(first), status(second)) == (401, 200)
    people.deactivate(actor=SYSTEM, user=maker)
    assert status(second) == 401


@pytest.mark.parametrize("token", ["hc_short", "", "hc_" + "0" * 36, "é"])
def test_a_malformed_token_is_a_401(client: Client, token: str) -> None:
    response = client.get("/api/v1/whoami/", headers={"Authorization": f"Bearer {token}"})
    assert (response.status_code, response["Content-Type"]) == (401, "application/problem+json")


def test_the_token_itself_is_stored_nowhere() -> None:
    project = a_project()
    token = a_token(project, "read")
    row = ApiToken.objects.get()
    assert token not in str({name: getattr(row, name) for name in ("digest", "prefix", "name", "scopes")})
    assert len(row.prefix) < 15


def test_a_job_is_seen_by_its_project_only(client: Client) -> None:
    project = a_project()
    job = Job.objects.create(kind="x", key="1", project_id=project.pk, failure="The disk was full.")
    own = Job.objects.create(kind="x", key="2")
    client.force_login(a_member(project, Role.ANNOTATOR))
    body = client.get(f"/api/v1/jobs/{job.pk}/").json()
    assert (body["state"], body["errors"]) == ("queued", [{"pointer": "", "detail": "The disk was full."}])
    assert client.get(f"/api/v1/jobs/{own.pk}/").status_code == 404
    assert client.get(f"/api/v1/jobs/{uuid4()}/").status_code == 404
    client.force_login(a_person())
    assert client.get(f"/api/v1/jobs/{job.pk}/").status_code == 404


def test_the_last_admin_stays() -> None:
    project = a_project()
    with pytest.raises(Conflict, match="last admin"):
        actions.set_roles(actor=SYSTEM, project=project, user=project.owner, roles=[Role.VIEWER])
    assert Role.ADMIN in access.roles_in(person(project.owner), project)


@pytest.mark.parametrize("forwarded", ["unknown", "1.2.3.4:80", "1.2.3.4, garbage", "", ","])
def test_a_forged_address_is_not_stored(client: Client, settings: object, forwarded: str) -> None:
    settings.TRUSTED_PROXIES = ["127.0.0.1"]  # type: ignore[attr-defined]
    client.force_login(a_person("ada"))
    body = '{"slug": "x", "name": "x", "task": "regression", "key_prefix": "X"}'
    response = client.post("/api/v1/projects/", body, content_type="application/json", headers={"X-Forwarded-For": forwarded})
    assert response.status_code == 201
