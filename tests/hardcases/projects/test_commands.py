"""The commands of the contract."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from hardcases.models import ApiToken, Project, User
from hardcases.projects.permissions import Role
from tests.builders.people import a_project, bearer
from tests.hardcases.projects.test_project_api import DOCUMENT

pytestmark = pytest.mark.django_db


def run(*arguments: str, **options: Any) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "project.json"
    path.write_text(json.dumps(DOCUMENT), encoding="utf-8")
    return path


def test_create_project_is_idempotent(document: Path) -> None:
    assert "Created" in run("create_project", str(document))
    project = Project.objects.get(slug="chest-xray")
    assert project.owner.username == "owner"
    assert "Nothing was changed" in run("create_project", str(document))
    assert Project.objects.count() == User.objects.count() == 1


def test_create_project_leaves_other_content_alone(document: Path) -> None:
    run("create_project", str(document), owner="ada")
    document.write_text(json.dumps(DOCUMENT | {"name": "Other"}), encoding="utf-8")
    with pytest.raises(CommandError) as refusal:
        run("create_project", str(document))
    assert refusal.value.returncode == 2
    assert Project.objects.get().name == "Chest X-ray"
    assert not User.objects.filter(username="owner").exists()


@pytest.mark.parametrize(("content", "said"), [("{", "not valid JSON"), ("[]", "JSON object"), ('{"slug": "x"}', "/task"), ("{}", "/slug")])
def test_create_project_names_what_is_wrong(document: Path, content: str, said: str) -> None:
    document.write_text(content, encoding="utf-8")
    with pytest.raises(CommandError, match=said):
        run("create_project", str(document))


def test_create_project_says_when_there_is_no_file() -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        run("create_project", "/nowhere/project.json")


def test_create_token_prints_the_token_alone(client: Client) -> None:
    project = a_project()
    out = run("create_token", project.slug, scopes="report,read", days=7)
    token = out.strip()
    assert out == token + "\n"
    assert client.get("/api/v1/whoami/", headers=bearer(token)).json()["scopes"] == ["report", "read"]
    row = ApiToken.objects.get()
    assert (row.created_by, row.expires_at.date().toordinal() - row.created_at.date().toordinal()) == (project.owner, 7)


@pytest.mark.parametrize(("scopes", "days"), [("everything", 1), ("read", 400), ("", 1)])
def test_create_token_refuses(scopes: str, days: int) -> None:
    project = a_project()
    with pytest.raises(CommandError):
        run("create_token", project.slug, scopes=scopes, days=days)
    with pytest.raises(CommandError, match="no project"):
        run("create_token", "nothing", scopes="read")
    assert not ApiToken.objects.exists()


def test_create_member_prints_a_link_that_works_once(client: Client) -> None:
    project = a_project()
    link = run("create_member", project.slug, "grace", roles="curator,engineer").strip()
    assert set(project.memberships.filter(user__username="grace").values_list("role", flat=True)) == {Role.CURATOR, Role.ENGINEER}
    path = "/invite/" + link.split("/invite/")[1]
    assert client.get(path).status_code == 200
    answer = client.post(path, {"name": "Grace Hopper", "password1": "a much better passphrase", "password2": "a much better passphrase"})
    assert answer.status_code == 302
    assert User.objects.get(username="grace").check_password("a much better passphrase")
    assert Client().get(path).status_code == 404


def test_create_member_refuses_an_unknown_role() -> None:
    project = a_project()
    with pytest.raises(CommandError, match="is no role"):
        run("create_member", project.slug, "grace", roles="king")
    assert not User.objects.filter(username="grace").exists()
