"""A worker that is killed in the middle of a repair: every case is repaired once, every one is counted once."""

from collections.abc import Iterator

import pytest
from django.db import connection

from hardcases.audit.models import AuditEvent
from hardcases.cases.models import Case
from hardcases.repairs import actions, jobs
from hardcases.repairs.rules import Rule
from hardcases.work import leases
from hardcases.work.jobs import run_job
from hardcases.work.models import Job
from tests.builders import cases, people
from tests.faults.harness import Installation, Workers, until

pytestmark = pytest.mark.django_db(transaction=True)
BEFORE_COMMIT = "repairs.chunk.before_commit"
MANY = 250  # two chunks


@pytest.fixture
def workers() -> Iterator[Workers]:
    with Workers(Installation.of(connection)) as found:
        yield found


def test_killed_twice_and_paused_once_each_case_is_repaired_once(workers: Workers) -> None:
    project = people.a_project()
    for index in range(MANY):
        cases.a_text(project, f"text {index}", attributes={"Site": "clinic-7"})
    rule = Rule(action="rename", field="attributes.Site", to="site")
    job = actions.start_repair(actor=people.actor(project), project=project, rule=rule)
    for _ in range(2):
        worker = workers.start(pause_at=BEFORE_COMMIT)
        worker.wait_until_paused()
        worker.kill()
    assert not Case.objects.filter(attributes__site="clinic-7").exists(), "a chunk is all or nothing"
    workers.start()
    until(lambda: Job.objects.get(pk=job.pk).state in {"done", "failed"}, "The end of the repair")
    job.refresh_from_db()
    assert (job.state, job.failure, job.attempt) == ("done", "", 3)
    assert job.result == {"cases": MANY, "repaired": MANY, "left": 0}
    assert (job.done, job.total) == (MANY, MANY)
    assert Case.objects.filter(attributes={"site": "clinic-7"}, quarantine=[]).count() == MANY
    assert [event.after["cases"] for event in AuditEvent.objects.filter(action="case.repaired").order_by("id")] == [200, 50]


def test_a_worker_that_lost_its_lease_writes_nothing() -> None:
    project = people.a_project()
    case = cases.a_text(project, "text", attributes={"age": "1,5"})
    job = actions.start_repair(actor=people.actor(project), project=project, rule=Rule(action="number", field="attributes.age"))
    late = leases.claim(Job.objects.filter(pk=job.pk))
    assert late is not None
    Job.objects.filter(pk=job.pk).update(lease_until="2020-01-01T00:00:00Z")
    assert run_job(str(job.pk)), "another worker takes it over"
    Case.objects.filter(pk=case.pk).update(attributes={}, quarantine=case.quarantine)  # as the late one still sees it
    with pytest.raises(leases.LeaseLostError):
        jobs.apply(late)
    case.refresh_from_db()
    assert (case.attributes, len(case.quarantine)) == ({}, 1)
    assert AuditEvent.objects.filter(action="case.repaired").count() == 1
