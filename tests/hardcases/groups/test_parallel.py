"""Several workers and people at once, and workers that are killed: equal cases never make two groups, and no count is lost."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from hardcases.cases import jobs as media
from hardcases.cases.actions import Decision, decide
from hardcases.cases.models import Case
from hardcases.errors import Refusal
from hardcases.groups import actions, jobs
from hardcases.groups.models import Group, GroupAct
from hardcases.projects.models import Project
from tests.builders.groups import a_group, a_picture, recount, work
from tests.builders.people import a_project, actor
from tests.faults.harness import Installation, Workers, until

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 6


def at_once(work: Sequence[Callable[[], Any]]) -> list[Any]:
    """All of these, each in a thread, let go together."""
    start = Barrier(len(work))

    def one(act: Callable[[], Any]) -> Any:
        try:
            start.wait(60)
            return act()
        except Refusal as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(one, work))


def made_ready(project: Project, count: int) -> list[int]:
    """Pictures of one kind whose groups are due."""
    ids = [a_picture(project, 1, variant).pk for variant in range(count)]
    media.make_media(*ids)
    return ids


def test_equal_cases_in_different_hands_make_one_group() -> None:
    project = a_project()
    ids = made_ready(project, AT_ONCE)
    placed = at_once([lambda pk=pk: jobs.place_cases(pk) for pk in ids])  # type: ignore[misc]
    assert placed == [1] * AT_ONCE
    assert set(Case.objects.values_list("group_number", flat=True)) == {1}
    recount(project)


def test_the_same_cases_in_many_hands_are_placed_once() -> None:
    project = a_project()
    ids = made_ready(project, AT_ONCE)
    assert sum(at_once([lambda: jobs.place_cases(*ids)] * 4)) == AT_ONCE
    assert Group.objects.get().count == AT_ONCE
    recount(project)


def test_deciding_while_cases_arrive_loses_no_count() -> None:
    project = a_project()
    group = a_group(project, 1, 3)
    ids = [a_picture(project, 1, variant).pk for variant in range(10, 14)]
    media.make_media(*ids)
    who = actor(project)
    accept = Decision(state="accepted")
    singles = list(Case.objects.filter(pk__in=ids).select_related("project"))
    at_once(
        [
            *[lambda pk=pk: jobs.place_cases(pk) for pk in ids],  # type: ignore[misc]
            *[lambda case=case: decide(actor=who, case=case, decision=accept) for case in singles],  # type: ignore[misc]
            lambda: actions.decide_group(actor=who, group=group, decision=accept),
        ]
    )
    recount(project)


def test_of_two_opposite_merges_one_wins() -> None:
    project = a_project()
    one, other = a_group(project, 1), a_group(project, 2)
    who = actor(project)
    at_once(
        [
            lambda: actions.merge_groups(actor=who, group=one, into=other),
            lambda: actions.merge_groups(actor=who, group=other, into=one),
        ]
    )
    assert GroupAct.objects.count() == 1
    assert sorted(Group.objects.values_list("count", flat=True)) == [0, 6]
    recount(project)


@pytest.fixture
def workers() -> Iterator[Workers]:
    with Workers(Installation.of(connection)) as found:
        yield found


def test_a_killed_worker_loses_nothing(workers: Workers) -> None:
    project = a_project()
    made_ready(project, 3)
    worker = workers.start(pause_at="groups.before_commit")
    worker.wait_until_paused()
    worker.kill()
    assert Group.objects.count() == 0
    assert set(Case.objects.values_list("group_number", flat=True)) == {None}
    work()
    assert set(Case.objects.values_list("group_number", flat=True)) == {1}
    recount(project)


def test_a_large_act_goes_on_after_a_kill(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "LOT", 1)
    project = a_project()
    group = a_group(project, 1, 3)
    actions.decide_group(actor=actor(project), group=group, decision=Decision(state="accepted"))
    worker = workers.start(pause_at="groups.act.lot")
    worker.wait_until_paused()
    worker.kill()
    assert GroupAct.objects.get().working
    workers.start()
    until(lambda: not GroupAct.objects.get().working, "The end of the act")
    assert GroupAct.objects.get().cases == 3
    recount(project)
