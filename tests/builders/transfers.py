"""Imports and exports for tests, made the way people make them: through the actions."""

import io
import json
import zipfile
from typing import Any

from hardcases.audit.actors import Actor
from hardcases.blobs.store import get_store
from hardcases.projects.models import Project
from hardcases.transfers import actions, queries
from hardcases.transfers.models import Import
from hardcases.work import jobs
from hardcases.work.models import Job
from tests.builders import people


def jsonl(*rows: Any) -> bytes:
    """An object a line."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def a_zip(**files: bytes) -> bytes:
    """An archive; `__` in a name is a dot."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "."), data)
    return out.getvalue()


def uploaded(project: Project, content: bytes, *, name: str = "cases.jsonl", actor: Actor | None = None, kind: str | None = None) -> Import:
    """A file that was uploaded; nothing was asked of it yet."""
    taken = actions.take_file(io.BytesIO(content), name, format_name=kind)
    return actions.create_import(actor=actor or people.actor(project, "curator"), project=project, uploaded=taken)


def done(job: Job) -> Job:
    """The job, after a worker has done it."""
    jobs.run_job(str(job.pk))
    job.refresh_from_db()
    return job


def check(row: Import, *, actor: Actor | None = None, mapping: dict[str, Any] | None = None) -> Job:
    """A finished check."""
    return done(actions.start_check(actor=actor or people.actor(row.project, "curator"), row=row, mapping=mapping or {}))


def run(row: Import, *, actor: Actor | None = None, mapping: dict[str, Any] | None = None) -> Job:
    """A finished import."""
    return done(actions.start_import(actor=actor or people.actor(row.project, "curator"), row=row, mapping=mapping))


def imported(project: Project, content: bytes, *, name: str = "cases.jsonl", **options: Any) -> dict[str, int]:
    """Check and import a file; the counts, which are the same both times."""
    row = uploaded(project, content, name=name, kind=options.pop("kind", None))
    foreseen, job = check(row, **options), run(row, **options)
    assert (foreseen.state, foreseen.failure) == (job.state, job.failure) == ("done", ""), (foreseen.failure, job.failure)
    assert foreseen.result == job.result, (list(queries.rows_of(foreseen)), list(queries.rows_of(job)))
    assert job.result is not None
    return {name: count for name, count in job.result.items() if count}


def rows(row: Import, status: str | None = None) -> list[dict[str, Any]]:
    """The report of the import, or of its check."""
    row.refresh_from_db()
    assert row.job is not None
    return list(queries.rows_of(row.job, status))


def exported(project: Project, *, kind: str, media: bool = False, version: Any = None, q: str | None = None) -> bytes:
    """A finished export's file."""
    asked = {"version": version, "q": ("" if q is None else q) if version is None else None}
    export = actions.start_export(actor=people.actor(project, "curator"), project=project, format_name=kind, media=media, **asked)
    job = done(export.job)
    assert (job.state, job.failure) == ("done", "")
    export.refresh_from_db()
    assert export.sha256 is not None
    return get_store().read(export.sha256)
