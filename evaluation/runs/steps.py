"""Row changes that actions and jobs share."""

from django.db.models import Count

from evaluation.runs import states
from evaluation.runs.cohort import PLAIN, replicates_of
from evaluation.runs.models import Part, Run, Shard

SHARD_ROWS = 500


def waiting_for(run: Run) -> list[int]:
    """Replicates whose predictions come as a file that has not arrived yet, ascending. Empty for a run that has begun."""
    if run.state != "queued":
        return []
    uploaded = {row.number for row in replicates_of(run) if row.adapter["kind"] == "uploaded"}
    arrived = Part.objects.filter(run=run, step=PLAIN).values_list("replicate", flat=True)
    return sorted(uploaded.difference(arrived))


def begin(run: Run) -> None:
    """Nothing is waited for any more: cut the shards of what this installation predicts itself, or go straight to the end where there is nothing to predict.

    Call it inside the transaction that makes the run complete. Shards for which a part exists already (a retry) are done from the start.
    """
    own = [row.number for row in replicates_of(run) if row.adapter["kind"] != "uploaded"]
    have = set(Part.objects.filter(run=run, step=PLAIN, replicate__in=own).values_list("replicate", "shard"))
    shards = [
        Shard(
            run=run,
            replicate=number,
            step=PLAIN,
            index=index,
            first=first,
            last=min(first + SHARD_ROWS, run.cases),
            state="done" if (number, index) in have else "queued",
        )
        for number in own
        for index, first in enumerate(range(0, run.cases, SHARD_ROWS))
    ]
    Shard.objects.bulk_create(shards, batch_size=1000)
    states.set_deadline(run.pk)
    if all(shard.state == "done" for shard in shards):
        states.start(run.pk)


def reuse_parts(old: Run, new: Run) -> int:
    """Give a retry the parts of the run it repeats, as far as every one of their cases was answered or they came as a file. Returns how many."""
    whole = [
        Part(
            run=new,
            replicate=part.replicate,
            step=part.step,
            shard=part.shard,
            rows=part.rows,
            predicted=part.predicted,
            sha256=part.sha256,
            side_sha256=part.side_sha256,
            received_sha256=part.received_sha256,
            sent_by_id=part.sent_by_id,
        )
        for part in old.parts.all()
        if part.received_sha256 is not None or part.predicted == part.rows
    ]
    Part.objects.bulk_create(whole)
    return len(whole)


def progress(run: Run) -> dict[str, int]:
    """Shards by state, and cases predicted so far over all replicates."""
    counts = dict(run.shards.values_list("state").annotate(Count("pk")))
    done = sum(last - first for first, last in run.shards.filter(state__in=("done", "failed")).values_list("first", "last"))
    uploaded = run.cases * run.parts.exclude(received_sha256=None).count()
    failed = sum(rows - predicted for rows, predicted in run.parts.values_list("rows", "predicted"))
    failed += sum(last - first for first, last in run.shards.filter(state="failed").values_list("first", "last"))
    return {
        "done": done + uploaded,
        "total": run.cases * len(run.replicates),
        "failed": failed,
        "shards": sum(counts.values()),
        "shards_done": counts.get("done", 0),
    }
