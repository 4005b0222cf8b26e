"""What the worker does for imports: goes through the file chunk by chunk, and after a death goes on at the chunk where it was."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import F

from hardcases.audit.actors import Actor
from hardcases.blobs.store import get_store
from hardcases.errors import StorageFull
from hardcases.formats.exchange import Package
from hardcases.transfers import queries, reading
from hardcases.transfers.exporting import NO_ROOM
from hardcases.transfers.intake import Entry, Intake, chunks
from hardcases.transfers.looking import Looker
from hardcases.transfers.models import Import, ReportPart
from hardcases.transfers.reports import Report
from hardcases.work import leases
from hardcases.work.heartbeat import holding
from hardcases.work.models import Job
from hardcases.work.pause import point

CHECK, IMPORT = "transfers.check", "transfers.import"
ERRORS = 100  # that the job itself lists; the report has all


def check(job: Job) -> dict[str, Any]:
    """Go through the file and write nothing but the report. Killed, it begins anew: what earlier rows would have done is only in its memory."""
    ReportPart.objects.filter(job=job).delete()
    Job.objects.filter(pk=job.pk).update(done=0, errors=[])
    try:
        return _go_through(job, rehearse=True)
    except StorageFull as full:
        raise StorageFull(f"{NO_ROOM}, so the check stopped. Nothing was imported. Free some space, then check the file again.") from full


def run_import(job: Job) -> dict[str, Any]:
    """Import the file. Killed at any point it goes on with the first chunk that was not committed."""
    try:
        return _go_through(job, rehearse=False)
    except StorageFull as full:
        raise StorageFull(
            f"{NO_ROOM}, so the import stopped after {queries.position_of(job):,} entries of the file. What became of those stays, of the others nothing was imported. "
            "Free some space, then start the import again: it goes on where it stopped."
        ) from full


def _go_through(job: Job, *, rehearse: bool) -> dict[str, Any]:
    row = Import.objects.select_related("project").get(pk=job.payload["import"])
    actor = Actor.recalled(job.payload["actor"])
    queries.require_still(actor, row.project)
    with holding(job), get_store().local_copy(reading.kept(row)) as path, reading.opened(path, row.file_name) as package:
        looker = Looker(row.project) if rehearse else None
        intake = Intake(actor, row.project, package, rehearse=rehearse)
        position = queries.position_of(job)
        entries = _entries(package, row, job)
        intake.recall(islice(entries, position), queries.rows_of(job) if position else ())
        for chunk in chunks(entries, intake.names):
            if looker is not None:
                looker.see(chunk)
            prepared = intake.prepare(chunk)
            point("transfers.import.prepared")
            with transaction.atomic():
                leases.extend(job)
                report = intake.file(chunk, prepared)
                _write(job, position, report)
            point("transfers.import.committed")
            position += len(chunk)
        if looker is not None:
            Import.objects.filter(pk=row.pk, check_job=job).update(preview=looker.preview())
    Job.objects.filter(pk=job.pk).update(total=position)
    return queries.counts_of(job)


def _entries(package: Package, row: Import, job: Job) -> Iterator[Entry]:
    """What the file tells, in the same order each time."""
    return reading.reader_of(row.format)(package, reading.options_for(row.project, job.payload["mapping"]))


def _write(job: Job, position: int, report: Report) -> None:
    """The chunk's part of the report, behind the fence of the lease; and a job that gets on is no poison, however often its worker was stopped."""
    ReportPart.objects.create(job=job, first=position, entries=report.counts["entries"], counts=report.counts, rows=report.packed())
    errors = job.errors + report.problems(ERRORS - len(job.errors))
    columns: dict[str, Any] = {"done": F("done") + report.counts["entries"], "attempt": 1}
    if errors != job.errors:
        columns["errors"] = job.errors = errors
    Job.objects.filter(pk=job.pk).update(**columns)
