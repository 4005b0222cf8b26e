"""Cases to send, and how many of them travel in one request."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hardcases.client.transport import Body, Json, Parts, as_json

MAX_ITEMS = 1000
MAX_BYTES = 256 * 10**6
_ROOM = 4096  # of one part's headers and boundary, generously


@dataclass(frozen=True, kw_only=True)
class CaseItem:
    """One case: a `file` (path or bytes), or a `text`, or a flat `record`; `fields` are those of the `case` part."""

    file: Path | bytes | None = None
    file_name: str | None = None
    text: str | None = None
    record: Json | None = None
    fields: Json = field(default_factory=dict)

    def __post_init__(self) -> None:
        if sum(given is not None for given in (self.file, self.text, self.record)) != 1:
            raise ValueError("A case is one of file, text and record.")

    def content(self) -> bytes:
        return self.file.read_bytes() if isinstance(self.file, Path) else self.file or b""

    def name(self) -> str:
        return self.file_name or (self.file.name if isinstance(self.file, Path) else "case")

    def document(self) -> Json:
        """The JSON of a case without a file."""
        given = {"text": self.text} if self.text is not None else {"record": self.record} if self.record is not None else None
        return {**self.fields, "input": given} if given else dict(self.fields)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Items of one request, all with files or all without; `first` is the index of the first among all items."""

    first: int
    size: int
    body: Body
    digest: str


def batches(items: Iterable[CaseItem]) -> Iterator[Batch]:
    """Cuts the items, in their order, into requests of at most 1,000 items and 256 MB; a file is read only when its batch is made."""
    first, room = 0, 0
    held: list[CaseItem] = []
    contents: list[bytes] = []
    for item in items:
        content = item.content() if item.file is not None else b""
        document = as_json(item.document())
        needed = len(content) + len(document) + _ROOM
        other_kind = bool(held) and (held[0].file is None) != (item.file is None)
        if held and (other_kind or len(held) == MAX_ITEMS or room + needed > MAX_BYTES):
            yield _batch(first, held, contents)
            first, held, contents, room = first + len(held), [], [], 0
        held.append(item)
        contents.append(content)
        room += needed
    if held:
        yield _batch(first, held, contents)


def _batch(first: int, items: list[CaseItem], contents: list[bytes]) -> Batch:
    whole = hashlib.sha256()
    if items[0].file is None:
        content = b"".join(as_json(item.document()) + b"\n" for item in items)
        whole.update(content)
        body = Body(content=content, media_type="application/x-ndjson")
    else:
        documents = as_json([{**item.document(), "file": f"file{number}"} for number, item in enumerate(items)])
        whole.update(documents)
        parts: Parts = [("cases", (None, documents, "application/json"))]
        for number, (item, data) in enumerate(zip(items, contents, strict=True)):
            whole.update(hashlib.sha256(data).digest())
            parts.append((f"file{number}", (item.name(), data, "application/octet-stream")))
        body = Body(parts=parts)
    return Batch(first=first, size=len(items), body=body, digest=whole.hexdigest())
