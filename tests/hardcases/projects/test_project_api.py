"""Projects over REST: the document of the contract goes in and comes out, and every rule it breaks is named."""

import json
from copy import deepcopy
from typing import Any

import pytest
from django.test import Client

from hardcases.models import Attribute, AuditEvent, Counter, Project, Team
from hardcases.projects.permissions import Role
from tests.builders.people import PASSWORD, a_member, a_person, a_project, a_token, bearer

pytestmark = pytest.mark.django_db

DOCUMENT: dict[str, Any] = {
    "slug": "chest-xray",
    "name": "Chest X-ray",
    "team": "radiology",
    "task": "classification",
    "key_prefix": "XR",
    "classes": ["normal", "nodule"],
    "positive_class": "nodule",
    "attributes": [
        {"name": "site", "type": "category"},
        {"name": "age", "type": "number", "bins": [0, 18, 65.5]},
        {"name": "portable", "type": "boolean"},
    ],
    "cluster_attribute": "patient",
}


@pytest.fixture
def signed_in(client: Client) -> Client:
    client.force_login(a_person("ada"))
    return client


def _post(client: Client, body: Any) -> Any:
    return client.post("/api/v1/projects/", json.dumps(body), content_type="application/json")


def _pointers(response: Any) -> list[str]:
    return [error["pointer"] for error in response.json()["errors"]]


def test_the_document_comes_back_as_it_was_sent(signed_in: Client) -> None:
    response = _post(signed_in, DOCUMENT)
    assert response.status_code == 201, response.content
    assert response["Location"] == "/api/v1/projects/chest-xray/"
    got = signed_in.get("/api/v1/projects/chest-xray/").json()
    assert {key: got[key] for key in DOCUMENT} == DOCUMENT
    assert got["url"].endswith("/p/chest-xray/")
    assert set(got) == {*DOCUMENT, "url"}


def test_the_creator_becomes_admin_and_the_cluster_attribute_is_declared_by_naming_it(signed_in: Client) -> None:
    _post(signed_in, DOCUMENT)
    project = Project.objects.get(slug="chest-xray")
    assert list(project.memberships.values_list("user__username", "role")) == [("ada", "admin")]
    assert list(project.attributes.values_list("name", "implied")) == [
        ("site", False),
        ("age", False),
        ("portable", False),
        ("patient", True),
    ]
    assert AuditEvent.objects.filter(action="project.created", object_id="chest-xray", actor_name="ada").count() == 1


def test_the_team_defaults_and_is_made_once(signed_in: Client) -> None:
    without = {key: value for key, value in DOCUMENT.items() if key != "team"}
    assert _post(signed_in, without).json()["team"] == "default"
    assert _post(signed_in, without | {"slug": "second"}).status_code == 201
    assert Team.objects.filter(slug="default").count() == 1


