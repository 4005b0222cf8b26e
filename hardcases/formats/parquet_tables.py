"""Parquet: one case a row, in the columns of our other tables, with the types of its own."""

import datetime
import decimal
import json
import math
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from hardcases.errors import Invalid, TooLarge
from hardcases.formats import strict
from hardcases.formats.exchange import Finding, Item, Options, Package
from hardcases.formats.flat import columns_of, row_of
from hardcases.formats.json_lines import line_of
from hardcases.formats.packages import Single, only_member
from hardcases.formats.packing import aside
from hardcases.formats.pictures import PackedPictures
from hardcases.formats.rows import shown
from hardcases.formats.rowwise import Rows

BATCH = 512
MAX_CELLS = 200_000_000
MAX_COLUMNS = 20_000
MAX_GROUP = 2**30  # bytes of a row group when it is unpacked: so much a reader may hold at once
_NUMBERS = ("width", "height")
_BEYOND = object()  # stands for a value that Python has no form for, such as a time in the year 12000


class _UnusableError(ValueError):
    """The value is of a kind that no case can hold; the text is a sentence."""


def read_parquet(package: Package, options: Options) -> Iterator[Item | Finding]:
    """Every row of the one Parquet file in the package; pictures beside it are named by `file`. NaN in a column of numbers is read as missing, and told."""
    name = only_member(package, (".parquet", ".pq"), options.mapping.get("member"))
    rows, pictures = Rows(options, textual=False), PackedPictures(package)
    with _seekable(package, name) as file:
        table = _opened(file)
        number = 0
        for batch in _batches(table):
            for row in batch:
                place = f"rows/{number}"
                number += 1
                found = _plain_row(place, row, rows)
                if isinstance(found, Finding):
                    yield found
                    continue
                for one in rows.read(place, found):
                    yield pictures.found(one) if isinstance(one, Item) else one
    yield from rows.end()
    yield from pictures.end()


@contextmanager
def _seekable(package: Package, name: str) -> Iterator[IO[bytes]]:
    """The member as a file in which one may jump about; one that is packed is unpacked aside first."""
    with package.open(name) as file:
        if isinstance(package, Single):
            yield file
            return
        with tempfile.TemporaryFile() as copy:
            while data := file.read(2**20):
                copy.write(data)
            copy.seek(0)
            yield copy


def _opened(file: IO[bytes]) -> pq.ParquetFile:
    try:
        table = pq.ParquetFile(file)
        columns = table.schema_arrow.names
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(error, "Nothing was imported.") from error
    whole = table.metadata
    if any(whole.row_group(number).total_byte_size > MAX_GROUP for number in range(whole.num_row_groups)):
        raise TooLarge(
            f"A row group of the file unpacks to more than {MAX_GROUP // 2**20} MB. Nothing was imported. Write it with smaller row groups."
        )
    if whole.num_rows * max(len(columns), 1) > MAX_CELLS or len(columns) > MAX_COLUMNS:
        raise TooLarge("The file holds more than 200 million cells. Nothing was imported. Send it in parts.")
    again = next((name for name, count in Counter(columns).items() if count > 1), None)
    if again is not None:
        raise Invalid(f"The column {shown(again)} is there more than once. Nothing was imported. Give each column a name of its own.")
    return table


def _batches(table: pq.ParquetFile) -> Iterator[list[dict[str, Any]]]:
    batches = table.iter_batches(batch_size=BATCH, use_threads=False)
    while True:
        try:
            batch = next(batches, None)
            if batch is None:
                return
            batch.validate(full=True)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _unreadable(error, "What was read before stays; nothing is taken twice.") from error
        yield _rows(_to_microseconds(batch))


