"""The cases of an export as items: those of a frozen version as they were pinned, or those that a search finds as they are. Never whole in memory."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from typing import IO, Any, NamedTuple

from django.db.models import F, QuerySet

from hardcases.blobs.store import BlobDamaged, BlobMissing, get_store
from hardcases.cases.content import PREVIEW
from hardcases.cases.models import ExternalId
from hardcases.cases.queries import search
from hardcases.errors import Refusal
from hardcases.formats.exchange import Item
from hardcases.projects.models import Project
from hardcases.testsets.models import PinnedAttributes, Version
from hardcases.testsets.trees import members_of
from hardcases.transfers.knowledge import exported_name
from hardcases.web.json_edge import read_json

AT_ONCE = 500
_FACTS = ("pk", "number", "kind", "sha256", "stored_sha256", "size", "media_type", "width", "height", "text", "state")
_SAID = ("captured_at", "reason", "source", "model", "prediction", "correction", "attributes", "tags")


@dataclass(frozen=True, kw_only=True)
class Kept(Item):
    """An item that knows where its bytes lie."""

    stored_sha256: str = ""


class Row(NamedTuple):
    """A case as an export needs it; `pinned` is the digest of the attributes that a version pins, None for a search."""

    case: dict[str, Any]
    label: dict[str, Any] | None
    note: str
    pinned: str | None


def rows_of_search(project: Project, q: str) -> Iterator[Row]:
    """In the order of the cases' numbers, with their newest labels."""
    found = search(project, q).exclude(state="erased").order_by("number")
    label = {"label": F("current_label__revision__label"), "note": F("current_label__revision__note")}
    for case in found.values(*_FACTS, *_SAID, said_label=label["label"], said_note=label["note"]).iterator(chunk_size=AT_ONCE):
        yield Row(case, case.pop("said_label"), case.pop("said_note") or "", None)


def rows_of_version(version: Version) -> Iterator[Row]:
    """In the order of the cases' numbers, with the labels that the version pins. Members that were lawfully erased are not there any more."""
    columns = {name: F(f"case__{name}") for name in (*_FACTS, *_SAID)}
    pins = {"pinned": F("attributes_digest"), "said_label": F("label_revision__label"), "said_note": F("label_revision__note")}
    renamed = {f"case_{name}": column for name, column in columns.items()}
    found = members_of(version).exclude(case__state="erased").order_by("case__number")
    selected: QuerySet[Any, Any] = found.values(**renamed, **pins)
    for row in selected.iterator(chunk_size=AT_ONCE):
        case = {name: row[f"case_{name}"] for name in columns}
        yield Row(case, row["said_label"], row["said_note"] or "", row["pinned"])


def items(project: Project, rows: Iterable[Row]) -> Iterator[Kept]:
    """Each row as an item. A handful of queries for each AT_ONCE of them."""
    waiting = iter(rows)
    while some := list(islice(waiting, AT_ONCE)):
        names = _names([row.case["pk"] for row in some])
        pinned = _pinned(some)
        for row in some:
            yield _item(project, row, names.get(row.case["pk"]), pinned)


def _names(case_ids: Sequence[int]) -> dict[int, str]:
    """The first external id of each case."""
    found: dict[int, str] = {}
    for case_id, value in ExternalId.objects.filter(case__in=case_ids).order_by("pk").values_list("case_id", "value"):
        found.setdefault(case_id, value)
    return found


def _pinned(rows: Sequence[Row]) -> dict[tuple[int, str], dict[str, Any]]:
    digests = {row.pinned for row in rows if row.pinned is not None}
    if not digests:
        return {}
    found = PinnedAttributes.objects.filter(case__in=[row.case["pk"] for row in rows], digest__in=digests)
    return {(case_id, digest): values or {} for case_id, digest, values in found.values_list("case_id", "digest", "values")}


def _item(project: Project, row: Row, name: str | None, pinned: dict[tuple[int, str], dict[str, Any]]) -> Kept:
    case = row.case
    key = f"{project.key_prefix}-{case['number']}"
    attributes = case["attributes"] if row.pinned is None else pinned.get((case["pk"], row.pinned), {})
    return Kept(
        place=key,
        key=key,
        external_id=name,
        sha256=case["sha256"],
        stored_sha256=case["stored_sha256"],
        file=exported_name(project, case["number"], case["media_type"]) if case["kind"] == "image" else None,
        width=case["width"],
        height=case["height"],
        text=_text(key, case) if case["kind"] == "text" else None,
        record=read_json(_text(key, case), limit=2_000_000) if case["kind"] == "record" else None,
        captured_at=None if case["captured_at"] is None else case["captured_at"].isoformat(),
        attributes=attributes,
        label=row.label,
        note=row.note,
        **{name: case[name] for name in ("reason", "source", "model", "tags", "prediction", "correction")},
    )


def _text(key: str, case: dict[str, Any]) -> str:
    """The whole text: the row has its beginning only."""
    text: str = case["text"] or ""
    if len(text) < PREVIEW:
        return text
    return bytes_of(key, case["stored_sha256"]).decode()


def media(item: Item) -> IO[bytes]:
    """The bytes of an item that came from here, verified."""
    assert isinstance(item, Kept)
    return BytesIO(bytes_of(str(item.key), item.stored_sha256))


def bytes_of(key: str, digest: str) -> bytes:
    """Raises what the store says about missing or damaged bytes, with the case's key."""
    try:
        return get_store().read(digest)
    except (BlobMissing, BlobDamaged) as fault:
        raise Refusal(f"{key}: {fault.sentence} The export was not made.") from fault
