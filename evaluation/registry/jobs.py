"""What the worker does for training lists: write each as rows, and mark the cases that are in it."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Now

from evaluation.registry.leakage import LISTING, with_training_list
from evaluation.registry.models import Replicate, TrainingDigest
from hardcases.blobs.store import get_store
from hardcases.cases.models import Case
from hardcases.cases.steps import lock_cases
from hardcases.projects.models import Project
from hardcases.work import leases, pause
from hardcases.work.actions import enqueue
from hardcases.work.models import Job
from hardcases.work.registry import Due

CHUNK = 1_000


def unlisted() -> Iterable[Due]:
    """A job for every training list that has none yet: those of versions that were registered before there were such jobs. The sweeper does the jobs."""
    wanted = {str(pk): project for pk, project in with_training_list().values_list("pk", "model_version__model__project_id")}
    for key in wanted.keys() - set(Job.objects.filter(kind=LISTING).values_list("key", flat=True)):
        enqueue(kind=LISTING, key=key, project_id=wanted[key], payload={"replicate": int(key)})
    return []


def list_digests(job: Job) -> dict[str, Any]:
    """Write the rows of one replicate's list and mark the cases; goes on where it was stopped, and doing it twice changes nothing.

    The rows of a chunk are committed before its cases are looked for, under the lock that every report takes before it looks the rows up: a case that arrives
    meanwhile is either there to be found or finds the row itself.
    """
    replicate = Replicate.objects.select_related("model_version__model__project").get(pk=job.payload["replicate"])
    project = replicate.model_version.model.project
    at, marked = int(job.payload.get("at", 0)), int(job.payload.get("marked", 0))
    for chunk in _chunks(str(replicate.training_digests_sha256), at):
        rows = [TrainingDigest(project=project, digest=digest, replicate=replicate) for digest in chunk]
        TrainingDigest.objects.bulk_create(rows, ignore_conflicts=True)
        pause.point("registry.training.between")
        with transaction.atomic():
            lock_cases(project)
            marked += Case.objects.filter(project=project, sha256__in=chunk, leaked_at=None).exclude(state="erased").update(leaked_at=Now())
            at += len(chunk)
            leases.extend(job)
            Job.objects.filter(pk=job.pk).update(done=at, payload=job.payload | {"at": at, "marked": marked})
    if project.strip_metadata:
        marked += _mark_stored(job, project)
    return {"digests": at, "cases_marked": marked}


def _chunks(blob: str, at: int) -> Iterator[Sequence[str]]:
    with get_store().open(blob) as file:
        lines = islice((line.decode("ascii").strip() for line in file), at, None)
        while chunk := list(islice(lines, CHUNK)):
            yield chunk


def _mark_stored(job: Job, project: Project) -> int:
    """Where pictures are kept without metadata a list may name what is kept instead of what was received: no index is by that, so the cases are walked."""
    listed = TrainingDigest.objects.filter(project=project, digest=OuterRef("stored_sha256"))
    cases = Case.objects.filter(project=project).exclude(state="erased").exclude(stored_sha256=F("sha256"))
    last, marked = 0, 0
    while ids := list(Case.objects.filter(project=project, pk__gt=last).order_by("pk").values_list("pk", flat=True)[:CHUNK]):
        with transaction.atomic():
            lock_cases(project)
            marked += cases.filter(pk__gt=last, pk__lte=ids[-1], leaked_at=None).filter(Exists(listed)).update(leaked_at=Now())
            leases.extend(job)
        last = ids[-1]
    return marked
