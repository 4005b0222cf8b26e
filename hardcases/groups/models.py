"""Groups: cases that look like the same problem, how each case came into its group, and what people said about groups.

Which group a case belongs to stands on the case itself (`Case.group_number`). How many of a group's cases wait is counted by the database (`guards`), because
a case is decided in many places; everything else about a group is written by this room.
"""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from hardcases.cases.keys import group_key
from hardcases.cases.models import Case
from hardcases.projects.models import Project

BY_URGENCY = ("-came_back", "-growing", "waiting_since", "id")  # the order of the inbox
ACTS = ("accepted", "declined", "snoozed", "merged", "split", "moved")


class Group(models.Model):
    """Cases that look like the same problem. `number` is its name within the project: G-204."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="groups")
    number = models.PositiveBigIntegerField()
    title = models.CharField(max_length=200)
    kind = models.CharField(max_length=8)  # of the case that founded it: image, text or record
    reason = models.CharField(max_length=128, default="", blank=True)
    sites = models.JSONField(default=list)  # where its cases come from: the first few names
    least_alike = models.FloatField(null=True)  # the least likeness at which a case joined; null until one did
    made_by = models.CharField(max_length=150, default="", blank=True)  # a person who split it off; empty: the product
    merged_into = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="merged")

    # Cases that are not erased, those in the inbox, and those that are snoozed.
    count = models.PositiveBigIntegerField(default=0)
    waiting = models.PositiveBigIntegerField(default=0)
    snoozed = models.PositiveBigIntegerField(default=0)
    first_seen_at = models.DateTimeField(db_default=Now())
    last_seen_at = models.DateTimeField(db_default=Now())
    waiting_since = models.DateTimeField(db_default=Now())  # receipt of the oldest case of those that wait now

    came_back = models.BooleanField(default=False)
    growing = models.BooleanField(default=False)
    check_on = models.DateField(null=True)  # the next day on which the calendar alone may change `growing`

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "number"], name="group_number_once")]
        indexes = [
            models.Index(
                fields=["project", "-came_back", "-growing", "waiting_since", "id"], name="group_waiting", condition=Q(waiting__gt=0)
            ),
            models.Index(fields=["project", "-last_seen_at"], name="group_newest", condition=Q(count__gt=0)),
            models.Index(fields=["check_on"], name="group_due", condition=Q(check_on__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def key(self) -> str:
        """The name people say aloud, such as G-204."""
        return group_key(self.number) or ""

    @property
    def state(self) -> str:
        """came_back, growing or new while cases wait; then snoozed while some are, decided, merged, or empty."""
        if self.waiting:
            return "came_back" if self.came_back else "growing" if self.growing else "new"
        if self.merged_into_id is not None:
            return "merged"
        return "snoozed" if self.snoozed else "decided" if self.count else "empty"


class GroupDay(models.Model):
    """How many of a group's cases were received on one day (UTC). Days without any have no row."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="days")
    day = models.DateField()
    count = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["group", "day"], name="group_day_once")]

    def __str__(self) -> str:
        return f"{self.group_id} {self.day}: {self.count}"


class Fingerprint(models.Model):
    """What near-duplicates of a case are found by, and how the case came into its group. Goes with the case when that is erased."""

    case = models.OneToOneField(Case, on_delete=models.PROTECT, primary_key=True, related_name="fingerprint")
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=8)
    bits = models.BigIntegerField(null=True)  # signed, as databases hold them
    minhash = models.BinaryField(max_length=256, null=True)
    band0 = models.IntegerField(null=True)
    band1 = models.IntegerField(null=True)
    band2 = models.IntegerField(null=True)
    band3 = models.IntegerField(null=True)
    band4 = models.IntegerField(null=True)

    # Why it is where it is: the case that it is most alike to, how alike, and what else is the same. Null: it founded its group.
    nearest_id = models.BigIntegerField(null=True)
    alike = models.FloatField(null=True)
    same = models.JSONField(default=list)
    placed_by = models.CharField(max_length=150, default="", blank=True)  # the person who put it there; empty: the product

    class Meta:
        # With the bits in the index, a look among pictures reads nothing else.
        indexes = [
            models.Index(fields=["project", "kind", f"band{number}", "case", "bits"], name=f"print_band{number}") for number in range(5)
        ]

    def __str__(self) -> str:
        return f"{self.case_id}: {self.kind}"


class Separation(models.Model):
    """A person said that these two groups are not the same problem. Only a person takes it back."""

    first = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="+")
    by = models.CharField(max_length=150)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["first", "second"], name="separation_once"),
            models.CheckConstraint(condition=Q(first__lt=F("second")), name="separation_ordered"),
        ]

    def __str__(self) -> str:
        return f"{self.first_id} is not {self.second_id}"


class GroupAct(models.Model):
    """What a person did with a group at once, so that it can be undone at once. `other` is where cases went, for acts that move them."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="+")
    group = models.ForeignKey(Group, on_delete=models.PROTECT, related_name="acts")
    other = models.ForeignKey(Group, on_delete=models.PROTECT, null=True, related_name="other_acts")
    kind = models.CharField(max_length=8)
    by = models.CharField(max_length=150)
    at = models.DateTimeField(db_default=Now())
    cases = models.PositiveBigIntegerField(default=0)
    upto = models.PositiveBigIntegerField(null=True)  # cases beyond this number came after the person had looked
    details = models.JSONField(default=dict)
    came_back = models.BooleanField(default=False)  # whether it had, before
    working = models.BooleanField(default=False)  # a job is at it
    undone_at = models.DateTimeField(null=True)
    undone_by = models.CharField(max_length=150, default="", blank=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(kind__in=ACTS), name="group_act_kind")]
        indexes = [models.Index(fields=["group", "-id"], name="group_act_newest")]

    def __str__(self) -> str:
        return f"{self.kind} {self.group_id}"


class ActCase(models.Model):
    """A case that an act changed."""

    act = models.ForeignKey(GroupAct, on_delete=models.CASCADE, related_name="touched", db_index=False)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["act", "case"], name="act_case_once")]

    def __str__(self) -> str:
        return f"{self.act_id}: {self.case_id}"
