"""Pages: entering, projects, sending cases, settings, the audit log."""

import re
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from hardcases.audit.actions import record
from hardcases.audit.actors import SYSTEM
from hardcases.models import ApiToken, AuditEvent, Case, Membership, Project, User
from hardcases.projects import people, teams
from hardcases.projects.permissions import Role
from tests.builders.cases import a_text
from tests.builders.people import PASSWORD, a_member, a_person, a_project, a_token, bearer

pytestmark = pytest.mark.django_db
NEW = "a much better passphrase"


def _text(response: Any) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def test_signing_in_leads_to_the_only_project(client: Client) -> None:
    project = a_project()
    page = client.get("/")
    assert page["Location"] == "/login/?next=/"
    response = client.post("/login/", {"login": project.owner.username, "password": PASSWORD}, follow=True)
    assert response.redirect_chain[-1] == (f"/p/{project.slug}/", 302)
    assert project.name in _text(response)
    assert client.post("/logout/")["Location"] == "/login/"
    assert client.get("/projects/").status_code == 302


def test_signing_in_goes_on_to_where_one_was_going_but_never_elsewhere(client: Client) -> None:
    project = a_project()
    said = {"login": project.owner.username, "password": PASSWORD}
    assert client.post("/login/", said | {"next": f"/p/{project.slug}/upload/"})["Location"] == f"/p/{project.slug}/upload/"
    assert Client().post("/login/", said | {"next": "https://evil.example/"})["Location"] == "/"


def test_a_wrong_name_and_a_wrong_password_are_answered_alike(client: Client) -> None:
    user = a_person()
    closed = a_person()
    people.deactivate(actor=SYSTEM, user=closed)
    answers = set()
    for name in (user.username, "nobody-at-all", closed.username):
        response = client.post("/login/", {"login": name, "password": "wrong"})
        answers.add(re.sub(r'value="[^"]*"|nonce="[^"]*"|"X-CSRFToken": "[^"]*"|<span class="digest">[^<]*', "", response.content.decode()))
    assert len(answers) == 1
    assert "not correct" in answers.pop()


def test_guessing_passwords_is_slowed_down(client: Client) -> None:
    user = a_person()
    for _ in range(6):
        client.post("/login/", {"login": user.username, "password": "wrong"})
    response = client.post("/login/", {"login": user.username, "password": PASSWORD})
    assert response.status_code != 302
    assert "Too many" in _text(response)


def test_an_invited_person_enters_with_the_link(client: Client) -> None:
    project = a_project()
    client.force_login(project.owner)
    answer = client.post(f"/p/{project.slug}/members/", {"username": "grace", "roles": ["curator", "viewer"]})
    link = re.search(r"/invite/[\w-]+/", _text(answer))
    assert link is not None
    grace = Client()
    assert "grace" in _text(grace.get(link[0]))
    assert grace.post(link[0], {"password1": NEW, "password2": "other"}).status_code == 422
    assert grace.post(link[0], {"password1": "short", "password2": "short"}).status_code == 422
    assert grace.post(link[0], {"name": "Grace Hopper", "password1": NEW, "password2": NEW})["Location"] == "/"
    assert grace.get("/", follow=True).redirect_chain[-1][0] == f"/p/{project.slug}/"
    assert Client().get(link[0]).status_code == 404


def test_changing_the_password_keeps_this_browser_and_ends_the_others(client: Client) -> None:
    user = a_person()
    other = Client()
    client.force_login(user)
    other.force_login(user)
    wrong = client.post("/account/", {"old": "wrong", "password1": NEW, "password2": NEW})
    assert wrong.status_code == 422
    assert client.post("/account/", {"old": PASSWORD, "password1": NEW, "password2": NEW}).status_code == 302
    assert client.get("/account/").status_code == 200
    assert other.get("/account/").status_code == 302


def test_a_project_is_made_on_its_page(client: Client) -> None:
    client.force_login(a_person())
    said = {
        "name": "Chest", "slug": "chest", "key_prefix": "XR", "task": "classification", "classes": "normal\r\nnodule\r\n", "positive_class": "nodule",
        "attributes": "site category\r\nage number: 0, 18, 65.5\r\nsex: category: f, m\r\n", "cluster_attribute": "patient",
    }  # fmt: skip
    refused = client.post("/projects/new/", said | {"positive_class": ""})
    assert refused.status_code == 422
    assert "positive class" in _text(refused)
    assert client.post("/projects/new/", said | {"attributes": "site"}).status_code == 422
    assert client.post("/projects/new/", said)["Location"] == "/p/chest/upload/"
    attributes = list(Project.objects.get().attributes.values_list("name", "type", "values", "bins"))
    assert attributes == [
        ("site", "category", None, None),
        ("age", "number", None, [0, 18, 65.5]),
        ("sex", "category", ["f", "m"], None),
        ("patient", "category", None, None),
    ]
    assert client.post("/projects/new/", said).status_code == 422  # taken


