"""From cases to a signature: freeze, run, look at what changed, sign."""

from playwright.sync_api import expect

from evaluation.releases.models import SignOff
from evaluation.runs.models import Run
from hardcases.projects.permissions import Role
from hardcases.testsets.models import Version
from tests.browser.conftest import Visit
from tests.builders import people, runs, testsets
from tests.builders.releases import a_scene


def test_from_draft_to_a_frozen_version(visit: Visit) -> None:
    project = people.a_project()
    members = [testsets.a_case(project) for _ in range(3)]
    test_set = testsets.a_test_set(project, members[:1])
    visitor = visit(people.a_member(project, Role.CURATOR))
    visitor.open(project, "sets/")
    page = visitor.open(project, f"sets/{test_set.slug}/draft/")
    page.get_by_label("Search").fill("state:accepted")
    page.get_by_role("button", name="Add cases").click()
    expect(page.locator("#adds + *, [aria-labelledby=adds]").first).to_contain_text(members[2].key)
    visitor.look()
    page.get_by_role("link", name="Freeze version 1…").click()
    visitor.look()
    page.get_by_label("Reason").fill("The first three.")
    page.get_by_role("button", name="Freeze version 1").click()
    expect(page).to_have_url(f"{visitor.base}/p/{project.slug}/sets/{test_set.slug}/v/1/")
    visitor.look()
    assert Version.objects.get(test_set=test_set).cases == len(members)


def test_from_a_form_to_the_cases_that_flipped(visit: Visit) -> None:
    project = runs.postcode_project()
    version = runs.postcode_version(project, every=24)
    model = runs.a_model(project, "reader")
    for name in ("v1", "v2"):
        runs.demo_replicate(model, name)
    visitor = visit(people.a_member(project, Role.ENGINEER))
    page = visitor.open(project, "runs/new/")
    page.get_by_label("Model version").select_option("reader@v2")
    page.get_by_label("Test-set version").select_option(str(version))
    page.get_by_label("Baseline").select_option("reader@v1")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    visitor.look()
    runs.work()
    run = Run.objects.get(project=project, baseline_version__isnull=False)
    # The page asks for itself and turns into the report.
    expect(page.locator("#strata")).to_be_visible()
    visitor.look()
    page.get_by_role("link", name="All of them").click()
    visitor.look()
    page.locator(".thumbs a").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(project.key_prefix)
    expect(page.locator("main")).to_contain_text("reader@v2")
    visitor.look()
    assert run.state == "succeeded"


def test_a_signature(visit: Visit) -> None:
    scene = a_scene(60)
    release = scene.release()
    visitor = visit(scene.signer)
    visitor.open(scene.project, "releases/")
    page = visitor.open(scene.project, f"releases/{release.number}/")
    page.get_by_role("link", name="Sign release…").click()
    visitor.look()
    for password in ("a guess", people.PASSWORD):
        page.get_by_label("Approve").check()
        page.get_by_label("I have looked").check()
        page.get_by_label("Your password, again").fill(password)
        page.get_by_role("button", name="Sign", exact=True).click()
        if password == "a guess":
            expect(page.locator(".field-error")).to_be_visible()
            visitor.look()
            assert not SignOff.objects.exists()
    signatures = page.get_by_role("region", name="Signatures")
    expect(signatures).to_contain_text(scene.signer.printed_name)
    visitor.look()
    assert SignOff.objects.get().meaning == "approve"
    other = visit(scene.approver).open(scene.project, f"releases/{release.number}/")
    expect(other.get_by_role("region", name="Signatures")).to_contain_text(scene.signer.printed_name)
    expect(other.get_by_role("link", name="Sign release…")).to_have_count(0)
