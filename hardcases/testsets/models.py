"""Test sets: drafts that change, and versions that never do.

A version is not copied: an entry says in which version a case came in and in which it left (an interval row), so that a commit costs what changed and not what
exists. A two-level hash tree over the entries gives the version's digest at the same price.
"""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from hardcases.cases.models import Case
from hardcases.labels.models import LabelRevision
from hardcases.projects.models import Project, User


class Stratum(models.Model):
    """A named rule that picks part of the cases. A frozen version pins the rule and a digest of its members."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="strata")
    slug = models.SlugField(max_length=64)
    name = models.CharField(max_length=150)
    q = models.CharField(max_length=200)
    minimum = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "strata"
        constraints = [models.UniqueConstraint(fields=["project", "slug"], name="stratum_once")]

    def __str__(self) -> str:
        return self.slug


class TestSet(models.Model):
    """A list of cases that somebody promises not to change, and the draft of its next version."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="test_sets")
    slug = models.SlugField(max_length=64)
    purpose = models.CharField(max_length=500, default="", blank=True)
    # The number of a large version while a job stages it. Until the job ends the draft stands still.
    staging = models.PositiveIntegerField(null=True)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "slug"], name="test_set_once")]

    def __str__(self) -> str:
        return self.slug


class DraftChange(models.Model):
    """What the draft does to one case, compared with the last version: add it or remove it."""

    test_set = models.ForeignKey(TestSet, on_delete=models.PROTECT, related_name="draft_changes")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="+")
    adds = models.BooleanField()
    by = models.CharField(max_length=150)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["case", "test_set"], name="draft_change_once")]

    def __str__(self) -> str:
        return f"{'+' if self.adds else '−'}{self.case_id}"


class Version(models.Model):
    """A frozen test set. `header` holds, in canonical form, everything the digest is taken over."""

    test_set = models.ForeignKey(TestSet, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    digest = models.CharField(max_length=64, unique=True)
    root = models.CharField(max_length=64)
    header = models.JSONField()
    cases = models.PositiveIntegerField()
    added = models.PositiveIntegerField()
    removed = models.PositiveIntegerField()
    changed = models.PositiveIntegerField()
    reason = models.CharField(max_length=500)
    frozen_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    frozen_by_name = models.CharField(max_length=150)
    frozen_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["test_set_id", "number"]
        constraints = [models.UniqueConstraint(fields=["test_set", "number"], name="version_once")]

    def __str__(self) -> str:
        return f"{self.test_set.slug}@{self.number}"

    @property
    def previous_number(self) -> int:
        """The number of the version before; 0 before the first."""
        return self.number - 1


class Snapshot(models.Model):
    """A version's members as one sorted Parquet table in blob storage: rebuildable, and rewritten when a member is lawfully erased."""

    version = models.OneToOneField(Version, on_delete=models.PROTECT, primary_key=True, related_name="snapshot")
    sha256 = models.CharField(max_length=64)
    built_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.sha256


class Entry(models.Model):
    """A case in the versions `added_in` ≤ n < `removed_in`, with what was pinned. Digests only: values that the law may erase lie elsewhere."""

    test_set = models.ForeignKey(TestSet, on_delete=models.PROTECT, related_name="entries")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="entries")
    bucket = models.PositiveIntegerField()  # first 16 bits of SHA-256(case uid): its place in the hash tree
    added_in = models.PositiveIntegerField()
    removed_in = models.PositiveIntegerField(null=True)
    content_digest = models.CharField(max_length=64)
    attributes_digest = models.CharField(max_length=64)
    label_revision = models.ForeignKey(LabelRevision, on_delete=models.PROTECT, related_name="+")
    label_digest = models.CharField(max_length=64)
    strata = models.TextField(default="", blank=True)  # slugs of the named strata it was in, ascending, separated by spaces

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["test_set", "case", "added_in"], name="entry_once"),
            # The case first: with the test set first a planner without statistics reads all members of the set to find a few.
            models.UniqueConstraint(fields=["case", "test_set"], condition=Q(removed_in=None), name="entry_open_once"),
            models.CheckConstraint(condition=Q(removed_in=None) | Q(removed_in__gt=F("added_in")), name="entry_interval"),
        ]
        indexes = [
            models.Index(fields=["test_set", "bucket"], name="entry_bucket", condition=Q(removed_in=None)),
            models.Index(fields=["test_set", "added_in"], name="entry_added"),
            # Without the open entries: SQLite would find these through it, all of them, where it was asked for a few cases.
            models.Index(fields=["test_set", "removed_in"], name="entry_removed", condition=Q(removed_in__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.case_id} from {self.added_in}"


class PinnedAttributes(models.Model):
    """The attribute values behind an entry's digest: SHA-256(salt, values in RFC 8785 form). A lawful erasure blanks salt and values; the digest stays."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="pinned_attributes")
    digest = models.CharField(max_length=64)
    salt = models.BinaryField(max_length=16, null=True)
    values = models.JSONField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["case", "digest"], name="pinned_attributes_once")]

    def __str__(self) -> str:
        return self.digest


class TreeNode(models.Model):
    """Row `index` of a hash tree over the newest version: the 32-byte digests of its 256 children, one after the other.

    Rows 0 to 255 hold buckets, row 256 the 256 rows. `stratum` is empty for the tree over manifest lines, else the tree is over the uids of that stratum's
    members. A cache of the entries, checked by `verify`; a row that is absent is empty.
    """

    test_set = models.ForeignKey(TestSet, on_delete=models.PROTECT, related_name="tree_nodes")
    stratum = models.SlugField(max_length=64, default="", blank=True)
    index = models.PositiveSmallIntegerField()
    children = models.BinaryField(max_length=256 * 32)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["test_set", "stratum", "index"], name="tree_node_once")]

    def __str__(self) -> str:
        return f"{self.test_set_id}/{self.stratum}/{self.index}"


class Touch(models.Model):
    """A member whose label, attributes, tags or existence changed since it was pinned, so that freezing need not look at the members that did not.

    Written by the database itself (see guards), because changes come from many places; read and deleted by the next freeze. Several rows for one case are
    normal: a writer that waits for nobody is worth more than a short table.
    """

    test_set = models.ForeignKey(TestSet, on_delete=models.PROTECT, related_name="touches")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="+")

    def __str__(self) -> str:
        return f"{self.test_set_id}: {self.case_id}"


class Erasure(models.Model):
    """A frozen version with a member that was lawfully erased afterwards. Beside the frozen row, which stays as it is."""

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="erasures")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "case"], name="version_erasure_once")]

    def __str__(self) -> str:
        return f"{self.version}: {self.case_id}"
