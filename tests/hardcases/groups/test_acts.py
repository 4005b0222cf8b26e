"""Deciding, merging, splitting, moving, and taking it back: counts stay right, and what a person separated stays apart."""

from datetime import timedelta

import pytest
from django.utils import timezone

from hardcases.audit import sentences
from hardcases.audit.actors import Actor
from hardcases.audit.models import AuditEvent
from hardcases.cases import actions as cases_actions
from hardcases.cases import jobs as cases_jobs
from hardcases.cases.actions import Decision
from hardcases.cases.models import Case
from hardcases.groups import actions, acts, jobs
from hardcases.groups.models import Fingerprint, Group, GroupAct, GroupDay, Separation
from hardcases.groups.refusals import MergedAway, NothingWaits, NotInGroup, SameGroup, WholeGroup
from hardcases.groups.verification import group_findings
from hardcases.projects.models import Project
from hardcases.testsets.drafts import Selection
from tests.builders import testsets
from tests.builders.groups import a_group, a_picture, recount, work
from tests.builders.people import a_project, actor

pytestmark = pytest.mark.django_db
ACCEPT = Decision(state="accepted")


@pytest.fixture
def project() -> Project:
    return a_project()


@pytest.fixture
def curator(project: Project) -> Actor:
    return actor(project)


def members(group: Group) -> list[int]:
    return list(Case.objects.filter(project=group.project, group_number=group.number).order_by("number").values_list("number", flat=True))


def states(project: Project) -> list[str]:
    return list(Case.objects.filter(project=project).order_by("number").values_list("state", flat=True))


def case_of(project: Project, number: int) -> Case:
    return Case.objects.select_related("project").get(project=project, number=number)


