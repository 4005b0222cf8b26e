"""What the worker does for releases: judge those that were opened before their run had finished."""

from evaluation.releases import steps
from evaluation.releases.models import Release
from evaluation.runs.models import Run
from hardcases.audit.actors import SYSTEM


def judge_waiting(release_id: int) -> None:
    """Attach the run that has finished since and judge; a release that does not wait is left alone."""
    related = ("candidate__model", "baseline__model", "test_set_version__test_set", "policy_version__policy", "project", "run")
    release = Release.objects.select_related(*related).filter(pk=release_id, state="open", run=None).first()
    if release is not None:
        steps.attach_run(SYSTEM, release)


def waiting(limit: int = 50) -> list[int]:
    """Open releases without a run for which one has succeeded."""
    found = []
    for release in Release.objects.filter(state="open", run=None).order_by("pk")[:limit]:
        finished = Run.objects.filter(
            model_version_id=release.candidate_id,
            baseline_version_id=release.baseline_id,
            test_set_version_id=release.test_set_version_id,
            state="succeeded",
        )
        if finished.exists():
            found.append(release.pk)
    return found
