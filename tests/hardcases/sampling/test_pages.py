"""The page of sampling rules, as an admin clicks through it."""

from typing import Any

import pytest
from django.test import Client

from hardcases.models import Project
from hardcases.projects.permissions import Role
from hardcases.sampling.models import SamplingRule
from tests.builders.cases import a_picture
from tests.builders.http import Api
from tests.builders.people import a_member, a_project

pytestmark = pytest.mark.django_db
FORM = {
    "name": "A tenth",
    "reason": "random_sample, audit",
    "source": "",
    "model": "",
    "attributes": "portable = true\nsite = clinic-7, clinic-9",
    "kind": "keep",
    "share": "12.5",
    "per": "day",
    "by": "",
}


@pytest.fixture
def project() -> Project:
    return a_project()


@pytest.fixture
def admin(project: Project) -> Client:
    client = Client()
    client.force_login(a_member(project, Role.ADMIN), backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def text(response: Any, status: int = 200) -> str:
    assert response.status_code == status, response.content[:300]
    page: str = response.content.decode()
    return page


def test_a_rule_is_tried_added_moved_and_removed(project: Project, admin: Client) -> None:
    address = f"/p/{project.slug}/sampling/"
    assert "Everything that arrives is kept" in text(admin.get(address))
    for index in range(3):
        Api(project).upload(a_picture(str(index)), {"reason": "audit", "attributes": {"portable": True, "site": "clinic-7"}})
    page = text(admin.post(address, FORM | {"share": "0", "do": "preview"}))
    assert "this rule would have kept 0 of 3." in page
    assert not SamplingRule.objects.exists()
    assert admin.post(address, FORM | {"do": "add", "seen": ""}).status_code == 302
    rule = SamplingRule.objects.get()
    assert rule.document == {
        "name": "A tenth",
        "when": {"reason": ["random_sample", "audit"], "attributes": {"portable": [True], "site": ["clinic-7", "clinic-9"]}},
        "keep": 0.125,
    }
    assert "12.5 % of: reason = random_sample or audit, portable = true" in text(admin.get(address))
    quota = FORM | {"kind": "quota", "size": "5", "by": "site, source", "reason": "", "attributes": "", "first": "on"}
    assert admin.post(address, quota | {"do": "add", "seen": str(rule.pk)}).status_code == 302
    project.refresh_from_db()
    other = SamplingRule.objects.exclude(pk=rule.pk).get()
    assert project.sampling == [other.pk, rule.pk]
    seen = f"{other.pk},{rule.pk}"
    assert admin.post(address, {"do": "up", "rule": str(rule.pk), "seen": seen}).status_code == 302
    project.refresh_from_db()
    assert project.sampling == [rule.pk, other.pk]
    admin.post(address, {"do": "remove", "rule": str(rule.pk), "seen": seen})
    project.refresh_from_db()
    assert project.sampling == [rule.pk, other.pk], "somebody else had changed them"
    admin.post(address, {"do": "remove", "rule": str(rule.pk), "seen": f"{rule.pk},{other.pk}"})
    project.refresh_from_db()
    assert project.sampling == [other.pk]


def test_what_was_left_out_is_listed(project: Project, admin: Client) -> None:
    address = f"/p/{project.slug}/sampling/"
    admin.post(address, FORM | {"share": "0", "attributes": "", "do": "add"})
    assert Api(project).upload(a_picture(), {"reason": "audit", "source": "clinic-7"}).status_code == 202
    page = text(admin.get(address))
    assert "audit · clinic-7" in page
    assert "0.0%" in page


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"share": ""}, "exactly one of keep"),
        ({"attributes": "site"}, "is not a name, an equals sign and values"),
        ({"attributes": "colour = red"}, "declares no attribute of this name"),
        ({"kind": "quota", "size": ""}, "whole number"),
        ({"kind": "quota", "size": "5", "by": "colour"}, "or a declared attribute"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_changed(project: Project, admin: Client, wrong: dict[str, str], sentence: str) -> None:
    page = text(admin.post(f"/p/{project.slug}/sampling/", FORM | wrong | {"do": "add"}), 422)
    assert sentence in page
    assert not SamplingRule.objects.exists()
