"""What workers do for runs. Running any of it twice does no harm: leases keep two workers apart, fences keep a late one out."""

import io
import time
import uuid
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import structlog
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from evaluation.registry.models import Replicate
from evaluation.runs import figures, reports, states
from evaluation.runs.cohort import members_of, positive_class
from evaluation.runs.material import Material, PredictionsBroken, material_of
from evaluation.runs.models import Part, Run, Shard
from evaluation.runs.predictors import Input, ModelUnusable, predictor_for
from hardcases.audit.actions import record
from hardcases.audit.actors import SYSTEM
from hardcases.blobs.store import BlobDamaged, BlobMissing, get_store
from hardcases.formats.predictions import PartUnreadable, Predictions, to_parquet
from hardcases.work import leases
from hardcases.work.heartbeat import beating, holding
from hardcases.work.models import OutboxEvent
from hardcases.work.pause import point

log = structlog.get_logger(__name__)

MOST_FAILED = 0.05  # a run that lost more of its cases than this is no evidence and fails


def predict_shard(shard_id: int) -> bool:
    """Predict one shard if it is due. False when there was nothing to do, which a repeated message may well find."""
    shard = leases.claim(Shard.objects.filter(pk=shard_id, run__in=Run.objects.filter(state__in=("queued", "running"))))
    if shard is None:
        return False
    run = Run.objects.select_related("project", "test_set_version", "model_version__model").get(pk=shard.run_id)
    states.start(run.pk)
    try:
        if shard.attempt > leases.MAX_ATTEMPTS:
            _give_up(run, shard)
        else:
            _predict(run, shard)
    except leases.LeaseLostError:
        log.info("lease_lost", run=run.pk, shard=str(shard))
    except (ModelUnusable, BlobMissing, BlobDamaged) as refusal:  # of the model file; those of a case are that case's failure
        fail_run(run, refusal.sentence)
    return True


def _predict(run: Run, shard: Shard) -> None:
    """Predict, write the part's blob, then finish behind the fence together with the row that names it."""
    cases = members_of(run.test_set_version_id)
    replicate = Replicate.objects.select_related("model_version__model").get(model_version=run.model_version_id, number=shard.replicate)
    predictor = predictor_for(replicate, cases.classes, positive_class(run.test_set_version))
    inputs = [Input(cases.content(row), cases.kind(row)) for row in range(shard.first, shard.last)]
    store, answers, milliseconds = get_store(), Answering(len(inputs), len(cases.classes)), []
    with holding(shard):
        started = time.monotonic()
        for batch in predictor.predict(inputs):
            answers.add(batch.scores, batch.failures)
            now = time.monotonic()
            milliseconds.append((len(batch.scores), (now - started) * 1000 / len(batch.scores)))
            started = now
        sha256 = store.put_bytes(to_parquet(answers.predictions(np.arange(shard.first, shard.last)), cases.classes))
        side = store.put_bytes(_side_part(shard, milliseconds))
    point("runs.shard.before_commit")
    with transaction.atomic():
        leases.finish(shard, "done")
        Part.objects.create(
            run=run,
            replicate=shard.replicate,
            step=shard.step,
            shard=shard.index,
            rows=len(inputs),
            predicted=len(inputs) - answers.failed,
            sha256=sha256,
            side_sha256=side,
        )


