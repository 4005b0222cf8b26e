"""Reads of groups: near-duplicates by index, the words of the query language, what lists of groups show."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import OuterRef, Q, QuerySet, Subquery

from hardcases.cases.keys import GROUP, number_of
from hardcases.cases.models import Case
from hardcases.cases.queries import Asked, condition
from hardcases.groups.likeness import BANDS, LEAST, Print
from hardcases.groups.models import BY_URGENCY, Fingerprint, Group, GroupAct, GroupDay, Separation
from hardcases.projects.models import Project
from hardcases.web.search import Term
from hardcases.web.vocabulary import only_in

# Of the fingerprints that share a band only the newest so many are looked at, so that a million nearly equal pictures cost no more than a few. What is beyond
# them in such a flood lies in the flood's own group.
NEWEST_OF_A_BAND = 400
MOST_NEAR = 200  # when groups to merge with are looked for
COMPARED = 50  # of those that are alike enough, the nearest so many are read and held against the rule
SPARK_DAYS = 14
NEAREST_GROUPS = 5
HISTORY = 20


@dataclass(frozen=True)
class Near:
    """A case that may be a near-duplicate, and how alike it is (0 to 1)."""

    case_id: int
    alike: float


def _candidates_sql(column: str) -> str:
    table, quote = Fingerprint._meta.db_table, connection.ops.quote_name  # noqa: SLF001 - documented by Django
    parts = [
        f"SELECT * FROM (SELECT case_id, {column} FROM {quote(table)} WHERE project_id = %s AND kind = %s AND band{number} = %s "  # noqa: S608  # nosec B608 - our own names
        f"AND case_id <> %s ORDER BY case_id DESC LIMIT {NEWEST_OF_A_BAND}) AS found{number}"
        for number in range(BANDS)
    ]
    return " UNION ALL ".join(parts)


_SQL: dict[str, str] = {}


def near(project_id: int, found: Print, *, but: int, least: float | None = None) -> list[Near]:
    """The cases of the project that are at least `least` alike (by default: enough to belong together), the most alike first, then the oldest.

    One query over five indexes, whose cost does not grow with the project. `but` is the case itself.
    """
    bands = found.bands()
    if bands is None:
        return []
    column = "bits" if found.bits is not None else "minhash"
    sql = _SQL.setdefault(column, _candidates_sql(column))
    with connection.cursor() as cursor:
        cursor.execute(sql, [value for band in bands for value in (project_id, found.kind, band, but)])
        rows = dict(cursor.fetchall())
    if not rows:
        return []
    ids = np.fromiter(rows, dtype=np.int64, count=len(rows))
    alike = found.likeness(list(rows.values()))
    order = np.lexsort((ids, -alike))
    enough = LEAST[found.kind] if least is None else least
    return [Near(int(ids[at]), float(alike[at])) for at in order if alike[at] >= enough]


def group_term(term: Term, _: Asked) -> Q:
    """`group:G-204` finds the cases of a group; the empty text finds cases whose group is not decided yet."""
    values = only_in(term)
    numbers = [number for value in values if (number := number_of(GROUP, value)) is not None]
    condition = Q(group_number__in=numbers)
    return condition | Q(group_number=None) if "" in values else condition


def waiting_groups(project: Project) -> QuerySet[Group]:
    """The groups with cases in the inbox, most urgent first; an index holds exactly these in this order."""
    return Group.objects.filter(project=project, waiting__gt=0).order_by(*BY_URGENCY)


def found_by(groups: QuerySet[Group], project: Project, q: str, **cases: Any) -> QuerySet[Group]:
    """Those of the groups that have a case which the query finds and which is as `cases` says. Raises QueryRefused."""
    found = Case.objects.filter(condition(project, q), project=project, **cases)
    return groups.filter(number__in=found.values("group_number"))


_CLASSES = ((True, True), (True, False), (False, True), (False, False))  # came back, growing: as the inbox orders them


def around(waiting: QuerySet[Group], group: Group, *, after: bool, most: int) -> list[Group]:
    """The groups after (or before) this one in the order of the inbox, the nearest first.

    Class by class of urgency, so that each question is a range of the index: a comparison over all columns at once would walk it from its end.
    """
    rows = waiting if after else waiting.reverse()
    classes = _CLASSES if after else _CLASSES[::-1]
    own = (group.came_back, group.growing)
    found: list[Group] = []
    for came_back, growing in classes[classes.index(own) :]:
        part = rows.filter(came_back=came_back, growing=growing)
        if (came_back, growing) == own:
            bound, beyond = ("gte", "gt") if after else ("lte", "lt")
            later = Q((f"waiting_since__{beyond}", group.waiting_since)) | Q(
                ("waiting_since", group.waiting_since), (f"id__{beyond}", group.pk)
            )
            part = part.filter(later, Q((f"waiting_since__{bound}", group.waiting_since)))
        found += part[: most - len(found)]
        if len(found) == most:
            break
    return found


def following(project: Project, group: Group) -> Group | None:
    """The group after this one in the inbox, as the inbox stands now; else the first."""
    waiting = waiting_groups(project)
    return next(iter(around(waiting, group, after=True, most=1)), None) or waiting.exclude(pk=group.pk).first()


def cases_of(group: Group, *states: str) -> QuerySet[Case]:
    """A group's cases in these states."""
    return Case.objects.filter(project_id=group.project_id, group_number=group.number, state__in=states)


