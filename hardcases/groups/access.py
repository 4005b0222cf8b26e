"""The only place that finds groups and acts by name."""

from collections.abc import Sequence

from hardcases.cases.access import NO_CASE, number_in
from hardcases.cases.keys import GROUP, number_of
from hardcases.cases.models import Case
from hardcases.errors import NotFound
from hardcases.groups.models import Group, GroupAct
from hardcases.projects.models import Project

NO_GROUP = "There is no group of this name in the project. Check the name."


def group_for(project: Project, key: str) -> Group:
    """The group of this name (G-204) in a project whose door is open. Raises NotFound."""
    number = number_of(GROUP, key)
    found = None if number is None else Group.objects.select_related("merged_into").filter(project=project, number=number).first()
    if found is None:
        raise NotFound(NO_GROUP)
    found.project = project
    return found


def act_for(group: Group, act_id: int) -> GroupAct:
    """What somebody did with this group. Raises NotFound."""
    found = GroupAct.objects.select_related("other").filter(group=group, pk=act_id).first() if act_id < 1 << 62 else None
    if found is None:
        raise NotFound("There is no such entry in the history of this group. Nothing was changed.")
    found.group, found.project = group, group.project
    return found


def cases_for(project: Project, keys: Sequence[str]) -> list[Case]:
    """The cases of these keys, each once, in one query. Raises NotFound where one is missing."""
    numbers = [number_in(project, key) for key in dict.fromkeys(keys)]
    found = {
        case.number: case for case in Case.objects.filter(project=project, number__in=[number for number in numbers if number is not None])
    }
    missing = next((key for key, number in zip(dict.fromkeys(keys), numbers, strict=True) if number not in found), None)
    if missing is not None:
        raise NotFound(f"{NO_CASE} It was: {missing[:64]}. Nothing was changed.")
    for case in found.values():
        case.project = project
    return [found[number] for number in numbers if number is not None]
