"""Deciding which group a new case belongs to, for a lot of cases of one project at a time.

A case joins the group of the case that is most alike to it, if it is alike enough and their failure reasons do not contradict each other; else it founds a
group. Of equally alike ones that which a person has placed comes first, so that what somebody split off attracts its like, then the oldest. Groups are never
put together here: only a case without a group gets one, and what a person has said stays.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from hardcases.cases.models import Case
from hardcases.groups import queries
from hardcases.groups.likeness import Print, signed
from hardcases.groups.models import Fingerprint, Group
from hardcases.groups.queries import COMPARED, Near
from hardcases.groups.rules import Facts, contradict, in_common
from hardcases.groups.steps import Change, come_in, found, last_stop, lock_groups, write_numbers
from hardcases.projects.models import Project
from hardcases.work.models import OutboxEvent

CAME_BACK = "group.came_back"


@dataclass(frozen=True)
class Place:
    """Where a case belongs: the group's number, and the case that brought it there (None: it founds the group)."""

    number: int
    nearest: Near | None = None
    same: tuple[str, ...] = ()


def _least_alike(places: Iterable[Place]) -> float | None:
    """The least likeness at which one of these joined; None where none did."""
    return min((place.nearest.alike for place in places if place.nearest is not None), default=None)


def facts_of(case: Case) -> Facts:
    """What of a case is compared besides its content."""
    return Facts(case.reason, case.source, case.attributes, case.model)


class Lot:
    """Places the cases of one lot. Make it and call `place` inside one transaction: the project's groups are locked until that ends."""

    def __init__(self, project: Project, prints: Mapping[int, Print]) -> None:
        self.project = project
        self.prints = prints
        self.next_number = lock_groups(project)
        # Locked, because the database counts a decision only for a case that has its group: what is counted here must be what is stored.
        rows = Case.objects.select_for_update(no_key=True).filter(pk__in=prints, project=project, group_number=None).exclude(state="erased")
        self.cases = list(rows.order_by("pk"))
        self.numbers: dict[int, int] = {}  # of the cases of this lot that have been placed

    def place(self) -> int:
        """Write everything; returns how many cases were placed, which are those that nobody had placed before."""
        if not self.cases:
            return 0
        self._write_prints()
        places: dict[int, Place] = {}
        first_new = self.next_number
        for case in self.cases:
            places[case.pk] = place = self._decide(case)
            self.numbers[case.pk] = place.number
        self._write(places, first_new)
        return len(self.cases)

    def _write_prints(self) -> None:
        rows = []
        for case in self.cases:
            found_print = self.prints[case.pk]
            bands = found_print.bands() or (None,) * 5
            columns = {f"band{number}": value for number, value in enumerate(bands)}
            rows.append(
                Fingerprint(
                    case=case,
                    project=self.project,
                    kind=found_print.kind,
                    bits=signed(found_print.bits),
                    minhash=found_print.minhash,
                    **columns,
                )
            )
        Fingerprint.objects.bulk_create(rows)

    def _decide(self, case: Case) -> Place:
        alike = queries.near(self.project.pk, self.prints[case.pk], but=case.pk)[:COMPARED]
        if alike and (place := self._join(case, alike)):
            return place
        number = self.next_number
        self.next_number += 1
        return Place(number)

    def _join(self, case: Case, alike: Sequence[Near]) -> Place | None:
        others = {other.pk: other for other in self._others([found.case_id for found in alike])}
        mine = facts_of(case)
        fit = []
        for place, nearby in enumerate(alike):
            other = others.get(nearby.case_id)
            number = None if other is None else self.numbers.get(other.pk) or other.group_number
            if other is not None and number and not contradict(case.reason, other.reason):
                by_person = bool(other.fingerprint.placed_by)
                fit.append((-nearby.alike, not by_person, place, Place(number, nearby, tuple(in_common(mine, facts_of(other))))))
        return min(fit, key=lambda one: one[:3])[3] if fit else None

    def _others(self, case_ids: Sequence[int]) -> QuerySet[Case]:
        wanted = ("group_number", "reason", "source", "model", "attributes", "fingerprint__placed_by")
        return Case.objects.filter(pk__in=case_ids).select_related("fingerprint").only(*wanted)

    def _write(self, places: Mapping[int, Place], first_new: int) -> None:
        known = last_stop(self.project, {place.number for place in places.values() if place.number < first_new})
        members: dict[int, list[Case]] = defaultdict(list)
        for case in self.cases:
            number = places[case.pk].number
            members[known[number].number if number in known else number].append(case)
        groups = {group.number: group for group in known.values()}
        likeness = {number: _least_alike(places[case.pk] for case in cases) for number, cases in members.items()}
        found(self.project, {number: cases for number, cases in members.items() if number not in groups}, likeness=likeness)
        write_numbers({case.pk: number for number, cases in members.items() for case in cases})
        self._write_reasons(places)
        for number in sorted(set(members) & set(groups)):
            if come_in(Change(groups[number], members[number], least_alike=likeness[number], arrived=True)):
                self._tell(groups[number], members[number])

    def _tell(self, group: Group, cases: Sequence[Case]) -> None:
        """For the world outside: names only, since titles and reasons may say something about a person."""
        keys = [f"{self.project.key_prefix}-{case.number}" for case in cases if case.state == "inbox"]
        body = {"project": self.project.slug, "group": group.key, "state": "came_back", "cases": keys}
        OutboxEvent.objects.create(project_id=self.project.pk, kind=CAME_BACK, body=body)

    def _write_reasons(self, places: Mapping[int, Place]) -> None:
        joined = [
            Fingerprint(case_id=pk, nearest_id=place.nearest.case_id, alike=place.nearest.alike, same=list(place.same))
            for pk, place in places.items()
            if place.nearest is not None
        ]
        if joined:
            Fingerprint.objects.bulk_update(joined, ["nearest_id", "alike", "same"])
