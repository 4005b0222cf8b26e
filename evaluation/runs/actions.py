"""What people and pipelines ask of runs: start one, hand in predictions, cancel, retry."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import IO, Any

from django.db import transaction

from evaluation.registry.access import person_behind
from evaluation.registry.models import ModelVersion, Replicate
from evaluation.runs import states, steps
from evaluation.runs.cohort import PLAIN, members_of, positive_class, replicates_of
from evaluation.runs.models import Part, Run, Shard
from evaluation.runs.tasks import spread_run
from hardcases.audit.actions import record
from hardcases.audit.actors import Actor
from hardcases.blobs.store import Received, get_store
from hardcases.errors import Conflict, Detail, Invalid, NotFound
from hardcases.formats.joining import CaseIndex, Joined, Missing, join
from hardcases.formats.predictions import to_parquet
from hardcases.formats.tables import read_table
from hardcases.projects.models import Project
from hardcases.projects.steps import next_numbers
from hardcases.testsets.models import Version
from hardcases.testsets.snapshots import Members, aliases
from hardcases.work.actions import hint

MAX_PREDICTIONS = 2 * 10**9


class PredictionsTooLate(Conflict):
    code, title = "run_has_started", "The run has started"


@dataclass(frozen=True)
class Accepted:
    """An accepted file of predictions: its rows and the SHA-256 of the bytes as they arrived."""

    rows: int
    sha256: str


def start_run(
    *,
    actor: Actor,
    project: Project,
    model_version: ModelVersion,
    version: Version,
    replicates: Sequence[int] | None = None,
    baseline: ModelVersion | None = None,
    plan: dict[str, Any] | None = None,
) -> Run:
    """Evaluate a model version on a frozen test-set version, pinned to its manifest digest and to the baseline's run.

    `replicates` default to all that are registered. Without a finished run of the baseline on this version the baseline is evaluated
    along; where its predictions are uploaded that is refused with Conflict.
    """
    plan = plan or {}
    _check_task(project, plan)
    if baseline is not None and baseline.pk == model_version.pk:
        raise Invalid("A model version cannot be its own baseline. Nothing was started. Choose another baseline, or none.")
    with transaction.atomic():
        against = _baseline_run(actor, project, baseline, version, plan) if baseline else None
        numbers = _replicates(model_version, replicates)
        return _create(actor, project, model_version, version, numbers, plan, baseline=baseline, baseline_run=against)


def _create(
    actor: Actor,
    project: Project,
    model_version: ModelVersion,
    version: Version,
    replicates: list[int],
    plan: dict[str, Any],
    *,
    baseline: ModelVersion | None = None,
    baseline_run: Run | None = None,
    retry_of: Run | None = None,
) -> Run:
    run = Run.objects.create(
        project=project,
        number=next_numbers(project, "run"),
        model_version=model_version,
        test_set_version=version,
        manifest_digest=version.digest,
        baseline_version=baseline,
        baseline_run=baseline_run,
        retry_of=retry_of,
        replicates=replicates,
        plan=plan,
        cases=version.cases,
        started_by_id=person_behind(actor),
        started_by_name=actor.printed_name[:150],
    )
    after = {
        "number": run.number,
        "model_version": str(model_version),
        "test_set": str(version),
        "manifest_digest": version.digest,
        "replicates": replicates,
        "baseline": str(baseline) if baseline else None,
        "baseline_run": baseline_run.number if baseline_run else None,
        "retry_of": retry_of.number if retry_of else None,
        "plan": plan,
    }
    record(actor, "run.started", "run", run.pk, project_id=project.pk, after=after)
    if retry_of is not None:
        steps.reuse_parts(retry_of, run)
    if not steps.waiting_for(run):
        steps.begin(run)
        hint(spread_run, run_id=run.pk)
    run.refresh_from_db()
    return run


def _check_task(project: Project, plan: dict[str, Any]) -> None:
    if project.task != "classification":
        raise Invalid(f"Runs of {project.task} projects are not available yet. Nothing was started.")
    asked = sorted(name for name, value in plan.items() if value and name != "home")
    if asked:
        raise Invalid(
            f"The plan asks for {', '.join(asked)}, which is not available yet. Nothing was started. Leave it out of the plan.",
            errors=[Detail(pointer=f"/plan/{name}", detail="This is not available yet.") for name in asked],
        )


def _replicates(model_version: ModelVersion, wanted: Sequence[int] | None) -> list[int]:
    """Numbers of the replicates to run, ascending; refuses what is not registered or cannot be run here."""
    rows = {row.number: row for row in model_version.replicates.all()}
    chosen = sorted(rows if wanted is None else set(wanted))
    absent = [number for number in chosen if number not in rows]
    if absent or not chosen:
        listed = ", ".join(map(str, absent)) or "any"
        raise Invalid(
            f"{model_version} has no replicate {listed}. Nothing was started. Register it first, or choose among {sorted(rows)}.",
            errors=[Detail(pointer="/replicates", detail=f"No replicate {number} is registered.") for number in absent],
        )
    for number in chosen:
        _check_adapter(rows[number])
    return chosen


def _check_adapter(replicate: Replicate) -> None:
    if replicate.adapter["kind"] == "http":
        raise Invalid(
            f"{replicate} answers over http, and running such an adapter is not available yet. Nothing was started. "
            "Register a replicate of kind uploaded or onnx."
        )


def _baseline_run(actor: Actor, project: Project, baseline: ModelVersion, version: Version, plan: dict[str, Any]) -> Run:
    """The baseline's newest whole run on this version whose plan includes this plan; else one that is under way or started now."""
    mine = Run.objects.filter(project=project, model_version=baseline, test_set_version=version).order_by("-number")
    for run in mine.filter(state="succeeded", coverage=1.0):
        if plan.items() <= run.plan.items():
            return run
    numbers = _replicates(baseline, None)
    if baseline.replicates.filter(number__in=numbers, adapter__kind="uploaded").exists():
        raise Conflict(
            f"The baseline {baseline} has no finished run with all predictions on {version}, and its predictions come as a file. "
            f"Nothing was started. Run {baseline} on {version} first, without a baseline."
        )
    for run in mine.filter(state__in=states.OPEN):
        if run.replicates == numbers and plan.items() <= run.plan.items():
            return run
    return _create(actor, project, baseline, version, numbers, plan)


