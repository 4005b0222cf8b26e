"""What people ask for with test sets: create, change the draft, freeze."""

from django.db import IntegrityError, transaction

from hardcases.audit.actions import record
from hardcases.audit.actors import Actor
from hardcases.projects.models import Project
from hardcases.testsets import freezing, snapshots, trees
from hardcases.testsets.models import DraftChange, TestSet, Touch, Version
from hardcases.testsets.queries import LARGE, in_chunks, newest, to_settle
from hardcases.testsets.refusals import BeingFrozen, SlugTaken, TooLargeAtOnce
from hardcases.testsets.steps import CHUNK, settle


def create_test_set(*, actor: Actor, project: Project, slug: str, purpose: str = "") -> TestSet:
    """An empty test set, with an empty draft. Raises SlugTaken."""
    try:
        with transaction.atomic():
            test_set = TestSet.objects.create(project=project, slug=slug, purpose=purpose, created_by_id=actor.user_id)
            record(actor, "test_set.created", "test_set", test_set.pk, project_id=project.pk, after={"slug": slug, "purpose": purpose})
    except IntegrityError as error:
        raise SlugTaken(slug) from error
    return test_set


def freeze(*, actor: Actor, test_set: TestSet, reason: str) -> Version:
    """Freeze the draft as the next version and write its snapshot.

    Raises Unlabelled, NothingToFreeze, BeingFrozen, and TooLargeAtOnce for a draft that `stage` is for.
    """
    version = _freeze(actor, test_set, reason)
    snapshots.build(version)
    return version


@transaction.atomic
def _freeze(actor: Actor, test_set: TestSet, reason: str) -> Version:
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


def _held(test_set: TestSet) -> TestSet:
    """The test set's row, held until the transaction ends: numbers are given and drafts changed under this lock. Raises BeingFrozen."""
    held = TestSet.objects.select_for_update(of=("self",), no_key=True).select_related("project").get(pk=test_set.pk)
    if held.staging is not None:
        raise BeingFrozen(held.staging)
    return held
