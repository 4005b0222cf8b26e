"""What upper rooms hand to lower ones, in one place: each room's handlers are entered here, once, when the apps are ready."""

from evaluation.registry.models import Replicate
from evaluation.runs import tasks as runs
from evaluation.runs.models import Part, Run
from hardcases.blobs.owners import register_blobs
from hardcases.work.registry import register_sweep


def connect() -> None:
    """Register the handlers of the rooms of this app. Running it twice changes nothing."""
    register_sweep("runs", runs.due)
    register_blobs(Replicate, "artefact_sha256", "training_digests_sha256")
    register_blobs(Run, "report_sha256", "figures_sha256")
    register_blobs(Part, "sha256", "side_sha256", mentions=("received_sha256",))
