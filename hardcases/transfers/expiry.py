"""Letting go of uploaded files, reports and exports: when their time is over, and when a case is lawfully erased that may be in them."""

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from hardcases.audit.actors import Actor
from hardcases.blobs.owners import forget_unheld
from hardcases.cases.models import Case
from hardcases.transfers import queries
from hardcases.transfers.models import Export, Import, ReportPart
from hardcases.work.models import Job


def forget(_: Actor, case: Case) -> None:
    """This room's part of a lawful erasure: files that may hold the case's bytes or words, and reports that name them, are kept no longer.

    Which file holds a case cannot be told without reading all of them, so all of the project go that nobody works on; the others go when they are done.
    """
    Import.objects.filter(project=case.project_id, sha256__isnull=False).update(expires_at=Now())
    Export.objects.filter(project=case.project_id, sha256__isnull=False).update(expires_at=Now())
    Job.objects.filter(pk__in=Export.objects.filter(project=case.project_id).values("job"), state__in=queries.OPEN).update(
        state="queued", lease_owner=None, lease_until=None
    )
    expire()


def expire() -> int:
    """Let go of the files and reports whose time is over; returns how many rows. The files themselves go after the commit, unless somebody else holds them."""
    with transaction.atomic():
        imports = list(queries.expired_imports().select_for_update(of=("self",), skip_locked=True)[:200])
        exports = list(queries.expired_exports().select_for_update(of=("self",), skip_locked=True)[:200])
        job_ids = [job_id for row in imports for job_id in (row.check_job_id, row.import_job_id) if job_id is not None]
        ReportPart.objects.filter(job__in=job_ids).delete()
        Import.objects.filter(pk__in=[row.pk for row in imports]).update(sha256=None, preview=None)
        Export.objects.filter(pk__in=[row.pk for row in exports]).update(sha256=None)
        gone = [digest for digest in (*(row.sha256 for row in imports), *(row.sha256 for row in exports)) if digest]
        now = timezone.now()
        transaction.on_commit(lambda: forget_unheld(gone, since=now), robust=True)
    return len(imports) + len(exports)
