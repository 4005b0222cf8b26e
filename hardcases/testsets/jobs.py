"""What the worker does for test sets: freeze a large draft in the background, and write or rewrite a version's snapshot.

Staging goes through the draft in short transactions, so that uploads pass in between; nothing of it is seen until the last transaction writes the version.
Killed at any point, it goes on from where it was: settling a case twice changes nothing.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from django.db import connection, transaction

from hardcases.audit.actors import Actor
from hardcases.cases.models import Case
from hardcases.errors import Refusal
from hardcases.testsets import freezing, snapshots, tree, trees
from hardcases.testsets.models import DraftChange, Entry, TestSet, Touch, Version
from hardcases.testsets.queries import in_chunks, newest, to_settle
from hardcases.testsets.steps import CHUNK, settle
from hardcases.work import leases, pause
from hardcases.work.models import Job

STEP, LEAST_STEP = 250, 50  # cases of the first transaction of a large freeze, and of any
HELD = 0.05  # seconds for which a transaction should keep others from writing
FREEZE = "testsets.freeze"
SNAPSHOT = "testsets.snapshot"


def freeze_payload(actor: Actor, test_set: TestSet, reason: str) -> dict[str, Any]:
    """What the job needs to know; it acts under the name of whoever asked."""
    asked = {name: getattr(actor, name) for name in ("kind", "name", "user_id", "token_id", "request_id", "address")}
    return {"test_set": test_set.pk, "number": test_set.staging, "reason": reason, "actor": asked}


def freeze_large(job: Job) -> dict[str, Any]:
    """Freeze the draft as `number`. Raises what freezing refuses, and then leaves the draft as it was."""
    test_set = TestSet.objects.select_related("project").get(pk=job.payload["test_set"])
    number = job.payload["number"]
    version = Version.objects.filter(test_set=test_set, number=number).first()
    if version is None:
        try:
            version = _stage_and_commit(job, test_set, number)
        except Refusal:
            _unstage(test_set, number)
            raise
    _tidy(job, test_set)
    snapshots.build(version)
    return {"number": version.number, "digest": f"sha256:{version.digest}", "cases": version.cases}


def _stage_and_commit(job: Job, test_set: TestSet, number: int) -> Version:
    last = newest(test_set)
    touches = _touches(test_set)
    case_ids = to_settle(test_set, last, list(touches.values()))
    Job.objects.filter(pk=job.pk).update(total=len(case_ids))
    done = 0
    for step, chunk in enumerate(_in_turns(case_ids), start=1):
        done += len(chunk)
        with transaction.atomic():
            settle(test_set, number, chunk)
            leases.extend(job)
            Job.objects.filter(pk=job.pk).update(done=done)
        _look_again(step)
    _forget(list(touches))
    moves = trees.moves(test_set, number)
    leaves = trees.leaves(test_set, test_set.project.key_prefix, moves.buckets)
    leases.extend(job)
    pause.point("testsets.freeze.before_commit")
    with transaction.atomic():
        held = TestSet.objects.select_related("project").select_for_update(of=("self",), no_key=True).get(pk=test_set.pk)
        late = _touches(held)
        if late:
            moves, leaves = _settle_late(held, number, sorted(set(late.values())), leaves)
            _forget(list(late))
        leases.extend(job)
        actor = Actor(**job.payload["actor"])
        return freezing.commit(actor=actor, test_set=held, last=last, reason=job.payload["reason"], new_leaves=leaves, moves=moves)


def _in_turns(items: Sequence[int]) -> Iterator[Sequence[int]]:
    """The items in portions to write about, each in a short transaction: as many as this machine, as busy as it is now, manages in HELD seconds.

    Writers wait in a queue (on SQLite in ours, `database.turns`), so that an upload waits for one portion at most.
    """
    done, size = 0, STEP
    while done < len(items):
        started = time.monotonic()
        yield items[done : done + size]
        done += size
        took = max(time.monotonic() - started, HELD / 10)
        size = max(LEAST_STEP, min(CHUNK, int(size * min(max(HELD / took, 0.5), 2))))


def _look_again(steps: int) -> None:
    """Let PostgreSQL see how its tables grow, after 1, 2, 4, 8 … steps: a plan made for empty ones reads everything at every step."""
    if connection.vendor == "postgresql" and steps & (steps - 1) == 0:
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE hardcases_draftchange, hardcases_entry, hardcases_pinnedattributes")


def _settle_late(
    test_set: TestSet, number: int, case_ids: Sequence[int], leaves: dict[str, dict[int, bytes]]
) -> tuple[trees.Moves, dict[str, dict[int, bytes]]]:
    """Members that changed while the rest was being staged: settle them again and digest their buckets anew."""
    places = {tree.bucket(uid) for uid in Case.objects.filter(pk__in=case_ids).values_list("uid", flat=True)}
    for chunk in in_chunks(case_ids, CHUNK):
        settle(test_set, number, chunk)
    moves = trees.moves(test_set, number)
    names = leaves.keys() | moves.buckets.keys()
    again = trees.leaves(test_set, test_set.project.key_prefix, dict.fromkeys(names, places))
    return moves, {name: leaves.get(name, {}) | again[name] for name in names}


def _touches(test_set: TestSet) -> dict[int, int]:
    return dict(Touch.objects.filter(test_set=test_set).values_list("pk", "case_id"))


def _forget(touches: Sequence[int]) -> None:
    for chunk in in_chunks(touches, CHUNK):
        Touch.objects.filter(pk__in=chunk).delete()


def _unstage(test_set: TestSet, number: int) -> None:
    """Take back what was staged for a number that does not become a version. Whatever was touched before is found again: the draft is compared anew."""
    closing = list(Entry.objects.filter(test_set=test_set, removed_in=number).values_list("pk", flat=True))
    staged = list(Entry.objects.filter(test_set=test_set, added_in=number).values_list("pk", flat=True))
    for chunk in _in_turns(staged):
        Entry.objects.filter(pk__in=chunk).delete()
    for chunk in _in_turns(closing):
        with transaction.atomic():
            back = list(Entry.objects.filter(pk__in=chunk).values_list("case_id", flat=True))
            Entry.objects.filter(pk__in=chunk).update(removed_in=None)
            Touch.objects.bulk_create([Touch(test_set=test_set, case_id=case_id) for case_id in back])
    TestSet.objects.filter(pk=test_set.pk).update(staging=None)


def _tidy(job: Job, test_set: TestSet) -> None:
    """Empty the draft that is now a version, and open it again."""
    for chunk in _in_turns(list(DraftChange.objects.filter(test_set=test_set).values_list("pk", flat=True))):
        with transaction.atomic():
            DraftChange.objects.filter(pk__in=chunk).delete()
            leases.extend(job)
    if connection.vendor == "postgresql" and not connection.in_atomic_block:
        with connection.cursor() as cursor:  # the next freezes would read a million dead rows until the server's own vacuum comes by
            cursor.execute("VACUUM (ANALYZE) hardcases_draftchange")
    TestSet.objects.filter(pk=test_set.pk).update(staging=None)


def write_snapshot(job: Job) -> None:
    """Write the snapshot of a version that has none, and remove the file of one that an erasure put out of use."""
    version = Version.objects.select_related("test_set__project").get(pk=job.payload["version"])
    snapshots.build(version)
    snapshots.drop_unused(job.payload.get("instead_of", []))
