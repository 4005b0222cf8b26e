"""A version's members as columns: what a run reads instead of a million rows.

The table lies in the blob store as one Parquet file in the order of case numbers. It holds nothing that the entries do not hold: it may be deleted at any time
and is written again from them, which is also how a lawful erasure reaches it.
"""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import rfc8785
from django.db import transaction
from django.db.models import OuterRef, Subquery
from numpy.typing import NDArray

from hardcases.blobs.store import get_store
from hardcases.cases.models import ExternalId
from hardcases.testsets.groupings import Grouping, by_bin, by_class, by_value, codes_of
from hardcases.testsets.models import Erasure, PinnedAttributes, Snapshot, TestSet, Version
from hardcases.testsets.trees import members_of

ROWS_AT_ONCE = 20_000
CHANCE = "selection_probability"
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Codes = NDArray[np.int32]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Members:
    """The n members of a version in the order of their numbers. Arrays have n rows; texts are made when they are asked for and not kept: a worker holds this."""

    key_prefix: str
    case_ids: Integers
    numbers: Integers
    uid_bytes: Bytes  # (n, 16)
    content_bytes: Bytes  # (n, 32): SHA-256 of the stored bytes, which is what a model reads
    received_bytes: Bytes  # (n, 32): SHA-256 of the bytes as they were received; the same array where that is the same
    kind_names: tuple[str, ...]
    kind_codes: Codes  # index into kind_names
    classes: tuple[str, ...]
    label_codes: Codes  # index into classes, -1 for a label that is none of them
    clusters: Integers | None  # equal numbers: same cluster; None where the project has no cluster attribute
    groupings: tuple[Grouping, ...]
    named: tuple[tuple[str, NDArray[np.bool_]], ...]  # ("stratum:portable", mask)

    def __len__(self) -> int:
        return len(self.case_ids)

    def key(self, row: int) -> str:
        """XR-1061."""
        return f"{self.key_prefix}-{self.numbers[row]}"

    def kind(self, row: int) -> str:
        """image, text or record."""
        return self.kind_names[int(self.kind_codes[row])]

    def content(self, row: int) -> str:
        """Name of the member's blob."""
        return bytes(self.content_bytes[row]).hex()

    def keys(self) -> pa.StringArray:
        """Every member's key."""
        return pc.binary_join_element_wise(self.key_prefix, pa.array(self.numbers).cast(pa.string()), "-")

    def sha256(self) -> pa.StringArray:
        """The digests, in hex, by which the sender knows the members."""
        return _hex(self.received_bytes)


def members(version: Version) -> Members:
    """The version's members. Reads the snapshot, and writes it first if there is none."""
    snapshot = Snapshot.objects.filter(version=version).first() or build(version)
    texts = _texts(arrow_schema(version.header["schema"]))
    file = pq.ParquetFile(pa.BufferReader(get_store().read(snapshot.sha256)), read_dictionary=texts)
    found = _members(version, _Columns(file))
    pa.default_memory_pool().release_unused()  # the pool would keep what reading took, several times what is kept here
    return found


def aliases(version: Version, of: Members) -> tuple[pa.StringArray, Integers]:
    """Every external id that production gave a member, and that member's position in `of`.

    Names may come after freezing, so they are looked up when they are needed.
    """
    order = np.argsort(of.case_ids, kind="stable")
    ascending = of.case_ids[order]
    rows = ExternalId.objects.filter(project=version.test_set.project_id).order_by("pk").values_list("value", "case_id")
    names, positions = [pa.array([], pa.string())], [np.empty(0, dtype=np.int64)]
    found = rows.iterator(chunk_size=ROWS_AT_ONCE)
    while some := list(islice(found, ROWS_AT_ONCE)):
        case_ids = np.array([case_id for _, case_id in some], dtype=np.int64)
        place = np.searchsorted(ascending, case_ids)
        place[place == len(of)] = 0
        member = np.flatnonzero(ascending[place] == case_ids) if len(of) else np.empty(0, dtype=np.int64)
        names.append(pa.array([some[index][0] for index in member], pa.string()))
        positions.append(order[place[member]])
    return pa.concat_arrays(names), np.concatenate(positions)


