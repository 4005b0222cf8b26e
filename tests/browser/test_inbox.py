"""From the front door to decided cases."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from hardcases.cases.models import Case
from hardcases.projects.models import Project, User
from hardcases.projects.permissions import Role
from hardcases.work.tasks import all_due
from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor
from tests.builders import cases, labels, people

WAITING = 5


def work() -> None:
    """Do what the sweeper finds, until there is nothing left."""
    for _ in range(100):
        tasks = all_due()
        if not tasks:
            return
        for item in tasks:
            item.task(**item.kwargs)
    raise AssertionError("The work never ended.")


@pytest.fixture
def project(transactional_db: None) -> Project:
    made = people.a_project()
    for number in range(WAITING):
        cases.a_case(made, f"case {number}", attributes={"site": "clinic-7"})
    work()
    return made


@pytest.fixture
def curator(project: Project) -> User:
    return people.a_member(project, Role.CURATOR)


class Inbox:
    """The inbox under the hands of somebody who uses keys only."""

    def __init__(self, visitor: Visitor, project: Project) -> None:
        self.page = visitor.open(project, "inbox/")
        self.heading = self.page.locator("#inspector aside h2")

    @property
    def current(self) -> str:
        return self.heading.inner_text()

    def press(self, *keys: str) -> str:
        """Press these and wait for another case to come up; its key."""
        before = self.current
        for key in keys:
            self.page.keyboard.press(key)
        expect(self.heading).not_to_have_text(before)
        return self.current


def test_signing_in(visit: Visit, project: Project, curator: User) -> None:
    visitor = visit()
    page = visitor.page
    page.goto(f"{visitor.base}{reverse('inbox', args=[project.slug])}")
    visitor.look()
    page.get_by_label("User name").fill(curator.username)
    page.get_by_label("Password").fill("a guess")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_label("Password")).to_be_visible()
    expect(page.locator("body")).to_contain_text("not correct")
    visitor.look()
    page.get_by_label("User name").fill(curator.username)
    page.get_by_label("Password").fill(people.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
    visitor.look()


def test_the_inbox_by_keys_only(visit: Visit, project: Project, curator: User) -> None:
    visitor = visit(curator)
    inbox = Inbox(visitor, project)
    first = inbox.current
    second = inbox.press("j")
    assert inbox.press("k") == first
    assert inbox.press("j") == second
    third = inbox.press("1")
    fourth = inbox.press("3", "d", "u")
    assert inbox.press("z") == third
    inbox.press("3", "d", "n")
    visitor.look()
    assert len({first, second, third, fourth}) == 4
    decided = {case.key: (case.state, case.decline_reason) for case in Case.objects.filter(project=project).exclude(state="inbox")}
    assert decided == {second: ("accepted", None), third: ("declined", "not_our_input")}


def test_the_inbox_without_scripts(visit: Visit, project: Project, curator: User) -> None:
    visitor = visit(curator, java_script_enabled=False)
    page = visitor.page
    page.goto(f"{visitor.base}{reverse('inbox', args=[project.slug])}")
    first = page.locator("#inspector aside h2").inner_text()
    page.get_by_role("button", name="Accept").click()
    expect(page.locator("#inspector aside h2")).not_to_have_text(first)
    expect(page.locator("#toasts")).to_contain_text(f"{first} accepted")
    assert [case.key for case in Case.objects.filter(project=project, state="accepted")] == [first]


def test_labelling_by_keys(visit: Visit, project: Project) -> None:
    case = Case.objects.filter(project=project).earliest("id")
    labels.label(case, "normal")
    page = visit(people.a_member(project, Role.ANNOTATOR)).open(project, f"cases/{case.key}/")
    page.keyboard.press("l")
    page.keyboard.press("2")
    expect(page.get_by_role("button", name="nodule")).to_have_attribute("aria-pressed", "true")
    case.refresh_from_db()
    assert case.current_label.value == "nodule"


def test_the_other_pages_are_clean(visit: Visit, project: Project) -> None:
    visitor = visit(project.owner)
    for path in ("", "cases/", "cases/?q=site:nowhere", "settings/", "audit/", "strata/", "policies/", "policies/new/", "models/", "runs/"):
        visitor.open(project, path)
