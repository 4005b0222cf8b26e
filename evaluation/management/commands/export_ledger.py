"""`manage.py export_ledger [--project SLUG]`: what the installation holds, one JSON object a line."""

import json
import math
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Model as Row
from django.db.models import Q, QuerySet

from evaluation.releases.models import Acceptance, Release, SignOff
from evaluation.runs.models import Part, Run
from hardcases.audit.models import AuditEvent
from hardcases.blobs.store import get_store
from hardcases.cases.models import Case, Sighting
from hardcases.formats.predictions import read_part
from hardcases.labels.models import LabelRevision
from hardcases.management.moment import one_moment
from hardcases.projects.models import Project
from hardcases.testsets.models import Entry, Version
from hardcases.testsets.snapshots import Members, members

Line = dict[str, Any]
AT_ONCE = 2_000


class Command(BaseCommand):
    """Read-only, in one fixed order, as of one moment, and never whole in memory."""

    help = (
        "Writes cases, sightings, labels, versions with their members, runs, predictions, verdicts, sign-offs and audit events as JSON Lines. "
        "Each line says its kind. Equal content gives equal bytes."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Options."""
        parser.add_argument("--project", help="slug of one project; without it all of them")
        parser.add_argument("--out", type=Path, help="file to write; without it standard output")

    def handle(self, *_: Any, project: str | None, out: Path | None, **__: Any) -> None:
        """Write it."""
        projects = Project.objects.order_by("slug")
        if project is not None:
            projects = projects.filter(slug=project)
            if not projects.exists():
                raise CommandError(f"There is no project {project}. Nothing was written.")
        with ExitStack() as stack:
            stack.enter_context(one_moment())
            target: IO[str] = stack.enter_context(out.open("w", encoding="utf-8")) if out else sys.stdout
            for line in ledger(projects, whole=project is None):
                target.write(json.dumps(line, ensure_ascii=False, sort_keys=True, default=_plain) + "\n")


def ledger(projects: QuerySet[Project], *, whole: bool) -> Iterator[Line]:
    """The lines in their order: project by project, then the audit log."""
    for project in projects:
        yield from _cases(project)
        yield from _labels(project)
        yield from _versions(project)
        yield from _runs(project)
        yield from _verdicts(project)
    scope = Q() if whole else Q(project_id__in=[project.pk for project in projects])
    for event in AuditEvent.objects.filter(scope).order_by("pk").iterator(chunk_size=AT_ONCE):
        yield _line("audit", None, event)


def _line(kind: str, project: Project | None, row: Row, **more: Any) -> Line:
    """Every column of a row but bytes, which are salts."""
    columns = {column.attname: getattr(row, column.attname) for column in type(row)._meta.concrete_fields}  # noqa: SLF001 - documented by Django
    plain = {name: value for name, value in columns.items() if not isinstance(value, bytes | memoryview)}
    return {**plain, **({"project": project.slug} if project else {}), **more, "kind": kind}


def _plain(value: Any) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)


def _cases(project: Project) -> Iterator[Line]:
    for case in Case.objects.filter(project=project).order_by("number").iterator(chunk_size=AT_ONCE):
        yield _line("case", project, case, key=f"{project.key_prefix}-{case.number}", content=case.kind)
    sightings = Sighting.objects.filter(case__project=project).order_by("pk")
    for sighting in sightings.iterator(chunk_size=AT_ONCE):
        yield _line("sighting", project, sighting)


def _labels(project: Project) -> Iterator[Line]:
    revisions = LabelRevision.objects.filter(case__project=project).order_by("case__number", "number")
    for revision in revisions.iterator(chunk_size=AT_ONCE):
        yield _line("label", project, revision)


def _versions(project: Project) -> Iterator[Line]:
    versions = Version.objects.filter(test_set__project=project).select_related("test_set").order_by("test_set__slug", "number")
    for version in versions:
        yield _line("version", project, version, version=str(version))
        inside = Q(added_in__lte=version.number) & (Q(removed_in=None) | Q(removed_in__gt=version.number))
        entries = Entry.objects.filter(inside, test_set=version.test_set_id).select_related("case").order_by("case__number")
        for entry in entries.iterator(chunk_size=AT_ONCE):
            yield {
                "kind": "member",
                "project": project.slug,
                "version": str(version),
                "case": f"{project.key_prefix}-{entry.case.number}",
                "content_digest": entry.content_digest,
                "attributes_digest": entry.attributes_digest,
                "label_digest": entry.label_digest,
                "label_revision_id": entry.label_revision_id,
                "strata": entry.strata.split(),
            }


def _runs(project: Project) -> Iterator[Line]:
    related = ("project", "model_version__model", "test_set_version__test_set__project")
    cases: tuple[int, Members] | None = None
    for run in Run.objects.filter(project=project).select_related(*related).order_by("number"):
        yield _line("run", project, run, model=str(run.model_version), test_set=str(run.test_set_version))
        for part in run.parts.order_by("replicate", "step", "shard"):
            if cases is None or cases[0] != run.test_set_version_id:
                cases = (run.test_set_version_id, members(run.test_set_version))
            yield from _predictions(project, run, part, cases[1])


def _predictions(project: Project, run: Run, part: Part, cases: Members) -> Iterator[Line]:
    """One line per case × replicate × run, exactly as stored: a case that was stored twice appears twice."""
    read = read_part(get_store().read(part.sha256), cases.classes)
    messages = read.message.to_pylist()
    for index, row in enumerate(read.row.tolist()):
        code = int(read.label[index])
        yield {
            "kind": "prediction",
            "project": project.slug,
            "run": run.number,
            "replicate": part.replicate,
            "step": part.step,
            "shard": part.shard,
            "case": cases.key(row),
            "label": cases.classes[code] if code >= 0 else None,
            "scores": [_number(score) for score in read.scores[index].tolist()],
            "value": _number(float(read.value[index])),
            "refused": bool(read.refused[index]),
            "message": messages[index],
        }


def _number(value: float) -> float | str | None:
    """JSON knows no NaN and no infinity: an absent number is null, an infinite one a word."""
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)


def _verdicts(project: Project) -> Iterator[Line]:
    for release in Release.objects.filter(project=project).order_by("number"):
        yield _line("verdict", project, release)
        for acceptance in Acceptance.objects.filter(release=release).order_by("pk"):
            yield _line("acceptance", project, acceptance)
        for signature in SignOff.objects.filter(release=release).order_by("pk"):
            yield _line("sign_off", project, signature)
