"""Every address × every kind of caller. An address that is not in the table fails, so that nobody adds one without saying who may use it.

To add yours: one row in `PROJECT` (what each method needs, as in the view's `can`) or, if it belongs to no project, in `TEAM`, `OPEN` or `SIGNED_IN`.
The doors are tested with the views' own code replaced by an empty answer; what a view does behind the door is its room's test.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.views import APIView

from hardcases.models import Project, TeamMembership, User
from hardcases.projects.doors import ProjectAPI, ProjectPage, TeamPage
from hardcases.projects.permissions import ROLES, SCOPES, Can, InTeam, Role, Scope
from tests.builders.people import a_member, a_person, a_project, a_token, bearer

# For everybody, signed in or not.
OPEN = {"healthz", "readyz", "metrics", "api-schema", "api-docs", "account_login", "account_inactive", "sign_out", "invite", "help"}

# For everybody who is signed in; what they see is theirs.
SIGNED_IN = {
    "home", "account", "account_reauthenticate", "project-list", "project-new", "team-list", "team-new", "api-whoami", "api-project-list", "api-job"
}  # fmt: skip

# In a team: what each method needs.
TEAM: dict[str, dict[str, InTeam]] = {
    "team": {"GET": InTeam.SEE, "POST": InTeam.MANAGE},
    "team-invite": {"GET": InTeam.MANAGE, "POST": InTeam.MANAGE},
    "team-member": {"POST": InTeam.MANAGE},
}

# In a project: what each method needs.
PROJECT: dict[str, dict[str, Can]] = {
    # hardcases.projects
    "api-project": {"GET": Can.VIEW, "PATCH": Can.MANAGE},
    "api-member-list": {"GET": Can.VIEW},
    "project-overview": {"GET": Can.VIEW},
    "project-upload": {"GET": Can.OWN_TOKENS, "POST": Can.OWN_TOKENS},
    "token-revoke": {"POST": Can.OWN_TOKENS},
    "token-replace": {"GET": Can.OWN_TOKENS, "POST": Can.OWN_TOKENS},
    "project-settings": {"GET": Can.MANAGE, "POST": Can.MANAGE},
    "member-invite": {"GET": Can.MANAGE, "POST": Can.MANAGE},
    "member-roles": {"POST": Can.MANAGE},
    "audit-log": {"GET": Can.VIEW_AUDIT},
    # hardcases.cases
    "api-case-list": {"GET": Can.VIEW_CASES, "POST": Can.REPORT},
    "api-case-batch": {"POST": Can.REPORT},
    "api-case-digests": {"POST": Can.REPORT},
    "api-case-bulk": {"POST": Can.TRIAGE},
    "api-case-bulk-undo": {"POST": Can.TRIAGE},
    "api-case": {"GET": Can.VIEW_CASES, "PATCH": Can.TRIAGE},
    "api-case-media": {"GET": Can.VIEW_CASES},
    "inbox": {"GET": Can.TRIAGE},
    "upload-test": {"POST": Can.REPORT},
    "case-list": {"GET": Can.VIEW_CASES},
    "case-light": {"GET": Can.VIEW_CASES},
    "case-decide": {"POST": Can.TRIAGE},
    "case-undo": {"POST": Can.TRIAGE},
    "case-erase": {"GET": Can.ERASE, "POST": Can.ERASE},
    # hardcases.groups
    "api-group-list": {"GET": Can.VIEW_CASES},
    "api-group": {"GET": Can.VIEW_CASES},
    "api-group-decide": {"POST": Can.TRIAGE},
    "api-group-merge": {"POST": Can.TRIAGE},
    "api-group-split": {"POST": Can.TRIAGE},
    "api-group-undo": {"POST": Can.TRIAGE},
    "inbox-placing": {"GET": Can.TRIAGE},
    "group-page": {"GET": Can.VIEW_CASES},
    "group-decide": {"POST": Can.TRIAGE},
    "group-merge": {"POST": Can.TRIAGE},
    "group-split": {"POST": Can.TRIAGE},
    "group-undo": {"POST": Can.TRIAGE},
    # hardcases.sampling
    "api-sampling": {"GET": Can.VIEW, "PUT": Can.MANAGE},
    "api-sampling-forget": {"POST": Can.ERASE},
    "sampling": {"GET": Can.MANAGE, "POST": Can.MANAGE},
    # hardcases.repairs
    "api-quarantine": {"GET": Can.VIEW_CASES},
    "api-repairs": {"GET": Can.VIEW_CASES, "POST": Can.TRIAGE},
    "api-repair-retire": {"POST": Can.TRIAGE},
    "quarantine": {"GET": Can.TRIAGE, "POST": Can.TRIAGE},
    "quarantine-finding": {"GET": Can.TRIAGE, "POST": Can.TRIAGE},
    "repair-retire": {"POST": Can.TRIAGE},
    # hardcases.uploads
    "api-upload-list": {"POST": Can.REPORT},
    "api-upload": {"GET": Can.REPORT, "DELETE": Can.REPORT},
    "api-upload-part": {"PUT": Can.REPORT},
    "api-upload-confirm": {"POST": Can.REPORT},
    # hardcases.labels
    "api-label-list": {"POST": Can.LABEL},
    "api-case-labels": {"GET": Can.VIEW_CASES},
    "case-page": {"GET": Can.VIEW_CASES},
    "case-label": {"POST": Can.LABEL},
    # hardcases.testsets
    "api-test-set-list": {"GET": Can.VIEW, "POST": Can.CURATE},
    "api-test-set": {"GET": Can.VIEW},
    "api-draft": {"GET": Can.VIEW, "POST": Can.CURATE},
    "api-version-list": {"GET": Can.VIEW, "POST": Can.CURATE},
    "api-version": {"GET": Can.VIEW},
    "api-manifest": {"GET": Can.VIEW},
    "api-version-diff": {"GET": Can.VIEW},
    "api-stratum-list": {"GET": Can.VIEW, "POST": Can.CURATE},
    "test-set-list-page": {"GET": Can.VIEW},
    "test-set-new": {"GET": Can.CURATE, "POST": Can.CURATE},
    "test-set-page": {"GET": Can.VIEW},
    "draft-page": {"GET": Can.VIEW, "POST": Can.CURATE},
    "freeze-page": {"GET": Can.CURATE, "POST": Can.CURATE},
    "version-page": {"GET": Can.VIEW},
    "version-manifest": {"GET": Can.VIEW},
    "version-diff-page": {"GET": Can.VIEW},
    "stratum-list-page": {"GET": Can.VIEW, "POST": Can.CURATE},
    # hardcases.transfers
    "api-import-list": {"GET": Can.VIEW, "POST": Can.IMPORT},
    "api-import": {"GET": Can.VIEW},
    "api-import-start": {"POST": Can.IMPORT},
    "api-import-report": {"GET": Can.VIEW},
    "api-export-list": {"GET": Can.VIEW, "POST": Can.EXPORT},
    "api-export": {"GET": Can.VIEW},
    "api-export-download": {"GET": Can.VIEW},
    "api-export-digest": {"GET": Can.VIEW},
    "transfer-list": {"GET": Can.VIEW},
    "import-new": {"POST": Can.IMPORT},
    "export-new": {"POST": Can.EXPORT},
    "import-page": {"GET": Can.VIEW, "POST": Can.IMPORT},
    # evaluation.registry
    "api-model-list": {"GET": Can.VIEW, "POST": Can.RUN},
    "api-model": {"GET": Can.VIEW},
    "api-model-version-list": {"GET": Can.VIEW, "POST": Can.RUN},
    "api-model-version": {"GET": Can.VIEW},
    "api-model-version-production": {"POST": Can.MARK_PRODUCTION},
    "model-list-page": {"GET": Can.VIEW},
    "model-page": {"GET": Can.VIEW},
    "model-version-page": {"GET": Can.VIEW},
    "model-version-mark": {"POST": Can.MARK_PRODUCTION},
    # evaluation.runs
    "api-run-list": {"GET": Can.VIEW, "POST": Can.RUN},
    "api-run": {"GET": Can.VIEW},
    "api-run-cancel": {"POST": Can.RUN},
    "api-run-retry": {"POST": Can.RUN},
    "api-run-predictions": {"GET": Can.VIEW_CASES, "PUT": Can.RUN},
    "api-run-report": {"GET": Can.VIEW},
    "api-run-cases": {"GET": Can.VIEW_CASES},
    "run-list-page": {"GET": Can.VIEW},
    "run-new": {"GET": Can.RUN, "POST": Can.RUN},
    "run-page": {"GET": Can.VIEW},
    "run-cancel": {"POST": Can.RUN},
    "run-retry": {"POST": Can.RUN},
    "run-flips": {"GET": Can.VIEW_CASES},
    "case-answers": {"GET": Can.VIEW_CASES},
    # evaluation.releases
    "api-policies": {"GET": Can.VIEW, "POST": Can.PROPOSE_POLICY},
    "api-policy": {"GET": Can.VIEW},
    "api-releases": {"GET": Can.VIEW, "POST": Can.OPEN_RELEASE},
    "api-release": {"GET": Can.VIEW},
    "policy-list": {"GET": Can.VIEW},
    "policy-propose": {"GET": Can.PROPOSE_POLICY, "POST": Can.PROPOSE_POLICY},
    "policy-page": {"GET": Can.VIEW, "POST": Can.APPROVE_POLICY},
    "release-list": {"GET": Can.VIEW},
    "release-open": {"GET": Can.OPEN_RELEASE, "POST": Can.OPEN_RELEASE},
    "release-page": {"GET": Can.VIEW},
    "release-sign": {"GET": Can.SIGN, "POST": Can.SIGN},
    "release-accept": {"GET": Can.SIGN, "POST": Can.SIGN},
    # hardcases.config
    "overview-needs": {"GET": Can.VIEW},
    "overview-standing": {"GET": Can.VIEW},
    "last-received": {"GET": Can.VIEW_CASES},
}


@dataclass(frozen=True)
class Address:
    """One pattern of the URLconf with the view behind it."""

    route: str
    name: str | None
    view: type | None
    callback: Any
    pattern: URLPattern

    @property
    def is_api(self) -> bool:
        return self.route.startswith("api/")

    def path(self, project: str = "") -> str:
        """A path that the pattern takes, in the given project or team."""
        path = "/" + self.route
        for name, converter in self.pattern.pattern.converters.items():
            path = path.replace(
                f"<{_kind(self.route, name)}:{name}>", project if name in {"project", "team"} else _SAMPLES[_kind(self.route, name)]
            )
            path = path.replace(f"<{name}>", "x")
            assert converter is not None
        return path


_SAMPLES = {"uuid": str(uuid.uuid4()), "int": "1", "str": "x", "slug": "x", "path": "x"}


def _kind(route: str, name: str) -> str:
    before = route.split(f":{name}>", maxsplit=1)[0]
    return before.rpartition("<")[2]


def _walk(resolver: URLResolver, prefix: str = "") -> Iterator[Address]:
    for part in resolver.url_patterns:
        route = prefix + str(part.pattern)
        if isinstance(part, URLResolver):
            yield from _walk(part, route)
        else:
            view = getattr(part.callback, "view_class", None) or getattr(part.callback, "cls", None)
            yield Address(route, part.name, view, part.callback, part)


ADDRESSES = list(_walk(get_resolver()))
NAMED = {address.name: address for address in ADDRESSES if address.name}
IN_PROJECT = sorted(set(PROJECT) & set(NAMED))


def _row(address: Address) -> str:
    """The row that the view asks for."""
    needs = ", ".join(f'"{method}": Can.{permission.name}' for method, permission in getattr(address.view, "can", {}).items())
    return f'    "{address.name}": {{{needs}}},'


def test_every_address_is_in_the_table_and_every_row_is_an_address() -> None:
    listed = OPEN | SIGNED_IN | set(PROJECT) | set(TEAM)
    unlisted = [_row(NAMED[name]) for name in sorted(set(NAMED) - listed)]
    assert unlisted == [], "not in the table. Check each against the roles it is meant for, then add:\n" + "\n".join(unlisted)
    assert listed - set(NAMED) == set(), "in the table, but no address"
    assert len(OPEN) + len(SIGNED_IN) + len(PROJECT) + len(TEAM) == len(listed), "a name stands in two places"


def test_names_are_unique_and_only_twins_without_a_slash_have_none() -> None:
    named = [address.name for address in ADDRESSES if address.name]
    assert len(named) == len(set(named))
    with_slash = {address.route: address.callback for address in ADDRESSES if address.name}
    for address in ADDRESSES:
        if address.name is None:
            assert with_slash.get(address.route + "/") is address.callback, address.route


def test_every_api_path_works_without_its_slash() -> None:
    routes = {address.route for address in ADDRESSES}
    assert [route for route in routes if route.startswith("api/") and route.endswith("/") and route[:-1] not in routes] == []


@pytest.mark.parametrize("name", sorted(NAMED))
def test_project_addresses_stand_on_a_door_with_the_permissions_of_the_table(name: str) -> None:
    address = NAMED[name]
    door = ProjectAPI if address.is_api else ProjectPage
    stands = address.view is not None and issubclass(address.view, door)
    assert stands == (name in PROJECT) == ("<slug:project>" in address.route)
    if stands:
        assert vars(address.view)["can"] == PROJECT[name]


@pytest.mark.django_db
@pytest.mark.parametrize("name", sorted(TEAM))
def test_doors_of_teams(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody: the sign-in page. Not in the team, though in its project: 404, as for no team at all. A member who does not manage it: 403."""
    address = NAMED[name]
    assert address.view is not None
    assert issubclass(address.view, TeamPage)
    assert vars(address.view)["can"] == TEAM[name]
    project = a_project()
    manager, member, stranger = a_person(), a_person(), a_member(project, *Role)
    TeamMembership.objects.create(team=project.team, user=manager, manages=True)
    TeamMembership.objects.create(team=project.team, user=member)
    path, browser = address.path(project.team.slug), Client()
    for method, right in TEAM[name].items():
        monkeypatch.setattr(address.view, method.lower(), lambda self, request, **kwargs: HttpResponse(status=204))
        assert Client().generic(method, path)["Location"].startswith("/login/")
        for user, status in ((stranger, 404), (member, 403 if right is InTeam.MANAGE else 204), (manager, 204)):
            browser.force_login(user)
            assert _status(browser, method, path) == status, (method, user)
            assert _status(browser, method, address.path("no-such-team")) == 404
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - set(TEAM[name]):
        assert _status(browser, method, path) == 405, method
    User.objects.filter(pk=manager.pk).update(is_active=False)
    assert _status(browser, next(iter(TEAM[name])), path) == 302


