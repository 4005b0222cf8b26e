"""Row changes that the worker and people's acts share. Called inside the transaction of the act, with the project's groups locked."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import Any

from django.db import connection
from django.db.models import Case as Choice
from django.db.models import F, Q, QuerySet, Value, When
from django.db.models.functions import Greatest, Least
from django.utils import timezone

from hardcases.blobs.store import BlobStore
from hardcases.cases.models import STATES, Case
from hardcases.cases.shapes import in_brief
from hardcases.errors import Refusal
from hardcases.groups.likeness import NOTHING, Print, of_picture, of_record, of_text
from hardcases.groups.models import Group, GroupDay
from hardcases.groups.rules import WEEK, first_few, grows, site_of
from hardcases.imaging.fingerprints import picture_bits
from hardcases.projects.models import Project
from hardcases.projects.steps import next_numbers

KEPT_STATES = tuple(state for state in STATES if state != "erased")
HELD_AT_ONCE = 1_000
LOOKED_THROUGH = 100  # cases of each state whose sites are read anew when a group has lost some


def fingerprint(store: BlobStore, case: Case) -> Print:
    """What near-duplicates of a case are found by: of a picture from its small copy, of a text from its first 10,000 characters, of a record from all of it."""
    try:
        if case.kind == "image":
            if case.thumbnail_sha256 is None:
                return NOTHING
            bits = picture_bits(store.read(case.thumbnail_sha256))
            return of_picture(bits, shorter_side=min(case.width or 0, case.height or 0))
        if case.kind == "text":
            return of_text(case.text or "")
        whole = case.text or ""
        if len(whole.encode()) != case.size:
            whole = store.read(case.stored_sha256).decode()
    except Refusal:  # the bytes are missing or damaged, which is said where somebody looks at the case
        return NOTHING
    return of_record(json.loads(whole))


def lock_groups(project: Project) -> int:
    """Make everybody else who changes the project's groups wait for the end of this transaction. Returns the next free number."""
    return next_numbers(project, "group", 0)


def hold_groups(groups: Iterable[Group]) -> None:
    """Hold the rows of several groups in the order in which everybody takes them. The rows of cases come before, so that who waits here holds no row in front."""
    if connection.features.has_select_for_update:
        rows = Group.objects.filter(pk__in=[group.pk for group in groups]).select_for_update(no_key=True)
        list(rows.order_by("project_id", "number").values_list("pk"))


def hold_groups_of(cases: Iterable[Case]) -> None:
    """Hold the rows of the groups of these cases."""
    numbers: dict[int, set[int]] = defaultdict(set)
    for case in cases:
        if case.group_number:
            numbers[case.project_id].add(case.group_number)
    for project_id in sorted(numbers) if connection.features.has_select_for_update else ():
        wanted = sorted(numbers[project_id])
        for first in range(0, len(wanted), HELD_AT_ONCE):
            rows = Group.objects.filter(project=project_id, number__in=wanted[first : first + HELD_AT_ONCE])
            list(rows.select_for_update(no_key=True).order_by("number").values_list("pk"))


def title_of(case: Case) -> str:
    """Why it was sent and which class was said: what the cases of a group have in common. May be empty."""
    why = case.reason.replace("_", " ").strip()
    return ": ".join(part for part in (why[:1].upper() + why[1:], in_brief(case.prediction)) if part)[:200]


def found(
    project: Project, members: Mapping[int, Sequence[Case]], *, by: str = "", likeness: Mapping[int, float | None] | None = None
) -> list[Group]:
    """New groups by number, each with its cases; the numbers are the next free ones. The cases' own rows are written elsewhere.

    `likeness` is the least at which a case joined another one of the group; `by` is the person who split it off.
    """
    if not members:
        return []
    first = next_numbers(project, "group", len(members))
    assert sorted(members) == list(range(first, first + len(members)))
    today = timezone.now().date()
    groups = []
    for number, cases in members.items():
        received = [case.received_at for case in cases]
        waiting = [case.received_at for case in cases if case.state == "inbox"]
        groups.append(
            Group(
                project=project,
                number=number,
                title=title_of(cases[0]),
                kind=cases[0].kind,
                reason=cases[0].reason,
                sites=sites_of(cases),
                made_by=by[:150],
                least_alike=(likeness or {}).get(number),
                count=len(cases),
                waiting=len(waiting),
                snoozed=sum(case.state == "snoozed" for case in cases),
                first_seen_at=min(received),
                last_seen_at=max(received),
                waiting_since=min(waiting, default=max(received)),
                check_on=today + timedelta(days=1) if max(received).date() > today - 2 * WEEK else None,
            )
        )
    Group.objects.bulk_create(groups)
    GroupDay.objects.bulk_create(
        [GroupDay(group=group, day=day, count=count) for group in groups for day, count in _by_day(members[group.number]).items()]
    )
    return groups


def _by_day(cases: Iterable[Case]) -> Counter[date]:
    return Counter(case.received_at.astimezone(UTC).date() for case in cases)


def sites_of(cases: Iterable[Case]) -> list[str]:
    """Where these cases come from: the first few names."""
    return first_few([site_of(case.attributes, case.source) for case in cases])


def write_numbers(numbers: Mapping[int, int]) -> None:
    """Say on each case (by primary key) which group it belongs to."""
    table = connection.ops.quote_name(Case._meta.db_table)  # noqa: SLF001 - documented by Django
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {table} SET group_number = %s WHERE id = %s",  # noqa: S608  # nosec B608 - our own table's name
            [(number, case_id) for case_id, number in numbers.items()],
        )


