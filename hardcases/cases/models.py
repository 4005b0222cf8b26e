"""Cases: production failures as they arrived, every arrival of them, and what people decided about them."""

import uuid
from collections.abc import Sequence
from typing import Any

from django.db import models
from django.db.models import BooleanField, Expression, F, Q
from django.db.models.functions import Now
from django.utils.deconstruct import deconstructible

from hardcases.cases.keys import group_key
from hardcases.projects.models import Project
from hardcases.sampling.models import SamplingRule
from hardcases.work.models import Job

KINDS = ("image", "text", "record")
STATES = ("inbox", "accepted", "declined", "snoozed", "erased")
DECLINE_REASONS = ("not_our_input", "unreadable", "cannot_be_shared", "known_accepted", "wrong_product", "test_upload")
MEDIA_STATES = ("none", "pending", "ready", "failed")


def fresh_salt() -> bytes:
    """16 random bytes. Attributes are digested with the case's salt, so that a digest that stays in a frozen version tells nothing once the salt is erased."""
    return uuid.uuid4().bytes


@deconstructible(path="hardcases.cases.models.SetAside")
class SetAside(Expression):
    """Whether something was set aside, written so that the partial index of these cases answers it on both databases: SQLite compares an index's
    condition with the text of the question, where a parameter is no constant."""

    output_field = BooleanField()

    def __init__(self, column: str = "quarantine") -> None:
        super().__init__()
        self.column: Any = F(column)

    def get_source_expressions(self) -> list[Any]:
        """The column."""
        return [self.column]

    def set_source_expressions(self, exprs: Sequence[Any]) -> None:
        """The resolved column."""
        (self.column,) = exprs

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[str | int, ...]]:
        """The same words on both databases; PostgreSQL reads the literal as jsonb."""
        column, params = compiler.compile(self.column)
        return f"{column} <> '[]'", tuple(params)


