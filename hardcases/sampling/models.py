"""Rules that say which arrivals are kept, what they have done day by day, and the arrivals that they left out."""

import secrets

from django.db import models
from django.db.models.functions import Now

from hardcases.projects.models import Project


def fresh_salt() -> str:
    """128 random bits in hex: without them a sender cannot know which contents a rule keeps."""
    return secrets.token_hex(16)


class SamplingRule(models.Model):
    """One version of one rule. Its document never changes: a changed rule is a new row, so that a kept case names exactly what kept it.

    Which rules are in force, and in which order, stands in `Project.sampling`.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="sampling_rules")
    document = models.JSONField()
    salt = models.CharField(max_length=32, default=fresh_salt)
    created_at = models.DateTimeField(db_default=Now())
    created_by_name = models.CharField(max_length=150)
    retired_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"sampling rule {self.pk}"


class SamplingTally(models.Model):
    """How many new contents a rule decided about on one day (UTC), by the stratum of a quota (the empty text elsewhere), and how many of them it kept.

    Written under the lock of the project's cases, in the transaction that files them.
    """

    rule = models.ForeignKey(SamplingRule, on_delete=models.CASCADE, related_name="tallies", db_index=False)
    day = models.DateField()
    stratum = models.CharField(max_length=256, default="", blank=True)
    seen = models.PositiveBigIntegerField(default=0)
    kept = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rule", "day", "stratum"], name="sampling_tally_once")]

    def __str__(self) -> str:
        return f"{self.rule_id} on {self.day}: {self.kept} of {self.seen}"


class LeftOut(models.Model):
    """An arrival that a rule left out: the digest of its content and what was said about it, without the bytes.

    `probability` is the chance that it had of being kept, None where the rule gives no such number (a quota).
    """

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="left_out", db_index=False)
    digest = models.CharField(max_length=64)
    rule = models.ForeignKey(SamplingRule, on_delete=models.PROTECT, related_name="left_out", db_index=False)
    probability = models.FloatField(null=True)
    said = models.JSONField()
    at = models.DateTimeField(db_default=Now())
    times = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "digest"], name="left_out_once")]
        indexes = [models.Index(fields=["project", "at"], name="left_out_by_time")]

    def __str__(self) -> str:
        return f"{self.digest[:12]} left out by {self.rule_id}"

    @property
    def forgotten(self) -> bool:
        """Whether what was said about it was lawfully erased; it then stays left out, whatever the rules say."""
        return bool(self.said.get("forgotten"))
