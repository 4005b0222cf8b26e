"""What people ask for with test sets: create, change the draft, freeze."""

from dataclasses import dataclass

from django.db import IntegrityError, transaction

from hardcases.audit.actions import record
from hardcases.audit.actors import Actor
from hardcases.cases.models import Case
from hardcases.projects.models import Project
from hardcases.testsets import drafts, freezing, jobs, snapshots, trees
from hardcases.testsets.drafts import Selection
from hardcases.testsets.models import DraftChange, Stratum, TestSet, Touch, Version
from hardcases.testsets.queries import LARGE, check_rule, in_chunks, newest, to_settle
from hardcases.testsets.refusals import BeingFrozen, SlugTaken, TooLargeAtOnce
from hardcases.testsets.steps import CHUNK, refuse_unlabelled, settle
from hardcases.work.actions import enqueue, hint
from hardcases.work.models import Job
from hardcases.work.tasks import run_job


def create_test_set(*, actor: Actor, project: Project, slug: str, purpose: str = "") -> TestSet:
    """An empty test set, with an empty draft. Raises SlugTaken; `new` is taken by the page that makes one."""
    if slug == "new":
        raise SlugTaken(slug)
    try:
        with transaction.atomic():
            test_set = TestSet.objects.create(project=project, slug=slug, purpose=purpose, created_by_id=freezing.person_behind(actor))
            record(actor, "test_set.created", "test_set", test_set.pk, project_id=project.pk, after={"slug": slug, "purpose": purpose})
    except IntegrityError as error:
        raise SlugTaken(slug) from error
    return test_set


def create_stratum(*, actor: Actor, project: Project, slug: str, name: str, q: str, minimum: int | None = None) -> Stratum:
    """Name a part of the cases by a query. Raises SlugTaken, MovingRule, and what the query language refuses."""
    check_rule(project, q)
    try:
        with transaction.atomic():
            stratum = Stratum.objects.create(project=project, slug=slug, name=name, q=q, minimum=minimum)
            after = {"slug": slug, "name": name, "q": q, "minimum": minimum}
            record(actor, "stratum.created", "stratum", stratum.pk, project_id=project.pk, after=after)
    except IntegrityError as error:
        raise SlugTaken(slug) from error
    return stratum


@dataclass(frozen=True)
class DraftChanged:
    """What became of a change to a draft: how many cases came in and went out, and a sentence for each that could not."""

    added: int
    removed: int
    errors: tuple[drafts.DraftError, ...]


@transaction.atomic
def change_draft(*, actor: Actor, test_set: TestSet, add: Selection | None = None, remove: Selection | None = None) -> DraftChanged:
    """Add and remove cases; good ones are taken when others are refused. Adding accepts a case that still lies in the inbox. Raises BeingFrozen."""
    held = _held(test_set)
    added, errors = drafts.add(actor, held, add) if add else (0, [])
    removed, more = drafts.remove(actor, held, remove) if remove else (0, [])
    if added or removed:
        after = {"added": added, "removed": removed, "add": add and add.in_words(), "remove": remove and remove.in_words()}
        record(actor, "draft.changed", "test_set", held.pk, project_id=held.project_id, after=after)
    return DraftChanged(added, removed, (*errors, *more))


def add_to_draft(*, actor: Actor, test_set: TestSet, cases: Selection) -> DraftChanged:
    """`change_draft` that only adds."""
    return change_draft(actor=actor, test_set=test_set, add=cases)


def remove_from_draft(*, actor: Actor, test_set: TestSet, cases: Selection) -> DraftChanged:
    """`change_draft` that only removes."""
    return change_draft(actor=actor, test_set=test_set, remove=cases)


def freeze(*, actor: Actor, test_set: TestSet, reason: str) -> Version:
    """Freeze the draft as the next version and write its snapshot. Not inside a transaction: the snapshot is a file.

    Raises Unlabelled, NothingToFreeze, BeingFrozen, and TooLargeAtOnce for a draft that `stage` is for.
    """
    version = freeze_rows(actor=actor, test_set=test_set, reason=reason)
    publish(version)
    return version


def publish(version: Version) -> None:
    """Write the snapshot of a fresh version, in the background where that takes longer than somebody at a page should wait."""
    if version.cases <= LARGE:
        snapshots.build(version)
    else:
        hint(run_job, job_id=str(enqueue(kind=jobs.SNAPSHOT, key=str(version.pk), payload={"version": version.pk}).pk))


@transaction.atomic
def freeze_rows(*, actor: Actor, test_set: TestSet, reason: str) -> Version:
    """`freeze` without the snapshot: for callers with a transaction of their own, who call `publish` after it."""
    held = _held(test_set)
    last = newest(held)
    number = last.number + 1 if last else 1
    touches = dict(Touch.objects.filter(test_set=held).values_list("pk", "case_id"))
    case_ids = to_settle(held, last, list(touches.values()))
    if len(case_ids) > LARGE:
        raise TooLargeAtOnce(len(case_ids))
    for chunk in in_chunks(case_ids, CHUNK):
        settle(held, number, chunk)
    moves = trees.moves(held, number)
    leaves = trees.leaves(held, held.project.key_prefix, moves.buckets)
    version = freezing.commit(actor=actor, test_set=held, last=last, reason=reason, new_leaves=leaves, moves=moves)
    DraftChange.objects.filter(test_set=held).delete()
    for chunk in in_chunks(list(touches), CHUNK):
        Touch.objects.filter(pk__in=chunk).delete()
    return version


def stage(*, actor: Actor, test_set: TestSet, reason: str) -> Job:
    """Have a worker freeze a draft of any size; until it has, the draft stands still. Asking again returns the same job, and wakes one that failed.

    Raises Unlabelled at once; the job ends with the sentence of whatever is refused later.
    """
    if not TestSet.objects.filter(pk=test_set.pk, staging__isnull=False).exists():  # before any lock: it reads the whole draft
        refuse_unlabelled(test_set, Case.objects.filter(pk__in=DraftChange.objects.filter(test_set=test_set, adds=True).values("case_id")))
    return _staged(actor, test_set, reason)


@transaction.atomic
def _staged(actor: Actor, test_set: TestSet, reason: str) -> Job:
    held = TestSet.objects.select_for_update(of=("self",), no_key=True).select_related("project").get(pk=test_set.pk)
    last = newest(held)
    if held.staging is None:
        held.staging = last.number + 1 if last else 1
        held.save(update_fields=["staging"])
    payload = jobs.freeze_payload(actor, held, reason)
    job = enqueue(kind=jobs.FREEZE, key=f"{held.pk}/{held.staging}", project_id=held.project_id, payload=payload)
    if Job.objects.filter(pk=job.pk, state="failed").update(state="queued", attempt=0, failure="", payload=payload, finished_at=None):
        job.refresh_from_db()
    hint(run_job, job_id=str(job.pk))
    return job


def _held(test_set: TestSet) -> TestSet:
    """The test set's row, held until the transaction ends: numbers are given and drafts changed under this lock. Raises BeingFrozen."""
    held = TestSet.objects.select_for_update(of=("self",), no_key=True).select_related("project").get(pk=test_set.pk)
    if held.staging is not None:
        raise BeingFrozen(held.staging)
    return held
