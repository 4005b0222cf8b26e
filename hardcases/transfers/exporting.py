"""What the worker does for exports: writes the file beside the store's others, then gives it its name. Killed, it begins anew and makes the same bytes."""

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from hardcases.audit import actions as audit
from hardcases.audit.actors import Actor
from hardcases.blobs.backends import full_disk_as_refusal
from hardcases.blobs.store import CHUNK, Received, get_store
from hardcases.errors import StorageFull
from hardcases.formats.exchange import Item, Options
from hardcases.formats.registry import WRITERS, file_kind
from hardcases.projects.access import require
from hardcases.projects.permissions import Can
from hardcases.testsets.models import Version
from hardcases.transfers import members
from hardcases.transfers.models import Export
from hardcases.work import leases
from hardcases.work.heartbeat import holding
from hardcases.work.models import Job
from hardcases.work.pause import point

EXPORT = "transfers.export"
KEEP = timedelta(days=7)
DIGESTS = "SHA256SUMS"
NO_ROOM = "There is no room left in the file store"


def run_export(job: Job) -> dict[str, Any]:
    """Write the export and put it into the store."""
    try:
        return _made(job)
    except StorageFull as full:
        raise StorageFull(
            f"{NO_ROOM}, so the export was not made, and nothing of it is kept. Free some space, then ask for another."
        ) from full


def _made(job: Job) -> dict[str, Any]:
    export = Export.objects.select_related("project", "version__test_set__project").get(pk=job.payload["export"])
    require(Actor.recalled(job.payload["actor"]), Can.VIEW_ORIGINAL if export.media else Can.EXPORT, export.project)
    media_type, ending = file_kind(export.format, media=export.media)
    counted = _Counted(job, members.items(export.project, rows_of(export)))
    with holding(job), _scratch() as path:
        with full_disk_as_refusal(), path.open("wb") as out:
            WRITERS[export.format](counted, out, options_of(export), members.media if export.media else None)
        if media_type == "application/zip":
            _add_digests(path)
        received = _received(path)
        point("transfers.export.written")
        get_store().commit(received)
    with transaction.atomic():
        leases.extend(job)
        columns = {"sha256": received.sha256, "size": received.size, "file_name": name_of(export) + ending, "media_type": media_type}
        Export.objects.filter(pk=export.pk).update(**columns, expires_at=Now() + KEEP)
        Job.objects.filter(pk=job.pk).update(done=counted.count, total=counted.count)
        after = {"cases": counted.count, "of": str(export), "format": export.format, "media": export.media, "sha256": received.sha256}
        audit.record(Actor.recalled(job.payload["actor"]), "export.made", "export", export.pk, project_id=export.project_id, after=after)
    return {"cases": counted.count, "sha256": received.sha256, "size": received.size}


def rows_of(export: Export) -> Iterator[members.Row]:
    """The cases, as they are read."""
    if export.version is not None:
        return members.rows_of_version(export.version)
    return members.rows_of_search(export.project, export.q or "")


def options_of(export: Export) -> Options:
    """What a writer needs to know: of a version the classes and attributes that it pins."""
    project, version = export.project, export.version
    schema = version.header["schema"] if version else None
    attributes = schema["attributes"] if schema else project.attributes.values("name")
    about: dict[str, Any] = {
        "name": name_of(export),
        "description": version.test_set.purpose if version else f"Cases of {project.name} found by: {export.q}",
        "creator": project.team.name,
        "url": f"{settings.PUBLIC_URL}/p/{project.slug}/",
        "license": export.job.payload.get("license", ""),
        "published": (version.frozen_at if version else export.created_at).date().isoformat(),
    }
    if version is not None:
        about |= {"version": str(version.number), "semantic_version": semantic_version(version), "digest": f"sha256:{version.digest}"}
    return Options(
        task=schema["task"] if schema else project.task,
        classes=tuple(schema["classes"] if schema else project.classes),
        attributes=tuple(attribute["name"] for attribute in attributes),
        about=about,
    )


def semantic_version(version: Version) -> str:
    """The version as Croissant counts: the first number grows where members went or were changed, the second where some were only added, the third where neither."""
    major, minor, patch = 1, 0, 0
    earlier = Version.objects.filter(test_set=version.test_set, number__gt=1, number__lte=version.number).order_by("number")
    for added, removed, changed in earlier.values_list("added", "removed", "changed"):
        if removed or changed:
            major, minor, patch = major + 1, 0, 0
        elif added:
            minor, patch = minor + 1, 0
        else:
            patch += 1
    return f"{major}.{minor}.{patch}"


def name_of(export: Export) -> str:
    """The file's name without its ending."""
    what = f"{export.version.test_set.slug}-{export.version.number}" if export.version else "search"
    return f"{export.project.slug}-{what}-{export.format}"


class _Counted:
    """Items on their way to the writer; says how many, and stops when the job has been taken over."""

    def __init__(self, job: Job, items: Iterator[Item]) -> None:
        self.job, self.items, self.count = job, items, 0

    def __iter__(self) -> Iterator[Item]:
        for item in self.items:
            yield item
            self.count += 1
            if self.count % members.AT_ONCE == 0:
                leases.extend(self.job)
                Job.objects.filter(pk=self.job.pk).update(done=self.count)


@contextmanager
def _scratch() -> Iterator[Path]:
    """A file in the store's own folder, gone afterwards unless it has become a blob."""
    store = get_store()
    store.check_space()
    with full_disk_as_refusal():
        descriptor, name = tempfile.mkstemp(dir=store.scratch, prefix="export-")
    os.close(descriptor)
    path = Path(name)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _received(path: Path) -> Received:
    with path.open("rb") as file:
        return Received(path, hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)


def _add_digests(path: Path) -> None:
    """One more member, which `sha256sum --check` reads: the digest of every other."""
    with full_disk_as_refusal(), zipfile.ZipFile(path, "a") as archive:
        lines = []
        for member in archive.infolist():
            with archive.open(member) as file:
                lines.append(f"{_digest(file)}  {member.filename}\n")
        info = zipfile.ZipInfo(DIGESTS, date_time=(1980, 1, 1, 0, 0, 0))
        info.external_attr, info.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
        archive.writestr(info, "".join(lines))


def _digest(file: IO[bytes]) -> str:
    found = hashlib.sha256()
    while chunk := file.read(CHUNK):
        found.update(chunk)
    return found.hexdigest()
