"""Small file systems to be filled."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOM = 64 * 1024 * 1024


@contextmanager
def a_small_disk(place: Path) -> Iterator[Path]:
    """A file system of 64 MB at this place, which only root may make: of the machine, or of a user namespace of one's own."""
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM},mode=0700", "tmpfs", str(place)], check=False, capture_output=True)
    if made.returncode != 0:
        pytest.skip(
            "*** NOT TESTED: a full disk needs a small file system, which only root may mount; “unshare -Urm make test” lets many be root ***"
        )
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Take all room but `leave` bytes; the file that holds it."""
    ballast = disk / "ballast"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, free - leave))
    return ballast
