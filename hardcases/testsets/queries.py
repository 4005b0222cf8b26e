"""What pages, API and freezing ask about drafts and versions."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from django.db.models import Exists, OuterRef, QuerySet

from hardcases.cases.models import Case
from hardcases.cases.queries import search
from hardcases.testsets.models import DraftChange, Entry, Stratum, TestSet, Touch, Version

LARGE = 20_000  # changes; a larger draft is frozen by a job, so that nobody waits at a page and uploads do not wait for the write lock
T = TypeVar("T")


def in_chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in runs of at most `size`."""
    return (items[start : start + size] for start in range(0, len(items), size))


def newest(test_set: TestSet) -> Version | None:
    """The last frozen version."""
    return Version.objects.filter(test_set=test_set).order_by("-number").first()


def open_members(test_set: TestSet) -> QuerySet[Case]:
    """The cases of the last version; while a version is being staged, those of the next as far as it got."""
    return Case.objects.filter(Exists(Entry.objects.filter(test_set=test_set, case=OuterRef("pk"), removed_in=None)))


def to_settle(test_set: TestSet, last: Version | None, touched: Sequence[int]) -> list[int]:
    """Ids of every case whose entry may have to change: in the draft, touched since it was pinned, or concerned by a new rule of a stratum. Ascending.

    Members that none of this names are not looked at, which is what makes freezing cost what changed.
    """
    drafted = DraftChange.objects.filter(test_set=test_set).values_list("case_id", flat=True)
    return sorted({*drafted, *touched, *_concerned_by_rules(test_set, last)})


def _concerned_by_rules(test_set: TestSet, last: Version | None) -> set[int]:
    """Members that enter or leave a named stratum because its rule is new or another one than the last version pins."""
    if last is None:
        return set()
    pinned = {rule["slug"]: rule["q"] for rule in last.header["strata"]}
    concerned: set[int] = set()
    for stratum in Stratum.objects.filter(project=test_set.project_id):
        if pinned.get(stratum.slug) == stratum.q:
            continue
        members = Entry.objects.filter(test_set=test_set, removed_in=None)
        matching = search(test_set.project, stratum.q).filter(Exists(members.filter(case=OuterRef("pk")))).order_by()
        now = set(matching.values_list("pk", flat=True))
        before = members.filter(strata__contains=stratum.slug).values_list("case_id", "strata") if stratum.slug in pinned else ()
        concerned |= now ^ {case_id for case_id, strata in before if stratum.slug in strata.split()}
    return concerned


def is_large(test_set: TestSet) -> bool:
    """Whether freezing is a matter for a job."""
    return DraftChange.objects.filter(test_set=test_set).count() > LARGE or Touch.objects.filter(test_set=test_set).count() > LARGE
