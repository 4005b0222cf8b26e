"""What the sweeper asks of this room; entered in the registry by `hardcases.wiring`."""

from collections.abc import Iterator

from django.utils import timezone

from hardcases.cases import bulk_jobs, jobs
from hardcases.cases.tasks import forget_bulk, in_lots, make_media, wake_snoozed
from hardcases.work.actions import enqueue
from hardcases.work.models import Job
from hardcases.work.registry import Due


def sweep() -> Iterator[Due]:
    """Pictures without copies, snoozed cases whose time has come, and what is kept for a while only: refusals, and bulk changes that may be undone."""
    for lot in in_lots(jobs.media_due()):
        yield Due(make_media, lot)
    if jobs.snoozed_due():
        yield Due(wake_snoozed, {})
    today = timezone.now().date().isoformat()
    if not Job.objects.filter(kind=jobs.UPKEEP, key=today).exists():
        enqueue(kind=jobs.UPKEEP, key=today)
    if bulk_jobs.old_parts().exists():
        yield Due(forget_bulk, {})
