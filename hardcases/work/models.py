"""Background work as rows: leases, jobs and the outbox. A queue message is only a hint that such a row exists."""

import uuid
from datetime import timedelta
from typing import Any, Self, TypeVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

L = TypeVar("L", bound="Leased")


class LeasedQuerySet(models.QuerySet[L]):
    """Filters every leased table shares. Times are the database's own: a worker's clock decides nothing."""

    def due(self) -> Self:
        """Rows a worker may take: waiting, or running under a lease that has ended."""
        return self.filter(Q(state="queued") | Q(state="running", lease_until__lt=Now()))

    def held(self, row: L) -> Self:
        """The row itself, if its lease is still ours: the fence that a paused worker cannot pass."""
        return self.filter(pk=row.pk, state="running", lease_owner=row.lease_owner)


class Leased(models.Model):
    """A piece of work that one worker at a time holds for a limited time.

    Claimed by `work.leases.claim`; `fence` grows with every claim. `attempt` counts claims: beyond `work.leases.MAX_ATTEMPTS` the row is failed as poison.
    """

    STATES = ("queued", "running", "done", "failed", "cancelled")

    state = models.CharField(max_length=10, default="queued")
    lease_owner = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    attempt = models.PositiveIntegerField(default=0)
    fence = models.PositiveIntegerField(default=0)
    failure = models.TextField(default="", blank=True)

    class Meta:
        abstract = True

    @staticmethod
    def fresh_lease() -> dict[str, Any]:
        """The columns that a claim writes."""
        return {
            "state": "running",
            "lease_owner": uuid.uuid4(),
            "lease_until": Now() + timedelta(seconds=settings.LEASE_SECONDS),
            "attempt": F("attempt") + 1,
            "fence": F("fence") + 1,
        }


class Job(Leased):
    """Work of one kind; the handler registered for the kind does it. `key` makes asking twice harmless."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=64)
    key = models.CharField(max_length=128)
    project_id = models.BigIntegerField(null=True)
    payload = models.JSONField(default=dict)
    done = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(null=True)
    result = models.JSONField(null=True)
    errors = models.JSONField(default=list)
    created_at = models.DateTimeField(db_default=Now())
    run_after = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    objects = LeasedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "key"], name="job_once"),
            models.CheckConstraint(condition=Q(state__in=Leased.STATES), name="job_state"),
        ]
        indexes = [models.Index(fields=["state", "run_after"], name="job_due", condition=Q(state__in=["queued", "running"]))]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class OutboxEvent(Leased):
    """Something the world outside is to hear, written in the transaction in which it happened and delivered at least once."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project_id = models.BigIntegerField()
    kind = models.CharField(max_length=64)
    body = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())
    run_after = models.DateTimeField(db_default=Now())
    delivered_at = models.DateTimeField(null=True)

    objects = LeasedQuerySet.as_manager()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(state__in=Leased.STATES), name="outbox_state")]
        indexes = [models.Index(fields=["state", "run_after"], name="outbox_due", condition=Q(state__in=["queued", "running"]))]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"
