"""The audit log: insert-only rows written in the transaction of the act, and the seals that chain them.

Actors and objects are plain id columns, so that every room can write here and no deletion elsewhere can reach in.
"""

from django.db import models
from django.db.models.functions import Now


class AuditEvent(models.Model):
    """One act. Rows are never changed or deleted; a trigger refuses both."""

    at = models.DateTimeField(db_default=Now())
    actor_kind = models.CharField(max_length=8)
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.CharField(max_length=200)
    token_id = models.CharField(max_length=36, null=True)
    project_id = models.BigIntegerField(null=True)
    action = models.CharField(max_length=64)
    object_type = models.CharField(max_length=32)
    object_id = models.CharField(max_length=64)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    request_id = models.CharField(max_length=64, default="")
    address = models.GenericIPAddressField(null=True)

    class Meta:
        indexes = [models.Index(fields=["project_id", "-id"]), models.Index(fields=["object_type", "object_id"])]

    def __str__(self) -> str:
        return f"{self.actor_name} {self.action} {self.object_type} {self.object_id}"


class AuditSeal(models.Model):
    """Place `seq` in the chain: hash = SHA-256(previous hash, canonical event). Written in batches by one sealer, so that acts do not queue on the chain's head."""

    seq = models.BigIntegerField(primary_key=True)
    event_id = models.BigIntegerField(unique=True)
    previous = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)
    sealed_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"seal {self.seq}"