def chances(version: Version) -> Floats:
    """(n,) the chance with which each member was kept at the door, NaN where nobody knows it; in the order of `members`.

    Only reports ask, so it is no column of `Members`, which a worker holds. The case says it and never says anything else (see the guards of cases).
    """
    snapshot = Snapshot.objects.filter(version=version).first() or build(version)
    with get_store().local_copy(snapshot.sha256) as path, pq.ParquetFile(path) as file:
        if CHANCE in file.schema_arrow.names:
            found: Floats = _Columns(file).array(CHANCE).to_numpy(zero_copy_only=False)
            return found
    build(version)  # it was written before chances were; somebody may be reading the old file, which the daily tidying removes
    return chances(version)


def build(version: Version) -> Snapshot:
    """Write the snapshot from the entries. Called outside a transaction: it writes a file."""
    while True:
        erased = Erasure.objects.filter(version=version).count()
        schema = arrow_schema(version.header["schema"])
        sha256 = get_store().put_bytes(to_parquet(schema, _batches(version, schema)))
        with transaction.atomic():
            TestSet.objects.select_for_update(no_key=True).get(pk=version.test_set_id)
            if Erasure.objects.filter(version=version).count() == erased:
                return Snapshot.objects.update_or_create(version=version, defaults={"sha256": sha256})[0]


def drop_unused(digests: Iterable[str]) -> None:
    """Delete the files of former snapshots, unless some version's snapshot is the very same file."""
    for digest in digests:
        if not Snapshot.objects.filter(sha256=digest).exists():
            get_store().delete(digest)


def to_parquet(schema: pa.Schema, tables: Iterable[pa.Table]) -> bytes:
    """A snapshot's bytes. Digests do not compress, and few different texts are best kept as a dictionary, which is also how they are read."""
    out = io.BytesIO()
    compression = {field.name: "none" if pa.types.is_fixed_size_binary(field.type) else "zstd" for field in schema}
    with pq.ParquetWriter(out, schema, compression=compression, use_dictionary=_texts(schema)) as writer:
        for table in tables:
            writer.write_table(table)
    return out.getvalue()


_TYPES = {"category": pa.string(), "boolean": pa.bool_(), "number": pa.float64()}


def arrow_schema(pinned: dict[str, Any]) -> pa.Schema:
    """The columns of a snapshot, from what the version pins of its project."""
    fixed = [
        ("case_id", pa.int64()),
        ("number", pa.int64()),
        ("uid", pa.binary(16)),
        ("content", pa.binary(32)),
        ("received", pa.binary(32)),
        ("kind", pa.string()),
        ("label", pa.string()),
        ("strata", pa.string()),
        ("cluster", pa.string()),
        (CHANCE, pa.float64()),
    ]
    attributes = [(f"attribute:{attribute['name']}", _TYPES[attribute["type"]]) for attribute in _grouped(pinned)]
    return pa.schema(fixed + attributes)


def _texts(schema: pa.Schema) -> list[str]:
    return [field.name for field in schema if pa.types.is_string(field.type)]


def _grouped(pinned: dict[str, Any]) -> list[dict[str, Any]]:
    """The declared attributes that make strata by themselves."""
    return [
        attribute
        for attribute in pinned["attributes"]
        if attribute["name"] != pinned["cluster_attribute"]
        and (attribute["type"] in {"category", "boolean"} or (attribute["type"] == "number" and attribute["bins"]))
    ]


def _batches(version: Version, schema: pa.Schema) -> Iterator[pa.Table]:
    values = PinnedAttributes.objects.filter(case=OuterRef("case"), digest=OuterRef("attributes_digest")).values("values")[:1]
    rows = (
        members_of(version)
        .annotate(pinned=Subquery(values))
        .order_by("case__number")
        .values_list(
            "case_id",
            "case__number",
            "case__uid",
            "content_digest",
            "case__sha256",
            "case__kind",
            "label_revision__label",
            "strata",
            "pinned",
            "case__selection_probability",
        )
    )
    pinned = version.header["schema"]
    batch: list[dict[str, Any]] = []
    for row in rows.iterator(chunk_size=ROWS_AT_ONCE):
        batch.append(_row(row, pinned))
        if len(batch) == ROWS_AT_ONCE:
            yield pa.Table.from_pylist(batch, schema)
            batch = []
    yield pa.Table.from_pylist(batch, schema)


def _row(row: tuple[Any, ...], pinned: dict[str, Any]) -> dict[str, Any]:
    case_id, number, uid, content, received, kind, label, strata, attributes, chance = row
    values = attributes or {}
    cluster = values.get(pinned["cluster_attribute"])
    return {
        "case_id": case_id,
        "number": number,
        "uid": uid.bytes,
        "content": bytes.fromhex(content),
        "received": bytes.fromhex(received),
        "kind": kind,
        "label": label.get("label") if pinned["task"] == "classification" else rfc8785.dumps(label).decode(),
        "strata": strata,
        "cluster": None if cluster is None else str(cluster),
        CHANCE: chance,
        **{f"attribute:{attribute['name']}": values.get(attribute["name"]) for attribute in _grouped(pinned)},
    }