def test_a_foreign_team_is_not_joined_by_naming_it(signed_in: Client) -> None:
    a_project(slug="theirs")
    team = Project.objects.get(slug="theirs").team.slug
    assert _post(signed_in, DOCUMENT | {"team": team}).status_code == 403
    assert not Project.objects.filter(slug="chest-xray").exists()


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"slug": "Chest X"}, "/slug"),
        ({"task": "guessing"}, "/task"),
        ({"classes": ["one"], "positive_class": None}, "/classes"),
        ({"classes": ["a", "a", "b"], "positive_class": None}, "/classes/1"),
        ({"classes": [1, 2]}, "/classes/0"),
        ({"positive_class": None}, "/positive_class"),
        ({"positive_class": "cyst"}, "/positive_class"),
        ({"classes": ["a", "b", "c"], "positive_class": "a"}, "/positive_class"),
        ({"task": "regression", "positive_class": None}, "/classes"),
        ({"key_prefix": "x-1"}, "/key_prefix"),
        ({"key_prefix": "R"}, "/key_prefix"),
        ({"attributes": [{"name": "a b", "type": "text"}]}, "/attributes/0/name"),
        ({"attributes": [{"name": "class", "type": "text"}]}, "/attributes/0/name"),
        ({"attributes": [{"name": "attr.x", "type": "text"}]}, "/attributes/0/name"),
        ({"attributes": [{"name": "a", "type": "text"}, {"name": "a", "type": "text"}]}, "/attributes/1/name"),
        ({"attributes": [{"name": "a", "type": "colour"}]}, "/attributes/0/type"),
        ({"attributes": [{"name": "a", "type": "number", "bins": [1, 1]}]}, "/attributes/0/bins"),
        ({"attributes": [{"name": "a", "type": "number", "bins": ["1", 2]}]}, "/attributes/0/bins/0"),
        ({"attributes": [{"name": "a", "type": "text", "bins": [1, 2]}]}, "/attributes/0/bins"),
        ({"attributes": [{"name": "a", "type": "text", "values": ["x"]}]}, "/attributes/0/values"),
        ({"attributes": [{"name": "a", "type": "category", "values": []}]}, "/attributes/0/values"),
        ({"attributes": [{"name": "a", "type": "text", "colour": 1}]}, "/attributes/0/colour"),
        ({"cluster_attribute": "age"}, "/cluster_attribute"),
        ({"cluster_attribute": "a b"}, "/cluster_attribute"),
        ({"colour": "red"}, "/colour"),
        ({"name": ""}, "/name"),
        ({"strip_metadata": "yes"}, "/strip_metadata"),
    ],
)
def test_a_broken_rule_is_named_with_its_place(signed_in: Client, change: dict[str, Any], pointer: str) -> None:
    response = _post(signed_in, DOCUMENT | change)
    assert response.status_code == 422, response.content
    assert pointer in _pointers(response)
    assert response["Content-Type"] == "application/problem+json"
    assert not Project.objects.exists()


@pytest.mark.parametrize("missing", ["slug", "name", "task", "key_prefix"])
def test_a_missing_field_is_named(signed_in: Client, missing: str) -> None:
    body = {key: value for key, value in DOCUMENT.items() if key != missing}
    assert _pointers(_post(signed_in, body)) == [f"/{missing}"]


@pytest.mark.parametrize("body", ["[]", "3", '"x"', "null"])
def test_a_body_that_is_no_object_is_a_422(signed_in: Client, body: str) -> None:
    assert signed_in.post("/api/v1/projects/", body, content_type="application/json").status_code == 422


def test_a_taken_slug_is_a_409_and_stores_nothing(signed_in: Client) -> None:
    assert _post(signed_in, DOCUMENT).status_code == 201
    assert _post(signed_in, DOCUMENT).status_code == 409
    assert Project.objects.count() == 1