def test_settings_show_the_project_and_saving_them_unchanged_changes_nothing(client: Client) -> None:
    test_a_project_is_made_on_its_page(client)
    page = client.get("/p/chest/settings/")
    form = page.context["form"]
    assert client.post("/p/chest/settings/", {name: value for name, value in form.initial.items() if value}).status_code == 302
    assert not AuditEvent.objects.filter(action="project.changed").exists()
    changed = {name: value for name, value in form.initial.items() if value} | {"name": "Thorax"}
    client.post("/p/chest/settings/", changed)
    assert Project.objects.get().name == "Thorax"


def test_a_token_is_shown_once_in_the_snippets(client: Client) -> None:
    project = a_project()
    client.force_login(project.owner)
    page = client.post(f"/p/{project.slug}/upload/", {"name": "camera", "scopes": ["report"], "days": "30"})
    token = re.search(r"hc_\w{36}", _text(page))
    assert token is not None
    assert page["Cache-Control"] == "no-store"
    assert Client().get("/api/v1/whoami/", headers=bearer(token[0])).json()["scopes"] == ["report"]
    assert token[0] not in _text(client.get(f"/p/{project.slug}/upload/"))
    assert 'value="report" id="id_scopes_0" checked' in _text(page).replace('checked=""', "checked") or "checked" in _text(page)


def test_a_token_is_revoked_by_its_maker_or_an_admin_only(client: Client) -> None:
    project = a_project()
    maker, other = a_member(project, Role.ENGINEER), a_member(project, Role.ENGINEER)
    a_token(project, "read", by=maker)
    row = ApiToken.objects.get()
    address = f"/p/{project.slug}/tokens/{row.pk}/revoke/"
    client.force_login(other)
    assert client.post(address).status_code == 404
    client.force_login(maker)
    assert client.post(address).status_code == 302
    row.refresh_from_db()
    assert row.revoked_at is not None


def test_roles_are_set_on_the_settings_page(client: Client) -> None:
    project = a_project()
    member = a_member(project, Role.VIEWER)
    client.force_login(project.owner)
    client.post(f"/p/{project.slug}/members/{member.username}/", {"roles": ["engineer"]})
    assert list(Membership.objects.filter(user=member).values_list("role", flat=True)) == ["engineer"]
    client.post(f"/p/{project.slug}/members/{member.username}/", {})
    assert not Membership.objects.filter(user=member).exists()
    last = client.post(f"/p/{project.slug}/members/{project.owner.username}/", {}, follow=True)
    assert "last admin" in _text(last)
    stranger = a_person()
    assert client.post(f"/p/{project.slug}/members/{stranger.username}/", {"roles": ["admin"]}).status_code == 404


def test_the_menu_follows_the_role(client: Client) -> None:
    project = a_project()
    client.force_login(a_member(project, Role.VIEWER))
    labels = [str(item["label"]) for item in client.get(f"/p/{project.slug}/").context["nav"]]
    assert "Overview" in labels
    assert not {"Audit", "Settings", "Upload"} & set(labels)
    client.force_login(a_member(project, Role.ANNOTATOR))
    assert client.get(f"/p/{project.slug}/").status_code == 403
    assert client.get("/", follow=True).redirect_chain[-1][0] == "/projects/"


def test_the_audit_log_reads_in_sentences_page_by_page(client: Client) -> None:
    project = a_project()
    for number in range(5):
        record(SYSTEM, "thing.done_oddly", "thing", f"T-{number}", project_id=project.pk, after={"name": "<b>"})
    record(SYSTEM, "token.created", "token", "x", project_id=project.pk, after={"name": "camera", "scopes": ["report", "read"]})
    record(SYSTEM, "token.created", "token", "x", project_id=a_project().pk, after={"name": "foreign"})
    client.force_login(a_member(project, Role.AUDITOR))
    address = f"/p/{project.slug}/audit/"
    page = _text(client.get(address))
    assert "made the token “camera” (report, read)" in page
    assert "thing done oddly · thing T-3" in page
    assert "foreign" not in page
    assert "<b>" not in page.replace("<br>", "")
    first = client.get(address, {"limit": 4})
    second = client.get(address + first.context["older_url"])
    seen = [entry["event"].pk for part in (first, second) for entry in part.context["entries"]]
    assert seen == sorted(AuditEvent.objects.filter(project_id=project.pk).values_list("pk", flat=True), reverse=True)
    assert len(client.get(address, {"action": "token."}).context["entries"]) == 1
    assert client.get(address, {"since": "2999-01-01"}).context["entries"] == []
    odd = client.get(address, {"colour": "red", "since": "yesterday", "cursor": "x"})
    assert (odd.status_code, len(odd.context["notes"])) == (200, 3)