@dataclass(frozen=True)
class Change:
    """Cases that come into a group. `arrived`: from outside, not moved by a person; then a group whose cases were all decided has come back."""

    group: Group
    cases: Sequence[Case]
    least_alike: float | None = None
    arrived: bool = False


def come_in(change: Change) -> bool:
    """Count the cases into a group that exists. Whether it came back with them."""
    group, cases = change.group, change.cases
    received = [case.received_at for case in cases]
    waiting = [case.received_at for case in cases if case.state == "inbox"]
    back = bool(waiting and change.arrived and Group.objects.filter(pk=group.pk, waiting=0, count__gt=0).update(came_back=True))
    empty = Q(count=0)
    columns: dict[str, Any] = {
        "count": F("count") + len(cases),
        "waiting": F("waiting") + len(waiting),
        "snoozed": F("snoozed") + sum(case.state == "snoozed" for case in cases),
        "first_seen_at": _unless(empty, min(received), Least("first_seen_at", Value(min(received)))),
        "last_seen_at": _unless(empty, max(received), Greatest("last_seen_at", Value(max(received)))),
    }
    if waiting:
        columns["waiting_since"] = _unless(Q(waiting=0), min(waiting), Least("waiting_since", Value(min(waiting))))
    if change.least_alike is not None and (group.least_alike is None or change.least_alike < group.least_alike):
        columns["least_alike"] = change.least_alike
    sites = first_few([*group.sites, *sites_of(cases)])
    if sites != group.sites:
        columns["sites"] = sites
    Group.objects.filter(pk=group.pk).update(**columns)
    _add_days(group, _by_day(cases))
    check_growth([group.pk])
    return back


def _unless(condition: Q, value: Any, otherwise: Any) -> Choice:
    return Choice(When(condition, then=Value(value)), default=otherwise)


def _add_days(group: Group, days: Mapping[date, int]) -> None:
    table = connection.ops.quote_name(GroupDay._meta.db_table)  # noqa: SLF001 - documented by Django
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {table} (group_id, day, count) VALUES (%s, %s, %s) "  # noqa: S608  # nosec B608 - our own table's name
            f"ON CONFLICT (group_id, day) DO UPDATE SET count = {table}.count + excluded.count",
            [(group.pk, day, count) for day, count in days.items()],
        )


def go_out(group: Group, cases: Sequence[Case], *, erased: bool = False) -> None:
    """Count the cases out of a group. `erased`: they are about to be erased, and the database itself will count that they wait no more."""
    columns: dict[str, Any] = {"count": F("count") - len(cases), **_what_is_left(group, cases)}
    if not erased:
        gone_waiting = sum(case.state == "inbox" for case in cases)
        columns["waiting"] = F("waiting") - gone_waiting
        columns["snoozed"] = F("snoozed") - sum(case.state == "snoozed" for case in cases)
        columns["came_back"] = Choice(When(waiting__lte=gone_waiting, then=Value(False)), default=F("came_back"))
    Group.objects.filter(pk=group.pk).update(**columns)
    for day, count in _by_day(cases).items():
        GroupDay.objects.filter(group=group, day=day).update(count=F("count") - count)
    check_growth([group.pk])


def _what_is_left(group: Group, gone: Sequence[Case]) -> dict[str, Any]:
    """First and last receipt, title and sites, from the first and the newest cases of each state; an index holds them in this order."""
    but = [case.pk for case in gone]
    oldest = [case for state in KEPT_STATES for case in _ends(group, state, "pk", 1, but)]
    newest = [case for state in KEPT_STATES for case in _ends(group, state, "-pk", LOOKED_THROUGH, but)]
    if not oldest:
        return {"sites": [], "title": "", "reason": ""}
    first = min(oldest, key=lambda case: case.pk)
    newest.sort(key=lambda case: case.pk)
    columns = {"first_seen_at": first.received_at, "last_seen_at": newest[-1].received_at}
    return columns | {"sites": sites_of([first, *newest]), "title": title_of(first), "reason": first.reason}


def _ends(group: Group, state: str, order: str, most: int, but: Sequence[int]) -> QuerySet[Case]:
    wanted = ("received_at", "attributes", "source", "reason", "prediction", "kind")
    rows = Case.objects.filter(project_id=group.project_id, group_number=group.number, state=state).exclude(pk__in=but)
    return rows.order_by(order).only(*wanted)[:most]


def check_growth(group_ids: Collection[int]) -> None:
    """Decide anew whether these groups grow, and when the calendar alone may change that."""
    today = timezone.now().date()
    counted: dict[int, dict[date, int]] = {pk: {} for pk in group_ids}
    rows = GroupDay.objects.filter(group__in=counted, day__gt=today - 2 * WEEK, count__gt=0)
    for group_id, day, count in rows.values_list("group_id", "day", "count"):
        counted[group_id][day] = count
    for pk, first_seen, growing, check_on in Group.objects.filter(pk__in=counted).values_list("pk", "first_seen_at", "growing", "check_on"):
        now = grows(counted[pk], first_seen=first_seen.date(), today=today), today + timedelta(days=1) if counted[pk] else None
        if now != (growing, check_on):
            Group.objects.filter(pk=pk).update(growing=now[0], check_on=now[1])


def last_stop(project: Project, numbers: Collection[int]) -> dict[int, Group]:
    """The groups of these numbers, each replaced by what it was merged into, and that by what it was merged into."""
    groups = {group.number: group for group in Group.objects.filter(project=project, number__in=numbers).select_related("merged_into")}
    return {number: _final(group) for number, group in groups.items()}


def _final(group: Group) -> Group:
    while group.merged_into is not None:
        group = group.merged_into
    return group
