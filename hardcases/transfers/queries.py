"""Reads of imports and exports."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import F, Max, Q, QuerySet
from django.db.models.functions import Now

from hardcases.audit.actors import Actor
from hardcases.projects.access import require
from hardcases.projects.models import Project
from hardcases.projects.permissions import Can
from hardcases.transfers.models import Export, Import, ReportPart
from hardcases.transfers.reports import COUNTS, added, chosen, unpacked
from hardcases.work.models import Job

OPEN = ("queued", "running")


def imports_of(project: Project) -> QuerySet[Import]:
    """The project's imports, with what each list and page shows of them."""
    return Import.objects.filter(project=project).select_related("check_job", "import_job").defer("preview")


def exports_of(project: Project) -> QuerySet[Export]:
    """The project's exports, with what each list and page shows of them."""
    return Export.objects.filter(project=project).select_related("job", "version__test_set").defer("version__header")


def expired_imports() -> QuerySet[Import]:
    """Imports whose file and reports are kept no longer, once nobody works on them."""
    busy = Q(check_job__state__in=OPEN) | Q(import_job__state__in=OPEN)
    return Import.objects.filter(expires_at__lte=Now(), sha256__isnull=False).exclude(busy)


def expired_exports() -> QuerySet[Export]:
    """Exports whose file is kept no longer."""
    return Export.objects.filter(expires_at__lte=Now(), sha256__isnull=False)


def require_still(actor: Actor, project: Project) -> None:
    """Whether the person may still import: a role may have been taken away since it was asked. Raises Forbidden."""
    require(actor, Can.IMPORT, project)


def position_of(job: Job) -> int:
    """How many entries of the file are done."""
    return ReportPart.objects.filter(job=job).aggregate(end=Max(F("first") + F("entries")))["end"] or 0


def full(counts: Mapping[str, int] | None) -> dict[str, int]:
    """Counts of which none is missing."""
    return added({}, counts or {})


def counts_of(job: Job) -> dict[str, int]:
    """The counts of the report so far."""
    total = dict.fromkeys(COUNTS, 0)
    for counts in ReportPart.objects.filter(job=job).values_list("counts", flat=True).iterator():
        total = added(total, counts)
    return total


def rows_of(job: Job, status: str | None = None) -> Iterator[dict[str, Any]]:
    """The rows of the report in the file's order, or those of one status; a part at a time in memory."""
    for packed in ReportPart.objects.filter(job=job).order_by("first").values_list("rows", flat=True).iterator(chunk_size=10):
        yield from chosen(unpacked(bytes(packed)), status)
