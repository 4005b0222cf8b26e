"""From what was sent to bytes that are safe in the store: received while hashing, recognised, decoded once, then made a blob.

All of it happens before and outside the transaction that writes rows. If the rows fail, the blob is an orphan that the sweeper removes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from hardcases.blobs.store import BlobStore, Received, get_store
from hardcases.cases import headers
from hardcases.cases.models import Case
from hardcases.database.prepared import Given, PreparedMany
from hardcases.errors import Invalid, Refusal
from hardcases.imaging import metadata, pictures
from hardcases.imaging.facts import Identifier, ImageFacts
from hardcases.projects.documents import dicom_of
from hardcases.projects.models import Project
from hardcases.web.json_edge import canonical

FILE_LIMIT = 64 * 1024 * 1024
TEXT_LIMIT = 1_000_000
RECORD_KEYS = 2_000
PREVIEW = 10_000


class MetadataStays(Invalid):
    code, title = "metadata_stays", "The picture's metadata cannot be taken out"


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
    """Content whose bytes are in the store. `sha256` is that of the received bytes; facts are None for a content the project already had.

    `stored_sha256` is of the bytes that are kept: others only where the project strips metadata. `orientation` (1–8) is a picture's, `picture` what is
    unusual about it; of a DICOM file `tags` may become attributes, and `identifiers` are what in it says who somebody is.
    """

    kind: str
    sha256: str
    stored_sha256: str
    size: int
    media_type: str = ""
    width: int | None = None
    height: int | None = None
    text: str | None = None
    file_name: str = ""
    orientation: int = 1
    picture: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    identifiers: tuple[Identifier, ...] = ()
    known: bool = False


Sent = File | Text | Record
_KNOWN: PreparedMany[tuple[str, str, str]] = PreparedMany(
    lambda digests: Case.objects.filter(project_id=Given("project"), sha256__among=digests).values_list("sha256", "state", "stored_sha256")
)


def take(project: Project, sent: Sequence[Sent], *, rehearse: bool = False) -> list[Taken | Refusal]:
    """Take in the contents of one request, in order: each is either safe in the store or refused with a sentence, leaving nothing behind.

    A content that the project already has is neither decoded nor written again. A full store (507) refuses the request as a whole. A rehearsal
    only finds out what would be refused and leaves nothing in the store.
    """
    store = get_store()
    received = _receive_all(store, sent)
    whole = [item for item in received if isinstance(item, Received)]
    try:
        known = {sha256: (state, stored) for sha256, state, stored in _KNOWN.all([item.sha256 for item in whole], project=project.pk)}
        taken: list[Taken | Refusal] = []
        writing: list[Received] = []
        for content, item in zip(sent, received, strict=True):
            if isinstance(item, Refusal):
                taken.append(item)
                continue
            try:
                facts, keep = _settled(store, project, content, item, known.get(item.sha256))
            except Refusal as refusal:
                taken.append(refusal)
                continue
            taken.append(facts)
            writing += [keep] if keep is not None else []
            whole += [keep] if keep is not None and keep is not item else []
        if not rehearse:
            store.commit_all(writing)
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


def _settled(
    store: BlobStore, project: Project, content: Sent, received: Received, known: tuple[str, str] | None
) -> tuple[Taken, Received | None]:
    """The content's facts, and what of it is to be written. `known` is (state, stored digest) of the case that has this content already.

    A known content is written again only where its bytes are missing, so that sending it again repairs it; not where they were erased.
    """
    if known is None:
        facts = _facts(project, content, received, known=False)
        kept = _stripped(store, received, facts.orientation) if project.strip_metadata and facts.kind == "image" else received
        return replace(facts, stored_sha256=kept.sha256), kept
    state, stored = known
    facts = replace(_facts(project, content, received, known=True), stored_sha256=stored)
    if state == "erased" or store.exists(stored):
        return facts, None
    return facts, received if stored == received.sha256 else _stripped(store, received, pictures.inspect(received.path).orientation)


def _stripped(store: BlobStore, received: Received, orientation: int) -> Received:
    """The picture without what was written about it. Refused where that cannot be done, for then nothing may be kept."""
    try:
        data = metadata.strip(received.path.read_bytes(), orientation)
    except metadata.CannotStrip as error:
        raise MetadataStays(
            f"This project keeps pictures without metadata, and it cannot be taken out: {error}. Nothing was stored. Send the picture saved anew as PNG."
        ) from error
    kept = store.receive([data], limit=FILE_LIMIT)
    try:
        pictures.check_same(received.path, kept.path)
    except BaseException:
        store.discard(kept)
        raise
    return kept


def _facts(project: Project, content: Sent, received: Received, *, known: bool) -> Taken:
    match content:
        case File(_, name):
            taken = Taken(
                kind="image", sha256=received.sha256, stored_sha256=received.sha256, size=received.size, file_name=name[:255], known=known
            )
            return taken if known else _picture_facts(project, taken, received.path)
        case Text(text):
            kind, media_type, preview = "text", "text/plain", text[:PREVIEW]
        case Record():
            kind, media_type, preview = "record", "application/json", received.path.read_text("utf-8")[:PREVIEW]
    sha256 = received.sha256
    return Taken(kind=kind, sha256=sha256, stored_sha256=sha256, size=received.size, media_type=media_type, text=preview, known=known)


def _picture_facts(project: Project, taken: Taken, path: Path) -> Taken:
    spec = dicom_of(project.dicom)
    facts = pictures.inspect(path, pseudonyms=spec.pseudonyms)
    taken = replace(taken, media_type=facts.media_type, width=facts.width, height=facts.height, orientation=facts.orientation)
    if facts.dicom is None:
        return replace(taken, picture=_unusual(facts))
    found = headers.identifiers(facts.dicom, spec, stripped=project.strip_metadata)
    return replace(taken, picture=facts.dicom.shown, tags=facts.dicom.tags, identifiers=found)


def _unusual(facts: ImageFacts) -> dict[str, Any]:
    return ({"bits": facts.bits} if facts.bits > 8 else {}) | ({"frames": facts.frames} if facts.frames > 1 else {})
