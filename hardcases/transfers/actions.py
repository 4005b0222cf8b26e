"""What people ask for with files: check one, import it, have one made."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import IO, Any

from django.db import transaction
from django.utils import timezone

from hardcases.audit import actions as audit
from hardcases.audit.actors import Actor
from hardcases.blobs.store import get_store
from hardcases.errors import Conflict, Forbidden, Invalid
from hardcases.formats import registry
from hardcases.projects.models import Project
from hardcases.transfers import jobs, reading
from hardcases.transfers.mapping import check_mapping
from hardcases.transfers.models import Import
from hardcases.work.actions import enqueue, hint
from hardcases.work.models import Job
from hardcases.work.tasks import run_job

FILE_LIMIT = 2 * 10**9
KEEP_IMPORT = timedelta(days=30)


class AlreadyImported(Conflict):
    code, title = "already_imported", "This file was imported"


class StillChecking(Conflict):
    code, title = "still_checking", "The file is still being checked"


@dataclass(frozen=True, kw_only=True)
class Uploaded:
    """A file that lies in the store, and the format it has or seems to have."""

    name: str
    sha256: str
    size: int
    format: str


def take_file(source: IO[bytes], name: str, *, format_name: str | None = None) -> Uploaded:
    """Put an uploaded file into the store; outside of any transaction.

    Raises TooLarge, StorageFull, `UnsafeArchive`, and Invalid for a format that is unknown or cannot be guessed; then nothing of it is left.
    """
    if format_name is not None:
        reading.reader_of(format_name)
    store = get_store()
    received = store.receive(source, limit=FILE_LIMIT)
    try:
        if received.size == 0:
            raise Invalid("The file is empty. Nothing was stored. Send the file that you meant.")
        with reading.opened(received.path, name) as package:
            guessed = format_name or reading.guessed(package)
        if guessed is None:
            known = ", ".join(sorted(registry.READERS))
            raise Invalid(f"It cannot be told from the file which format it has. Nothing was stored. Say it in “format”: {known}.")
        store.commit(received)
    finally:
        store.discard(received)  # no harm where it has become a blob
    return Uploaded(name=name[:255], sha256=received.sha256, size=received.size, format=guessed)


@transaction.atomic
def create_import(*, actor: Actor, project: Project, uploaded: Uploaded) -> Import:
    """A row for a file that was taken. Nothing is read of it yet."""
    if actor.user_id is None:
        raise Forbidden("Cases and labels are imported by a person; the system itself cannot. Nothing was stored.")
    return Import.objects.create(
        project=project,
        file_name=uploaded.name,
        sha256=uploaded.sha256,
        size=uploaded.size,
        format=uploaded.format,
        by_id=actor.user_id,
        by_name=actor.printed_name[:150],
        expires_at=timezone.now() + KEEP_IMPORT,
    )


@transaction.atomic
def start_check(*, actor: Actor, row: Import, mapping: Mapping[str, Any]) -> Job:
    """Have a worker go through the file and say what importing it would do. Another check takes the place of the last. Raises AlreadyImported."""
    held = _held(row)
    if held.import_job is not None:
        raise AlreadyImported("This file was imported, or is being imported. Nothing was changed. Upload it again to check it again.")
    check_mapping(row.project, mapping)
    held.check_job = _job(jobs.CHECK, actor, held, mapping, uuid.uuid4().hex)
    held.mapping = dict(mapping)
    held.save(update_fields=["check_job", "mapping"])
    return held.check_job


@transaction.atomic
def start_import(*, actor: Actor, row: Import, mapping: Mapping[str, Any] | None = None) -> Job:
    """Have a worker import the file, with the mapping of the last check unless another is given. Asking again returns the same job, and one that failed goes on."""
    held = _held(row)
    if held.import_job is not None:
        if Job.objects.filter(pk=held.import_job.pk, state="failed").update(state="queued", attempt=0, failure="", finished_at=None):
            held.import_job.refresh_from_db()
            hint(run_job, job_id=str(held.import_job.pk))
        return held.import_job
    if mapping is not None:
        check_mapping(row.project, mapping)
        held.mapping = dict(mapping)
    held.import_job = _job(jobs.IMPORT, actor, held, held.mapping, "import")
    held.save(update_fields=["import_job", "mapping"])
    after = {"file": held.file_name, "format": held.format, "sha256": held.sha256}
    audit.record(actor, "import.started", "import", held.pk, project_id=held.project_id, after=after)
    return held.import_job


def _held(row: Import) -> Import:
    """The row, held until the transaction ends."""
    held = Import.objects.select_for_update(of=("self",)).select_related("project", "check_job", "import_job").get(pk=row.pk)
    reading.kept(held)
    return held


def _job(kind: str, actor: Actor, row: Import, mapping: Mapping[str, Any], name: str) -> Job:
    payload = {"import": str(row.pk), "mapping": dict(mapping), "actor": actor.remembered()}
    checked = row.check_job if row.check_job and row.check_job.state == "done" and row.check_job.payload["mapping"] == mapping else None
    job = enqueue(kind=kind, key=f"{row.pk}/{name}", project_id=row.project_id, payload=payload, total=checked.total if checked else None)
    hint(run_job, job_id=str(job.pk))
    return job
