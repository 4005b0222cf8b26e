"""Finding policies and releases by the names people use, inside a project whose door is already open."""

from django.db.models import QuerySet

from evaluation.releases.models import PolicyVersion, Release
from hardcases.errors import NotFound
from hardcases.projects.models import Project


def policies_of(project: Project) -> QuerySet[PolicyVersion]:
    """Every policy version of the project, newest first."""
    return PolicyVersion.objects.filter(policy__project=project).select_related("policy").order_by("policy__slug", "-number")


def policy_version_for(project: Project, name: str) -> PolicyVersion:
    """`slug@2`, or `slug` for the newest version. Raises NotFound."""
    slug, _, number = name.partition("@")
    rows = policies_of(project).filter(policy__slug=slug)
    if number:
        rows = rows.filter(number=int(number)) if number.isdecimal() and len(number) < 10 else rows.none()
    found = rows.first()
    if found is None:
        raise NotFound(f"This project has no policy {name!r}. Check the name, or propose the policy first.")
    return found


def releases_of(project: Project) -> QuerySet[Release]:
    """The project's releases, newest first, with what a list shows."""
    related = ("candidate__model", "baseline__model", "test_set_version__test_set", "policy_version__policy", "run__started_by", "project")
    return Release.objects.filter(project=project).select_related(*related).order_by("-number")


def release_for(project: Project, number: int) -> Release:
    """One release by its number. Raises NotFound."""
    found = releases_of(project).filter(number=number).first()
    if found is None:
        raise NotFound(f"This project has no release R-{number}.")
    return found
