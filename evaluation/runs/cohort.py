"""The members of a version, read once a process: a run of a million cases has thousands of shards."""

from functools import lru_cache

from hardcases.testsets import snapshots
from hardcases.testsets.models import Snapshot, Version
from hardcases.testsets.snapshots import Members


def members_of(version_id: int) -> Members:
    """The members. A lawful erasure writes another snapshot, so what is remembered is bound to the snapshot's digest."""
    sha256 = Snapshot.objects.filter(version=version_id).values_list("sha256", flat=True).first()
    if sha256 is None:
        snapshots.build(_version(version_id))
        sha256 = Snapshot.objects.values_list("sha256", flat=True).get(version=version_id)
    return _members(version_id, sha256)


@lru_cache(maxsize=2)
def _members(version_id: int, sha256: str) -> Members:
    return snapshots.members(_version(version_id))


def _version(version_id: int) -> Version:
    return Version.objects.select_related("test_set__project").get(pk=version_id)


def positive_class(version: Version) -> str | None:
    """Which of two classes is positive, as the version pins it."""
    pinned: str | None = version.header["schema"]["positive_class"]
    return pinned
