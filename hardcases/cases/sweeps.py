"""What the sweeper asks of this room; entered in the registry by `hardcases.wiring`."""

from collections.abc import Iterator

from hardcases.cases import jobs
from hardcases.cases.tasks import in_lots, make_media, wake_snoozed
from hardcases.work.registry import Due


def sweep() -> Iterator[Due]:
    """Pictures without copies, and snoozed cases whose time has come."""
    for lot in in_lots(jobs.media_due()):
        yield Due(make_media, lot)
    if jobs.snoozed_due():
        yield Due(wake_snoozed, {})
