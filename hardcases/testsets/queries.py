"""What pages, API and freezing ask about drafts and versions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.fields.json import KeyTextTransform

from hardcases.cases.models import Case
from hardcases.cases.queries import QUERY_TERMS, Asked, condition, search
from hardcases.errors import Invalid
from hardcases.labels.models import CurrentLabel
from hardcases.projects.models import Project
from hardcases.testsets.models import DraftChange, Entry, Stratum, TestSet, Touch, Version
from hardcases.testsets.refusals import LISTED, MovingRule
from hardcases.web.pagination import counted
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


def newest_of(test_sets: Sequence[TestSet]) -> dict[int, Version]:
    """The last frozen version of each test set that has one, by the test set's primary key. One query."""
    newer = Version.objects.filter(test_set=OuterRef("test_set"), number__gt=OuterRef("number"))
    found = Version.objects.filter(~Exists(newer), test_set__in=test_sets).select_related("test_set")
    return {version.test_set_id: version for version in found}


def next_number(test_set: TestSet) -> int:
    """The number of the version that the draft becomes."""
    last = newest(test_set)
    return last.number + 1 if last else 1


def pending_changes(test_sets: Sequence[TestSet]) -> dict[int, int]:
    """How many cases each draft adds or removes, by the test set's primary key. One query."""
    counted = DraftChange.objects.filter(test_set__in=test_sets).values("test_set").annotate(n=Count("pk")).order_by()
    return {row["test_set"]: row["n"] for row in counted}


def drafted_cases(test_set: TestSet, *, adds: bool) -> QuerySet[DraftChange]:
    """The changes of a draft in one direction, newest first, with their cases and labels."""
    return DraftChange.objects.filter(test_set=test_set, adds=adds).select_related("case__current_label__revision").order_by("-pk")


def members_after(version: Version, number: int) -> QuerySet[Case]:
    """The version's cases behind `number`, ascending, each with `pinned_label`, the class it was frozen with."""
    held = Entry.objects.filter(
        Q(removed_in=None) | Q(removed_in__gt=version.number), test_set=version.test_set_id, added_in__lte=version.number
    )
    label = held.filter(case=OuterRef("pk")).values(text=KeyTextTransform("label", "label_revision__label"))[
        :1
    ]  # as text: a class may be called 0
    return (
        Case.objects.filter(Exists(held.filter(case=OuterRef("pk"))), project=version.test_set.project_id, number__gt=number)
        .annotate(pinned_label=Subquery(label))
        .order_by("number")
    )


def accepted_in(project: Project, q: str) -> str:
    """How many accepted cases of the project a rule picks now, as it is written: exact up to ten thousand."""
    return counted(search(project, q).filter(state="accepted"), most=10_000)[1]


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


@dataclass(frozen=True)
class StratumSize:
    """A named stratum as the next version would pin it."""

    slug: str
    name: str
    q: str
    cases: int
    minimum: int | None

    @property
    def large_enough(self) -> bool:
        """Whether it has the size somebody asked for."""
        return self.minimum is None or self.cases >= self.minimum


@dataclass(frozen=True)
class Readiness:
    """What freezing the draft would give, and what stands in its way."""

    base: int | None
    cases: int
    adds: int
    removes: int
    touched: int  # members whose label or attributes changed since they were pinned, at most
    unlabelled: int
    unlabelled_keys: tuple[str, ...]
    strata: tuple[StratumSize, ...]
    staging: int | None

    @property
    def ready(self) -> bool:
        """Whether there is something to freeze and nothing that freezing would refuse."""
        return not self.unlabelled and self.staging is None and bool(self.adds or self.removes or self.touched)


def _drafted(test_set: TestSet, q: str) -> int:
    """How many of the cases that the next version would hold a rule picks.

    The added and the kept are counted one after the other: for either-or PostgreSQL would look through all of both for every case that there is.
    """
    changes = DraftChange.objects.filter(test_set=test_set)
    kept = Entry.objects.filter(~Exists(changes.filter(case=OuterRef("case_id"))), test_set=test_set, removed_in=None)
    picked = Case.objects.filter(condition(test_set.project, q)).exclude(state="erased")
    held: list[QuerySet[Any]] = [changes.filter(adds=True), kept]
    return sum(picked.filter(pk__in=rows.values("case_id")).count() for rows in held)


def readiness(test_set: TestSet) -> Readiness:
    """The state of the draft."""
    base = Version.objects.filter(test_set=test_set).order_by("-number").first()
    changes = DraftChange.objects.filter(test_set=test_set)
    adds, removes = changes.filter(adds=True).count(), changes.filter(adds=False).count()
    labelled = CurrentLabel.objects.filter(pk=OuterRef("case_id"))
    bare = changes.filter(~Exists(labelled), adds=True).exclude(case__state="erased")
    unlabelled = list(bare.order_by("case__number").values_list("case__number", flat=True)[: LISTED + 1])
    sizes = [
        StratumSize(rule.slug, rule.name, rule.q, _drafted(test_set, rule.q), rule.minimum)
        for rule in Stratum.objects.filter(project=test_set.project_id).order_by("slug")
    ]
    return Readiness(
        base=base.number if base else None,
        cases=(base.cases if base else 0) + adds - removes,
        adds=adds,
        removes=removes,
        touched=Touch.objects.filter(test_set=test_set).values("case").distinct().count(),
        unlabelled=bare.count() if len(unlabelled) > LISTED else len(unlabelled),
        unlabelled_keys=tuple(f"{test_set.project.key_prefix}-{number}" for number in unlabelled[:LISTED]),
        strata=tuple(sizes),
        staging=test_set.staging,
    )


@dataclass(frozen=True)
class Pinned:
    """What an entry says about its case."""

    number: int
    content: str
    attributes: str
    label: dict[str, Any]
    revision: int
    strata: str


@dataclass(frozen=True)
class Diff:
    """From one version to another. `changed` holds (before, after) of the cases that both have, with other pins."""

    added: tuple[Pinned, ...]
    removed: tuple[Pinned, ...]
    changed: tuple[tuple[Pinned, Pinned], ...]

    @property
    def answers(self) -> tuple[tuple[Pinned, Pinned], ...]:
        """The changed cases whose label says something else."""
        return tuple((before, after) for before, after in self.changed if before.label != after.label)


def diff(a: Version, b: Version) -> Diff:
    """What `b` has that `a` has not. Reads the entries that begin or end between the two and no other, so it costs what changed."""
    low, high = sorted((a.number, b.number))
    between = Entry.objects.filter(test_set=a.test_set_id)
    older = _pinned(between.filter(added_in__lte=low, removed_in__gt=low, removed_in__lte=high))
    newer = _pinned(between.filter(Q(removed_in=None) | Q(removed_in__gt=high), added_in__gt=low, added_in__lte=high))
    before, after = (older, newer) if a.number <= b.number else (newer, older)
    both = sorted(before.keys() & after.keys())
    return Diff(
        added=tuple(after[number] for number in sorted(after.keys() - before.keys())),
        removed=tuple(before[number] for number in sorted(before.keys() - after.keys())),
        changed=tuple((before[number], after[number]) for number in both if before[number] != after[number]),
    )


def _pinned(entries: QuerySet[Entry]) -> dict[int, Pinned]:
    columns = ("case__number", "content_digest", "attributes_digest", "label_revision__label", "label_revision__number", "strata")
    return {row[0]: Pinned(*row) for row in entries.values_list(*columns)}


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
