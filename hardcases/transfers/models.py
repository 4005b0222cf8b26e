"""Files in and out: what was uploaded to be imported, what became of each of its rows, and what was exported."""

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from hardcases.projects.models import Project, User
from hardcases.testsets.models import Version
from hardcases.work.models import Job


class Import(models.Model):
    """An uploaded file. A check goes through it and writes nothing; the import, of which there is one, files what is in it.

    The file and both reports are kept until `expires_at`; then `sha256` is NULL and only this row tells of them.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="imports")
    file_name = models.CharField(max_length=255)
    sha256 = models.CharField(max_length=64, null=True)
    size = models.PositiveBigIntegerField()
    format = models.CharField(max_length=16)
    mapping = models.JSONField(default=dict)
    # What the last check saw: its first rows, the names of its columns and classes.
    preview = models.JSONField(null=True)
    check_job = models.ForeignKey(Job, on_delete=models.PROTECT, null=True, related_name="+")
    import_job = models.ForeignKey(Job, on_delete=models.PROTECT, null=True, related_name="+")
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    by_name = models.CharField(max_length=150)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["project", "-created_at"], name="import_newest"),
            models.Index(fields=["expires_at"], name="import_expiring", condition=Q(sha256__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.file_name

    @property
    def job(self) -> Job | None:
        """What it is about now: the import once there is one, else the last check."""
        return self.import_job or self.check_job


class ReportPart(models.Model):
    """What became of a run of entries of a file, in the file's order. Written in the transaction of what it tells, so that it is also the place to go on from.

    `rows` are JSON lines, deflated: `{"place", "status", …}`, several for one entry where there is more to say. `counts` are those of `queries.COUNTS`.
    """

    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="+")
    first = models.PositiveBigIntegerField()
    entries = models.PositiveIntegerField()
    counts = models.JSONField()
    rows = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "first"], name="report_part_once")]

    def __str__(self) -> str:
        return f"{self.job_id} from {self.first}"


class Export(models.Model):
    """A file of cases and labels that somebody asked for: of a frozen version, or of what a search finds. It is kept until `expires_at`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="exports")
    version = models.ForeignKey(Version, on_delete=models.PROTECT, null=True, related_name="+")
    q = models.CharField(max_length=200, null=True)
    format = models.CharField(max_length=16)
    media = models.BooleanField()
    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="+")
    sha256 = models.CharField(max_length=64, null=True)
    size = models.PositiveBigIntegerField(null=True)
    file_name = models.CharField(max_length=255, default="", blank=True)
    media_type = models.CharField(max_length=64, default="", blank=True)
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    by_name = models.CharField(max_length=150)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(version=None) ^ Q(q=None), name="export_of_one")]
        indexes = [
            models.Index(fields=["project", "-created_at"], name="export_newest"),
            models.Index(fields=["expires_at"], name="export_expiring", condition=Q(sha256__isnull=False)),
        ]

    def __str__(self) -> str:
        return str(self.version or self.q)
