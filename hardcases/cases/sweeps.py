"""What the sweeper asks of this room; entered in the registry by `hardcases.wiring`."""

from collections.abc import Iterator

from hardcases.cases import jobs
from hardcases.cases.tasks import make_media_of, wake_snoozed
from hardcases.work.registry import Due

AT_ONCE = 20  # pictures in one task: a fraction of a second, so that whoever waits behind it does not wait long


def sweep() -> Iterator[Due]:
    """Pictures without copies, and snoozed cases whose time has come."""
    waiting = jobs.media_due()
    for first in range(0, len(waiting), AT_ONCE):
        yield Due(make_media_of, {"case_ids": waiting[first : first + AT_ONCE]})
    if jobs.snoozed_due():
        yield Due(wake_snoozed, {})
