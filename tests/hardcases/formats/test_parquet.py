"""Parquet: types of its own, and nothing that breaks the reading."""

import base64
import datetime
import decimal
import io
import uuid

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.parquet import encryption

from hardcases.errors import Invalid, TooLarge
from hardcases.formats import parquet_tables
from hardcases.formats.exchange import Item
from tests.builders.formats import CHEST, png, read, written


def table(**columns):
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def test_columns_and_their_types():
    content = table(
        key=["XR-1", "XR-2"],
        label=["nodule", None],
        age=[61, None],
        site=pa.array(["a", "b"]).dictionary_encode(),
        day=[datetime.date(2026, 11, 20)] * 2,
        price=[decimal.Decimal("1.50")] * 2,
        tags=[["x"], []],
        record=[{"a": 1, "b": "c"}, None],
        prediction=['{"scores": {"nodule": 0.5}}', None],
    )
    items, findings = read("parquet", content)
    assert findings == []
    assert items[0] == Item(
        place="rows/0",
        key="XR-1",
        label={"label": "nodule"},
        record={"a": 1, "b": "c"},
        tags=("x",),
        prediction={"scores": {"nodule": 0.5}},
        attributes={"age": 61, "site": "a", "day": "2026-11-20", "price": 1.5},
    )
    assert items[1].attributes == {"site": "b", "day": "2026-11-20", "price": 1.5}


def test_nan_is_missing_and_told_once_but_infinity_costs_the_row():
    items, findings = read("parquet", table(key=["XR-1", "XR-2", "XR-3"], age=[float("nan"), float("inf"), float("nan")]))
    assert [item.key for item in items] == ["XR-1", "XR-3"]
    assert [(finding.place, finding.lost, finding.count) for finding in findings] == [("rows/1", True, 1), ("rows/0", False, 2)]


def test_times_of_nanoseconds_are_cut():
    content = table(key=["XR-1"], captured_at=pa.array([1_700_000_000_123_456_789], pa.timestamp("ns", "UTC")))
    assert read("parquet", content)[0][0].captured_at == "2023-11-14T22:13:20.123456+00:00"


def test_bytes_are_told_and_left_out():
    items, findings = read("parquet", table(key=["XR-1"], image=[{"bytes": b"\x89PNG", "path": "a.png"}]))
    assert (items[0].attributes, findings[0].lost) == ({}, False)
    assert "bytes" in findings[0].problem


def test_it_may_come_in_an_archive_with_pictures():
    items, _ = read("parquet", {"t.parquet": table(file=["a.png"], label=["nodule"]), "images/a.png": png()})
    assert (items[0].file, items[0].label) == ("images/a.png", {"label": "nodule"})


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"x" * 100 + b"PAR1", table(a=[1])[:-9]])
def test_what_is_no_parquet_is_refused(content):
    with pytest.raises(Invalid, match="Parquet"):
        read("parquet", content)


def test_a_time_that_no_calendar_holds_costs_only_itself():
    moments = pa.array([2**60, 0], pa.timestamp("us"))
    items, findings = read("parquet", table(key=["XR-1", "XR-2"], seen=moments, site=["a", "b"]))
    assert [item.attributes for item in items] == [{"site": "a"}, {"seen": "1970-01-01T00:00:00", "site": "b"}]
    assert [(finding.place, finding.lost) for finding in findings] == [("rows/0", False)]
    assert "“seen” holds a time or a number beyond what can be held" in findings[0].problem


def test_a_uuid_is_a_text():
    name = uuid.UUID("12345678123456781234567812345678")
    items, findings = read("parquet", table(key=["XR-1"], site=pa.array([name.bytes], pa.uuid())))
    assert (items[0].attributes, findings) == ({"site": str(name)}, [])


def test_an_encrypted_file_is_called_so():
    class Keys(encryption.KmsClient):
        def wrap_key(self, key_bytes, master_key_identifier):
            return base64.b64encode(key_bytes)

    factory = encryption.CryptoFactory(lambda _: Keys())
    wanted = encryption.EncryptionConfiguration(footer_key="footer", column_keys={"column": ["key"]})
    out, rows = io.BytesIO(), pa.table({"key": ["XR-1"]})
    with pq.ParquetWriter(
        out, rows.schema, encryption_properties=factory.file_encryption_properties(encryption.KmsConnectionConfig(), wanted)
    ) as to:
        to.write_table(rows)
    with pytest.raises(Invalid, match=r"The Parquet file is encrypted, and there is no key here\. Nothing was imported\."):
        read("parquet", out.getvalue())


def test_a_row_group_that_would_not_fit_into_memory(monkeypatch):
    monkeypatch.setattr(parquet_tables, "MAX_GROUP", 2_000)
    assert len(read("parquet", table(key=["XR-1"]))[0]) == 1
    with pytest.raises(TooLarge, match="smaller row groups"):
        read("parquet", table(key=["XR-1"], text=["a" * 3_000]))


def test_attributes_of_one_type_have_it_and_mixed_ones_keep_each_their_own():
    items = [
        Item(place=f"rows/{n}", key=f"XR-{n}", attributes={"site": site, "age": n, "x": True}) for n, site in enumerate(["a", 3, None])
    ]
    content = written("parquet", items)
    assert pq.read_table(io.BytesIO(content)).schema.field("attributes.age").type == pa.int64()
    assert read("parquet", content)[0] == items


def test_an_empty_export_is_a_table_without_rows():
    assert read("parquet", written("parquet", [], CHEST)) == ([], [])
