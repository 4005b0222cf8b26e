"""From what was sent to bytes that are safe in the store: received while hashing, recognised, decoded once, then made a blob.

All of it happens before and outside the transaction that writes rows. If the rows fail, the blob is an orphan that the sweeper removes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from hardcases.blobs.store import BlobStore, Received, get_store
from hardcases.cases.models import Case
from hardcases.database.prepared import Given, PreparedMany
from hardcases.errors import Invalid, Refusal
from hardcases.imaging import pictures
from hardcases.projects.models import Project
from hardcases.web.json_edge import canonical

FILE_LIMIT = 64 * 1024 * 1024
TEXT_LIMIT = 1_000_000
RECORD_KEYS = 2_000
PREVIEW = 10_000


@dataclass(frozen=True)
class File:
    """A file as it arrives; `name` is the sender's, kept as text and never used as a path."""

    source: IO[bytes]
    name: str = ""


@dataclass(frozen=True)
class Text:
    """A text input."""

    text: str


@dataclass(frozen=True)
class Record:
    """A flat JSON object as input."""

    record: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Taken:
    """Content whose bytes are in the store. `sha256` is that of the received bytes; facts are None for a content the project already had."""

    kind: str
    sha256: str
    size: int
    media_type: str = ""
    width: int | None = None
    height: int | None = None
    text: str | None = None
    file_name: str = ""
    known: bool = False


Sent = File | Text | Record
_KNOWN: PreparedMany[tuple[str, str]] = PreparedMany(
    lambda digests: Case.objects.filter(project_id=Given("project"), sha256__in=digests).values_list("sha256", "state")
)


def take(project: Project, sent: Sequence[Sent]) -> list[Taken | Refusal]:
    """Take in the contents of one request, in order: each is either safe in the store or refused with a sentence, leaving nothing behind.

    A content that the project already has is neither decoded nor written again. A full store (507) refuses the request as a whole.
    """
    store = get_store()
    received = _receive_all(store, sent)
    whole = [item for item in received if isinstance(item, Received)]
    try:
        known = dict(_KNOWN.all((item.sha256 for item in whole), project=project.pk))
        taken = [
            item if isinstance(item, Refusal) else _facts_or_refusal(content, item, known=item.sha256 in known)
            for content, item in zip(sent, received, strict=True)
        ]
        accepted = {outcome.sha256 for outcome in taken if isinstance(outcome, Taken)}
        store.commit_all([item for item in whole if item.sha256 in accepted and _lacking(store, item.sha256, known.get(item.sha256))])
        return taken
    finally:
        for item in whole:
            store.discard(item)  # no harm where it has become a blob


def take_one(project: Project, sent: Sent) -> Taken:
    """One content. Raises its refusal."""
    (taken,) = take(project, [sent])
    if isinstance(taken, Refusal):
        raise taken
    return taken


def _receive_all(store: BlobStore, sent: Sequence[Sent]) -> list[Received | Refusal]:
    received: list[Received | Refusal] = []
    try:
        for content in sent:
            try:
                received.append(_receive(store, content))
            except Refusal as refusal:
                if refusal.status >= 500:
                    raise
                received.append(refusal)
    except BaseException:
        for item in received:
            if isinstance(item, Received):
                store.discard(item)
        raise
    return received


def _receive(store: BlobStore, content: Sent) -> Received:
    match content:
        case File(source):
            source.seek(0)  # two items of a batch may name the same part
            return store.receive(source, limit=FILE_LIMIT)
        case Text(text):
            return store.receive([_text_bytes(text)], limit=TEXT_LIMIT)
        case Record(record):
            return store.receive([_record_bytes(record)], limit=TEXT_LIMIT)


def _text_bytes(text: str) -> bytes:
    if not text.strip():
        raise Invalid("The text is empty. Nothing was stored. Send what the model was given.")
    return text.encode()


def _record_bytes(record: Mapping[str, Any]) -> bytes:
    if not record or len(record) > RECORD_KEYS:
        raise Invalid(f"A record has 1 to {RECORD_KEYS:,} fields; this one has {len(record):,}. Nothing was stored.")
    nested = next((name for name, value in record.items() if isinstance(value, (dict, list))), None)
    if nested is not None:
        raise Invalid(f"A record is flat, but its field “{nested[:64]}” holds a list or an object. Nothing was stored. Send single values.")
    return canonical(dict(record))


def _facts_or_refusal(content: Sent, received: Received, *, known: bool) -> Taken | Refusal:
    try:
        return _facts(content, received, known=known)
    except Refusal as refusal:
        return refusal


def _lacking(store: BlobStore, sha256: str, state: str | None) -> bool:
    """Whether the bytes are to be written. `state` is that of the case that has this content already, None where there is none.

    A known content is written again only where its bytes are missing, so that sending it again repairs it; not where they were erased.
    """
    return state is None or (state != "erased" and not store.exists(sha256))


def _facts(content: Sent, received: Received, *, known: bool) -> Taken:
    match content:
        case File(_, name):
            taken = Taken(kind="image", sha256=received.sha256, size=received.size, file_name=name[:255], known=known)
            return taken if known else _picture_facts(taken, received.path)
        case Text(text):
            kind, media_type, preview = "text", "text/plain", text[:PREVIEW]
        case Record():
            kind, media_type, preview = "record", "application/json", received.path.read_text("utf-8")[:PREVIEW]
    return Taken(kind=kind, sha256=received.sha256, size=received.size, media_type=media_type, text=preview, known=known)


def _picture_facts(taken: Taken, path: Path) -> Taken:
    facts = pictures.inspect(path)
    return replace(taken, media_type=facts.media_type, width=facts.width, height=facts.height)
