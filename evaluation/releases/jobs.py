"""What the worker does for releases: judge those that were opened before their run had finished."""

from django.db.models import Exists, OuterRef, Q

from evaluation.releases import steps
from evaluation.releases.models import Release
from evaluation.runs.models import Run
from hardcases.audit.actors import SYSTEM


def judge_waiting(release_id: int) -> None:
    """Attach the run that has finished since, if none was named, and judge; a release that does not wait is left alone."""
    related = ("candidate__model", "baseline__model", "test_set_version__test_set", "policy_version__policy", "project", "run")
    release = Release.objects.select_related(*related).filter(pk=release_id, state="open", evidence_digest=None).first()
    if release is not None:
        steps.attach_run(SYSTEM, release)


def waiting(limit: int = 50) -> list[int]:
    """Open releases that were not judged on a run and could be now: the one they name, or one that fits, has succeeded."""
    fits = Run.objects.filter(
        model_version_id=OuterRef("candidate_id"),
        baseline_version_id=OuterRef("baseline_id"),
        test_set_version_id=OuterRef("test_set_version_id"),
        state="succeeded",
    )
    ready = Q(run__state="succeeded") | (Q(run=None) & Exists(fits))
    return list(Release.objects.filter(ready, state="open", evidence_digest=None).order_by("pk").values_list("pk", flat=True)[:limit])
