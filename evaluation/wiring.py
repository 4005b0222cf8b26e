"""What upper rooms hand to lower ones, in one place: each room's handlers are entered here, once, when the apps are ready."""

from evaluation.runs import tasks as runs
from hardcases.work.registry import register_sweep


def connect() -> None:
    """Register the handlers of the rooms of this app. Running it twice changes nothing."""
    register_sweep("runs", runs.due)
