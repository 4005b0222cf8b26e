"""Rules by which values that were set aside are put right, also those that are still to come."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from hardcases.projects.models import Project


class RepairRule(models.Model):
    """A repair that is applied to every report from `created_at` until it is retired. Its document never changes: another repair is another rule."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="repair_rules")
    document = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())
    created_by_name = models.CharField(max_length=150)
    retired_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["project", "id"], name="repair_rule_standing", condition=Q(retired_at__isnull=True))]

    def __str__(self) -> str:
        return f"repair rule {self.pk}"
