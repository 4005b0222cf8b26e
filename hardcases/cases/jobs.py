"""What the worker does with cases. Running anything here twice does no harm."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from hardcases.audit import actions as audit
from hardcases.audit.actors import SYSTEM
from hardcases.blobs.owners import forget_unheld
from hardcases.blobs.store import BlobStore, get_store
from hardcases.cases import refusals
from hardcases.cases.models import Case
from hardcases.cases.steps import hold_counts
from hardcases.database.updating import update_values
from hardcases.errors import Refusal
from hardcases.imaging import pictures
from hardcases.work.models import Job
from hardcases.work.pause import point

UPKEEP = "cases.upkeep"
MAX_ATTEMPTS = 3
PIXELS_HELD = 50_000_000  # of pictures that are claimed together: a few seconds' work
STOPPED_WORKERS = "Making its small copy stopped the worker three times. It is not tried again; the original is kept."


@dataclass
class Made:
    """What became of a claimed case's picture. `fresh` are the copies that were not in the store before."""

    case: Case
    state: str
    thumbnail: str | None = None
    display: str | None = None
    failure: str = ""
    fresh: tuple[str, ...] = ()
    at: datetime = field(default_factory=timezone.now)


def make_media(*case_ids: int) -> int:
    """Make thumbnail and display copy of these images, one after the other; returns how many there were to do, and a repeated message may find none.

    The row itself is the lease: one worker at a time, and a picture that stops its worker three times is given up with a sentence. Pictures are claimed and
    ended many at a time, the end of some and the claim of the next in one commit. What a worker was stopped at before is claimed alone, so that a picture
    which stops workers costs its neighbours one try and no more.
    """
    made: list[Made] = []
    rest: list[Case] = []
    found, ids = 0, sorted(set(case_ids))
    while True:
        with transaction.atomic():
            unwanted = _finish(made)
            _give_back(rest)
            claimed, ids = _claim(sorted({*ids, *(case.pk for case in rest)}))
        _forget(unwanted)
        if not claimed:
            return found
        made, rest = _make(claimed)
        found += len(made)


def _make(claimed: list[Case]) -> tuple[list[Made], list[Case]]:
    """(What was made; those for which half of their lease was not long enough). Whatever else happens, what was made is kept and nobody but the picture
    at which it happened waits for its lease to end.
    """
    made: list[Made] = []
    enough = monotonic() + settings.LEASE_SECONDS / 2
    try:
        for case in claimed:
            if made and monotonic() > enough:
                break
            made.append(_made(case))
    except BaseException as error:
        at, *rest = claimed[len(made) :]
        with transaction.atomic():
            unwanted = _finish(made)
            _give_back(rest)
            if isinstance(error, Refusal):  # no fault of the picture: it is tried again when the lease is over
                _give_back([at], at_once=False)
        _forget(unwanted)
        raise
    return made, claimed[len(made) :]


def _made(case: Case) -> Made:
    """Raises what the store refuses for reasons of its own, such as a full disk."""
    if case.media_attempt > MAX_ATTEMPTS:
        return Made(case, "failed", failure=STOPPED_WORKERS)
    point("cases.media.claimed")
    try:
        return _copies(get_store(), case)
    except Refusal as refusal:
        if refusal.status >= 500:
            raise
        return Made(case, "failed", failure=refusal.sentence[:255])


def _due() -> Q:
    return Q(media_state="pending") & (Q(media_busy_until=None) | Q(media_busy_until__lt=Now()))


def _claim(case_ids: list[int]) -> tuple[list[Case], list[int]]:
    """(The first of these cases that are due, as many as are held at a time; those that are still to be asked for). Rows that somebody changes are left to the
    next sweep, which comes sooner than waiting for them would end.
    """
    rows = Case.objects.filter(_due(), pk__among=case_ids).order_by("pk")
    due = list(rows.select_for_update(of=("self",), no_key=True, skip_locked=True)) if case_ids else []
    claimed: list[Case] = []
    for case in due:
        if claimed and (case.media_attempt or claimed[0].media_attempt or sum(map(_pixels, claimed)) + _pixels(case) > PIXELS_HELD):
            break
        claimed.append(case)
    if claimed:
        Case.objects.filter(pk__among=[case.pk for case in claimed]).update(
            media_attempt=F("media_attempt") + 1, media_busy_until=Now() + timedelta(seconds=settings.LEASE_SECONDS)
        )
    for case in claimed:
        case.media_attempt += 1
    return claimed, [case.pk for case in due[len(claimed) :]]


def _give_back(cases: list[Case], *, at_once: bool = True) -> None:
    """Claimed, but not begun: no try of theirs is counted. Due again `at_once`, or when their lease is over."""
    rows = [(case.pk, case.media_attempt, "pending", case.media_attempt - 1) for case in cases]
    clear = ("media_busy_until",) if at_once else ()
    _hold(cases)
    update_values(Case, rows, where=("id", "media_attempt", "media_state"), to=("media_attempt",), clear=clear)


def _hold(cases: list[Case]) -> None:
    """Lock their rows in the order in which everybody does."""
    if cases and connection.features.has_select_for_update:
        rows = Case.objects.filter(pk__among=[case.pk for case in cases]).order_by("pk")
        list(rows.select_for_update(no_key=True).values_list("pk"))


def _pixels(case: Case) -> int:
    return (case.width or 0) * (case.height or 0)


def _copies(store: BlobStore, case: Case) -> Made:
    original = store.read(case.stored_sha256, size=case.size if case.stored_sha256 == case.sha256 else None)
    display, thumbnail = pictures.copies(original)
    fresh: list[str] = []

    def put(picture: pictures.Picture) -> str:
        digest = hashlib.sha256(picture.data).hexdigest()
        if not store.exists(digest):
            fresh.append(digest)
        return store.put_derived(picture.data)

    shown = put(display)
    return Made(case, "ready", shown if thumbnail is display else put(thumbnail), shown, fresh=tuple(fresh))


def make_again(case: Case) -> None:
    """The copies of this case are gone or damaged, though the row names them: have them made from the original, as if they never had been."""
    lost = Case.objects.filter(pk=case.pk, media_state="ready", display_sha256=case.display_sha256, thumbnail_sha256=case.thumbnail_sha256)
    lost.update(media_state="pending", media_attempt=0, display_sha256=None, thumbnail_sha256=None)


def _finish(made: list[Made]) -> list[Made]:
    """Write down what was made, only while it is still wanted and still ours; returns the others: an erasure or another worker may have come in between."""
    rows = [(item.case.pk, item.case.media_attempt, "pending", item.state, item.thumbnail, item.display, item.failure) for item in made]
    _hold([item.case for item in made])
    kept = update_values(
        Case,
        rows,
        where=("id", "media_attempt", "media_state"),
        to=("media_state", "thumbnail_sha256", "display_sha256", "media_failure"),
        clear=("media_busy_until",),
    )
    return [item for item in made if item.case.pk not in kept]


def _forget(unwanted: list[Made]) -> None:
    """What was made of a case that was erased meanwhile must not outlive it. Copies that were there before are somebody else's, and what somebody wrote since
    is theirs: the row that will hold it may not be there yet.
    """
    for item in unwanted:
        forget_unheld(item.fresh, since=item.at)


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
