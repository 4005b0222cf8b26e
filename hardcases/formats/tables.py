"""Reads an uploaded file of predictions into columns: CSV, JSON lines, Parquet, or a JSON list.

Every format has a fast path in pyarrow. A file it refuses is read again row by row (`hardcases.formats.rows`), because people need to
know which rows are wrong, and pyarrow names only the first. Nothing is dropped on the way: what cannot be read is a finding of the table.
"""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.json as pajson
import pyarrow.parquet as pq

from hardcases.errors import TooLarge, UnsupportedMedia
from hardcases.formats.findings import Findings, TableRefused
from hardcases.formats.predictions import SCORE
from hardcases.formats.rows import Columns, csv_rows, json_rows, shown

MEDIA_TYPES = ("text/csv", "application/x-ndjson", "application/vnd.apache.parquet", "application/json")
MAX_CELLS = 200_000_000  # scores of one file: 1.6 GB as float64; a compressed file can promise far more than it weighs
MAX_JSON_LIST = 64 * 2**20
_TEXTS = ("case", "label", "message")
_PLAIN = (*_TEXTS, "value", "refused")


@dataclass(frozen=True, kw_only=True)
class PredictionTable:
    """The n rows of a file, in its order; `classes` gives the columns of `scores`.

    case, label, message: strings or None (n,). scores: float64 (n, classes), NaN where none was given. value: float64 (n,). refused: bool
    (n,). broken: bool (n,), rows of which a number or a cell is already among the `findings`.
    """

    case: pa.StringArray
    label: pa.StringArray
    scores: npt.NDArray[np.float64]
    value: npt.NDArray[np.float64]
    refused: npt.NDArray[np.bool_]
    message: pa.StringArray
    broken: npt.NDArray[np.bool_]
    findings: Findings

    def __len__(self) -> int:
        return len(self.case)


def read_table(source: bytes | Path, media_type: str, *, classes: Sequence[str]) -> PredictionTable:
    """Reads a predictions file; `classes` in project order, empty for regression.

    Raises `UnsupportedMedia` for another media type, `TooLarge` for too many cells, `TableRefused` if the file as a whole or its columns
    cannot be read. Findings about single rows wait in the table, so that `join` can list them together with its own.
    """
    kind = media_type.partition(";")[0].strip().lower()
    if kind == "text/csv":
        return _finish(*_read_csv(source, classes), classes)
    if kind in {"application/x-ndjson", "application/jsonl"}:
        return _finish(*_read_json_lines(source, classes), classes)
    if kind == "application/json":
        return _finish(*_read_json_list(source, classes), classes)
    if kind == "application/vnd.apache.parquet":
        return _finish(*_read_parquet(source, classes), classes)
    kinds = ", ".join(MEDIA_TYPES)
    raise UnsupportedMedia(f"Predictions come as {kinds}, not as {shown(kind)}. Nothing was stored; send the file with one of these types.")


def _read_csv(source: bytes | Path, classes: Sequence[str]) -> tuple[pa.Table, Findings]:
    with _opened(source) as file:
        header = _csv_header(file)
    _check_columns(header, classes)
    types = {name: pa.string() if name in _TEXTS else pa.bool_() if name == "refused" else pa.float64() for name in header}
    convert = pacsv.ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=True)
    parse = pacsv.ParseOptions(newlines_in_values=True)
    try:
        return pacsv.read_csv(_arrow_source(source), convert_options=convert, parse_options=parse), Findings()
    except pa.ArrowInvalid:
        with _opened(source) as file:
            return csv_rows(file, Columns(classes))


def _csv_header(file: BinaryIO) -> list[str]:
    try:
        with io.TextIOWrapper(file, "utf-8-sig", "replace", newline="") as text:
            return next((row for row in csv.reader(text, strict=True) if row), [])
    except csv.Error as error:
        raise TableRefused(
            f"The header could not be read as CSV ({error}). Nothing was stored; correct the file and send it again."
        ) from error


def _read_json_lines(source: bytes | Path, classes: Sequence[str]) -> tuple[pa.Table, Findings]:
    fields = [(name, pa.string()) for name in _TEXTS] + [("value", pa.float64()), ("refused", pa.bool_())]
    if classes:
        fields.append(("scores", pa.struct([(name, pa.float64()) for name in classes])))
    options = pajson.ParseOptions(explicit_schema=pa.schema(fields), unexpected_field_behavior="error")
    try:
        table = pajson.read_json(_arrow_source(source), parse_options=options)
        table.validate(full=True)  # its reader lets bytes pass that are not UTF-8
    except pa.ArrowInvalid:
        with _opened(source) as file:
            return json_rows((line for line in file if line.strip()), Columns(classes))
    if classes:
        scores = table.column("scores").combine_chunks()
        for name, values in zip(classes, scores.flatten(), strict=True):
            table = table.append_column(SCORE + name, values)
        table = table.drop_columns(["scores"])
    return table, Findings()


def _read_json_list(source: bytes | Path, classes: Sequence[str]) -> tuple[pa.Table, Findings]:
    with _opened(source) as file:
        content = file.read(MAX_JSON_LIST + 1)
    if len(content) > MAX_JSON_LIST:
        raise TooLarge("A JSON list may hold 64 MB. Nothing was stored; send JSON lines (application/x-ndjson), one prediction a line.")
    try:
        records = json.loads(content, object_pairs_hook=tuple)  # pairs, so that the rows can report repeated names
    except (ValueError, RecursionError) as error:
        raise TableRefused("The file is not valid JSON. Nothing was stored; correct the file and send it again.") from error
    if not isinstance(records, list):
        raise TableRefused("The file must be a JSON list of predictions. Nothing was stored; send a list, or JSON lines.")
    return json_rows(records, Columns(classes))


