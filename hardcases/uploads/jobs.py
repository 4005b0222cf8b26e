"""What a worker does: forget what nobody finishes."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from hardcases.uploads.models import Upload
from hardcases.uploads.places import get_place
from hardcases.uploads.steps import cancel
from hardcases.work.models import Job

UPKEEP = "uploads.upkeep"
KEEP = timedelta(hours=24)


def abandoned() -> Any:
    """Uploads at which nobody has worked for a day."""
    return Upload.objects.filter(touched_at__lt=timezone.now() - KEEP)


def forget_abandoned() -> int:
    """Forget them, rows and parts; returns how many."""
    found = list(abandoned()[:500])
    for upload in found:
        cancel(upload=upload)
    return len(found)


def forget_strays(job: Job) -> dict[str, Any]:
    """Remove parts whose upload has no row: a process was killed between the two."""
    horizon = (timezone.now() - KEEP).timestamp()
    place, forgotten = get_place(), 0
    rows = {uuid.hex for uuid in Upload.objects.values_list("pk", flat=True)}
    for name, changed in list(place.known()):
        if name not in rows and changed < horizon:
            place.discard_id(name)
            forgotten += 1
    return {"strays": forgotten}
