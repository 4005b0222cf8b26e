"""The hash trees as rows: one over the manifest lines of a test set, one a named stratum over the uids of its members.

All of them describe the newest version. Bringing them to the next one reads and writes only the buckets in which an entry begins or ends.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet

from hardcases.testsets import tree
from hardcases.testsets.models import Entry, TestSet, TreeNode, Version

LINES = ""  # the tree over manifest lines, among trees that are otherwise called by the slug of their stratum
FEW_BUCKETS = 4_096  # beyond so many it is cheaper to stream every entry in order than to ask for buckets


class Member(NamedTuple):
    """What a manifest line is made of."""

    bucket: int
    uid: UUID
    number: int
    content: str
    attributes: str
    label: str
    revision: int
    strata: str

    def line(self, key_prefix: str) -> bytes:
        """The member's manifest line."""
        return tree.line(
            attributes=self.attributes,
            content=self.content,
            key=f"{key_prefix}-{self.number}",
            label=self.label,
            revision=self.revision,
            strata=self.strata.split(),
            uid=self.uid,
        )


@dataclass(frozen=True)
class Moves:
    """How the entries of the next version differ from those of the last: per tree the buckets it changes in, and the change in its number of members."""

    buckets: dict[str, set[int]]
    growth: dict[str, int]
    added: int
    removed: int
    changed: int


COLUMNS = ("bucket", "case__uid", "case__number", "content_digest", "attributes_digest", "label_digest", "label_revision__number", "strata")


def members(entries: QuerySet[Entry]) -> Iterator[Member]:
    """The entries as members, ascending by bucket."""
    return (Member(*row) for row in entries.order_by("bucket").values_list(*COLUMNS).iterator(chunk_size=5_000))


def few_members(entries: QuerySet[Entry]) -> list[Member]:
    """`members` of some buckets, sorted here: asked for an order and by a cursor, PostgreSQL would walk the index over all buckets of the set."""
    return sorted((Member(*row) for row in entries.order_by().values_list(*COLUMNS)), key=itemgetter(0))


def members_of(version: Version) -> QuerySet[Entry]:
    """The entries of a frozen version."""
    return entries_at(version.test_set_id, version.number)


def entries_at(test_set_id: int, number: int) -> QuerySet[Entry]:
    """The entries that version `number` holds, frozen or staged."""
    lasting = Q(removed_in=None) | Q(removed_in__gt=number)
    return Entry.objects.filter(lasting, test_set_id=test_set_id, added_in__lte=number)


def moves(test_set: TestSet, number: int) -> Moves:
    """What beginning and ending with version `number` amounts to."""
    buckets: dict[str, set[int]] = defaultdict(set)
    growth: dict[str, int] = defaultdict(int)
    cases: dict[int, set[int]] = {1: set(), -1: set()}
    for sign, when in ((1, Q(added_in=number)), (-1, Q(removed_in=number))):
        rows = Entry.objects.filter(when, test_set=test_set).values_list("case_id", "bucket", "strata")
        for case_id, bucket, strata in rows.iterator(chunk_size=5_000):
            cases[sign].add(case_id)
            for name in (LINES, *strata.split()):
                buckets[name].add(bucket)
                growth[name] += sign
    opened, closed = cases[1], cases[-1]
    return Moves(dict(buckets), dict(growth), len(opened - closed), len(closed - opened), len(opened & closed))


def leaves(test_set: TestSet, key_prefix: str, buckets: dict[str, set[int]]) -> dict[str, dict[int, bytes]]:
    """The new digests of these buckets of each tree, from the entries that are open now."""
    entries = Entry.objects.filter(test_set=test_set, removed_in=None)
    touched = buckets.get(LINES, set())
    found_members = few_members(entries.filter(bucket__in=touched)) if len(touched) <= FEW_BUCKETS else members(entries)
    empty = tree.leaf([])
    found: dict[str, dict[int, bytes]] = {name: dict.fromkeys(places, empty) for name, places in buckets.items()}
    for bucket, group in _by_bucket(found_members):
        for name, places in buckets.items():
            if bucket in places:
                found[name][bucket] = tree.leaf(_lines(name, group, key_prefix))
    return found


def _by_bucket(rows: Iterable[Member]) -> Iterator[tuple[int, list[Member]]]:
    group: list[Member] = []
    for member in rows:
        if group and member.bucket != group[0].bucket:
            yield group[0].bucket, group
            group = []
        group.append(member)
    if group:
        yield group[0].bucket, group


def manifest(version: Version) -> Iterator[bytes]:
    """The canonical manifest in pieces of whole lines: the header, then the members by bucket and, inside a bucket, as sorted bytes."""
    yield tree.canonical_header(version.header)
    key_prefix = version.test_set.project.key_prefix
    for _, group in _by_bucket(members(members_of(version))):
        yield b"".join(sorted(_lines(LINES, group, key_prefix)))


def _lines(name: str, group: Sequence[Member], key_prefix: str) -> list[bytes]:
    if name == LINES:
        return [member.line(key_prefix) for member in group]
    return [f"{member.uid}\n".encode() for member in group if name in member.strata.split()]


def advance(test_set: TestSet, new_leaves: dict[str, dict[int, bytes]]) -> dict[str, str]:
    """Write the new bucket digests into the trees; returns the roots of the trees that changed, in hex."""
    roots, changed = {}, []
    for name, digests in new_leaves.items():
        rows = dict(_rows(test_set, name).filter(index__in=tree.rows_of(digests)).values_list("index", "children"))
        fresh = tree.replaced({index: bytes(children) for index, children in rows.items()}, digests)
        roots[name] = tree.root(fresh[tree.TOP])
        changed += [TreeNode(test_set=test_set, stratum=name, index=index, children=children) for index, children in fresh.items()]
    TreeNode.objects.bulk_create(
        changed, batch_size=100, update_conflicts=True, unique_fields=["test_set", "stratum", "index"], update_fields=["children"]
    )
    return roots


def stored_root(test_set: TestSet, name: str) -> str:
    """The root of a tree as its rows say."""
    top = _rows(test_set, name).filter(index=tree.TOP).values_list("children", flat=True).first()
    return tree.root(tree.EMPTY_TOP if top is None else bytes(top))


def _rows(test_set: TestSet, name: str) -> QuerySet[TreeNode]:
    return TreeNode.objects.filter(test_set=test_set, stratum=name)


def rebuilt_roots(entries: QuerySet[Entry], key_prefix: str, strata: Iterable[str]) -> dict[str, str]:
    """The roots over all these entries, computed from nothing else: what `verify` holds against the stored ones."""
    names = (LINES, *strata)
    digests: dict[str, dict[int, bytes]] = {name: {} for name in names}
    for bucket, group in _by_bucket(members(entries)):
        for name in names:
            if texts := _lines(name, group, key_prefix):
                digests[name][bucket] = tree.leaf(texts)
    return {name: tree.root(tree.replaced({}, found)[tree.TOP]) for name, found in digests.items()}