class DecidingTests:
    def test_one_act_decides_all_and_its_undo_all(self, project: Project, curator: Actor) -> None:
        group = a_group(project, 1)
        act = actions.decide_group(actor=curator, group=group, decision=Decision(state="declined", decline_reason="unreadable"))
        assert states(project) == ["declined"] * 3
        assert act.cases == 3
        group.refresh_from_db()
        assert (group.waiting, group.state) == (0, "decided")
        assert AuditEvent.objects.filter(action="case.declined").count() == 3
        assert sentences.sentence(AuditEvent.objects.get(action="group.declined")) == "declined the group G-1, 3 cases"
        actions.undo(actor=curator, act=act)
        actions.undo(actor=curator, act=act)
        assert states(project) == ["inbox"] * 3
        assert AuditEvent.objects.filter(action="case.reopened").count() == 3
        assert AuditEvent.objects.filter(action="group.undone").count() == 1
        recount(project)

    def test_what_came_after_the_person_had_looked_still_waits(self, project: Project, curator: Actor) -> None:
        group = a_group(project, 1, 2)
        a_picture(project, 1, 5)
        work()
        actions.decide_group(actor=curator, group=group, decision=ACCEPT, upto=2)
        assert states(project) == ["accepted", "accepted", "inbox"]
        group.refresh_from_db()
        assert group.state == "new"
        with pytest.raises(NothingWaits):
            actions.decide_group(actor=curator, group=group, decision=ACCEPT, upto=2)

    def test_undo_leaves_alone_what_somebody_decided_since(self, project: Project, curator: Actor) -> None:
        group = a_group(project, 1)
        act = actions.decide_group(actor=curator, group=group, decision=ACCEPT)
        decline = Decision(state="declined", decline_reason="unreadable")
        cases_actions.decide(actor=curator, case=case_of(project, 2), decision=decline)
        actions.undo(actor=curator, act=act)
        assert states(project) == ["inbox", "declined", "inbox"]
        recount(project)

    def test_a_large_group_is_decided_by_a_job(self, project: Project, curator: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(acts, "LOT", 2)
        monkeypatch.setattr(actions, "LOT", 2)
        group = a_group(project, 1, 5)
        act = actions.decide_group(actor=curator, group=group, decision=ACCEPT)
        assert act.working is False or states(project) == ["inbox"] * 5
        work()
        assert states(project) == ["accepted"] * 5
        act.refresh_from_db()
        assert (act.cases, act.working) == (5, False)
        actions.undo(actor=curator, act=act)
        work()
        assert states(project) == ["inbox"] * 5
        recount(project)


class CountsTests:
    """Whoever changes a case, and wherever: the group knows."""

    def test_single_decisions_snoozing_waking_and_drafts(self, project: Project, curator: Actor) -> None:
        group = a_group(project, 1, 5)
        cases_actions.decide(actor=curator, case=case_of(project, 1), decision=ACCEPT)
        soon = timezone.now() + timedelta(seconds=600)
        cases_actions.decide(actor=curator, case=case_of(project, 2), decision=Decision(state="snoozed", snoozed_until=soon))
        group.refresh_from_db()
        assert (group.count, group.waiting, group.snoozed) == (5, 3, 1)
        recount(project)
        Case.objects.filter(number=2).update(snoozed_until=timezone.now())
        cases_jobs.wake_snoozed()
        recount(project)
        cases_actions.undo_decision(actor=curator, case=case_of(project, 1))
        recount(project)
        test_set = testsets.a_test_set(project)
        testsets.actions.change_draft(actor=curator, test_set=test_set, add=Selection(q="group:G-1"))
        group.refresh_from_db()
        assert (group.waiting, group.state) == (0, "decided")
        recount(project)

    def test_an_erased_case_leaves_nothing_to_be_recognised_by(self, project: Project, curator: Actor) -> None:
        group = a_group(project, 1, 2, reason="doctor_disagreed", attributes={"site": "clinic-7"})
        for number in (1, 2):
            cases_actions.erase_case(actor=curator, case=case_of(project, number), reason="asked for")
            assert not Fingerprint.objects.filter(case__number=number).exists()
            recount(project)
        group.refresh_from_db()
        assert (group.count, group.waiting, group.title, group.sites, group.state) == (0, 0, "", [], "empty")
        undecided = a_picture(project, 2)
        cases_actions.erase_case(actor=curator, case=undecided, reason="asked for")
        work()
        undecided.refresh_from_db()
        assert undecided.group_number == 0

    def test_a_count_that_went_wrong_is_found_and_stops_nobody(self, project: Project, curator: Actor) -> None:
        group = a_group(project, 1)
        assert list(group_findings()) == []
        Group.objects.filter(pk=group.pk).update(waiting=1)
        GroupDay.objects.filter(group=group).update(count=2)
        assert [sentence.split(":")[0] for sentence in group_findings()] == [f"{project.slug} G-1"] * 2
        for number in (1, 2, 3):
            cases_actions.decide(actor=curator, case=case_of(project, number), decision=ACCEPT)
        group.refresh_from_db()
        assert group.waiting == 0
        Group.objects.filter(pk=group.pk).update(number=7)
        assert any("G-1 that is not there" in sentence for sentence in group_findings())


class SeparationTests:
    def test_what_was_split_off_attracts_its_like_and_never_comes_back_by_itself(self, project: Project, curator: Actor) -> None:
        group = a_group(project, 1)
        act = actions.split_group(actor=curator, group=group, cases=[case_of(project, 2)])
        assert act.other is not None
        assert (members(group), members(act.other)) == ([1, 3], [2])
        assert Separation.objects.count() == 1
        for variant in range(10, 14):
            a_picture(project, 1, variant)  # as alike to the one side as to the other
        work()
        for pk in Case.objects.values_list("pk", flat=True):
            jobs.place_cases(pk)  # a message that comes again
        assert (members(group), members(act.other)) == ([1, 3], [2, 4, 5, 6, 7])
        recount(project)
        assert sentences.sentence(AuditEvent.objects.get(action="group.split")) == "split XR-2 off the group G-1, as G-2"

    def test_a_split_is_undone(self, project: Project, curator: Actor) -> None:
        group = a_group(project, 1)
        act = actions.split_group(actor=curator, group=group, cases=[case_of(project, 2)])
        actions.undo(actor=curator, act=act)
        assert members(group) == [1, 2, 3]
        assert Separation.objects.count() == 0
        assert act.other is not None
        act.other.refresh_from_db()
        assert act.other.merged_into == group
        recount(project)
        a_picture(project, 1, 20)
        work()
        assert members(group) == [1, 2, 3, 4]

    def test_a_merge_moves_everything_and_is_undone(self, project: Project, curator: Actor) -> None:
        one, other = a_group(project, 1, 2), a_group(project, 2, 2)
        act = actions.merge_groups(actor=curator, group=other, into=one)
        assert members(one) == [1, 2, 3, 4]
        a_picture(project, 2, 9)
        work()
        assert members(one) == [1, 2, 3, 4, 5]
        other.refresh_from_db()
        assert other.state == "merged"
        recount(project)
        with pytest.raises(MergedAway):
            actions.merge_groups(actor=curator, group=other, into=one)
        actions.undo(actor=curator, act=act)
        assert (members(one), members(other)) == ([1, 2, 5], [3, 4])
        recount(project)

    def test_merging_what_was_kept_apart_is_a_persons_word(self, project: Project, curator: Actor) -> None:
        group = a_group(project, 1)
        split = actions.split_group(actor=curator, group=group, cases=[case_of(project, 2)]).other
        assert split is not None
        merged = actions.merge_groups(actor=curator, group=split, into=group)
        assert Separation.objects.count() == 0
        actions.undo(actor=curator, act=merged)
        assert Separation.objects.count() == 1

    def test_a_merged_group_hands_on_what_it_was_kept_apart_from(self, project: Project, curator: Actor) -> None:
        group, third = a_group(project, 1), a_group(project, 2)
        split = actions.split_group(actor=curator, group=group, cases=[case_of(project, 2)]).other
        assert split is not None
        actions.merge_groups(actor=curator, group=split, into=third)
        assert Separation.objects.filter(first=group, second=third).exists()

    def test_a_case_is_moved_and_moved_back(self, project: Project, curator: Actor) -> None:
        one, other = a_group(project, 1, 2), a_group(project, 2, 2)
        act = actions.move_cases(actor=curator, group=one, cases=[case_of(project, 1)], into=other)
        assert (members(one), members(other)) == ([2], [1, 3, 4])
        recount(project)
        actions.undo(actor=curator, act=act)
        assert (members(one), members(other), Separation.objects.count()) == ([1, 2], [3, 4], 0)
        recount(project)

    def test_refusals_change_nothing(self, project: Project, curator: Actor) -> None:
        one, other = a_group(project, 1, 2), a_group(project, 2, 2)
        with pytest.raises(SameGroup):
            actions.merge_groups(actor=curator, group=one, into=one)
        with pytest.raises(NotInGroup):
            actions.split_group(actor=curator, group=one, cases=[case_of(project, 3)])
        with pytest.raises(WholeGroup):
            actions.split_group(actor=curator, group=one, cases=[case_of(project, 1), case_of(project, 2)])
        assert (members(one), members(other), GroupAct.objects.count()) == ([1, 2], [3, 4], 0)


class UrgencyTests:
    def test_a_decided_group_comes_back_with_a_new_case(self, project: Project, curator: Actor) -> None:
        group = a_group(project, 1)
        actions.decide_group(actor=curator, group=group, decision=ACCEPT)
        a_picture(project, 1, 7)
        work()
        group.refresh_from_db()
        assert (group.state, group.waiting) == ("came_back", 1)
        act = actions.decide_group(actor=curator, group=group, decision=ACCEPT)
        group.refresh_from_db()
        assert group.state == "decided"
        actions.undo(actor=curator, act=act)
        group.refresh_from_db()
        assert group.state == "came_back"

    def test_a_group_grows_and_stops(self, project: Project) -> None:
        group = a_group(project, 1, 4)
        group.refresh_from_db()
        assert group.state == "new"  # younger than a week, whatever its size
        today = timezone.now().date()
        GroupDay.objects.create(group=group, day=today - timedelta(days=9), count=1)
        Group.objects.filter(pk=group.pk).update(first_seen_at=timezone.now() - timedelta(days=9), check_on=today)
        work()
        group.refresh_from_db()
        assert (group.state, group.check_on) == ("growing", today + timedelta(days=1))
        GroupDay.objects.filter(group=group, day=today).update(day=today - timedelta(days=20))
        Group.objects.filter(pk=group.pk).update(check_on=today)
        work()
        group.refresh_from_db()
        assert group.state == "new"
