"""Row changes that freezing at once and freezing in the background share.

`settle` brings the entries of some cases in line with the draft and with what the cases are now; running it again over the same cases changes nothing more.
Entries whose `added_in` or `removed_in` is a number that is not a version yet are seen by nobody, so it may be done in as many transactions as it takes.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from hardcases.cases.models import Case
from hardcases.cases.queries import search
from hardcases.labels.models import CurrentLabel
from hardcases.testsets import tree
from hardcases.testsets.models import DraftChange, Entry, PinnedAttributes, Stratum, TestSet
from hardcases.testsets.refusals import LISTED, Unlabelled
from hardcases.web.json_edge import canonical

CHUNK = 2_000  # cases a settling step handles at a time: few enough for one IN list on both databases, and for a short write lock

Memberships = Mapping[int, Sequence[str]]


def attributes_digest(salt: bytes, attributes: dict[str, Any]) -> str:
    """SHA-256 in hex of the salt followed by the attributes in RFC 8785 form."""
    return hashlib.sha256(salt + canonical(attributes)).hexdigest()


def settle(test_set: TestSet, number: int, case_ids: Sequence[int]) -> None:
    """Pin, re-pin or take out these cases (at most CHUNK) for version `number`. Raises Unlabelled. Call it inside a transaction."""
    wishes = dict(DraftChange.objects.filter(test_set=test_set, case_id__in=case_ids).values_list("case_id", "adds"))
    open_entries = {entry.case_id: entry for entry in Entry.objects.filter(test_set=test_set, case_id__in=case_ids, removed_in=None)}
    wanted = [pk for pk in case_ids if wishes.get(pk, pk in open_entries)]
    cases = _locked(wanted)
    if len(cases) < len(wanted):
        refuse_unlabelled(test_set, Case.objects.filter(pk__in=wanted))
    strata = memberships(test_set, list(cases))
    fresh, closed = [], []
    for pk in case_ids:
        old = open_entries.get(pk)
        new = _entry(test_set, number, cases[pk], strata.get(pk, ())) if pk in cases else None
        if old is not None and (new is None or _pins(new) != _pins(old)):
            closed.append(old)
        if new is not None and (old is None or _pins(new) != _pins(old)):
            fresh.append(new)
    _close(number, closed)
    _pin_attributes(fresh, cases)
    Entry.objects.bulk_create(fresh, batch_size=CHUNK)


def memberships(test_set: TestSet, case_ids: Sequence[int]) -> dict[int, list[str]]:
    """Which named strata of the project each of these cases is in, slugs ascending. One query a stratum."""
    found: dict[int, list[str]] = {}
    for stratum in Stratum.objects.filter(project=test_set.project_id).order_by("slug"):
        for pk in search(test_set.project, stratum.q).filter(pk__in=case_ids).order_by().values_list("pk", flat=True):
            found.setdefault(pk, []).append(stratum.slug)
    return found


class Pinnable(NamedTuple):
    """What is pinned of a case."""

    case_id: int
    uid: UUID
    content: str
    attributes: dict[str, Any]
    salt: bytes
    revision_id: int
    label: str


def _locked(case_ids: Sequence[int]) -> dict[int, Pinnable]:
    """The cases that can be pinned, held against change until the transaction ends. Erased cases and cases without a label are left out.

    Without the locks a label saved at the same moment could find no entry to touch while we find no new label: the version would pin the old one and the next
    freeze would never look. They are taken by statements of their own: a locking SELECT with a join drops rows whose key changed while it waited.
    """
    if connection.features.has_select_for_update:
        list(Case.objects.filter(pk__in=case_ids).select_for_update(no_key=True).order_by("pk").values_list("pk"))
        list(CurrentLabel.objects.filter(pk__in=case_ids).select_for_update(no_key=True).order_by("pk").values_list("pk"))
    columns = (
        "case_id",
        "case__uid",
        "case__stored_sha256",
        "case__attributes",
        "case__attributes_salt",
        "revision_id",
        "revision__digest",
    )
    labelled = CurrentLabel.objects.filter(pk__in=case_ids, case__attributes_salt__isnull=False).exclude(case__state="erased")
    return {row[0]: Pinnable(*row) for row in labelled.values_list(*columns)}


def refuse_unlabelled(test_set: TestSet, cases: QuerySet[Case]) -> None:
    """Raises Unlabelled if somebody has yet to label one of the cases. An erased case needs no label: it is left out of the next version."""
    bare = cases.filter(current_label=None).exclude(state="erased").order_by("number")
    total = bare.count()
    if total:
        raise Unlabelled([f"{test_set.project.key_prefix}-{number}" for number in bare.values_list("number", flat=True)[:LISTED]], total)


def _entry(test_set: TestSet, number: int, case: Pinnable, strata: Sequence[str]) -> Entry:
    return Entry(
        test_set_id=test_set.pk,
        case_id=case.case_id,
        bucket=tree.bucket(case.uid),
        added_in=number,
        content_digest=case.content,
        attributes_digest=attributes_digest(bytes(case.salt), case.attributes),
        label_revision_id=case.revision_id,
        label_digest=case.label,
        strata=" ".join(strata),
    )


def _pins(entry: Entry) -> tuple[object, ...]:
    return entry.content_digest, entry.attributes_digest, entry.label_revision_id, entry.strata


def _close(number: int, entries: Sequence[Entry]) -> None:
    """Let entries end before version `number`; one that would have begun with it never was."""
    staged = [entry.pk for entry in entries if entry.added_in == number]
    Entry.objects.filter(pk__in=staged).delete()
    Entry.objects.filter(pk__in=[entry.pk for entry in entries if entry.added_in != number]).update(removed_in=number)


def _pin_attributes(entries: Sequence[Entry], cases: Mapping[int, Pinnable]) -> None:
    pinned = [
        PinnedAttributes(
            case_id=entry.case_id,
            digest=entry.attributes_digest,
            salt=cases[entry.case_id].salt,
            values=cases[entry.case_id].attributes,
        )
        for entry in entries
    ]
    PinnedAttributes.objects.bulk_create(pinned, batch_size=CHUNK, ignore_conflicts=True)