def newest_waiting(groups: Iterable[Group]) -> dict[int, int]:
    """The number of the newest case that waits, by the primary key of its group, for those in which one does. One look into an index for each, one query."""
    mine = Case.objects.filter(project=OuterRef("project"), group_number=OuterRef("number"), state="inbox")
    rows = Group.objects.filter(pk__in=[group.pk for group in groups if group.waiting])
    found = rows.values_list("pk", Subquery(mine.order_by("-id").values("number")[:1]))
    return {pk: number for pk, number in found if number is not None}


def acts_of(group: Group) -> list[GroupAct]:
    """What people did with a group, and with others whose cases came here or went; the newest first."""
    acts = GroupAct.objects.filter(Q(group=group) | Q(other=group)).select_related("group", "other", "project")
    return list(acts.order_by("-id")[:HISTORY])


def undecided(project: Project) -> QuerySet[Case]:
    """The cases in the inbox that the worker has not put into a group yet."""
    return Case.objects.filter(project=project, group_number=None, state="inbox")


def days_of(groups: Iterable[Group], *, until: date, days: int = SPARK_DAYS) -> dict[int, list[int]]:
    """How many cases each group received on each of the last days, oldest first, by the group's primary key. One query."""
    first = until - timedelta(days=days - 1)
    counts: dict[int, list[int]] = {group.pk: [0] * days for group in groups}
    rows = GroupDay.objects.filter(group__in=counts, day__gte=first, day__lte=until)
    for group_id, day, count in rows.values_list("group_id", "day", "count"):
        counts[group_id][(day - first).days] = count
    return counts


def apart_from(group: Group) -> dict[int, str]:
    """The groups that a person keeps apart from this one: primary key → who said so."""
    rows = Separation.objects.filter(Q(first=group) | Q(second=group)).values_list("first_id", "second_id", "by")
    return {second if first == group.pk else first: by for first, second, by in rows}


def kept_apart(group: Group) -> list[Group]:
    """These groups, the first twenty."""
    return list(Group.objects.filter(pk__in=apart_from(group)).order_by("pk")[:HISTORY])


@dataclass(frozen=True)
class NearGroup:
    """A group that somebody may want to merge with, and how alike its nearest case is."""

    group: Group
    alike: float


def nearest_groups(group: Group, stored: Fingerprint | None, *, most: int = NEAREST_GROUPS) -> list[NearGroup]:
    """The groups with the cases most alike to one of this group (those that share a band are looked at), without those that a person keeps apart."""
    found_cases = near(group.project_id, print_of(stored), but=stored.case_id, least=0.0)[:MOST_NEAR] if stored else []
    if not found_cases:
        return []
    best = {found.case_id: found.alike for found in found_cases}
    numbers: dict[int, float] = defaultdict(float)
    for case_id, number in Case.objects.filter(pk__in=best, group_number__gt=0).values_list("pk", "group_number"):
        if number is not None:
            numbers[number] = max(numbers[number], best[case_id])
    others = Group.objects.filter(project_id=group.project_id, number__in=numbers, count__gt=0).exclude(pk=group.pk)
    others = others.exclude(pk__in=apart_from(group))
    found_groups = [NearGroup(other, numbers[other.number]) for other in others]
    return sorted(found_groups, key=lambda found: (-found.alike, found.group.number))[:most]


def print_of(stored: Fingerprint) -> Print:
    """A stored fingerprint as it is compared."""
    bits = None if stored.bits is None else stored.bits & (1 << 64) - 1
    return Print(stored.kind, bits, None if stored.minhash is None else bytes(stored.minhash))


def placed(cases: Collection[Case]) -> dict[int, Fingerprint]:
    """How each of these cases came into its group."""
    return {stored.case_id: stored for stored in Fingerprint.objects.filter(case__in=[case.pk for case in cases])}