@dataclass
class Cast:
    """Everybody who knocks."""

    project: Project
    members: dict[Role, User]
    stranger: User
    deactivated: User
    tokens: dict[Scope, str]
    foreign_token: str


@pytest.fixture
def cast(db: None) -> Cast:
    project, other = a_project(), a_project()
    everything = a_member(project, *Role)
    deactivated = a_member(project, *Role)
    tokens = {scope: a_token(project, scope, by=everything) for scope in Scope}
    stranger = a_member(other, *Role)
    foreign = a_token(other, *Scope, by=stranger)
    return Cast(project, {role: a_member(project, role) for role in Role}, stranger, deactivated, tokens, foreign)


def _stub(monkeypatch: pytest.MonkeyPatch, address: Address) -> list[str]:
    """Replace what the view does behind its door."""
    view = address.view
    assert view is not None
    for method in PROJECT[str(address.name)]:
        monkeypatch.setattr(view, method.lower(), lambda self, request, **kwargs: HttpResponse(status=204))
    return sorted(PROJECT[str(address.name)])


def _status(client: Client, method: str, path: str, headers: dict[str, str] | None = None) -> int:
    return client.generic(method, path, b"{}", "application/json", headers=headers or {}).status_code


@pytest.mark.parametrize("name", IN_PROJECT)
def test_doors(name: str, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody: 401 or the sign-in page. Stranger: 404. Member without the permission: 403. Otherwise in."""
    address = NAMED[name]
    path, nowhere = address.path(cast.project.slug), address.path("no-such-project")
    for method in _stub(monkeypatch, address):
        permission = PROJECT[name][method]
        anonymous = Client().generic(method, path)
        assert anonymous.status_code == (401 if address.is_api else 302)
        assert address.is_api or anonymous["Location"].startswith("/login/")
        browser = Client()
        browser.force_login(cast.stranger)
        foreign, absent = browser.generic(method, path), browser.generic(method, nowhere)
        assert foreign.status_code == absent.status_code == 404
        if address.is_api:
            assert {**foreign.json(), "request_id": ""} == {**absent.json(), "request_id": ""}
        for role, member in cast.members.items():
            browser.force_login(member)
            assert _status(browser, method, path) == (204 if role in ROLES[permission] else 403), (method, role)
            assert _status(browser, method, nowhere) == 404
    cast.deactivated.is_active = False
    browser.force_login(cast.deactivated)
    cast.deactivated.save()
    assert _status(browser, method, path) == (401 if address.is_api else 302)


@pytest.mark.parametrize("name", IN_PROJECT)
def test_doors_for_tokens(name: str, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token needs the one scope of the permission. Another project's token: 404. A page takes no token at all."""
    address = NAMED[name]
    path = address.path(cast.project.slug)
    for method in _stub(monkeypatch, address):
        permission = PROJECT[name][method]
        for scope, token in cast.tokens.items():
            expected = (204 if SCOPES[permission] == scope else 403) if address.is_api else 302
            assert _status(Client(), method, path, bearer(token)) == expected, (method, scope)
        assert _status(Client(), method, path, bearer(cast.foreign_token)) == (404 if address.is_api else 302)
        assert not address.is_api or _status(Client(), method, path, bearer("hc_" + "0" * 36)) == 401


@pytest.mark.parametrize("name", IN_PROJECT)
def test_methods_without_a_permission_are_refused(name: str, cast: Cast) -> None:
    browser = Client()
    browser.force_login(cast.project.owner)
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - set(PROJECT[name]):
        assert _status(browser, method, NAMED[name].path(cast.project.slug)) == 405, method


@pytest.mark.django_db
@pytest.mark.parametrize("name", sorted(SIGNED_IN))
def test_addresses_without_a_project_ask_who_you_are(name: str) -> None:
    address = NAMED[name]
    response = Client().get(address.path())
    assert response.status_code == (401 if address.is_api else 302)
    assert address.is_api or response["Location"].startswith("/login/")
    browser = Client()
    browser.force_login(a_person())
    assert browser.get(address.path()).status_code != 401


@pytest.mark.django_db
@pytest.mark.parametrize("name", sorted(OPEN))
def test_open_addresses_ask_nothing(name: str) -> None:
    response = Client().get(NAMED[name].path())
    assert response.status_code in {200, 302, 404}
    assert not response.headers.get("Location", "").startswith("/login/?")


def test_no_api_view_turned_authentication_off() -> None:
    for name in (*SIGNED_IN, *PROJECT):
        view = NAMED[name].view
        if view is not None and issubclass(view, APIView):
            assert view.authentication_classes == APIView.authentication_classes, name
            assert view.permission_classes == APIView.permission_classes, name