def put_predictions(
    *, actor: Actor, run: Run, replicate: int, stream: IO[bytes] | Iterable[bytes], media_type: str, missing: Missing = "refuse"
) -> Accepted:
    """Accept the predictions of one replicate as a file, all or nothing, joined by id.

    Raises `TableRefused` with every finding, and Conflict once the run has started, unless the same bytes come again. The last
    replicate's file starts the run; until then a file may be replaced.
    """
    _check_uploads(run, replicate)
    store = get_store()
    received = store.receive(stream, limit=MAX_PREDICTIONS)
    try:
        known = _same_again(run, replicate, received.sha256)
        if known is not None:
            return known
        joined = _joined(run, received, media_type, missing)
        answered = joined.predictions
        sha256 = store.put_bytes(to_parquet(answered, members_of(run.test_set_version_id).classes))
    finally:
        store.discard(received)
    with transaction.atomic():
        locked = Run.objects.select_for_update().select_related("project").get(pk=run.pk)
        if locked.state != "queued":
            raise _too_late(locked)
        columns = {
            "rows": len(answered),
            "predicted": len(answered),
            "sha256": sha256,
            "received_sha256": received.sha256,
            "sent_by_id": person_behind(actor),
        }
        Part.objects.update_or_create(run=run, replicate=replicate, step=PLAIN, shard=0, defaults=columns)
        after = {"replicate": replicate, "rows": len(answered), "missing": len(joined.missing), "received_sha256": received.sha256}
        record(actor, "run.predictions_accepted", "run", run.pk, project_id=run.project_id, after=after)
        if not steps.waiting_for(locked):
            steps.begin(locked)
            hint(spread_run, run_id=run.pk)
    return Accepted(len(answered), received.sha256)


def _check_uploads(run: Run, replicate: int) -> None:
    rows = {row.number: row for row in replicates_of(run)}
    if replicate not in rows:
        raise NotFound(f"Run {run.number} has no replicate {replicate}. Its replicates are {run.replicates}.")
    if rows[replicate].adapter["kind"] != "uploaded":
        raise Conflict(f"Replicate {replicate} of run {run.number} is predicted here; it takes no file. Nothing was stored.")


def _same_again(run: Run, replicate: int, sha256: str) -> Accepted | None:
    """The answer to bytes that were accepted before; Conflict to others once the run has started."""
    part = Part.objects.filter(run=run, replicate=replicate, step=PLAIN, shard=0).first()
    if part is not None and part.received_sha256 == sha256:
        return Accepted(part.rows, sha256)
    state = Run.objects.values_list("state", flat=True).get(pk=run.pk)
    if state != "queued":
        raise _too_late(run)
    return None


def _too_late(run: Run) -> PredictionsTooLate:
    return PredictionsTooLate(
        f"Run {run.number} has all its predictions and has started, so they cannot be replaced. Nothing was stored. Start a new run."
    )


def _joined(run: Run, received: Received, media_type: str, missing: Missing) -> Joined:
    cases = members_of(run.test_set_version_id)
    table = read_table(received.path, media_type, classes=cases.classes)
    index = case_index(run.test_set_version, cases)
    return join(table, index, classes=cases.classes, positive_class=positive_class(run.test_set_version), missing=missing)


def case_index(version: Version, cases: Members) -> CaseIndex:
    """Every name by which a file may call a member."""
    external_ids, external_positions = aliases(version, cases)
    return CaseIndex(cases.keys(), sha256=cases.sha256, external_ids=external_ids, external_positions=external_positions)


def cancel_run(*, actor: Actor, run: Run) -> Run:
    """Stop a run that has not ended. Cancelling a cancelled run changes nothing; a finished one raises Conflict."""
    with transaction.atomic():
        if states.cancel(run.pk):
            Shard.objects.filter(run=run, state__in=("queued", "running")).update(state="cancelled", lease_until=None)
            record(actor, "run.cancelled", "run", run.pk, project_id=run.project_id, before={"state": run.state})
        run.refresh_from_db()
    if run.state != "cancelled":
        raise Conflict(f"Run {run.number} has already {run.state}. Nothing was changed.")
    return run


def retry_run(*, actor: Actor, run: Run) -> Run:
    """A new run with the same plan that reuses every part which is whole. Only ended runs can be retried, and succeeded ones only if partial."""
    if not states.is_final(run):
        raise Conflict(f"Run {run.number} has not ended. Nothing was started. Wait for it, or cancel it first.")
    if run.state == "succeeded" and run.coverage == 1.0:
        raise Conflict(f"Run {run.number} succeeded with every prediction; there is nothing to try again. Nothing was started.")
    with transaction.atomic():
        against = run.baseline_run
        if run.baseline_version is not None and (against is None or against.state in {"failed", "cancelled"}):
            against = _baseline_run(actor, run.project, run.baseline_version, run.test_set_version, run.plan)
        return _create(
            actor,
            run.project,
            run.model_version,
            run.test_set_version,
            run.replicates,
            run.plan,
            baseline=run.baseline_version,
            baseline_run=against,
            retry_of=run,
        )
