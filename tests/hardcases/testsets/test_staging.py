"""Freezing in the background: in short steps, seen by nobody until it is done, and taken up again after a death."""

import uuid
from collections.abc import Callable, Sequence
from unittest import mock

import pytest
from django.db import connection

from hardcases.cases.models import Case
from hardcases.projects.models import Project
from hardcases.testsets import actions, drafts, snapshots, steps, trees, verification
from hardcases.testsets import jobs as test_set_jobs
from hardcases.testsets.models import DraftChange, Entry, TestSet, Touch, Version
from hardcases.testsets.refusals import BeingFrozen, TooLargeAtOnce, Unlabelled
from hardcases.work import jobs
from hardcases.work.models import Job
from tests.builders import people
from tests.builders import testsets as build
from tests.builders.http import Api

pytestmark = pytest.mark.django_db


class Death(BaseException):
    """The worker is gone."""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large begins at four changes, and a step handles two cases."""
    monkeypatch.setattr(actions, "LARGE", 3)
    monkeypatch.setattr("hardcases.testsets.queries.LARGE", 3)
    monkeypatch.setattr(test_set_jobs, "STEP", 2)


@pytest.fixture
def large() -> TestSet:
    project = people.a_project()
    return build.a_test_set(project, [build.a_case(project, site=f"s{n}") for n in range(5)])


def stage(test_set: TestSet) -> Job:
    return actions.stage(actor=people.actor(test_set.project), test_set=test_set, reason="large")


def _dying_at_the_second() -> Callable[[TestSet, int, Sequence[int]], None]:
    done: list[Sequence[int]] = []

    def settle(test_set: TestSet, number: int, case_ids: Sequence[int]) -> None:
        if done:
            raise Death
        done.append(case_ids)
        steps.settle(test_set, number, case_ids)

    return settle


class StagingTests:
    def test_is_refused_at_once_and_done_by_the_job(self, large: TestSet) -> None:
        with pytest.raises(TooLargeAtOnce):
            actions.freeze(actor=people.actor(large.project), test_set=large, reason="now")
        job = stage(large)
        assert jobs.run_job(str(job.pk))
        job.refresh_from_db()
        version = Version.objects.get(test_set=large)
        assert (job.state, job.done, job.total) == ("done", 5, 5)
        assert job.result == {"number": 1, "digest": f"sha256:{version.digest}", "cases": 5}
        assert (version.added, version.reason, list(verification.version_findings(version))) == (5, "large", [])
        assert not DraftChange.objects.exists()
        assert len(snapshots.members(version)) == 5
        large.refresh_from_db()
        assert large.staging is None

    def test_the_draft_stands_still_meanwhile(self, large: TestSet) -> None:
        stage(large)
        with pytest.raises(BeingFrozen):
            actions.freeze(actor=people.actor(large.project), test_set=large, reason="now")
        with pytest.raises(BeingFrozen):
            actions.add_to_draft(actor=people.actor(large.project), test_set=large, cases=drafts.Selection(q=""))

    def test_goes_on_after_a_death(self, large: TestSet) -> None:
        job = stage(large)
        with mock.patch.object(test_set_jobs, "settle", side_effect=_dying_at_the_second()), pytest.raises(Death):
            jobs.run_job(str(job.pk))
        assert Entry.objects.count() == 2
        Job.objects.filter(pk=job.pk).update(state="queued")
        with mock.patch.object(test_set_jobs.freezing, "commit", side_effect=Death), pytest.raises(Death):
            jobs.run_job(str(job.pk))
        assert Entry.objects.count() == 5
        assert not Version.objects.exists()
        Job.objects.filter(pk=job.pk).update(state="queued")
        with mock.patch.object(test_set_jobs, "_tidy", side_effect=Death), pytest.raises(Death):
            jobs.run_job(str(job.pk))
        Job.objects.filter(pk=job.pk).update(state="queued", attempt=1)
        assert jobs.run_job(str(job.pk))
        version = Version.objects.get()
        assert (version.cases, list(verification.version_findings(version))) == (5, [])

    def test_a_step_of_a_worker_that_was_taken_over_writes_nothing(self, large: TestSet) -> None:
        job = stage(large)

        def taken_over(test_set: TestSet, number: int, case_ids: Sequence[int]) -> None:
            steps.settle(test_set, number, case_ids)
            Job.objects.filter(pk=job.pk).update(lease_owner=uuid.uuid4())

        with mock.patch.object(test_set_jobs, "settle", side_effect=taken_over):
            assert jobs.run_job(str(job.pk))
        assert not Entry.objects.exists()
        job.refresh_from_db()
        assert (job.state, job.done) == ("running", 0)

    def test_members_that_change_while_it_works_are_pinned_as_they_are_at_the_end(self, large: TestSet) -> None:
        job, case = stage(large), Case.objects.earliest("number")
        moves = trees.moves

        def relabelled(test_set: TestSet, number: int) -> trees.Moves:
            if case.label_revisions.count() == 1:
                build.relabel(case, "nodule")
            return moves(test_set, number)

        with mock.patch.object(test_set_jobs.trees, "moves", side_effect=relabelled):
            jobs.run_job(str(job.pk))
        version = Version.objects.get()
        assert list(verification.version_findings(version)) == []
        assert snapshots.members(version).label_codes.tolist() == [1, 0, 0, 0, 0]
        assert not Touch.objects.exists()

    def test_a_refusal_gives_the_draft_back(self, large: TestSet) -> None:
        first = stage(large)
        jobs.run_job(str(first.pk))
        cases = list(Entry.objects.values_list("case_id", flat=True))
        DraftChange.objects.bulk_create([DraftChange(test_set=large, case_id=pk, adds=False, by="t") for pk in cases[:4]])
        second = stage(large)
        bare = build.a_case(large.project, label=None)
        build.draft(large, add=[bare])
        jobs.run_job(str(second.pk))
        second.refresh_from_db()
        assert (second.state, "have no label" in second.failure) == ("failed", True)
        large.refresh_from_db()
        assert (large.staging, DraftChange.objects.count()) == (None, 5)
        assert Entry.objects.filter(removed_in=None).count() == 5
        with pytest.raises(Unlabelled):
            stage(large)
        build.relabel(bare, "normal")
        jobs.run_job(str(stage(large).pk))
        assert Version.objects.get(number=2).cases == 2

    def test_over_rest(self, large: TestSet) -> None:
        api = Api(large.project)
        answer = api.post(f"test-sets/{large.slug}/versions/", {"reason": "large"})
        assert answer.status_code == 202
        assert answer["Location"] == answer.json()["url"] == f"/api/v1/jobs/{answer.json()['id']}/"
        assert jobs.run_job(answer.json()["id"])
        assert api.get(f"test-sets/{large.slug}/versions/1/").json()["cases"] == 5


@pytest.mark.django_db(transaction=True)
def test_leaves_no_dead_rows_of_the_draft_behind(large: TestSet) -> None:
    job = stage(large)
    jobs.run_job(str(job.pk))
    assert Version.objects.get().cases == 5
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_relation_size('hardcases_draftchange')")
            assert cursor.fetchone() == (0,)


class ManyAtOnceTests:
    def test_settling_in_steps_is_the_same_as_at_once(self, large: TestSet, monkeypatch: pytest.MonkeyPatch) -> None:
        project: Project = large.project
        jobs.run_job(str(stage(large).pk))
        monkeypatch.setattr(actions, "LARGE", 100)
        twin = build.a_version(project, [entry.case for entry in Entry.objects.filter(test_set=large)])
        assert twin.root == Version.objects.get(test_set=large).root