def _rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows in values of Python; where one of them has no such value, it alone is `_BEYOND`."""
    try:
        rows: list[dict[str, Any]] = batch.to_pylist()
    except (pa.ArrowException, ValueError, OverflowError, ArithmeticError):
        columns = {name: [_value(cell) for cell in batch.column(at)] for at, name in enumerate(batch.schema.names)}
        rows = [{name: values[row] for name, values in columns.items()} for row in range(batch.num_rows)]
    return rows


def _value(cell: pa.Scalar) -> Any:
    try:
        return cell.as_py()
    except (pa.ArrowException, ValueError, OverflowError, ArithmeticError):
        return _BEYOND


def _to_microseconds(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Times of nanoseconds, which many tools write and few mean, cut to what a moment is written with."""
    for at, field in enumerate(batch.schema):
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns":
            cut = batch.column(at).cast(pa.timestamp("us", field.type.tz), safe=False)
            batch = batch.set_column(at, field.name, cut)
    return batch


def _unreadable(error: Exception, what_stays: str) -> Invalid:
    if "crypt" in str(error):
        return Invalid(
            f"The Parquet file is encrypted, and there is no key here. {what_stays} Write it without encryption and import it again."
        )
    return Invalid(f"The file could not be read as Parquet. {what_stays} Write the file again and import it again.")


def _plain_row(place: str, row: Mapping[str, Any], rows: Rows) -> dict[str, Any] | Finding:
    """The row in the values of JSON, or why it has none."""
    plain: dict[str, Any] = {}
    for name, value in row.items():
        kind = type(value)
        if value is None or (kind is str and "\x00" not in value):
            plain[name] = value
        elif kind is float and math.isnan(value):
            rows.tally.add(place, f"NaN in the column {shown(name)} was read as a missing value.")
        else:
            try:
                plain[name] = _plain(value)
            except _UnusableError as error:
                rows.tally.add(place, f"The column {shown(name)} holds {error}, which was left out.")
                continue
            problem = strict.unfit(plain[name])
            if problem:
                return Finding(place=place, problem=f"In the column {shown(name)}: {problem}")
    return plain


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind in {str, int, float, bool} or value is None:
        return value
    if value is _BEYOND:
        raise _UnusableError("a time or a number beyond what can be held")
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    raise _UnusableError("bytes" if isinstance(value, bytes) else f"values of the kind {kind.__name__}")


def write_parquet(items: Iterable[Item], out: IO[bytes], options: Options) -> None:
    """One row an item in the columns of `flat.columns_of`. An attribute's column has the type of its values; where they differ it lies in `attributes`."""
    with aside() as file:
        kinds: dict[str, set[type]] = {}
        for item in items:
            row = row_of(item, options)
            for name, value in row.items():
                kinds.setdefault(name, set()).add(type(value))
            file.write(line_of(row))
        file.seek(0)
        types = {name: _type(name, kinds.get(name, set())) for name in columns_of(options)}
        schema = pa.schema([(name, kind) for name, kind in types.items() if kind is not None])
        mixed = [name for name, kind in types.items() if kind is None]
        with pq.ParquetWriter(out, schema, compression="zstd") as writer:
            rows: list[dict[str, Any]] = []
            for line in file:
                rows.append(_gathered(json.loads(line), mixed))
                if len(rows) >= BATCH:
                    writer.write_table(pa.Table.from_pylist(rows, schema=schema))
                    rows = []
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))


def _type(name: str, kinds: set[type]) -> pa.DataType | None:
    """The column's type, None where an attribute's values have several."""
    if name in _NUMBERS:
        return pa.int64()
    if not name.startswith("attributes."):
        return pa.float64() if ".score:" in name else pa.string()
    if kinds <= {str}:
        return pa.string()
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int}:
        return pa.int64()
    return pa.float64() if kinds <= {int, float} else None


def _gathered(row: dict[str, Any], mixed: list[str]) -> dict[str, Any]:
    """The row with attributes of mixed types moved into the one object that keeps each value's own."""
    others = {name.removeprefix("attributes."): row.pop(name) for name in mixed if name in row}
    if others:
        row["attributes"] = json.dumps({**json.loads(row.get("attributes", "{}")), **others}, ensure_ascii=False)
    return row
