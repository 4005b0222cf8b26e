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
from hardcases.cases.queries import condition, search
from hardcases.errors import Conflict, Forbidden, Invalid
from hardcases.formats import registry
from hardcases.projects.access import require
from hardcases.projects.models import Project
from hardcases.projects.permissions import Can
from hardcases.testsets.models import Version
from hardcases.transfers import exporting, jobs, reading
from hardcases.transfers.mapping import check_mapping
from hardcases.transfers.models import Export, Import
from hardcases.work.actions import enqueue, hint
from hardcases.work.models import Job
from hardcases.work.tasks import run_job

FILE_LIMIT = 2 * 10**9
KEEP_IMPORT = timedelta(days=30)


class AlreadyImported(Conflict):
    code, title = "already_imported", "This file was imported"


class NotMade(Conflict):
    code, title = "not_made", "The export is not there"


@dataclass(frozen=True, kw_only=True)
class Uploaded:
    """A file that lies in the store, and the format it has or seems to have."""

    name: str
    sha256: str
    size: int
    format: str


@dataclass(frozen=True, kw_only=True)
class Download:
    """An open file with what a browser must be told about it."""

    file: IO[bytes]
    media_type: str
    name: str
    sha256: str


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
def start_check(*, actor: Actor, row: Import, mapping: Mapping[str, Any], format_name: str | None = None) -> Job:
    """Have a worker go through the file and say what importing it would do. Another check takes the place of the last. Raises AlreadyImported, Invalid."""
    held = _held(row)
    if held.import_job is not None:
        raise AlreadyImported("This file was imported, or is being imported. Nothing was changed. Upload it again to check it again.")
    check_mapping(held.project, mapping)
    if format_name is not None:
        reading.reader_of(format_name)
        held.format = format_name
    held.check_job = _job(jobs.CHECK, actor, held, mapping, uuid.uuid4().hex)
    held.mapping = dict(mapping)
    held.preview = None
    held.save(update_fields=["check_job", "mapping", "format", "preview"])
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
        check_mapping(held.project, mapping)
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


@transaction.atomic
def start_export(
    *, actor: Actor, project: Project, version: Version | None, q: str | None, format_name: str, media: bool, licence: str = ""
) -> Export:
    """Have a file made of a frozen version, or of what a search finds when the worker comes to it. The licence is a name or an address, and stands in the file.

    Pictures are packed as they were received, so only for somebody who may see them so. Raises Invalid, Forbidden, and what the query language refuses.
    """
    if actor.user_id is None:
        raise Forbidden("An export is made for a person; the system itself cannot ask for one. Nothing was made.")
    if format_name not in registry.WRITERS:
        known = ", ".join(sorted(registry.WRITERS))
        raise Invalid(f"No export is made in the format “{format_name[:40]}”. Nothing was made. Known: {known}.")
    if licence and format_name not in registry.LICENSED:
        raise Invalid(
            f"The format {format_name} has no place for a licence. Nothing was made. Leave it out, or choose {' or '.join(registry.LICENSED)}."
        )
    if (version is None) == (q is None):
        raise Invalid("An export is of a test set's version or of a search, one of the two. Nothing was made.")
    if q is not None:
        condition(project, q)
    if media:
        require(actor, Can.VIEW_ORIGINAL, project)
    export_id = uuid.uuid4()
    payload = {"export": str(export_id), "actor": actor.remembered(), **({"license": licence} if licence else {})}
    total = version.cases if version else search(project, q or "").count()
    job = enqueue(kind=exporting.EXPORT, key=str(export_id), project_id=project.pk, payload=payload, total=total)
    export = Export.objects.create(
        id=export_id,
        project=project,
        version=version,
        q=q,
        format=format_name,
        media=media,
        job=job,
        by_id=actor.user_id,
        by_name=actor.printed_name[:150],
        expires_at=timezone.now() + exporting.KEEP,
    )
    after = {"of": str(export), "format": format_name, "media": media, **({"license": licence} if licence else {})}
    audit.record(actor, "export.asked", "export", export.pk, project_id=project.pk, after=after)
    hint(run_job, job_id=str(job.pk))
    return export


def require_made(export: Export) -> str:
    """The digest of the file. Raises NotMade and NoLongerKept."""
    if export.sha256 is not None:
        return export.sha256
    if export.job.state == "failed":
        raise NotMade(f"This export was not made: {export.job.failure} Ask for another.")
    if export.job.state == "done":
        raise reading.NoLongerKept("This export is not kept any more. Nothing was changed. Ask for another.")
    raise NotMade("This export is still being made. Ask again in a few seconds.", retry_after=2)


def download(*, actor: Actor, export: Export) -> Download:
    """The file for somebody who may have it; the log says who took it. Raises Forbidden, NotMade, NoLongerKept."""
    if export.media:
        require(actor, Can.VIEW_ORIGINAL, export.project)
    sha256 = require_made(export)
    file = get_store().open(sha256, size=export.size)
    audit.record(actor, "export.downloaded", "export", export.pk, project_id=export.project_id, after={"of": str(export), "sha256": sha256})
    return Download(file=file, media_type=export.media_type, name=export.file_name, sha256=sha256)
