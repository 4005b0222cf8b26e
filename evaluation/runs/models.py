"""Runs: one evaluation of one model version on one frozen test-set version with one plan."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from evaluation.registry.models import ModelVersion
from hardcases.projects.models import Project, User
from hardcases.testsets.models import Version
from hardcases.work.models import Leased, LeasedQuerySet

STATES = ("queued", "running", "finalising", "succeeded", "failed", "cancelled")
FINAL = ("succeeded", "failed", "cancelled")


class Run(models.Model):
    """State changes are compare-and-set and live in `runs.states` alone. What is pinned here at the start (manifest digest, baseline run) never changes."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="runs")
    number = models.PositiveIntegerField()
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="runs")
    test_set_version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="runs")
    manifest_digest = models.CharField(max_length=64)
    baseline_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, null=True, related_name="+")
    baseline_run = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="+")
    retry_of = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="retries")
    replicates = models.JSONField()  # numbers, ascending
    plan = models.JSONField(default=dict)
    state = models.CharField(max_length=10, default="queued")
    failure = models.TextField(default="", blank=True)
    cases = models.PositiveIntegerField()
    coverage = models.FloatField(null=True)
    started_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    started_by_name = models.CharField(max_length=150)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    deadline = models.DateTimeField(null=True)  # None while it waits for uploaded predictions, which may take as long as they take
    # Finalisation is leased like a shard, so that a dead finaliser is taken over.
    finaliser = models.UUIDField(null=True)
    finalise_until = models.DateTimeField(null=True)
    finalise_attempt = models.PositiveIntegerField(default=0)
    report_sha256 = models.CharField(max_length=64, null=True)
    figures_sha256 = models.CharField(max_length=64, null=True)  # the charts, drawn from the report and outside its digest
    predictions_digest = models.CharField(max_length=64, null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="run_number_once"),
            models.CheckConstraint(condition=Q(state__in=STATES), name="run_state"),
            models.CheckConstraint(condition=~Q(state="succeeded") | Q(report_sha256__isnull=False), name="run_succeeded_has_report"),
        ]
        indexes = [models.Index(fields=["state"], name="run_open", condition=~Q(state__in=FINAL))]

    def __str__(self) -> str:
        return f"run {self.number}"


class Shard(Leased):
    """Rows `first` to `last` (exclusive) of the version's snapshot, to be predicted by one replicate."""

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="shards")
    replicate = models.PositiveSmallIntegerField()
    step = models.CharField(max_length=64, default="plain")
    index = models.PositiveIntegerField()
    first = models.PositiveIntegerField()
    last = models.PositiveIntegerField()

    objects = LeasedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "replicate", "step", "index"], name="shard_once"),
            models.CheckConstraint(condition=Q(state__in=Leased.STATES), name="shard_state"),
        ]
        indexes = [models.Index(fields=["run", "state"], name="shard_by_state")]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.replicate}/{self.step}/{self.index}"


class Part(models.Model):
    """The predictions of one shard as a columnar blob named by its digest. Timing and attempts lie in a side blob outside every digest."""

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="parts")
    replicate = models.PositiveSmallIntegerField()
    step = models.CharField(max_length=64, default="plain")
    shard = models.PositiveIntegerField()  # 0 for an uploaded file, which is one part
    rows = models.PositiveIntegerField()
    predicted = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    side_sha256 = models.CharField(max_length=64, null=True)
    received_sha256 = models.CharField(max_length=64, null=True)  # of an uploaded file as it arrived
    sent_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")  # of an uploaded file

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "replicate", "step", "shard"], name="part_once")]

    def __str__(self) -> str:
        return self.sha256
