"""What the worker does with cases. Running anything here twice does no harm."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from hardcases.audit import actions as audit
from hardcases.audit.actors import SYSTEM
from hardcases.blobs.store import BlobStore, get_store
from hardcases.cases import queries, refusals
from hardcases.cases.models import Case
from hardcases.cases.steps import hold_counts
from hardcases.errors import Refusal
from hardcases.imaging import pictures
from hardcases.work.models import Job
from hardcases.work.pause import point

UPKEEP = "cases.upkeep"
MAX_ATTEMPTS = 3
STOPPED_WORKERS = "Making its small copy stopped the worker three times. It is not tried again; the original is kept."


def make_media(*case_ids: int) -> int:
    """Make thumbnail and display copy of these images, one after the other; returns how many there were to do, and a repeated message may find none.

    The row itself is the lease: one worker at a time, and a picture that stops its worker three times is given up with a sentence. Only one is held at a
    time, so that it does not take its neighbours with it; the end of one and the claim of the next are one commit.
    """
    held: Case | None = None
    outcome: dict[str, Any] = {}
    found = 0
    for case_id in (*case_ids, None):
        with transaction.atomic():
            kept = held is None or _finish(held, **outcome)
            claimed = None if case_id is None else _claim(case_id)
        if not kept:
            _forget({digest for name, digest in outcome.items() if name.endswith("sha256")})
        held = claimed
        if held is not None:
            found += 1
            outcome = _made(held)
    return found


def _made(case: Case) -> dict[str, Any]:
    """The columns that say what became of a claimed case's picture."""
    if case.media_attempt > MAX_ATTEMPTS:
        return {"media_state": "failed", "media_failure": STOPPED_WORKERS}
    point("cases.media.claimed")
    try:
        thumbnail, display = _copies(get_store(), case)
    except Refusal as refusal:
        return {"media_state": "failed", "media_failure": refusal.sentence[:255]}
    return {"media_state": "ready", "thumbnail_sha256": thumbnail, "display_sha256": display, "media_failure": ""}


def _due() -> Q:
    return Q(media_state="pending") & (Q(media_busy_until=None) | Q(media_busy_until__lt=Now()))


def _claim(case_id: int) -> Case | None:
    busy_until = Now() + timedelta(seconds=settings.LEASE_SECONDS)
    if not Case.objects.filter(_due(), pk=case_id).update(media_attempt=F("media_attempt") + 1, media_busy_until=busy_until):
        return None
    return Case.objects.get(pk=case_id)


def _copies(store: BlobStore, case: Case) -> tuple[str, str]:
    original = store.read(case.stored_sha256, size=case.size if case.stored_sha256 == case.sha256 else None)
    display, thumbnail = pictures.copies(original)
    shown = store.put_derived(display.data)
    return shown if thumbnail is display else store.put_derived(thumbnail.data), shown


def make_again(case: Case) -> None:
    """The copies of this case are gone or damaged, though the row names them: have them made from the original, as if they never had been."""
    lost = Case.objects.filter(pk=case.pk, media_state="ready", display_sha256=case.display_sha256, thumbnail_sha256=case.thumbnail_sha256)
    lost.update(media_state="pending", media_attempt=0, display_sha256=None, thumbnail_sha256=None)


def _finish(case: Case, **columns: Any) -> bool:
    """Only while it is still wanted and still ours: an erasure or another worker may have come in between."""
    still_ours = Case.objects.filter(pk=case.pk, media_state="pending", media_attempt=case.media_attempt)
    return bool(still_ours.update(**columns, media_busy_until=None))


def _forget(digests: set[str]) -> None:
    """What was made of a case that was erased meanwhile must not outlive it."""
    for digest in digests - queries.in_use(digests):
        get_store().delete(digest)


def media_due(limit: int = 200) -> list[int]:
    """Ids of the cases whose copies are to be made, oldest first."""
    return list(Case.objects.filter(_due()).order_by("pk").values_list("pk", flat=True)[:limit])


def snoozed_due() -> bool:
    """Whether a snoozed case's time has come."""
    return Case.objects.filter(state="snoozed", snoozed_until__lte=Now()).exists()


@transaction.atomic
def wake_snoozed(limit: int = 500) -> int:
    """Back to the inbox with what was snoozed until now; returns how many."""
    due = Case.objects.filter(state="snoozed", snoozed_until__lte=Now()).select_for_update(of=("self",), no_key=True)
    cases = list(due.select_related("project").order_by("pk")[:limit])
    hold_counts(cases)
    woken = [
        case
        for case in cases
        if Case.objects.filter(pk=case.pk, state="snoozed").update(state="inbox", snoozed_until=None, decided_at=None)
    ]
    for case in woken:
        audit.record(
            SYSTEM, "case.woken", "case", case.key, project_id=case.project_id, before={"state": "snoozed"}, after={"state": "inbox"}
        )
    return len(woken)


def forget_refused(job: Job) -> dict[str, Any]:
    """Once a day: notes of refusals that are older than two weeks."""
    return {"refused": refusals.forget_old()}
