"""A team from nothing to somebody who sees its project through it."""

from playwright.sync_api import expect

from hardcases.models import Team
from tests.browser.conftest import Visit
from tests.builders import people


def test_a_team_and_its_people(visit: Visit, transactional_db: None) -> None:
    mona, grace = people.a_person("mona"), people.a_person("grace")
    visitor = visit(mona)
    page = visitor.page
    page.goto(f"{visitor.base}/projects/")
    page.get_by_role("link", name="Teams").click()
    visitor.look()
    page.get_by_role("link", name="New team").click()
    visitor.look()
    page.get_by_label("Name", exact=True).fill("Radiology")
    page.get_by_label("Short name").fill("radiology")
    page.get_by_role("button", name="Create team").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Radiology")
    project = people.a_project(team=Team.objects.get(slug="radiology"), owner=mona)
    page.get_by_label("User name").fill("grace")
    page.get_by_role("button", name="Put in").click()
    expect(page.locator("#invited")).to_have_text("grace is in the team.")
    visitor.look()
    page.get_by_label("Role of its members").select_option("curator")
    page.get_by_role("button", name="Change team").click()
    expect(page.locator("main")).to_contain_text("Everybody in the team is Curator")
    page.get_by_role("button", name="Let grace manage the team").click()
    expect(page.get_by_role("region", name="People")).to_contain_text("manages it")
    visitor.look()
    hers = visit(grace)
    hers.open(project, "inbox/")
    hers.page.goto(f"{hers.base}/account/")
    hers.look()
    hers.page.get_by_role("link", name="Radiology").click()
    expect(hers.page.get_by_role("button", name="Take mona out of the team")).to_be_visible()
    hers.look()


def test_no_dead_end_in_an_empty_project(visit: Visit, transactional_db: None) -> None:
    project = people.a_project()
    visitor = visit(project.owner)
    for path in ("", "inbox/", "cases/", "sets/", "strata/", "models/", "runs/", "runs/new/", "releases/", "releases/new/", "policies/"):
        page = visitor.open(project, path)
        expect(page.locator("main a[href], main button").first).to_be_visible()
    visitor.open(project, "")
    expect(visitor.page.get_by_role("link", name="Send the first case")).to_be_visible()