class Answering:
    """Collects the batches of one shard."""

    def __init__(self, rows: int, classes: int) -> None:
        self.scores = np.full((rows, classes), np.nan)
        self.messages: dict[int, str] = {}
        self.filled = 0

    def add(self, scores: np.ndarray[tuple[int, int], np.dtype[np.float64]], failures: dict[int, str]) -> None:
        """The next batch in order."""
        self.scores[self.filled : self.filled + len(scores)] = scores
        self.messages.update({self.filled + index: code for index, code in failures.items()})
        self.filled += len(scores)

    @property
    def failed(self) -> int:
        return len(self.messages)

    def predictions(self, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Predictions:
        """As columns; a failed case has no scores and its code as message."""
        whole = Predictions.of_scores(rows, self.scores)
        if not self.messages:
            return whole
        messages = pa.array([self.messages.get(index) for index in range(len(rows))], pa.string())
        return Predictions(
            row=whole.row, label=whole.label, scores=whole.scores, value=whole.value, refused=whole.refused, message=messages
        )


def _side_part(shard: Shard, milliseconds: list[tuple[int, float]]) -> bytes:
    """Time per case and the attempt: facts of one execution, kept apart from what was answered."""
    spent = np.repeat([value for _, value in milliseconds], [count for count, _ in milliseconds])
    table = pa.table({"row": np.arange(shard.first, shard.last), "milliseconds": spent, "attempt": np.full(len(spent), shard.attempt)})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _give_up(run: Run, shard: Shard) -> None:
    """A shard that stopped its worker again and again is not tried for ever: its cases count as failed."""
    sentence = f"This shard stopped its worker {leases.MAX_ATTEMPTS} times. Its cases count as failed."
    with transaction.atomic():
        leases.finish(shard, "failed", failure=sentence)
    log.warning("shard_given_up", run=run.pk, shard=str(shard))


def finalise_run(run_id: int) -> bool:
    """Compute and store the report of a run whose predictions are complete. Exactly once: False when there was nothing to do."""
    run = (
        Run.objects.select_related(
            "project", "test_set_version__test_set", "model_version__model", "baseline_version__model", "baseline_run"
        )
        .filter(pk=run_id)
        .first()
    )
    if run is None or states.is_final(run):
        return False
    if run.baseline_run is not None and run.baseline_run.state != "succeeded":
        return _without_baseline(run, run.baseline_run)
    token = states.claim_finalisation(run_id)
    if token is None:
        return False
    run.refresh_from_db(fields=["state", "finalise_attempt"])
    if run.finalise_attempt > leases.MAX_ATTEMPTS:
        return fail_run(run, f"Computing the report stopped its worker {leases.MAX_ATTEMPTS} times. It is not tried again.")
    try:
        _finish(run, token)
    except (PredictionsBroken, PartUnreadable, BlobMissing, BlobDamaged) as refusal:
        return fail_run(run, refusal.sentence)
    return True


def _finish(run: Run, token: uuid.UUID) -> None:
    """Compute from what is stored, store the results by digest, then end the run behind the fence."""
    with beating(lambda: states.extend_finalisation(run.pk, token)):
        material = material_of(run)
        if material.coverage < 1 - MOST_FAILED and not _uploaded(run):
            fail_run(run, _too_many_failed(material))
            return
        report = reports.build(material)
        results = {
            "coverage": material.coverage,
            "predictions_digest": material.predictions_digest,
            "report_sha256": reports.store_report(report),
            "figures_sha256": figures.store_figures(figures.draw(run, report)),
        }
    point("runs.finalise.before_commit")
    with transaction.atomic():
        if states.succeed(run.pk, token, **results):
            _tell(run, "succeeded", results)


def _without_baseline(run: Run, baseline: Run) -> bool:
    if not states.is_final(baseline):
        return False
    return fail_run(
        run,
        f"The run of the baseline, run {baseline.number}, ended as {baseline.state}, so there is nothing to compare with. Retry this run.",
    )


def _uploaded(run: Run) -> bool:
    """An uploaded file with missing=wrong says itself that cases are absent; they count as wrong and the report says how many."""
    return run.parts.exclude(received_sha256=None).exists()


def _too_many_failed(material: Material) -> str:
    missing = reports.unanswered(material)
    reasons = ", ".join(f"{count} {code}" for code, count in sorted(missing["reasons"].items()))
    keys = ", ".join(item["case"] for item in missing["first"][:20])
    return f"{missing['count']} predictions failed ({reasons}), more than {MOST_FAILED:.0%}: {keys}. Correct the cause and retry the run."


def fail_run(run: Run, sentence: str) -> bool:
    """End the run with a reason; what else it had to do is dropped."""
    with transaction.atomic():
        if states.fail(run.pk, sentence):
            Shard.objects.filter(run=run, state__in=("queued", "running")).update(state="cancelled", lease_until=None)
            _tell(run, "failed", {"failure": sentence})
    log.warning("run_failed", run=run.pk, reason=sentence)
    return True


def _tell(run: Run, state: str, after: dict[str, object]) -> None:
    """The audit row and the event of an ended run, in the transaction that ends it."""
    record(
        SYSTEM,
        f"run.{state}",
        "run",
        run.pk,
        project_id=run.project_id,
        after={"number": run.number, "model_version": str(run.model_version)} | after,
    )
    body = {"project": run.project.slug, "run": run.number, "state": state, "model": str(run.model_version)}
    OutboxEvent.objects.create(project_id=run.project_id, kind="run.finished", body=body)


def end_overdue(run_id: int) -> bool:
    """Fail a run that is past its deadline."""
    run = overdue().select_related("project", "model_version__model").filter(pk=run_id).first()
    return run is not None and fail_run(run, "The run did not end within its deadline of 24 hours. Retry it.")


def overdue() -> QuerySet[Run]:
    """Runs past their deadline."""
    return Run.objects.filter(state__in=states.OPEN, deadline__lt=Now())


def due_shards(limit: int = 200) -> list[int]:
    """Shards that a worker may take now, oldest runs first; those that stopped a worker come last, so that one bad shard does not hold up the others."""
    rows = Shard.objects.due().filter(run__state__in=("queued", "running")).order_by("attempt", "run_id", "replicate", "index")
    return list(rows.values_list("pk", flat=True)[:limit])


def due_finalisations(limit: int = 50) -> list[int]:
    """Runs whose predictions are complete and whose baseline's run has ended, and those whose finaliser is gone."""
    ready = Q(state="running") | Q(state="finalising", finalise_until__lt=Now())
    waits = Q(baseline_run__state__in=states.OPEN)
    rows = Run.objects.filter(ready).exclude(waits).exclude(shards__state__in=("queued", "running"))
    return list(rows.order_by("pk").values_list("pk", flat=True)[:limit])


def dependants(run_id: int) -> Iterator[int]:
    """Runs that waited for this one as their baseline."""
    yield from Run.objects.filter(baseline_run=run_id, state__in=("running", "finalising")).values_list("pk", flat=True)
