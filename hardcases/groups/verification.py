"""Recounting groups from their cases."""

from collections.abc import Iterator

from django.db.models import Count, Q, Sum

from hardcases.cases.models import Case
from hardcases.groups.models import Group, GroupDay


def group_findings() -> Iterator[str]:
    """A sentence for every group whose counts are not those of its cases, and for cases in a group that is not there. Three queries."""
    alive = Case.objects.filter(group_number__gt=0).exclude(state="erased").order_by().values_list("project_id", "group_number")
    counted = alive.annotate(all=Count("pk"), waiting=Count("pk", Q(state="inbox")), snoozed=Count("pk", Q(state="snoozed")))
    found = {(project, number): counts for project, number, *counts in counted}
    days = dict(GroupDay.objects.order_by().values_list("group_id").annotate(Sum("count")))
    for group in Group.objects.select_related("project").order_by("pk").iterator():
        said = [group.count, group.waiting, group.snoozed]
        counts = found.pop((group.project_id, group.number), [0, 0, 0])
        name = f"{group.project.slug} {group.key}"
        if said != counts:
            yield f"{name}: it says {_words(said)}, but its cases are {_words(counts)}."
        if days.get(group.pk, 0) != counts[0]:
            yield f"{name}: its days add up to {days.get(group.pk, 0):,} cases, not {counts[0]:,}."
    for project, number in found:
        yield f"Project {project}: cases are in a group G-{number} that is not there."


def _words(counts: list[int]) -> str:
    return f"{counts[0]:,} ({counts[1]:,} waiting, {counts[2]:,} snoozed)"
