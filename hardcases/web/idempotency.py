"""`Idempotency-Key`: the same request sent twice has one effect and one answer.

The reply is stored in the transaction of its effect, so either both exist or neither. The row is inserted before the effect: its unique
index makes a second writer wait for the first. On PostgreSQL it waits two seconds, then hears 409; on SQLite there is one writer at a
time anyway, so it waits for its turn and then finds the finished reply. Refusals leave no row, so a corrected request may reuse its key.

    with idempotent(request, owner=f"token:{token.id}", content_hash=content_hash(json=body)) as slot:
        if not slot.replayed:
            case = report_case(...)
            slot.reply(201, represent(case), headers={"Location": case.url})
    return slot.response()
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol

from django.db import OperationalError, connection, transaction
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from hardcases.database.prepared import Given, Prepared
from hardcases.errors import BadRequest, Conflict, Invalid
from hardcases.web.json_edge import digest_of
from hardcases.web.models import IdempotencyReply

_STORED = Prepared(lambda: IdempotencyReply.objects.filter(owner=Given("owner"), key=Given("key")))
LOCK_TIMEOUT = "2s"
LOCK_NOT_AVAILABLE = "55P03"


class RequestLike(Protocol):
    """What is needed of a request: Django's and REST framework's both have it."""

    @property
    def method(self) -> str | None: ...
    @property
    def path(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


class KeyReused(Invalid):
    code, title = "idempotency_key_reused", "This Idempotency-Key belongs to another request"


class StillRunning(Conflict):
    code, title = "still_running", "The first request with this Idempotency-Key is still running"


class Slot:
    """Where a view puts its reply. `replayed` is true when an earlier request has already answered: then do nothing."""

    def __init__(self, row: IdempotencyReply | None, *, replayed: bool) -> None:
        self._row = row
        self.replayed = replayed
        self._status = row.status if row and replayed else 0
        self._body = row.body if row and replayed else "null"
        self._headers: dict[str, str] = dict(row.headers) if row and replayed else {}

    def reply(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        """Store the answer. `body` is anything REST framework can render as JSON. An answer of 4xx or 5xx is given but not remembered."""
        self._status, self._headers = status, dict(headers or {})
        self._body = json.dumps(body, cls=JSONEncoder, ensure_ascii=False)
        if self._row is None:
            return
        if status >= 400:
            self._row.delete()
            return
        self._row.status, self._row.body, self._row.headers = status, self._body, self._headers
        self._row.save(update_fields=["status", "body", "headers"])

    @property
    def answered(self) -> bool:
        return self._status != 0

    def response(self) -> Response:
        """The answer, first or repeated; a repeat carries `Idempotency-Replayed: true`."""
        headers = dict(self._headers)
        if self.replayed:
            headers["Idempotency-Replayed"] = "true"
        return Response(json.loads(self._body), status=self._status, headers=headers)


def content_hash(*, json: Any = None, files: Mapping[str, str] | None = None) -> str:
    """Hash of parsed content: `json` as `read_json` gave it, `files` from part name to SHA-256 (boundaries do not count)."""
    return digest_of({"json": json, "files": dict(files or {})})


@contextmanager
def idempotent(request: RequestLike, *, owner: str, content_hash: str) -> Iterator[Slot]:
    """A transaction that stores one reply per `(owner, Idempotency-Key)`; without the header, just the transaction.

    `owner` is `token:<id>` or `user:<id>`. The block must call `slot.reply` unless `slot.replayed`; what it raises undoes row and effect.
    Raises `BadRequest` (unusable key), `KeyReused` (422, other content) and `StillRunning` (409 with Retry-After).
    """
    key = _key_of(request)
    with transaction.atomic():
        slot = Slot(None, replayed=False) if key is None else _claim(owner, key, _request_hash(request, content_hash))
        yield slot
        if not slot.answered:
            raise RuntimeError("The view left its idempotent block without slot.reply().")


def answered_before(request: RequestLike, *, owner: str, content_hash: str) -> Response | None:
    """The stored answer to this very request, if there is one: for views that compute for long before they open the transaction.

    Raises `KeyReused`. None promises nothing: `idempotent` decides.
    """
    key = _key_of(request)
    row = None if key is None else IdempotencyReply.objects.filter(owner=owner, key=key).first()
    if row is None:
        return None
    return _replay(row, _request_hash(request, content_hash)).response()


def forget_replies(*, before: datetime) -> int:
    """Delete replies stored before `before` (we promise 24 hours and keep 30 days); returns how many. For the sweeper."""
    return IdempotencyReply.objects.filter(created_at__lt=before).delete()[0]


def rewrite_replies(*, containing: str, rewrite: Callable[[Any], Any]) -> int:
    """Change what stored answers say, for a lawful erasure; returns how many. Every answer is searched: erasures are rare, and no index helps."""
    changed = 0
    for row in IdempotencyReply.objects.filter(body__contains=containing).iterator(chunk_size=100):
        body = json.dumps(rewrite(json.loads(row.body)), cls=JSONEncoder, ensure_ascii=False)
        changed += IdempotencyReply.objects.filter(pk=row.pk).exclude(body=body).update(body=body)
    return changed


def _key_of(request: RequestLike) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 1 <= len(key) <= 255 or not all(" " <= character <= "~" for character in key):
        raise BadRequest(
            "The Idempotency-Key must be 1 to 255 printable ASCII characters. Nothing was stored. Send a shorter or plainer key."
        )
    return key


def _request_hash(request: RequestLike, content_hash: str) -> str:
    parts = (request.method or "", request.path.rstrip("/"), content_hash)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _claim(owner: str, key: str, request_hash: str) -> Slot:
    """Insert our row, or find the finished one of an earlier request. The random primary key tells which of the two happened."""
    ours = IdempotencyReply(owner=owner, key=key, request_hash=request_hash)
    _insert_or_wait(ours)
    (row,) = _STORED.all(owner=owner, key=key)
    if row.pk == ours.pk:
        return Slot(row, replayed=False)
    return _replay(row, request_hash)


def _replay(row: IdempotencyReply, request_hash: str) -> Slot:
    if row.request_hash != request_hash:
        raise KeyReused("This Idempotency-Key was used for another request. Nothing was stored. Use a new key for a new request.")
    return Slot(row, replayed=True)


def _insert_or_wait(row: IdempotencyReply) -> None:
    """ON CONFLICT DO NOTHING waits while another transaction holds the same key, for as long as the lock timeout permits."""
    postgres = connection.vendor == "postgresql"
    try:
        with transaction.atomic(savepoint=postgres), connection.cursor() as cursor:
            if postgres:
                cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
            IdempotencyReply.objects.bulk_create([row], ignore_conflicts=True)
            if postgres:
                cursor.execute("SET LOCAL lock_timeout TO DEFAULT")
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != LOCK_NOT_AVAILABLE:
            raise
        sentence = "A request with this Idempotency-Key is still running. Nothing was stored by this one. Send it again to get the answer."
        raise StillRunning(sentence, retry_after=2) from error
