"""What the sweeper asks of this room; entered in the registry by `hardcases.wiring`."""

from collections.abc import Iterator

from hardcases.groups import jobs
from hardcases.groups.tasks import AT_ONCE, check_groups, place_cases
from hardcases.work.registry import Due


def sweep() -> Iterator[Due]:
    """Cases without a group, and groups that the calendar may have changed."""
    due = jobs.cases_due()
    for first in range(0, len(due), AT_ONCE):
        yield Due(place_cases, {"case_ids": due[first : first + AT_ONCE]})
    if checked := jobs.check_due():
        yield Due(check_groups, {"group_ids": checked})
