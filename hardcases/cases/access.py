"""The only place that finds a case by its key."""

from hardcases.cases.keys import number_of
from hardcases.cases.models import Case
from hardcases.errors import NotFound
from hardcases.projects.models import Project

NO_CASE = "There is no case of this key in the project. Check the key."


def number_in(project: Project, key: str) -> int | None:
    """The number in a key such as XR-1061, None when it is no key of this project."""
    return number_of(project.key_prefix, key)


def case_for(project: Project, key: str) -> Case:
    """The case of this key in a project whose door is open. Raises NotFound."""
    number = number_in(project, key)
    case = None if number is None else Case.objects.filter(project=project, number=number).first()
    if case is None:
        raise NotFound(NO_CASE)
    case.project = project
    return case
