"""Workers that are killed, paused or doubled: no prediction lost, none twice, finalised once, and the numbers of an undisturbed run."""

from collections.abc import Iterator

import pytest
from django.db import connection

from evaluation.registry.models import ModelVersion
from evaluation.runs import actions, jobs, steps
from evaluation.runs.models import FINAL, Part, Run, Shard
from hardcases.audit.models import AuditEvent
from hardcases.testsets.models import Version
from hardcases.work.models import OutboxEvent
from tests.builders import people
from tests.builders import runs as build
from tests.faults.harness import Installation, Workers, until

pytestmark = pytest.mark.django_db(transaction=True)

BEFORE_SHARD = "runs.shard.before_commit"
BEFORE_END = "runs.finalise.before_commit"
SHARDS = 6


class Scene:
    """A version of the postcode story and an undisturbed run on it."""

    def __init__(self) -> None:
        self.project = build.postcode_project(plain=True)
        self.version: Version = build.postcode_version(self.project, every=20)
        model = build.a_model(self.project, "reader")
        self.candidate: ModelVersion = build.demo_replicate(model, "v2").model_version
        self.undisturbed = self.start()
        build.work()
        self.undisturbed.refresh_from_db()
        assert self.undisturbed.state == "succeeded"

    def start(self) -> Run:
        actor = people.actor(self.project)
        return actions.start_run(actor=actor, project=self.project, model_version=self.candidate, version=self.version)

    def check(self, run: Run) -> None:
        """What must hold whatever happened on the way."""
        run.refresh_from_db()
        assert (run.state, run.failure, run.coverage) == ("succeeded", "", 1.0)
        assert run.report_sha256 == self.undisturbed.report_sha256
        assert run.predictions_digest == self.undisturbed.predictions_digest
        assert sorted(Part.objects.filter(run=run).values_list("shard", "rows", "predicted")) == sorted(
            Part.objects.filter(run=self.undisturbed).values_list("shard", "rows", "predicted")
        )
        assert set(Shard.objects.filter(run=run).values_list("state", flat=True)) == {"done"}
        assert AuditEvent.objects.filter(object_type="run", object_id=str(run.pk), action="run.succeeded").count() == 1
        assert OutboxEvent.objects.filter(kind="run.finished", body__run=run.number).count() == 1


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(steps, "SHARD_ROWS", 142 // SHARDS + 1)
    return Scene()


@pytest.fixture
def workers() -> Iterator[Workers]:
    with Workers(Installation.of(connection)) as found:
        yield found


def ended(run: Run) -> bool:
    return Run.objects.values_list("state", flat=True).get(pk=run.pk) in FINAL


class KilledTests:
    def test_three_kills_in_shards_and_two_in_the_finalisation(self, scene: Scene, workers: Workers) -> None:
        run = scene.start()
        for place in (BEFORE_SHARD, BEFORE_SHARD, BEFORE_SHARD, BEFORE_END, BEFORE_END):
            worker = workers.start(pause_at=place)
            worker.wait_until_paused()
            worker.kill()
        workers.start()
        until(lambda: ended(run), "The end of the run")
        scene.check(run)
        assert sum(Shard.objects.filter(run=run).values_list("attempt", flat=True)) == SHARDS + 3
        assert run.finalise_attempt == 3

    def test_a_paused_worker_is_fenced_out(self, scene: Scene, workers: Workers) -> None:
        run = scene.start()
        late = workers.start(pause_at=BEFORE_SHARD)
        late.wait_until_paused()
        workers.start()
        until(lambda: ended(run), "The end of the run")
        late.go_on()
        until(lambda: late.said("lease_lost"), "The late worker's notice that it lost its lease")
        assert late.stop() == 0
        scene.check(run)

    def test_a_paused_finaliser_is_fenced_out(self, scene: Scene, workers: Workers) -> None:
        run = scene.start()
        late = workers.start(pause_at=BEFORE_END)
        late.wait_until_paused()
        workers.start()
        until(lambda: ended(run), "The end of the run")
        finished_at = Run.objects.values_list("finished_at", flat=True).get(pk=run.pk)
        late.go_on()
        assert late.stop() == 0
        scene.check(run)
        assert run.finished_at == finished_at

    def test_two_workers_share_a_run(self, scene: Scene, workers: Workers) -> None:
        run = scene.start()
        for _ in range(2):
            workers.start()
        until(lambda: ended(run), "The end of the run")
        scene.check(run)
        assert jobs.finalise_run(run.pk) is False
        scene.check(run)