class Case(models.Model):
    """One production failure example. Its content digest never changes; a repeat of it is another sighting of the same case."""

    uid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="cases")
    number = models.PositiveBigIntegerField()
    kind = models.CharField(max_length=8)
    # Of the received bytes, in hex. `stored_sha256` differs only where the project strips metadata on upload.
    sha256 = models.CharField(max_length=64)
    stored_sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField()
    media_type = models.CharField(max_length=64)
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    picture = models.JSONField(null=True)  # what is unusual about it: bits, frames, and how a DICOM file is stored and shown
    text = models.TextField(
        null=True
    )  # the first 10,000 characters of a text, or of a record as JSON, for lists; the whole lies in the blob
    file_name = models.CharField(max_length=255, default="", blank=True)

    state = models.CharField(max_length=8, default="inbox")
    decline_reason = models.CharField(max_length=24, null=True)
    snoozed_until = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=150, default="", blank=True)

    received_at = models.DateTimeField(db_default=Now())
    captured_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=128, default="", blank=True)
    source = models.CharField(max_length=256, default="", blank=True)
    model = models.CharField(max_length=256, default="", blank=True)
    prediction = models.JSONField(null=True)
    correction = models.JSONField(null=True)
    attributes = models.JSONField(default=dict)
    attributes_salt = models.BinaryField(max_length=16, default=fresh_salt, null=True)
    tags = models.JSONField(default=list)
    quarantine = models.JSONField(default=list)
    sightings_count = models.PositiveIntegerField(default=1)
    last_seen_at = models.DateTimeField(db_default=Now())
    # The chance with which the door kept it: 1 where it keeps everything, NULL where nobody knows (a quota kept it, or it did not come through the door).
    selection_probability = models.FloatField(null=True)
    sampling_rule = models.ForeignKey(SamplingRule, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    leaked_at = models.DateTimeField(null=True)  # when its content was found among a model version's training data

    media_state = models.CharField(max_length=8, default="none")
    media_failure = models.CharField(max_length=255, default="", blank=True)
    media_attempt = models.PositiveSmallIntegerField(default=0)
    media_busy_until = models.DateTimeField(null=True)  # by the database's clock: a worker is at it, or was killed at it
    thumbnail_sha256 = models.CharField(max_length=64, null=True)
    display_sha256 = models.CharField(max_length=64, null=True)
    erased_at = models.DateTimeField(null=True)

    # Which group of the project it belongs to. Null: the worker has not decided yet. 0: it was erased before that. Written by the room of groups only.
    group_number = models.PositiveBigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="case_number_once"),
            models.UniqueConstraint(fields=["project", "sha256"], name="case_content_once"),
            models.CheckConstraint(condition=Q(state__in=STATES), name="case_state"),
            models.CheckConstraint(condition=Q(kind__in=KINDS), name="case_kind"),
            models.CheckConstraint(condition=Q(media_state__in=MEDIA_STATES), name="case_media_state"),
        ]
        indexes = [
            models.Index(fields=["project", "state", "-id"], name="case_by_state"),
            models.Index(fields=["project", "-id"], name="case_newest"),
            models.Index(fields=["project", "received_at"], name="case_by_time"),
            models.Index(fields=["project", "file_name"], name="case_by_file_name"),  # a file of labels may know cases by nothing else
            models.Index(fields=["media_state"], name="case_media_due", condition=Q(media_state="pending")),
            models.Index(fields=["snoozed_until"], name="case_snooze_due", condition=Q(state="snoozed")),
            models.Index(fields=["project", "group_number", "state", "id"], name="case_by_group"),
            models.Index(fields=["media_state", "id"], name="case_group_due", condition=Q(group_number__isnull=True)),
            models.Index(fields=["project", "id"], name="case_set_aside", condition=Q(SetAside("quarantine"))),
            models.Index(fields=["project", "id"], name="case_leaked", condition=Q(leaked_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def key(self) -> str:
        """The name people say aloud, such as XR-1061. Needs `project` loaded."""
        return f"{self.project.key_prefix}-{self.number}"

    @property
    def group_key(self) -> str | None:
        """The name of its group, such as G-204; None until that is decided."""
        return group_key(self.group_number)


class ExternalId(models.Model):
    """A name that a production system gave a case; one case may have several, one name means one case."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="external_ids")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="external_ids")
    value = models.CharField(max_length=255)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "value"], name="external_id_once")]

    def __str__(self) -> str:
        return self.value


class Refused(models.Model):
    """What was sent and not taken, for the people who look why: the newest 200 of a project, for two weeks."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="refused")
    at = models.DateTimeField(db_default=Now())
    actor_name = models.CharField(max_length=150)
    token_id = models.CharField(max_length=36, null=True)
    request_id = models.CharField(max_length=64, default="")
    status = models.PositiveSmallIntegerField()
    code = models.CharField(max_length=64)
    sentence = models.CharField(max_length=500)

    class Meta:
        indexes = [models.Index(fields=["project", "-id"], name="refused_newest"), models.Index(fields=["at"], name="refused_by_age")]

    def __str__(self) -> str:
        return f"{self.status} {self.code}"


class Sighting(models.Model):
    """One arrival of a case, with what was sent along. The first sighting is the creation itself."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="sightings")
    at = models.DateTimeField(db_default=Now())
    actor_name = models.CharField(max_length=150)
    token_id = models.CharField(max_length=36, null=True)
    request_id = models.CharField(max_length=64, default="")
    body = models.JSONField(null=True)  # blanked by a lawful erasure

    class Meta:
        indexes = [models.Index(fields=["case", "-id"]), models.Index(fields=["token_id"], name="sighting_by_token")]

    def __str__(self) -> str:
        return f"{self.case_id} at {self.at}"


class BulkPart(models.Model):
    """What a bulk change did to a run of cases, so that it can be taken back, and the place to go on from: `last` is the primary key of the last case it looked at.

    `changes` is JSON, deflated: for each changed case its primary key, and the columns before and after.
    """

    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="+")
    last = models.BigIntegerField()
    changed = models.PositiveIntegerField()
    unchanged = models.PositiveIntegerField()
    left_alone = models.PositiveIntegerField()
    changes = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "last"], name="bulk_part_once")]

    def __str__(self) -> str:
        return f"{self.job_id} to {self.last}"
