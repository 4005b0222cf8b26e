"""Several people at the same test set at the same time."""

import threading
from collections.abc import Callable

import pytest
from django.db import connections

from hardcases.testsets import actions, drafts, verification
from hardcases.testsets.models import DraftChange, Version
from hardcases.testsets.refusals import NothingToFreeze
from tests.builders import people
from tests.builders import testsets as build

pytestmark = pytest.mark.django_db(transaction=True)


def together(*acts: Callable[[], object]) -> list[object]:
    """Run the acts in threads that start at once; returns what each returned or raised."""
    results: list[object] = [None] * len(acts)
    start = threading.Barrier(len(acts))

    def run(index: int) -> None:
        start.wait(timeout=30)
        try:
            results[index] = acts[index]()
        except NothingToFreeze as refusal:
            results[index] = refusal
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results


def test_four_people_freezing_the_same_draft_make_one_version() -> None:
    project = people.a_project()
    test_set = build.a_test_set(project, [build.a_case(project) for _ in range(5)])
    who = people.actor(project)
    results = together(*[lambda: actions.freeze(actor=who, test_set=test_set, reason="me first")] * 4)
    assert sum(isinstance(result, Version) for result in results) == 1
    assert sum(isinstance(result, NothingToFreeze) for result in results) == 3
    assert [version.number for version in Version.objects.all()] == [1]


def test_adding_at_once_keeps_both_changes() -> None:
    project = people.a_project()
    test_set, who = build.a_test_set(project), people.actor(project)
    cases = [build.a_case(project) for _ in range(6)]
    keys = [tuple(case.key for case in cases[:4]), tuple(case.key for case in cases[2:])]
    results = together(
        *[lambda part=part: actions.add_to_draft(actor=who, test_set=test_set, cases=drafts.Selection(keys=part)) for part in keys]
    )
    assert sorted(result.added for result in results if isinstance(result, actions.DraftChanged)) == [2, 4]
    assert DraftChange.objects.count() == 6


def test_labels_saved_while_freezing_are_in_this_version_or_the_next() -> None:
    project = people.a_project()
    cases = [build.a_case(project) for _ in range(8)]
    test_set, who = build.a_test_set(project, cases), people.actor(project)
    relabelling = [lambda case=case: build.relabel(case, "nodule") for case in cases]
    together(lambda: actions.freeze(actor=who, test_set=test_set, reason="first"), *relabelling)
    together(lambda: actions.freeze(actor=who, test_set=test_set, reason="second"))
    newest = Version.objects.order_by("-number").first()
    assert newest is not None
    labels = newest.test_set.entries.filter(removed_in=None).values_list("label_revision__number", flat=True)
    assert list(labels) == [2] * 8
    assert list(verification.version_findings(newest)) == []