def _read_parquet(source: bytes | Path, classes: Sequence[str]) -> tuple[pa.Table, Findings]:
    try:
        file = pq.ParquetFile(_arrow_source(source))
        columns = file.schema_arrow.names
        _check_columns(columns, classes)
        if file.metadata.num_rows * len(columns) > MAX_CELLS:
            raise _too_many_cells()
        table = file.read()
        table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise TableRefused("The file could not be read as Parquet. Nothing was stored; write it again and send it again.") from error
    findings = Findings()
    read = {name: _plain_column(name, table.column(name).combine_chunks(), findings) for name in columns}
    return pa.table(read), findings


def _plain_column(name: str, column: pa.Array, findings: Findings) -> pa.Array:
    """A Parquet column in the type of its name; what cannot be converted becomes null and a finding."""
    wanted = pa.string() if name in _TEXTS else pa.bool_() if name == "refused" else pa.float64()
    plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    if pa.types.is_boolean(plain.type) != pa.types.is_boolean(wanted) or pa.types.is_nested(plain.type):
        findings.column(name, f"This column holds {plain.type}, which cannot be read as {wanted}.")
        return pa.nulls(len(plain), wanted)
    try:
        return plain.cast(wanted, safe=not pa.types.is_floating(wanted))
    except pa.ArrowException:
        if wanted != pa.float64() or not (pa.types.is_string(plain.type) or pa.types.is_large_string(plain.type)):
            findings.column(name, f"This column holds {plain.type}, which cannot be read as {wanted}.")
            return pa.nulls(len(plain), wanted)
        return _numbers_of_texts(name, plain.cast(pa.string()), findings)


def _numbers_of_texts(name: str, texts: pa.StringArray, findings: Findings) -> pa.Array:
    numeric = pc.match_substring_regex(texts, r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$")
    wrong = np.flatnonzero(pc.invert(numeric).fill_null(False).to_numpy(zero_copy_only=False))
    findings.rows(wrong, lambda row: f"{shown(texts[row].as_py())} in column {shown(name)} is not a number.")
    return pc.if_else(numeric, texts, None).cast(pa.float64())


def _check_columns(names: Sequence[str], classes: Sequence[str]) -> None:
    """Raises `TableRefused` unless every column is known, named once, and `case` is among them."""
    findings, known = Findings(), {*_PLAIN, *(SCORE + name for name in classes)}
    for name in dict.fromkeys(names):
        if list(names).count(name) > 1:
            findings.column(name, f"The column {shown(name)} appears more than once.")
        if name.startswith(SCORE) and name not in known:
            findings.column(name, f"{shown(name.removeprefix(SCORE))} is not a class of this project.")
        elif name not in known:
            findings.column(name, f"The column {shown(name)} is unknown. Columns are case, label, score:<class>, value, refused, message.")
    if "case" not in names:
        findings.column("case", "The file has no column “case”, so no row can be joined to a case.")
    findings.refuse_if_any(0)


def _finish(table: pa.Table, findings: Findings, classes: Sequence[str]) -> PredictionTable:
    n = len(table)
    if n * max(len(classes), 1) > MAX_CELLS:
        raise _too_many_cells()
    if not n:
        raise TableRefused("The file holds no predictions. Nothing was stored; send one row for each case of the test set.")
    scores, broken = np.full((n, len(classes)), np.nan), np.zeros(n, dtype=np.bool_)
    for code, name in enumerate(classes):
        if SCORE + name in table.column_names:
            scores[:, code] = _finite(table, SCORE + name, findings, broken)
    value = _finite(table, "value", findings, broken) if "value" in table.column_names else np.full(n, np.nan)
    refused = _one(table, "refused", pa.bool_()).fill_null(False).to_numpy(zero_copy_only=False)
    for index in findings.row_numbers():
        broken[index] = True
    case, label, message = (_one(table, name, pa.string()) for name in _TEXTS)
    return PredictionTable(
        case=case, label=label, scores=scores, value=value, refused=refused, message=message, broken=broken, findings=findings
    )


def _finite(table: pa.Table, name: str, findings: Findings, broken: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """The column as float64 (n,), NaN for null; NaN and infinity in the file are findings."""
    column = _one(table, name, pa.float64())
    numbers = column.to_numpy(zero_copy_only=False)
    wrong = np.flatnonzero(~np.isfinite(numbers) & np.asarray(pc.is_valid(column)))
    findings.rows(wrong, lambda row: f"The number in column {shown(name)} is {numbers[row]}; it must be finite.")
    broken[wrong] = True
    return np.asarray(numbers, dtype=np.float64)


def _one(table: pa.Table, name: str, kind: pa.DataType) -> pa.Array:
    if name not in table.column_names:
        return pa.nulls(len(table), kind)
    chunked = table.column(name)
    return pa.concat_arrays([chunk.cast(kind) for chunk in chunked.chunks]) if chunked.num_chunks else pa.array([], kind)


def _too_many_cells() -> TooLarge:
    return TooLarge("The file holds more than 200 million scores. Nothing was stored; evaluate on a smaller test set.")


def _arrow_source(source: bytes | Path) -> pa.NativeFile | str:
    return pa.BufferReader(source) if isinstance(source, bytes) else str(source)


def _opened(source: bytes | Path) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