def test_an_old_entry_without_a_value_still_reads(client: Client) -> None:
    project = a_project()
    record(SYSTEM, "member.roles_set", "user", "ada", project_id=project.pk)
    client.force_login(project.owner)
    assert "gave ada the roles –" in _text(client.get(f"/p/{project.slug}/audit/"))


@pytest.mark.parametrize("page", ["", "upload/", "settings/", "audit/"])
def test_pages_cost_the_same_with_many_rows(client: Client, page: str, django_assert_max_num_queries: Any) -> None:
    project = a_project()
    for _ in range(6):
        member = a_member(project, Role.VIEWER, Role.CURATOR)
        a_token(project, "read", by=member)
        record(SYSTEM, "member.roles_set", "user", member.username, project_id=project.pk)
    client.force_login(project.owner)
    client.get(f"/p/{project.slug}/{page}")
    with django_assert_max_num_queries(15):
        assert client.get(f"/p/{project.slug}/{page}").status_code == 200


def test_hostile_names_are_text(client: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    owner = User.objects.create_user("ada", first_name="<script>alert(1)</script>", password=PASSWORD)
    project = a_project(owner=owner, name="<img src=x onerror=alert(1)>", classes=["a'b</pre>", "c"], positive_class="a'b</pre>")
    client.force_login(owner)
    for page in ("", "upload/", "settings/", "audit/"):
        body = client.get(f"/p/{project.slug}/{page}").content.decode()
        assert "<script>alert" not in body
        assert "<img src=x" not in body
        assert "a'b</pre>" not in body


def test_a_role_through_the_team_is_not_offered_as_ones_own(client: Client) -> None:
    # Otherwise "Set roles" would give for good what the team only lends.
    project = a_project()
    grace = a_member(project, Role.CURATOR)
    teams.add_team_member(actor=SYSTEM, team=project.team, user=grace)
    client.force_login(project.owner)
    page = client.get(f"/p/{project.slug}/settings/")
    shown = next(member for member in page.context["members"] if member["user"] == grace)
    assert shown["form"].initial["roles"] == [Role.CURATOR]
    words = re.sub(r"<[^>]+>|\s", " ", page.content.decode())
    assert "Curator · Viewer through the team Radiology" in " ".join(words.split())


def test_what_people_read_carries_their_names_and_the_log_their_accounts(client: Client) -> None:
    project = a_project()
    User.objects.filter(pk=project.owner.pk).update(first_name="Olga", last_name="Petrova")
    client.force_login(project.owner)
    case = a_text(project, "a case")
    client.post(f"/p/{project.slug}/cases/{case.key}/decide/", {"state": "accepted", "back": "case"})
    client.post(f"/p/{project.slug}/cases/{case.key}/label/", {"label": "nodule"})
    page = _text(client.get(f"/p/{project.slug}/cases/{case.key}/"))
    assert "decided by Olga Petrova" in page
    assert "r1, Olga Petrova" in page
    names = AuditEvent.objects.filter(object_id=case.key, action__in=["case.accepted", "case.labelled"]).values_list(
        "actor_name", flat=True
    )
    assert list(names) == [project.owner.username] * 2


def test_the_overview_says_what_waits(client: Client) -> None:
    project = a_project()
    client.force_login(project.owner)
    assert "Nothing waits for you" in _text(client.get(f"/p/{project.slug}/needs/"))
    Case.objects.bulk_create(
        Case(project=project, number=n, kind="text", sha256=f"{n:064}", stored_sha256=f"{n:064}", size=1, media_type="text/plain")
        for n in (1, 2)
    )
    assert "2 cases wait in the inbox" in _text(client.get(f"/p/{project.slug}/needs/"))
    assert "Received <strong>XR-2</strong>" in _text(client.get(f"/p/{project.slug}/upload/last/"))
    client.force_login(a_member(project, Role.VIEWER))
    assert "inbox" not in _text(client.get(f"/p/{project.slug}/needs/"))


def test_an_account_is_closed_and_opened_by_command(client: Client) -> None:
    user = a_person()
    client.force_login(user)
    call_command("deactivate_user", user.username, stdout=StringIO())
    assert client.get("/account/").status_code == 302
    call_command("deactivate_user", user.username, "--undo", stdout=StringIO())
    assert client.get("/account/").status_code == 200
    with pytest.raises(CommandError):
        call_command("deactivate_user", "nobody-here")
