"""Whoever changes several groups takes their rows in one order, behind those of the cases: on PostgreSQL nobody deadlocks. (SQLite has one writer at a time.)"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction

from hardcases.cases.actions import Decision, decide
from hardcases.cases.bulk import Change
from hardcases.cases.bulk_actions import start_bulk, undo_bulk
from hardcases.cases.jobs import make_media
from hardcases.cases.models import Case
from hardcases.groups import actions
from hardcases.groups.models import Group
from hardcases.projects.models import Project
from hardcases.repairs.actions import start_repair
from hardcases.repairs.rules import Rule
from hardcases.testsets.actions import add_to_draft
from hardcases.testsets.drafts import Selection
from hardcases.work import jobs
from hardcases.work.models import Job
from tests.builders import testsets
from tests.builders.groups import a_picture, recount, work
from tests.builders.people import a_project, actor
from tests.faults.harness import until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor == 'sqlite'", reason="It has one writer at a time."),
]
Act = Callable[[], Any]


class Rival:
    """Somebody else, in a thread with a connection of its own."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.pool = pool
        self.begun: list[Future[Any]] = []

    def begin(self, *acts: Act) -> None:
        """Start these one after the other, each once the one before waits for a lock."""
        for act in acts:
            self.begun.append(self.pool.submit(self._do, act))
            until(self._all_wait, "Waiting for a lock", 30)

    def _all_wait(self) -> bool:
        for one in self.begun:
            assert not one.done(), one.result()
        return waiting() == len(self.begun)

    def _do(self, act: Act) -> Any:
        try:
            return act()
        finally:
            connection.close()

    def end(self) -> list[Any]:
        """What came of them; raises what they raised."""
        return [one.result(60) for one in self.begun]


def waiting() -> int:
    """How many of this database's sessions wait for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees the sessions as they were at its first look
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
        return int(cursor.fetchone()[0])


@pytest.fixture
def rival() -> Iterator[Rival]:
    with ThreadPoolExecutor(2) as pool:
        yield Rival(pool)


@contextmanager
def held(*keys: str) -> Iterator[None]:
    """Nobody else changes these groups until the block ends."""
    with transaction.atomic():
        rows = Group.objects.select_for_update().filter(number__in=[int(key.removeprefix("G-")) for key in keys])
        assert len(rows) == len(keys)
        yield


@pytest.fixture
def project() -> Project:
    """Three cases of one sender in the groups 1, 2, 3 and three of another in 3, 4, 1: each group of the middle can be held to stop one of them half way."""
    project = a_project()
    for source, seeds in (("one", (1, 2, 3)), ("other", (3, 4, 1))):
        for seed in seeds:
            a_picture(project, seed, len(source), source=source, attributes={"strange": source})
            work()  # one by one: PostgreSQL then also updates them in this order
    numbers = Case.objects.order_by("pk").values_list("group_number", flat=True)
    assert list(numbers) == [1, 2, 3, 3, 4, 1]
    return project


def bulk(project: Project, source: str) -> Job:
    return start_bulk(actor=actor(project), project=project, q=f"source:{source}", change=Change(state="accepted"))


def run(job: Job) -> Act:
    return lambda: jobs.run_job(str(job.pk))


def accept(project: Project, source: str) -> Act:
    return run(bulk(project, source))


def take_back(project: Project, source: str) -> Act:
    done = bulk(project, source)
    assert jobs.run_job(str(done.pk))
    done.refresh_from_db()
    return run(undo_bulk(actor=actor(project), project=project, job=done))


def add(project: Project, source: str) -> Act:
    who, test_set = actor(project), testsets.a_test_set(project)
    return lambda: add_to_draft(actor=who, test_set=test_set, cases=Selection(q=f"source:{source}"))


def decline(project: Project, source: str) -> Act:
    rule = Rule(action="decline", field="attributes.strange", value=source, any_value=False, decline_reason="test_upload")
    return run(start_repair(actor=actor(project), project=project, rule=rule))


@pytest.mark.parametrize("way", [accept, take_back, add, decline])
def test_two_who_change_the_same_groups_in_opposite_order(project: Project, rival: Rival, way: Callable[[Project, str], Act]) -> None:
    acts = [way(project, source) for source in ("one", "other")]
    with held("G-2", "G-4"):
        rival.begin(*acts)
    rival.end()
    assert not Job.objects.exclude(state="done").filter(kind__in=("cases.bulk", "cases.bulk_undo", "repairs.apply")).exists()
    recount(project)


def group_of(project: Project, number: int) -> Group:
    return Group.objects.select_related("project").get(project=project, number=number)


def case_of(project: Project, number: int) -> Case:
    return Case.objects.select_related("project").get(project=project, number=number)


def test_moving_a_case_while_others_are_decided_at_once(project: Project, rival: Rival) -> None:
    who = actor(project)
    move = partial(actions.move_cases, actor=who, group=group_of(project, 3), cases=[case_of(project, 4)], into=group_of(project, 1))
    many = accept(project, "one")
    with held("G-2"):
        rival.begin(many, move)
    rival.end()
    recount(project)


def test_deciding_a_case_while_its_group_is_merged(project: Project, rival: Rival) -> None:
    merge = partial(actions.merge_groups, actor=actor(project), group=group_of(project, 1), into=group_of(project, 2))
    with transaction.atomic():
        Case.objects.select_for_update().get(pk=case_of(project, 1).pk)  # as far as the decision has come when the other begins
        rival.begin(merge)
        decide(actor=actor(project), case=case_of(project, 1), decision=Decision(state="accepted"))
    rival.end()
    assert case_of(project, 1).state == "accepted"
    recount(project)


def test_a_picture_whose_row_somebody_changes_is_left_to_the_next_sweep(project: Project, rival: Rival) -> None:
    Case.objects.update(media_state="pending", media_attempt=0)
    everything = partial(make_media, *Case.objects.values_list("pk", flat=True))
    with transaction.atomic():
        Case.objects.select_for_update().get(pk=case_of(project, 2).pk)
        assert rival.pool.submit(rival._do, everything).result(60) == 5
    assert everything() == 1
