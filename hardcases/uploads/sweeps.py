"""What the sweeper asks of this room; entered in the registry by `hardcases.wiring`."""

from collections.abc import Iterator

from django.utils import timezone

from hardcases.uploads import jobs
from hardcases.uploads.tasks import forget_abandoned
from hardcases.work.actions import enqueue
from hardcases.work.models import Job
from hardcases.work.registry import Due


def sweep() -> Iterator[Due]:
    """Abandoned uploads, and once a day parts that belong to none."""
    if jobs.abandoned().exists():
        yield Due(forget_abandoned, {})
    today = timezone.now().date().isoformat()
    if not Job.objects.filter(kind=jobs.UPKEEP, key=today).exists():
        enqueue(kind=jobs.UPKEEP, key=today)
