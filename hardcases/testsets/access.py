"""The only place that finds test sets and versions by their names. The project's door is open before anybody comes here."""

from hardcases.errors import NotFound
from hardcases.projects.models import Project
from hardcases.testsets.models import TestSet, Version

NO_TEST_SET = "There is no such test set in this project. Check its name."
NO_VERSION = "There is no such version of this test set. Check its number, or freeze the draft first."


def test_set_for(project: Project, slug: str) -> TestSet:
    """The test set of this slug, with its project. Raises NotFound."""
    found = TestSet.objects.filter(project=project, slug=slug).first()
    if found is None:
        raise NotFound(NO_TEST_SET)
    found.project = project
    return found


def numbered_version(test_set: TestSet, number: int) -> Version:
    """Version `number`. Raises NotFound."""
    found = Version.objects.filter(test_set=test_set, number=number).first()
    if found is None:
        raise NotFound(NO_VERSION)
    found.test_set = test_set
    return found


def version_for(project: Project, name: str) -> Version:
    """`hard-cxr@12`, or `hard-cxr` for the newest version. Raises NotFound."""
    slug, at, number = name.partition("@")
    test_set = test_set_for(project, slug)
    if at:
        return numbered_version(test_set, int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 0)
    newest = Version.objects.filter(test_set=test_set).order_by("-number").first()
    if newest is None:
        raise NotFound(NO_VERSION)
    newest.test_set = test_set
    return newest
