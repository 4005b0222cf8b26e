"""Leases: one holder at a time, fences that a late worker cannot pass, and jobs that survive their workers."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now

from hardcases.errors import Invalid
from hardcases.work import jobs, leases, registry
from hardcases.work.actions import enqueue
from hardcases.work.models import Job
from hardcases.work.tasks import all_due


@pytest.fixture
def handled(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A kind of job, `test`, that notes the keys it did; keys starting with `bad` are refused."""
    done: list[str] = []

    def handler(job: Job) -> dict[str, object]:
        if job.key.startswith("bad"):
            raise Invalid("The file is not readable. Nothing was changed. Send it again.")
        done.append(job.key)
        return {"key": job.key}

    monkeypatch.setitem(registry.JOB_HANDLERS, "test", handler)
    return done


def _expire(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(lease_until=Now() - timedelta(seconds=1))


@pytest.mark.django_db
class JobTests:
    def test_asking_twice_makes_one_job(self) -> None:
        assert enqueue(kind="test", key="a").pk == enqueue(kind="test", key="a").pk

    def test_a_job_is_done_once(self, handled: list[str]) -> None:
        job = enqueue(kind="test", key="a")
        assert jobs.run_job(str(job.pk))
        assert not jobs.run_job(str(job.pk))  # a repeated message finds nothing to do
        job.refresh_from_db()
        assert (handled, job.state, job.result) == (["a"], "done", {"key": "a"})

    def test_a_refusal_ends_the_job_with_its_sentence(self, handled: list[str]) -> None:
        job = enqueue(kind="test", key="bad")
        jobs.run_job(str(job.pk))
        job.refresh_from_db()
        assert (job.state, job.failure) == ("failed", "The file is not readable. Nothing was changed. Send it again.")

    def test_an_unknown_kind_fails_and_says_so(self) -> None:
        job = enqueue(kind="nobody-knows", key="a")
        jobs.run_job(str(job.pk))
        job.refresh_from_db()
        assert job.state == "failed"
        assert "nobody-knows" in job.failure

    def test_a_poison_job_is_not_tried_for_ever(self, handled: list[str]) -> None:
        job = enqueue(kind="test", key="a")
        for _ in range(leases.MAX_ATTEMPTS):
            assert leases.claim(Job.objects.filter(pk=job.pk)) is not None
            _expire(job)
        jobs.run_job(str(job.pk))
        job.refresh_from_db()
        assert (job.state, handled) == ("failed", [])

    def test_the_sweeper_lists_only_what_is_due(self, handled: list[str]) -> None:
        now, later = enqueue(kind="test", key="now"), enqueue(kind="test", key="later")
        Job.objects.filter(pk=later.pk).update(run_after=Now() + timedelta(hours=1))
        listed = [item.kwargs["job_id"] for item in all_due() if "job_id" in item.kwargs]
        assert listed == [str(now.pk)]


@pytest.mark.django_db
class LeaseTests:
    def test_a_held_row_is_not_claimed_again_before_its_lease_ends(self) -> None:
        job = enqueue(kind="test", key="a")
        rows = Job.objects.filter(pk=job.pk)
        first = leases.claim(rows)
        assert first is not None
        assert leases.claim(rows) is None
        _expire(job)
        second = leases.claim(rows)
        assert second is not None
        assert (second.attempt, second.fence) == (2, 2)
        assert second.lease_owner != first.lease_owner

    def test_a_worker_that_slept_past_its_lease_cannot_write(self) -> None:
        job = enqueue(kind="test", key="a")
        late = leases.claim(Job.objects.filter(pk=job.pk))
        assert late is not None
        _expire(job)
        assert leases.claim(Job.objects.filter(pk=job.pk)) is not None
        with pytest.raises(leases.LeaseLostError):
            leases.finish(late, "done")
        with pytest.raises(leases.LeaseLostError):
            leases.extend(late)
        job.refresh_from_db()
        assert job.state == "running"


@pytest.mark.django_db(transaction=True)
def test_parallel_workers_share_the_work_without_overlap() -> None:
    for number in range(20):
        enqueue(kind="test", key=str(number))
    taken: list[str] = []
    start = threading.Barrier(4)

    def worker() -> None:
        start.wait()
        while (job := leases.claim(Job.objects.filter(kind="test"))) is not None:
            taken.append(job.key)
        connection.close()

    threads = [threading.Thread(target=worker) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(taken, key=int) == [str(number) for number in range(20)]
