"""From the front door to decided cases."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from hardcases.cases.models import Case
from hardcases.projects.models import Project, User
from hardcases.projects.permissions import Role
from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor
from tests.builders import cases, groups, labels, people

WAITING = 5


@pytest.fixture
def project(transactional_db: None) -> Project:
    made = people.a_project()
    for number in range(WAITING):  # flat pictures, each a group of its own
        cases.a_case(made, f"case {number}", attributes={"site": "clinic-7"})
    groups.work()
    return made


@pytest.fixture
def curator(project: Project) -> User:
    return people.a_member(project, Role.CURATOR)


class Inbox:
    """The inbox under the hands of somebody who uses keys only."""

    def __init__(self, visitor: Visitor, project: Project) -> None:
        self.page = visitor.open(project, "inbox/")
        self.heading = self.page.locator("#inspector aside h2 a")

    @property
    def current(self) -> str:
        return self.heading.inner_text()

    def press(self, *keys: str) -> str:
        """Press these and wait for another group to come up; its key."""
        before = self.current
        for key in keys:
            self.page.keyboard.press(key)
        expect(self.heading).not_to_have_text(before)
        return self.current


def test_the_note_about_new_cases_follows_the_worker(visit: Visit, project: Project, curator: User) -> None:
    visitor = visit(curator)
    cases.a_case(project, "another")
    page = visitor.open(project, "inbox/")
    note = page.locator("#placing")
    expect(note).to_contain_text("1 new case is being put into its group.")
    groups.work()
    expect(note).to_contain_text("All new cases are in their groups.")
    note.get_by_role("link", name="Show them").click()
    expect(page.locator("h1")).to_contain_text(f"{WAITING + 1} groups")
    expect(page.locator("#placing")).to_have_count(0)


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
    decided = {case.group_key: (case.state, case.decline_reason) for case in Case.objects.filter(project=project).exclude(state="inbox")}
    assert decided == {second: ("accepted", None), third: ("declined", "not_our_input")}


def test_the_inbox_without_scripts(visit: Visit, project: Project, curator: User) -> None:
    visitor = visit(curator, java_script_enabled=False)
    page = visitor.page
    page.goto(f"{visitor.base}{reverse('inbox', args=[project.slug])}")
    heading = page.locator("#inspector aside h2 a")
    first = heading.inner_text()
    page.get_by_role("button", name="Accept").click()
    expect(heading).not_to_have_text(first)
    expect(page.locator("#toasts")).to_contain_text(f"{first}: 1 case accepted")
    assert [case.group_key for case in Case.objects.filter(project=project, state="accepted")] == [first]


def test_a_group_is_taken_apart_and_put_together_by_keys_only(visit: Visit, project: Project, curator: User) -> None:
    group = groups.a_group(project, 1, 3, reason="doctor_disagreed")
    visitor = visit(curator)
    page = visitor.open(project, f"inbox/?group={group.key}")
    case = page.locator("#inspector aside h3 a")
    newest = case.inner_text()
    page.keyboard.press("]")
    expect(case).not_to_have_text(newest)
    second = case.inner_text()
    visitor.look()
    page.keyboard.press("s")
    expect(page.locator("#toasts")).to_contain_text(f"{group.key}: 1 case split off as G-7")
    expect(case).not_to_have_text(second)
    visitor.open(project, "inbox/?group=G-7")
    expect(case).to_have_text(second)
    page.keyboard.press("m")
    expect(page.get_by_text("No other group looks like this one.")).to_be_visible()  # a person has just said so
    page.get_by_label("Or with").fill(group.key)
    page.keyboard.press("Enter")
    expect(page.locator("#inspector aside h2 a")).to_have_text(group.key)
    visitor.open(project, f"inbox/{group.key}/")
    expect(page.locator("main")).to_contain_text(f"G-7: 1 case merged into {group.key}.")
    page.keyboard.press("1")
    expect(page.locator("main")).to_contain_text(f"{group.key}: 3 cases accepted.")
    visitor.look()
    groups.recount(project)


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
