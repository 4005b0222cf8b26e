"""What pages, API and freezing ask about drafts and versions."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from django.db.models import Exists, OuterRef, Q, QuerySet

from hardcases.cases.models import Case
from hardcases.cases.queries import QUERY_TERMS, Asked, condition, search
from hardcases.errors import Invalid
from hardcases.projects.models import Project
from hardcases.testsets.models import DraftChange, Entry, Stratum, TestSet, Touch, Version
from hardcases.testsets.refusals import MovingRule
from hardcases.web.search import Term, parse
from hardcases.web.vocabulary import only_in, refused

LARGE = 20_000  # changes; a larger draft is frozen by a job, so that nobody waits at a page and uploads do not wait for the write lock
# What may stand in the rule of a stratum beside attributes: facts that never change, and facts whose change the database notes (see guards).
STEADY = frozenset({"label", "state", "tag", "kind", "reason", "source", "model", "key", "sha256"})
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


def check_rule(project: Project, q: str) -> None:
    """Raises MovingRule for a rule whose members could change without anybody changing a case, and what the query language refuses."""
    terms = parse(q).terms
    condition(project, q)
    known = set(project.attributes.values_list("name", flat=True)) - set(QUERY_TERMS)
    for term in terms:
        if term.field is None or not (term.field in STEADY or term.field in known or term.field.startswith("attr.")):
            raise MovingRule(str(term))
    if not terms:
        raise Invalid("A stratum needs a rule: an empty query is every case, which every report shows anyway. Nothing was created.")


def stratum_term(term: Term, asked: Asked) -> Q:
    """What `stratum:portable` means in a search."""
    rules = dict(Stratum.objects.filter(project=asked.project).values_list("slug", "q"))
    found = Q(pk__in=[])
    for slug in only_in(term):
        if slug not in rules:
            raise refused(term, f"There is no stratum “{slug}” in this project.", known=rules)
        found |= condition(asked.project, rules[slug], now=asked.now)
    return found
