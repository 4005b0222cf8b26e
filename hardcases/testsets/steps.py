"""Row changes that freezing at once and freezing in the background share.

`settle` brings the entries of some cases in line with the draft and with what the cases are now; running it again over the same cases changes nothing more.
Entries whose `added_in` or `removed_in` is a number that is not a version yet are seen by nobody, so it may be done in as many transactions as it takes.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import rfc8785
from django.db.models import QuerySet

from hardcases.cases.models import Case
from hardcases.cases.queries import search
from hardcases.testsets import tree
from hardcases.testsets.models import DraftChange, Entry, PinnedAttributes, Stratum, TestSet
from hardcases.testsets.refusals import LISTED, Unlabelled

CHUNK = 2_000  # cases a settling step handles at a time: few enough for one IN list on both databases, and for a short write lock

Memberships = Mapping[int, Sequence[str]]


def attributes_digest(salt: bytes, attributes: dict[str, Any]) -> str:
    """SHA-256 in hex of the salt followed by the attributes in RFC 8785 form."""
    return hashlib.sha256(salt + rfc8785.dumps(attributes)).hexdigest()


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


def _locked(case_ids: Sequence[int]) -> dict[int, Case]:
    """The cases that can be pinned, held against change until the transaction ends.

    Without the locks a label saved at the same moment could find no entry to touch while we find no new label: the version would pin the old one and the next
    freeze would never look. Erased cases and cases without a label are left out.
    """
    cases = (
        Case.objects.filter(pk__in=case_ids, current_label__isnull=False, attributes_salt__isnull=False)
        .exclude(state="erased")
        .select_related("current_label__revision")
        .select_for_update(of=("self", "current_label"), no_key=True)
        .order_by("pk")
    )
    return {case.pk: case for case in cases}


def refuse_unlabelled(test_set: TestSet, cases: QuerySet[Case]) -> None:
    """Raises Unlabelled if somebody has yet to label one of the cases. An erased case needs no label: it is left out of the next version."""
    bare = cases.filter(current_label=None).exclude(state="erased").order_by("number")
    total = bare.count()
    if total:
        raise Unlabelled([f"{test_set.project.key_prefix}-{number}" for number in bare.values_list("number", flat=True)[:LISTED]], total)


def _entry(test_set: TestSet, number: int, case: Case, strata: Sequence[str]) -> Entry:
    revision = case.current_label.revision
    return Entry(
        test_set=test_set,
        case_id=case.pk,
        bucket=tree.bucket(case.uid),
        added_in=number,
        content_digest=case.stored_sha256,
        attributes_digest=attributes_digest(bytes(case.attributes_salt or b""), case.attributes),
        label_revision_id=revision.pk,
        label_digest=revision.digest,
        strata=" ".join(strata),
    )


def _pins(entry: Entry) -> tuple[object, ...]:
    return entry.content_digest, entry.attributes_digest, entry.label_revision_id, entry.strata


def _close(number: int, entries: Sequence[Entry]) -> None:
    """Let entries end before version `number`; one that would have begun with it never was."""
    staged = [entry.pk for entry in entries if entry.added_in == number]
    Entry.objects.filter(pk__in=staged).delete()
    Entry.objects.filter(pk__in=[entry.pk for entry in entries if entry.added_in != number]).update(removed_in=number)


def _pin_attributes(entries: Sequence[Entry], cases: Mapping[int, Case]) -> None:
    PinnedAttributes.objects.bulk_create(
        [
            PinnedAttributes(
                case_id=entry.case_id,
                digest=entry.attributes_digest,
                salt=cases[entry.case_id].attributes_salt,
                values=cases[entry.case_id].attributes,
            )
            for entry in entries
        ],
        batch_size=CHUNK,
        ignore_conflicts=True,
    )
