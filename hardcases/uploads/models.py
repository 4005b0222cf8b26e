"""Large files on their way in, part by part."""

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from hardcases.projects.models import Project

PURPOSES = ("case", "import")
STATES = ("open", "finished")


class Upload(models.Model):
    """An announced file of which parts have arrived, or all of them.

    One for a case is deleted when the case is filed: its answer is a stored reply. One for an import stays `finished` until it has been read. Which parts are
    there is asked where they lie, so that a part costs no row.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="uploads")
    owner = models.CharField(max_length=64)  # an `Actor.owner`: nobody else sees or fills it
    purpose = models.CharField(max_length=8, default="case")
    state = models.CharField(max_length=8, default="open")
    name = models.CharField(max_length=255, default="", blank=True)
    sha256 = models.CharField(max_length=64)  # as announced
    size = models.PositiveBigIntegerField()
    part_size = models.PositiveIntegerField()
    said = models.JSONField(default=dict)  # the fields of the case, as they were sent
    remote_id = models.CharField(max_length=1024, default="", blank=True)  # the bucket's own name for it
    created_at = models.DateTimeField(db_default=Now())
    touched_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(purpose__in=PURPOSES), name="upload_purpose"),
            models.CheckConstraint(condition=Q(state__in=STATES), name="upload_state"),
        ]
        indexes = [
            models.Index(fields=["project", "owner"], name="upload_by_owner"),
            models.Index(fields=["touched_at"], name="upload_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.name or self.id} of {self.project_id}"

    @property
    def parts(self) -> int:
        """How many there are in all; numbered from 1."""
        return max(1, -(-self.size // self.part_size))

    def part_length(self, number: int) -> int:
        """The bytes of one part: all are of one length but the last."""
        return min(self.part_size, self.size - (number - 1) * self.part_size)
