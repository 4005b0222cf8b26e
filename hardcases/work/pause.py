"""A switch for tests only: stop at a named point until the process is killed or the file that names the point is gone.

`HARDCASES_PAUSE_AT=runs.shard.before_commit:/path/to/flag` makes a process write its pid to `flag` when it reaches the point and wait there. A test that
needs to kill a process exactly there waits for the file. Without the setting `point` costs one comparison.
"""

import os
import time
from pathlib import Path

from django.conf import settings


def point(name: str) -> None:
    """Wait here if the environment says so."""
    wanted = settings.PAUSE_AT
    if not wanted:
        return
    place, _, flag = wanted.partition(":")
    if place != name:
        return
    path = Path(flag)
    if path.exists():
        return  # only the first process to arrive pauses; those that take over pass
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(str(os.getpid()), encoding="ascii")
    draft.rename(path)
    while path.exists():
        time.sleep(0.02)
