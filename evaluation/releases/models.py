"""Policies, releases and signatures: the decision, and exactly what it was taken on."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from evaluation.registry.models import ModelVersion
from evaluation.runs.models import Run
from hardcases.projects.models import Project, User
from hardcases.testsets.models import Version

RELEASE_STATES = ("open", "signed", "rejected", "withdrawn")
MEANINGS = ("approve", "reject")


class Policy(models.Model):
    """The list of checks a release must pass, under one name; its versions are frozen documents."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="policies")
    slug = models.SlugField(max_length=64)

    class Meta:
        verbose_name_plural = "policies"
        constraints = [models.UniqueConstraint(fields=["project", "slug"], name="policy_once")]

    def __str__(self) -> str:
        return self.slug


class PolicyVersion(models.Model):
    """A policy document as it was proposed; a second person approves it. `digest` is the SHA-256 of the document in RFC 8785 form."""

    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    document = models.JSONField()
    digest = models.CharField(max_length=64)
    proposed_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    proposed_by_name = models.CharField(max_length=150)
    proposed_at = models.DateTimeField(db_default=Now())
    approved_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    approved_by_name = models.CharField(max_length=150, default="", blank=True)
    approved_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["policy", "number"], name="policy_version_once")]

    def __str__(self) -> str:
        return f"{self.policy.slug}@{self.number}"


class Release(models.Model):
    """A model version put forward for signature, with its evidence. `judgement` is what the checks said about the pinned run; the digest covers it."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="releases")
    number = models.PositiveIntegerField()
    candidate = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="releases")
    baseline = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    test_set_version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="releases")
    policy_version = models.ForeignKey(PolicyVersion, on_delete=models.PROTECT, related_name="releases")
    run = models.ForeignKey(Run, on_delete=models.PROTECT, null=True, related_name="releases")
    state = models.CharField(max_length=10, default="open")
    verdict = models.CharField(max_length=20, default="not_run")
    judgement = models.JSONField(default=dict)
    evidence_digest = models.CharField(max_length=64, null=True)
    opened_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    opened_by_name = models.CharField(max_length=150)
    opened_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True)
    affected_by_erasure = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="release_number_once"),
            models.CheckConstraint(condition=Q(state__in=RELEASE_STATES), name="release_state"),
        ]

    def __str__(self) -> str:
        return f"R-{self.number}"


class Acceptance(models.Model):
    """A named person accepts in writing that one check has too few cases to decide. Part of the evidence, and named in the verdict."""

    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="acceptances")
    check_name = models.CharField(max_length=128)
    strata = models.JSONField()
    reason = models.TextField()
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    by_name = models.CharField(max_length=150)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["release", "check_name"], name="acceptance_once")]

    def __str__(self) -> str:
        return f"{self.release} {self.check_name}"


class SignOff(models.Model):
    """A signature: the exact sentence, its meaning, the printed name and the evidence digest it is bound to. Append-only."""

    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="sign_offs")
    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    printed_name = models.CharField(max_length=150)
    meaning = models.CharField(max_length=8)
    statement = models.TextField()
    language = models.CharField(max_length=16)
    comment = models.TextField(default="", blank=True)
    evidence_digest = models.CharField(max_length=64)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["release", "person", "evidence_digest"], name="sign_off_once"),
            models.CheckConstraint(condition=Q(meaning__in=MEANINGS), name="sign_off_meaning"),
        ]

    def __str__(self) -> str:
        return f"{self.release} {self.meaning} by {self.printed_name}"
