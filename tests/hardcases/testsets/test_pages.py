"""The pages of test sets, as a person clicks through them."""

from typing import Any

import pytest
from django.test import Client

from hardcases.projects.models import Project
from hardcases.projects.permissions import Role
from hardcases.testsets.models import Stratum, TestSet, Version
from tests.builders import people
from tests.builders import testsets as build

pytestmark = pytest.mark.django_db


def signed_in(project: Project, *roles: Role) -> Client:
    client = Client()
    client.force_login(people.a_member(project, *roles), backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.fixture
def project() -> Project:
    return people.a_project()


@pytest.fixture
def curator(project: Project) -> Client:
    return signed_in(project, Role.CURATOR)


def text(response: Any, status: int = 200) -> str:
    assert response.status_code == status, response.content[:300]
    page: str = response.content.decode()
    return page


def test_a_version_names_the_class_0_and_puts_numbers_in_their_order() -> None:
    project = people.a_project(classes=["0", "1"], positive_class="1", attributes=[("writer", "category", None)], cluster_attribute=None)
    cases = [build.a_case(project, label="0", writer=str(writer)) for writer in (10, 9, 8)]
    version = build.a_version(project, cases)
    page = text(signed_in(project, Role.VIEWER).get(f"/p/{project.slug}/sets/{version.test_set.slug}/v/1/"))
    assert f'<strong>{cases[0].key}</strong> <span class="muted">0</span>' in page
    places = [
        page.index(f"writer%3A{writer}&") if f"writer%3A{writer}&" in page else page.index(f'writer%3A{writer}"') for writer in (8, 9, 10)
    ]
    assert places == sorted(places)


class JourneyTests:
    def test_from_nothing_to_a_second_version(self, project: Project, curator: Client) -> None:
        root = f"/p/{project.slug}/sets/"
        assert "promise not to change" in text(curator.get(root))
        made = curator.post(f"{root}new/", {"slug": "hard", "purpose": "The hard ones"}, follow=True)
        assert "Draft of version 1" in text(made)
        one, two = build.a_case(project, site="clinic 7", portable=True), build.a_case(project, label=None)
        said = curator.post(f"{root}hard/draft/", {"keys": f"{one.key}, {two.key} XR-99", "do": "add"}, follow=True)
        assert "2 cases added" in text(said)
        assert "XR-99: There is no case of this key" in text(said)
        assert "No label" in text(said)
        assert "Freeze version 1…" not in text(said)
        assert "have no label" in text(curator.post(f"{root}hard/draft/freeze/", {"reason": "start"}), 422)
        curator.post(f"{root}hard/draft/", {"keys": two.key, "do": "remove"})
        assert "Freeze version 1…" in text(curator.get(f"{root}hard/draft/"))
        version = curator.post(f"{root}hard/draft/freeze/", {"reason": "start"}, follow=True)
        assert Version.objects.get().digest in text(version)
        assert "clinic 7" in text(version)
        build.relabel(two, "nodule")
        build.relabel(one, "nodule")
        curator.post(f"{root}hard/draft/", {"q": "state:accepted", "do": "add"})
        assert "1 member got another label" in text(curator.get(f"{root}hard/draft/"))
        curator.post(f"{root}hard/draft/freeze/", {"reason": "more"})
        diff = text(curator.get(f"{root}hard/diff/1..2/"))
        assert "adds 1 cases, removes 0, and pins 1 anew, 1 of them with another answer" in diff
        assert "normal → nodule" in diff
        assert text(curator.get(f"{root}hard/")).count("+1 −0") == 2
        manifest = curator.get(f"{root}hard/v/2/manifest/")
        assert len(b"".join(manifest.streaming_content).splitlines()) == 3  # type: ignore[attr-defined]

    def test_strata(self, project: Project, curator: Client) -> None:
        page = f"/p/{project.slug}/strata/"
        build.a_case(project, portable=True)
        assert "needs a rule" not in text(curator.get(page))
        curator.post(page, {"slug": "portable", "name": "Portable", "q": "portable:true", "minimum": "50"})
        assert Stratum.objects.get().minimum == 50
        assert "stratum:portable" in text(curator.get(page))
        assert "changes with the time" in text(curator.post(page, {"slug": "new", "name": "New", "q": "since:7d"}), 422)
        assert "already" in text(curator.post(page, {"slug": "portable", "name": "New", "q": "portable:true"}), 422)


class PermissionTests:
    def test_a_viewer_reads_and_is_offered_nothing(self, project: Project) -> None:
        build.a_version(project, [build.a_case(project)])
        test_set, viewer = TestSet.objects.get(), signed_in(project, Role.VIEWER)
        for path in ("", f"{test_set.slug}/", f"{test_set.slug}/draft/", f"{test_set.slug}/v/1/", f"{test_set.slug}/diff/1..1/"):
            assert "New test set" not in text(viewer.get(f"/p/{project.slug}/sets/{path}"))
        assert viewer.get(f"/p/{project.slug}/sets/{test_set.slug}/draft/freeze/").status_code == 403
        assert viewer.post(f"/p/{project.slug}/sets/new/", {"slug": "x"}).status_code == 403

    def test_the_gallery_goes_on_and_strange_addresses_are_noted(self, project: Project, curator: Client) -> None:
        cases = [build.a_case(project) for _ in range(62)]
        version = build.a_version(project, cases)
        page = f"/p/{project.slug}/sets/{version.test_set.slug}/v/1/"
        first = text(curator.get(page))
        assert f"?after={cases[59].number}" in first
        assert cases[61].key not in first
        assert cases[61].key in text(curator.get(f"{page}?after={cases[59].number}"))
        assert "was ignored" in text(curator.get(f"{page}?after=x&colour=red"))
