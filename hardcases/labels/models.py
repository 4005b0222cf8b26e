"""Labels: what a person says a case truly is. Revisions are appended, never overwritten; the newest counts."""

from django.db import models
from django.db.models.functions import Now

from hardcases.cases.models import Case
from hardcases.projects.models import User


class LabelRevision(models.Model):
    """One statement of one person about one case. `digest` is the SHA-256 of the label in RFC 8785 form."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="label_revisions")
    number = models.PositiveIntegerField()
    label = models.JSONField()
    digest = models.CharField(max_length=64)
    note = models.TextField(default="", blank=True)
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    author_name = models.CharField(max_length=150)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["case_id", "number"]
        constraints = [models.UniqueConstraint(fields=["case", "number"], name="label_revision_once")]

    def __str__(self) -> str:
        return f"{self.case_id} r{self.number}"


class CurrentLabel(models.Model):
    """The newest revision of a case, kept beside it so that lists and freezing need no search. `value` is the class name of a classification label, for queries."""

    case = models.OneToOneField(Case, on_delete=models.PROTECT, primary_key=True, related_name="current_label")
    revision = models.ForeignKey(LabelRevision, on_delete=models.PROTECT, related_name="+")
    value = models.CharField(max_length=128, null=True, db_index=True)

    def __str__(self) -> str:
        return f"{self.case_id}: {self.value}"
