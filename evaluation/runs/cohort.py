"""What a run is about: the members of its version, read once a process (a run of a million cases has thousands of shards), and its replicates."""

from functools import lru_cache

from evaluation.registry.models import Replicate
from evaluation.runs.models import Run
from hardcases.testsets import snapshots
from hardcases.testsets.models import Snapshot, Version
from hardcases.testsets.snapshots import Members

PLAIN = "plain"  # the step that predicts the cases as they are


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


def replicates_of(run: Run) -> list[Replicate]:
    """The run's replicates in the order of their numbers."""
    rows = Replicate.objects.filter(model_version_id=run.model_version_id, number__in=run.replicates)
    return list(rows.select_related("model_version__model").order_by("number"))
