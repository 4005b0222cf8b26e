"""Models, their versions and the replicates (seeds) of one recipe, with the record of how each was made."""

from django.db import models
from django.db.models.functions import Now

from hardcases.projects.models import Project, User


class Model(models.Model):
    """A line of model versions that do one job."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="models")
    slug = models.SlugField(max_length=64)
    name = models.CharField(max_length=150)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "slug"], name="model_once")]

    def __str__(self) -> str:
        return self.slug


class ModelVersion(models.Model):
    """One recipe with a version name, such as nodule-net@3.2.0."""

    model = models.ForeignKey(Model, on_delete=models.PROTECT, related_name="versions")
    version = models.CharField(max_length=64)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "version"], name="model_version_once")]

    def __str__(self) -> str:
        return f"{self.model.slug}@{self.version}"


class Replicate(models.Model):
    """One trained artefact of a recipe. Replicate 0 is what a release signs. `digest` covers everything registered, so that the same pair again is told from another."""

    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="replicates")
    number = models.PositiveSmallIntegerField(default=0)
    seed = models.BigIntegerField(null=True)
    adapter = models.JSONField()
    artefact_sha256 = models.CharField(max_length=64, null=True)
    operating_threshold = models.FloatField(null=True)
    intended_choices = models.JSONField(default=list)
    unintended_choices = models.JSONField(default=list)
    provenance = models.JSONField(default=dict)
    training_digests_sha256 = models.CharField(max_length=64, null=True)
    digest = models.CharField(max_length=64)
    registered_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    registered_by_name = models.CharField(max_length=150)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["model_version_id", "number"]
        constraints = [models.UniqueConstraint(fields=["model_version", "number"], name="replicate_once")]

    def __str__(self) -> str:
        return f"{self.model_version} replicate {self.number}"


class TrainingDigest(models.Model):
    """One file that a replicate was trained on, by the SHA-256 of its bytes: the rows of the list in `Replicate.training_digests_sha256`, to be looked up.

    A row is written by a job after the replicate; a list may have millions of lines.
    """

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="+", db_index=False)
    digest = models.CharField(max_length=64)
    replicate = models.ForeignKey(Replicate, on_delete=models.PROTECT, related_name="+", db_index=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "digest", "replicate"], name="training_digest_once")]

    def __str__(self) -> str:
        return f"{self.digest[:12]} of {self.replicate_id}"


class ProductionMark(models.Model):
    """From `at` on, this version serves. Append-only: the newest mark of a model is the one in force, the others are its history."""

    model = models.ForeignKey(Model, on_delete=models.PROTECT, related_name="production_marks")
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="production_marks")
    at = models.DateTimeField(db_default=Now())
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    by_name = models.CharField(max_length=150)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.model_version} since {self.at}"