class _Columns:
    """The columns of a snapshot, each read when it is asked for and kept by nobody: all at once they would take several times what is made of them."""

    def __init__(self, file: pq.ParquetFile) -> None:
        self.file = file

    def array(self, name: str) -> pa.Array:
        """A column in one piece; texts are dictionary-encoded."""
        return self.file.read(columns=[name]).unify_dictionaries().column(0).combine_chunks()

    def texts(self, name: str) -> pa.DictionaryArray:
        """A column of texts; an empty one is not encoded by the reader."""
        column = self.array(name)
        return column if pa.types.is_dictionary(column.type) else column.dictionary_encode()

    def wide(self, name: str, width: int) -> Bytes:
        """A column of `width` bytes a row as a matrix."""
        array = self.array(name)
        data = np.frombuffer(array.buffers()[1], dtype=np.uint8) if len(array) else np.empty(0, dtype=np.uint8)
        return data[array.offset * width : (array.offset + len(array)) * width].reshape(-1, width)


def _members(version: Version, columns: _Columns) -> Members:
    pinned = version.header["schema"]
    classes = tuple(pinned["classes"])
    kinds, labels = columns.texts("kind"), columns.texts("label")
    known = {name: code for code, name in enumerate(classes)}
    label_codes = np.array([*(known.get(name, -1) for name in labels.dictionary.to_pylist()), -1], dtype=np.int32)[codes_of(labels)]
    content, received = columns.wide("content", 32), columns.wide("received", 32)
    return Members(
        key_prefix=version.test_set.project.key_prefix,
        case_ids=columns.array("case_id").to_numpy(),
        numbers=columns.array("number").to_numpy(),
        uid_bytes=columns.wide("uid", 16),
        content_bytes=content,
        received_bytes=content if np.array_equal(content, received) else received,
        kind_names=tuple(kinds.dictionary.to_pylist()),
        kind_codes=codes_of(kinds),
        classes=classes,
        label_codes=label_codes,
        clusters=None if pinned["cluster_attribute"] is None else _clusters(columns.texts("cluster")),
        groupings=tuple(_groupings(columns, pinned, classes, label_codes)),
        named=tuple(_named(version, columns.texts("strata"))),
    )


def _groupings(columns: _Columns, pinned: dict[str, Any], classes: tuple[str, ...], label_codes: Codes) -> Iterator[Grouping]:
    if classes:
        yield by_class(classes, label_codes)
    for attribute in _grouped(pinned):
        name = attribute["name"]
        column = columns.array(f"attribute:{name}")
        if attribute["type"] == "number":
            yield by_bin(name, column.to_numpy(zero_copy_only=False), attribute["bins"])
            continue
        found = by_value(
            name, columns.texts(f"attribute:{name}") if attribute["type"] == "category" else column.cast(pa.string()).dictionary_encode()
        )
        if found is not None:
            yield found


def _named(version: Version, strata: pa.DictionaryArray) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    combinations = [set(text.split()) for text in strata.dictionary.to_pylist()]
    codes = codes_of(strata)
    for rule in version.header["strata"]:
        mask = np.array([rule["slug"] in combination for combination in combinations] or [False], dtype=np.bool_)[codes]
        if int(mask.sum()) != rule["cases"]:
            raise RuntimeError(f"The snapshot of {version} does not hold the members of stratum {rule['slug']} that the version pins.")
        yield f"stratum:{rule['slug']}", mask


def _clusters(column: pa.DictionaryArray) -> Integers:
    codes = codes_of(column).astype(np.int64)
    alone = np.flatnonzero(codes < 0)
    codes[alone] = len(column.dictionary) + np.arange(len(alone))
    return codes


_DIGITS = np.array([list(b"%02x" % byte) for byte in range(256)], dtype=np.uint8)


def _hex(rows: Bytes) -> pa.StringArray:
    """Each row in hex, without a Python object a row."""
    width = 2 * rows.shape[1]
    offsets = pa.array(np.arange(len(rows) + 1, dtype=np.int64) * width, pa.int64()).cast(pa.int32())
    return pa.StringArray.from_buffers(len(rows), offsets.buffers()[1], pa.py_buffer(_DIGITS[rows].reshape(-1)))
