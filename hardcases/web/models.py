"""Tables of the edge."""

import uuid

from django.db import models


class IdempotencyReply(models.Model):
    """The answer given to one `Idempotency-Key`, stored in the transaction of its effect and replayed to repeats.

    `owner` is `token:<id>` or `user:<id>`: a plain text, because this room knows no users. `body` is the rendered JSON, kept as
    text so that a replay is the same bytes (jsonb would reorder keys). `status` is 0 only inside the transaction still answering.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.CharField(max_length=100)
    key = models.CharField(max_length=255)
    request_hash = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(default=0)
    body = models.TextField(default="null")
    headers = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        app_label = "hardcases"
        constraints = [models.UniqueConstraint(fields=["owner", "key"], name="idempotency_owner_key")]

    def __str__(self) -> str:
        return f"{self.owner} {self.key}"
