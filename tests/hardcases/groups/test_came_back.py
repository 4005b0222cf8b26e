"""The event that a decided group has come back: once for each time, in the transaction in which it happened."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from hardcases.cases import jobs as media
from hardcases.cases.actions import Decision
from hardcases.cases.models import Case
from hardcases.groups import actions, jobs
from hardcases.groups.models import Group
from hardcases.projects.models import Project
from hardcases.work.models import OutboxEvent
from tests.builders.groups import a_group, a_picture, recount, work
from tests.builders.people import a_project, actor
from tests.faults.harness import Installation, Workers
from tests.hardcases.groups.test_parallel import AT_ONCE, at_once

pytestmark = pytest.mark.django_db
ACCEPT = Decision(state="accepted")


@pytest.fixture
def project() -> Project:
    return a_project()


def decided(project: Project, decision: Decision = ACCEPT) -> Group:
    group = a_group(project, 1, 2)
    actions.decide_group(actor=actor(project), group=group, decision=decision)
    return group


def arrives(project: Project, *variants: int) -> None:
    for variant in variants:
        a_picture(project, 1, variant)
    work()


def told() -> list[dict[str, Any]]:
    return list(OutboxEvent.objects.filter(kind="group.came_back").order_by("created_at").values_list("body", flat=True))


def test_it_is_told_once_for_each_time(project: Project) -> None:
    group = decided(project)
    arrives(project, 7, 8)
    assert told() == [{"project": project.slug, "group": "G-1", "state": "came_back", "cases": ["XR-3", "XR-4"]}]
    event = OutboxEvent.objects.get()
    assert (event.project_id, event.state, event.delivered_at) == (project.pk, "queued", None)
    arrives(project, 9)
    assert len(told()) == 1
    actions.decide_group(actor=actor(project), group=group, decision=ACCEPT)
    arrives(project, 10)
    assert [body["cases"] for body in told()] == [["XR-3", "XR-4"], ["XR-6"]]


@pytest.mark.parametrize(
    "decision",
    [
        Decision(state="declined", decline_reason="unreadable"),
        Decision(state="snoozed", snoozed_until=timezone.now() + timedelta(days=300)),
    ],
    ids=["declined", "snoozed"],
)
def test_whatever_was_decided(project: Project, decision: Decision) -> None:
    decided(project, decision)
    arrives(project, 7)
    assert [body["cases"] for body in told()] == [["XR-3"]]


def test_what_a_person_does_is_no_coming_back(project: Project) -> None:
    group, who = decided(project), actor(project)
    other = a_group(project, 2, 2)
    case = Case.objects.select_related("project").filter(group_number=other.number).latest("pk")
    act = actions.move_cases(actor=who, group=other, cases=[case], into=group)
    actions.undo(actor=who, act=act)
    actions.merge_groups(actor=who, group=other, into=group)
    group.refresh_from_db()
    assert (group.waiting > 0, group.came_back) == (True, False)
    assert told() == []


def test_a_group_that_is_new_or_waits_is_not_told(project: Project) -> None:
    a_group(project, 1, 2)
    arrives(project, 7)
    assert told() == []


def test_nothing_is_told_that_did_not_happen(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    decided(project)
    case = a_picture(project, 1, 7)
    media.make_media(case.pk)

    def stop(_: str) -> None:
        raise RuntimeError("stopped")

    with monkeypatch.context() as patched:
        patched.setattr(jobs, "point", stop)
        with pytest.raises(RuntimeError, match="stopped"):
            jobs.place_cases(case.pk)
    assert (told(), Group.objects.get().state) == ([], "decided")
    work()
    assert (len(told()), Group.objects.get().state) == (1, "came_back")


@pytest.mark.django_db(transaction=True)
def test_many_at_once_come_back_once(project: Project) -> None:
    decided(project)
    ids = [a_picture(project, 1, variant).pk for variant in range(10, 10 + AT_ONCE)]
    media.make_media(*ids)
    assert sum(at_once([lambda pk=pk: jobs.place_cases(pk) for pk in ids])) == AT_ONCE  # type: ignore[misc]
    assert len(told()) == 1
    recount(project)


@pytest.mark.django_db(transaction=True)
def test_a_killed_worker_leaves_neither_mark_nor_event(project: Project) -> None:
    decided(project)
    media.make_media(a_picture(project, 1, 7).pk)
    with Workers(Installation.of(connection)) as workers:
        worker = workers.start(pause_at="groups.before_commit")
        worker.wait_until_paused()
        worker.kill()
    assert (told(), Group.objects.get().state) == ([], "decided")
    work()
    assert (len(told()), Group.objects.get().state) == (1, "came_back")