def test_an_idempotency_key_replays_the_answer(signed_in: Client) -> None:
    first, again = (
        signed_in.post("/api/v1/projects/", json.dumps(DOCUMENT), content_type="application/json", headers={"Idempotency-Key": "k1"})
        for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert again["Idempotency-Replayed"] == "true"


def test_a_token_makes_no_project(client: Client) -> None:
    token = a_token(a_project(), "admin")
    response = client.post("/api/v1/projects/", json.dumps(DOCUMENT), content_type="application/json", headers=bearer(token))
    assert response.status_code == 403


def test_the_list_shows_mine_only(client: Client) -> None:
    mine, _ = a_project(slug="mine"), a_project(slug="theirs")
    client.force_login(a_member(mine, Role.VIEWER))
    body = client.get("/api/v1/projects/").json()
    assert [item["slug"] for item in body["results"]] == ["mine"]
    assert body["next"] is None


def test_patch_changes_and_records_before_and_after(signed_in: Client) -> None:
    _post(signed_in, DOCUMENT)
    grown = [*DOCUMENT["attributes"], {"name": "patient", "type": "text"}]
    response = _patch(signed_in, {"name": "Chest", "attributes": grown, "classes": ["normal", "nodule", "cyst"], "positive_class": None})
    assert response.status_code == 200, response.content
    assert response.json()["attributes"] == grown
    assert list(Attribute.objects.filter(implied=True)) == []
    event = AuditEvent.objects.get(action="project.changed")
    assert (event.before["name"], event.after["name"]) == ("Chest X-ray", "Chest")


def _patch(client: Client, body: Any) -> Any:
    return client.patch("/api/v1/projects/chest-xray/", json.dumps(body), content_type="application/json")


def test_an_attribute_in_a_patch_is_whole_or_refused(signed_in: Client) -> None:
    _post(signed_in, DOCUMENT)
    response = _patch(signed_in, {"attributes": [*DOCUMENT["attributes"], {"values": ["a"]}]})
    assert response.status_code == 422
    assert sorted(_pointers(response)) == ["/attributes/3/name", "/attributes/3/type"]


def test_patch_with_equal_content_changes_nothing(signed_in: Client) -> None:
    _post(signed_in, DOCUMENT)
    assert _patch(signed_in, DOCUMENT).status_code == 200
    assert not AuditEvent.objects.filter(action="project.changed").exists()


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"slug": "other"}, "/slug"),
        ({"task": "multilabel", "positive_class": None}, "/task"),
        ({"key_prefix": "YY"}, "/key_prefix"),
        ({"classes": ["nodule", "normal"]}, "/classes"),
        ({"positive_class": "normal"}, "/positive_class"),
        ({"cluster_attribute": "site"}, "/cluster_attribute"),
        ({"attributes": DOCUMENT["attributes"][1:]}, "/attributes"),
        ({"attributes": [{"name": "site", "type": "text"}, *DOCUMENT["attributes"][1:]]}, "/attributes/0/type"),
        ({"attributes": [{"name": "site", "type": "category", "values": ["x"]}, *DOCUMENT["attributes"][1:]]}, "/attributes/0/values"),
    ],
)
def test_what_cases_refer_to_may_only_grow(signed_in: Client, change: dict[str, Any], pointer: str) -> None:
    _post(signed_in, DOCUMENT)
    Counter.objects.create(project=Project.objects.get(), kind="case", value=1)
    response = _patch(signed_in, change)
    assert response.status_code == 422, response.content
    assert pointer in _pointers(response)


def test_the_trailing_slash_is_optional_and_an_absent_path_is_a_problem(signed_in: Client) -> None:
    assert signed_in.post("/api/v1/projects", json.dumps(DOCUMENT), content_type="application/json").status_code == 201
    assert signed_in.get("/api/v1/projects/chest-xray").json()["slug"] == "chest-xray"
    for address in ("/api/v1/nothing", "/api/v1/nothing/", "/api/nothing", "/api/v1/projects/chest-xray/nothing/"):
        response = signed_in.get(address)
        assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json"), address


def test_an_unknown_query_parameter_is_a_400(signed_in: Client) -> None:
    for address in ("/api/v1/whoami/?a=1", "/api/v1/projects/?color=red"):
        assert signed_in.get(address).status_code == 400, address


def test_whoami_says_what_a_token_is(client: Client) -> None:
    project = a_project()
    token = a_token(project, "report", "read")
    body = client.get("/api/v1/whoami/", headers=bearer(token)).json()
    assert (body["kind"], body["project"], body["scopes"]) == ("token", project.slug, ["report", "read"])
    assert body["expires_at"].endswith("Z")
    assert client.get("/api/v1/whoami/").status_code == 401


def test_members_are_listed_with_their_roles(client: Client) -> None:
    project = a_project()
    viewer = a_member(project, Role.VIEWER, Role.CURATOR)
    client.login(username=viewer.username, password=PASSWORD)
    body = client.get(f"/api/v1/projects/{project.slug}/members/").json()
    assert {item["username"]: item["roles"] for item in body["results"]}[viewer.username] == ["viewer", "curator"]


def test_the_documents_of_two_equal_projects_are_equal(signed_in: Client) -> None:
    """GET → POST under another slug → GET gives the same but for the slug."""
    _post(signed_in, DOCUMENT)
    got = signed_in.get("/api/v1/projects/chest-xray/").json()
    body = deepcopy(got)
    body.pop("url")
    assert _post(signed_in, body | {"slug": "twin"}).status_code == 201
    twin = signed_in.get("/api/v1/projects/twin/").json()
    assert {k: v for k, v in twin.items() if k not in {"slug", "url"}} == {k: v for k, v in got.items() if k not in {"slug", "url"}}
