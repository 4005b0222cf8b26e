"""What the database itself refuses in this room's tables."""

from hardcases.audit.guards import Guard

_FINAL = "OLD.state IN ('succeeded', 'failed', 'cancelled')"
_PINNED = ("manifest_digest", "model_version_id", "test_set_version_id", "project_id", "number")
_EVIDENCE = ("state", "report_sha256", "predictions_digest", "coverage", "baseline_run_id")

GUARDS: list[Guard] = [
    Guard(name="evaluation_run_no_delete", table="evaluation_run", event="DELETE", sentence="Runs are never deleted."),
    Guard(
        name="evaluation_run_pinned",
        table="evaluation_run",
        event="UPDATE",
        sentence="What a run was started on never changes.",
        when=" OR ".join(f"OLD.{column} <> NEW.{column}" for column in _PINNED),
    ),
    Guard(
        name="evaluation_run_final",
        table="evaluation_run",
        event="UPDATE",
        sentence="A finished run never changes.",
        when=f"{_FINAL} AND ({' OR '.join(f'OLD.{column} IS DISTINCT FROM NEW.{column}' for column in _EVIDENCE)})",
    ),
    Guard(
        name="evaluation_part_final",
        table="evaluation_part",
        event="UPDATE",
        sentence="The predictions of a run that has started never change.",
        when="(SELECT state FROM evaluation_run WHERE id = OLD.run_id) <> 'queued'",
    ),
    Guard(
        name="evaluation_part_no_delete",
        table="evaluation_part",
        event="DELETE",
        sentence="The predictions of a run that has started are never deleted.",
        when="(SELECT state FROM evaluation_run WHERE id = OLD.run_id) <> 'queued'",
    ),
]
