"""What a lawful erasure of a case means for the versions that hold it.

The frozen rows stay and their digests still verify: they hold digests only. The attribute values behind them and their salt go, the snapshots that show them are
put out of use at once and written anew by the worker, and every version concerned is marked.
"""

from django.db.models import Q

from hardcases.audit.actions import record
from hardcases.audit.actors import Actor
from hardcases.cases.models import Case
from hardcases.testsets.jobs import SNAPSHOT
from hardcases.testsets.models import DraftChange, Entry, Erasure, PinnedAttributes, Snapshot, TestSet, Version
from hardcases.work.actions import enqueue, hint
from hardcases.work.tasks import run_job


def erase_case(actor: Actor, case: Case) -> None:
    """This room's part of an erasure, inside its transaction."""
    spans = list(Entry.objects.filter(case=case).values_list("test_set_id", "added_in", "removed_in"))
    # A snapshot being written at this moment waits here or sees the mark, and is then written again.
    list(TestSet.objects.select_for_update(no_key=True).filter(pk__in={span[0] for span in spans}).order_by("pk"))
    PinnedAttributes.objects.filter(case=case).update(salt=None, values=None)
    DraftChange.objects.filter(case=case).delete()
    versions = [version for span in spans for version in _versions(*span)]
    Erasure.objects.bulk_create([Erasure(version=version, case=case) for version in versions], ignore_conflicts=True)
    for version in versions:
        _rewrite_snapshot(version, case)
        record(
            actor,
            "version.member_erased",
            "version",
            version.pk,
            project_id=case.project_id,
            after={"version": str(version), "case": case.key, "digest": f"sha256:{version.digest}"},
        )


def _versions(test_set_id: int, added_in: int, removed_in: int | None) -> list[Version]:
    held = Q(number__gte=added_in) & (Q() if removed_in is None else Q(number__lt=removed_in))
    return list(Version.objects.filter(held, test_set_id=test_set_id).select_related("test_set"))


def _rewrite_snapshot(version: Version, case: Case) -> None:
    old = list(Snapshot.objects.filter(version=version).values_list("sha256", flat=True))
    Snapshot.objects.filter(version=version).delete()
    payload = {"version": version.pk, "instead_of": old}
    job = enqueue(kind=SNAPSHOT, key=f"{version.pk}/without/{case.pk}", project_id=case.project_id, payload=payload)
    hint(run_job, job_id=str(job.pk))
