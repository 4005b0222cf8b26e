"""Checking what was promised never to change: every version against its digest, every snapshot and tree against the entries."""

from collections.abc import Iterator

from hardcases.errors import Refusal
from hardcases.testsets import snapshots, tree, trees
from hardcases.testsets.models import Entry, PinnedAttributes, Version
from hardcases.testsets.queries import newest
from hardcases.testsets.steps import attributes_digest


def version_findings(version: Version) -> Iterator[str]:
    """A sentence for everything about a version that does not add up."""
    if tree.version_digest(version.header) != version.digest:
        yield f"{version}: the header does not give the digest {version.digest}."
    strata = {rule["slug"]: rule for rule in version.header["strata"]}
    roots = trees.rebuilt_roots(trees.members_of(version), version.test_set.project.key_prefix, strata)
    if not roots[trees.LINES] == version.header["root"] == version.root:
        yield f"{version}: the entries do not give the root {version.root}."
    yield from (
        f"{version}: the members of stratum {slug} are not those it pins."
        for slug, rule in strata.items()
        if roots[slug] != rule["members"]
    )
    cases = trees.members_of(version).count()
    if not cases == version.header["cases"] == version.cases:
        yield f"{version}: it holds {cases:,} entries, not {version.cases:,}."
    if version == newest(version.test_set):
        yield from _tree_findings(version, roots)
    try:
        if len(snapshots.members(version)) != cases:
            yield f"{version}: the snapshot does not hold its members."
    except Refusal as refusal:
        yield f"{version}: the snapshot cannot be read. {refusal.sentence}"


def _tree_findings(version: Version, roots: dict[str, str]) -> Iterator[str]:
    for name, root in roots.items():
        if trees.stored_root(version.test_set, name) != root:
            yield f"{version}: the stored tree {name or 'of its lines'} differs from the entries, so the next version would be wrong."


def attribute_findings() -> Iterator[str]:
    """Pinned attributes that are not what their digest says, and entries whose attributes are gone though their case was not erased."""
    pinned = PinnedAttributes.objects.exclude(salt=None).values_list("case_id", "digest", "salt", "values")
    for case_id, digest, salt, values in pinned.iterator(chunk_size=5_000):
        if attributes_digest(bytes(salt), values) != digest:
            yield f"Case {case_id}: its pinned attributes are not those of digest {digest}."


def label_findings() -> Iterator[str]:
    """Entries whose pinned label is not that of the revision they name."""
    for entry in Entry.objects.select_related("label_revision").iterator(chunk_size=5_000):
        if entry.label_digest != entry.label_revision.digest:
            yield f"{entry}: its label is not that of the revision it names."
