"""What the sweeper asks of this room; entered in the registry by `hardcases.wiring`."""

from collections.abc import Iterator

from hardcases.transfers import queries
from hardcases.transfers.tasks import expire
from hardcases.work.registry import Due


def sweep() -> Iterator[Due]:
    """Files whose time is over."""
    if queries.expired_imports().exists() or queries.expired_exports().exists():
        yield Due(expire, {})
