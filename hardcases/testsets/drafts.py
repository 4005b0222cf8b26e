"""Changing a draft: which cases are meant, which of them can come in or go out, and the sentences about those that cannot."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.db.models.functions import Now

from hardcases.audit.actions import event
from hardcases.audit.actors import Actor
from hardcases.audit.models import AuditEvent
from hardcases.cases.access import number_in
from hardcases.cases.models import Case
from hardcases.cases.queries import search
from hardcases.cases.steps import hold_counts
from hardcases.projects.models import Project
from hardcases.testsets.models import DraftChange, Entry, TestSet
from hardcases.testsets.queries import in_chunks
from hardcases.testsets.steps import CHUNK

UNDECIDED = ("inbox", "snoozed")


@dataclass(frozen=True)
class Selection:
    """Cases by their keys, or by a query."""

    keys: tuple[str, ...] = ()
    q: str | None = None

    def in_words(self) -> str:
        """For the audit log."""
        return f"q: {self.q}" if self.q is not None else f"{len(self.keys)} keys"


@dataclass(frozen=True)
class DraftError:
    """A case that was left as it is, and why. `key` is None where the sentence is about several that a query found."""

    key: str | None
    detail: str


class Chosen(NamedTuple):
    """A case as far as a draft needs it."""

    pk: int
    number: int
    state: str


def add(actor: Actor, test_set: TestSet, selection: Selection) -> tuple[int, list[DraftError]]:
    """Returns how many cases are in the draft now that were not before. Call it with the test set's row held."""
    cases, errors = _chosen(test_set.project, selection)
    fit = [case for case in cases if case.state not in {"declined", "erased"}]
    errors += _unfit(test_set.project, selection, [case for case in cases if case.state in {"declined", "erased"}])
    _hold([case.pk for case in fit if case.state in UNDECIDED])
    added = 0
    for chunk in in_chunks(fit, CHUNK):
        members, drafted = _standing(test_set, chunk)
        back = [case.pk for case in chunk if drafted.get(case.pk) is False]
        fresh = [case.pk for case in chunk if case.pk not in members and case.pk not in drafted]
        DraftChange.objects.filter(test_set=test_set, case_id__in=back).delete()
        _write(actor, test_set, fresh, adds=True)
        _accept(actor, test_set.project, [case for case in chunk if case.state in UNDECIDED])
        added += len(back) + len(fresh)
    return added, errors


def remove(actor: Actor, test_set: TestSet, selection: Selection) -> tuple[int, list[DraftError]]:
    """Returns how many cases are no longer in the draft that were. Call it with the test set's row held."""
    cases, errors = _chosen(test_set.project, selection)
    removed = 0
    for chunk in in_chunks(cases, CHUNK):
        members, drafted = _standing(test_set, chunk)
        undone = [case.pk for case in chunk if drafted.get(case.pk) is True]
        leaving = [case.pk for case in chunk if case.pk in members and case.pk not in drafted]
        DraftChange.objects.filter(test_set=test_set, case_id__in=undone).delete()
        _write(actor, test_set, leaving, adds=False)
        removed += len(undone) + len(leaving)
        if selection.q is None:
            absent = [case for case in chunk if case.pk not in members and case.pk not in drafted]
            errors += [DraftError(_key(test_set.project, case), "This case is not in the draft.") for case in absent]
    return removed, errors


def _chosen(project: Project, selection: Selection) -> tuple[list[Chosen], list[DraftError]]:
    if selection.q is not None:
        return _read(search(project, selection.q).order_by("number").values_list("pk", "number", "state")), []
    numbers = {key: number_in(project, key) for key in selection.keys}
    found: dict[int, Chosen] = {}
    for chunk in in_chunks([number for number in numbers.values() if number is not None], CHUNK):
        rows = _read(Case.objects.filter(project=project, number__in=chunk).values_list("pk", "number", "state"))
        found |= {case.number: case for case in rows}
    unknown = [key for key, number in numbers.items() if number is None or number not in found]
    return list(found.values()), [DraftError(key, "There is no case of this key in the project.") for key in unknown]


def _read(rows: Iterable[tuple[int, int, str]]) -> list[Chosen]:
    return [Chosen(*row) for row in rows]


def _unfit(project: Project, selection: Selection, cases: Sequence[Chosen]) -> list[DraftError]:
    if selection.q is not None and cases:
        return [DraftError(None, f"{len(cases):,} of the cases that the query finds were declined or erased; they were left out.")]
    why = {"declined": "This case was declined. Accept it first.", "erased": "This case was erased for good."}
    return [DraftError(_key(project, case), why[case.state]) for case in cases]


def _key(project: Project, case: Chosen) -> str:
    return f"{project.key_prefix}-{case.number}"


def _standing(test_set: TestSet, cases: Sequence[Chosen]) -> tuple[set[int], dict[int, bool]]:
    """Which of the cases the last version holds, and what the draft says about them already."""
    case_ids = [case.pk for case in cases]
    members = Entry.objects.filter(test_set=test_set, case_id__in=case_ids, removed_in=None).values_list("case_id", flat=True)
    drafted = DraftChange.objects.filter(test_set=test_set, case_id__in=case_ids).values_list("case_id", "adds")
    return set(members), dict(drafted)


def _write(actor: Actor, test_set: TestSet, case_ids: Sequence[int], *, adds: bool) -> None:
    by = actor.printed_name[:150]
    DraftChange.objects.bulk_create([DraftChange(test_set=test_set, case_id=pk, adds=adds, by=by) for pk in case_ids], batch_size=CHUNK)


def _hold(case_ids: Sequence[int]) -> None:
    """Hold the cases that are about to be accepted, and then what counts them: all of them before the first is changed."""
    cases: list[Case] = []
    for chunk in in_chunks(sorted(case_ids), CHUNK):
        rows = Case.objects.filter(pk__in=chunk, state__in=UNDECIDED).select_for_update(no_key=True)
        cases += rows.order_by("pk").only("project_id", "group_number")
    hold_counts(cases)


def _accept(actor: Actor, project: Project, cases: Sequence[Chosen]) -> None:
    """Who puts a case into a test set has decided about it."""
    undecided = Case.objects.filter(pk__in=[case.pk for case in cases], state__in=UNDECIDED)
    undecided.update(state="accepted", snoozed_until=None, decided_at=Now(), decided_by=actor.printed_name[:150])
    AuditEvent.objects.bulk_create(
        [
            event(
                actor,
                "case.accepted",
                "case",
                _key(project, case),
                project_id=project.pk,
                before={"state": case.state},
                after={"state": "accepted"},
            )
            for case in cases
        ],
        batch_size=CHUNK,
    )
