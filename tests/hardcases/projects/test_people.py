"""Accounts: invited, entered once by a link, deactivated."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from hardcases.audit.actors import SYSTEM
from hardcases.errors import Conflict, Invalid, NotFound
from hardcases.models import AuditEvent, SignInLink
from hardcases.projects import access, people
from hardcases.projects.authentication import person
from hardcases.projects.permissions import Role
from tests.builders.people import PASSWORD, a_member, a_person, a_project

pytestmark = pytest.mark.django_db
NEW = "a much better passphrase"


def test_an_invitation_brings_a_new_person_in_once() -> None:
    project = a_project()
    user, code = people.invite(actor=person(project.owner), project=project, username="grace", roles=[Role.CURATOR])
    assert code is not None
    assert not user.has_usable_password()
    assert access.roles_in(person(user), project) == {Role.CURATOR}
    assert SignInLink.objects.get().digest not in code
    people.use_link(code=code, password=NEW, full_name="Grace Hopper")
    user.refresh_from_db()
    assert user.check_password(NEW)
    assert user.printed_name == "Grace Hopper"
    with pytest.raises(NotFound):
        people.use_link(code=code, password="another passphrase")
    assert set(AuditEvent.objects.values_list("action", flat=True)) >= {"user.created", "member.roles_set", "user.link_made"}


def test_inviting_an_existing_person_adds_roles_and_gives_no_way_into_the_account() -> None:
    first, second = a_project(), a_project()
    member = a_member(first, Role.VIEWER)
    user, code = people.invite(actor=person(second.owner), project=second, username=member.username.upper(), roles=[Role.ENGINEER])
    assert (user, code) == (member, None)
    assert access.roles_in(person(user), second) == {Role.ENGINEER}


def test_an_unentered_account_of_two_projects_gets_no_second_link() -> None:
    first, second = a_project(), a_project()
    _, code = people.invite(actor=person(first.owner), project=first, username="grace", roles=[Role.VIEWER])
    _, again = people.invite(actor=person(first.owner), project=first, username="grace", roles=[Role.CURATOR])
    _, theirs = people.invite(actor=person(second.owner), project=second, username="grace", roles=[Role.VIEWER])
    assert code is not None
    assert again is not None
    assert theirs is None
    with pytest.raises(NotFound):
        people.link_for(code)  # replaced by the second


def test_a_link_expires_and_stops_with_its_account() -> None:
    user = a_person()
    code = people.make_link(actor=SYSTEM, user=user)
    SignInLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(NotFound):
        people.link_for(code)
    code = people.make_link(actor=SYSTEM, user=user)
    people.deactivate(actor=SYSTEM, user=user)
    with pytest.raises(NotFound):
        people.link_for(code)
    with pytest.raises(Conflict):
        people.make_link(actor=SYSTEM, user=user)


@pytest.mark.parametrize("password", ["short", "12345678901", "password1234"])
def test_a_weak_password_is_refused_and_the_link_stays(password: str) -> None:
    code = people.make_link(actor=SYSTEM, user=a_person("ada"))
    with pytest.raises(Invalid):
        people.use_link(code=code, password=password)
    assert people.link_for(code).used_at is None


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "a\x00b", "<script>"])
def test_a_bad_user_name_is_refused(name: str) -> None:
    with pytest.raises(Invalid):
        people.create_user(actor=SYSTEM, username=name)


def test_names_differ_by_more_than_case() -> None:
    people.create_user(actor=SYSTEM, username="Ada")
    with pytest.raises(Conflict):
        people.create_user(actor=SYSTEM, username="ada")


def test_sessions_end_with_the_password(client: Client) -> None:
    user = a_person()
    other = Client()
    for browser in (client, other):
        browser.force_login(user)
    with pytest.raises(Invalid):
        people.change_password(actor=person(user), user=user, old="wrong", new=NEW)
    assert other.get("/api/v1/whoami/").status_code == 200
    people.change_password(actor=person(user), user=user, old=PASSWORD, new=NEW)
    assert other.get("/api/v1/whoami/").status_code == 401


def test_sessions_end_with_the_account(client: Client) -> None:
    user = a_person()
    client.force_login(user)
    assert client.get("/api/v1/whoami/").status_code == 200
    people.deactivate(actor=SYSTEM, user=user)
    assert client.get("/api/v1/whoami/").status_code == 401
    people.reactivate(actor=SYSTEM, user=user)
    assert client.get("/api/v1/whoami/").status_code == 200
