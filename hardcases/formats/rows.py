"""Reads predictions row by row, slowly and forgivingly, so that every wrong row can be named: the second reading of a file that pyarrow
refused.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import pyarrow as pa

from hardcases.formats import csv_cells
from hardcases.formats.findings import Findings
from hardcases.formats.predictions import SCORE

_NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|nan|inf|infinity)", re.IGNORECASE | re.ASCII)
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_UNREADABLE = object()
_FIELDS = ("case", "label", "scores", "value", "refused", "message")


class Columns:
    """Columns that grow row by row; a row that cannot be read still takes its place, so that the numbers of the rows stay true."""

    def __init__(self, classes: Sequence[str]) -> None:
        self.kinds: dict[str, pa.DataType] = {"case": pa.string(), "label": pa.string(), "message": pa.string(), "refused": pa.bool_()}
        self.kinds |= dict.fromkeys(["value", *(SCORE + name for name in classes)], pa.float64())
        self.columns: dict[str, list[object]] = {name: [] for name in self.kinds}
        self.findings = Findings()
        self.rows = 0

    def add(self, cells: dict[str, object]) -> None:
        for name, column in self.columns.items():
            column.append(cells.get(name))
        self.rows += 1

    def wrong(self, sentence: str) -> None:
        """A finding about the row that will be added next."""
        self.findings.row(self.rows, sentence)

    def done(self) -> tuple[pa.Table, Findings]:
        return pa.table({name: pa.array(column, self.kinds[name]) for name, column in self.columns.items()}), self.findings


def csv_rows(file: BinaryIO, columns: Columns) -> tuple[pa.Table, Findings]:
    """Every row of a CSV file whose header is known to be good."""
    with io.TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline="") as text:
        return _read_rows(csv.reader(text, strict=True), columns)


def _read_rows(reader: Iterator[list[str]], columns: Columns) -> tuple[pa.Table, Findings]:
    header: list[str] | None = None
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return columns.done()
        except csv.Error as error:
            columns.wrong(csv_cells.problem(error))
            columns.add({})
            return columns.done()
        if row and header is None:
            header = row
        elif row and header is not None:
            columns.add(_csv_cells(row, header, columns))


def _csv_cells(row: list[str], header: list[str], columns: Columns) -> dict[str, object]:
    if len(row) != len(header):
        columns.wrong(f"This row has {len(row)} cells, the header {len(header)}.")
    cells: dict[str, object] = {}
    for name, text in zip(header, row, strict=False):
        if not text:
            continue
        if not _is_unicode(text):
            columns.wrong(f"The cell in column {shown(name)} is not UTF-8.")
        elif columns.kinds[name] == pa.string():
            cells[name] = text
        elif columns.kinds[name] == pa.bool_():
            cells[name] = _boolean(text, columns)
        elif _NUMBER.fullmatch(text):
            cells[name] = float(text)
        else:
            columns.wrong(f"{shown(text)} in column {shown(name)} is not a number.")
    return cells


def json_rows(records: Iterable[object], columns: Columns) -> tuple[pa.Table, Findings]:
    """Records as lines (bytes) or as parsed pairs."""
    for number, record in enumerate(records):
        parsed = _parsed(record, first=number == 0, columns=columns) if isinstance(record, bytes) else record
        columns.add({} if parsed is _UNREADABLE else _json_cells(parsed, columns))
    return columns.done()


def _parsed(line: bytes, *, first: bool, columns: Columns) -> object:
    try:
        return json.loads(line.decode("utf-8-sig" if first else "utf-8"), object_pairs_hook=tuple)
    except UnicodeDecodeError:
        columns.wrong("This line is not UTF-8.")
    except (ValueError, RecursionError):
        columns.wrong("This line is not valid JSON.")
    return _UNREADABLE


def _json_cells(record: Any, columns: Columns) -> dict[str, object]:
    if not _is_object(record):
        columns.wrong("A prediction must be a JSON object.")
        return {}
    cells: dict[str, object] = {}
    for name, value in _unrepeated(record, columns).items():
        if value is None:
            continue
        if name not in _FIELDS:
            columns.wrong(f"The field {shown(name)} is unknown. Fields are {', '.join(_FIELDS)}.")
        elif name == "scores":
            cells |= _scores(value, columns)
        elif name == "value":
            cells[name] = _number(value, name, columns)
        elif name == "refused":
            cells[name] = value if isinstance(value, bool) else _boolean(str(value), columns)
        elif isinstance(value, str) and _is_unicode(value):
            cells[name] = value
        else:
            columns.wrong(f"The field {shown(name)} must be a text.")
    return cells


def _scores(value: Any, columns: Columns) -> dict[str, object]:
    if not _is_object(value):
        columns.wrong("The field “scores” must be an object of class and number.")
        return {}
    cells: dict[str, object] = {}
    for name, score in _unrepeated(value, columns).items():
        if SCORE + name not in columns.kinds:
            columns.wrong(f"{shown(name)} is not a class of this project.")
        elif score is not None:
            cells[SCORE + name] = _number(score, name, columns)
    return cells


def _number(value: object, name: str, columns: Columns) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        columns.wrong(f"The value of {shown(name)} is not a number.")
        return None
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _boolean(text: str, columns: Columns) -> bool | None:
    if text.lower() not in _BOOLEANS:
        columns.wrong(f"{shown(text)} in “refused” must be true or false.")
    return _BOOLEANS.get(text.lower())


def _unrepeated(pairs: tuple[tuple[str, object], ...], columns: Columns) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        columns.wrong("A field appears more than once.")
    return fields


def _is_object(value: object) -> bool:
    """Objects are parsed as tuples of pairs, so that repeated names can be seen; lists stay lists."""
    return isinstance(value, tuple)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(text: str) -> str:
    """A hostile file may hold long cells; a sentence shows their beginning, and no half characters."""
    clean = text.encode(errors="replace").decode()
    return f"“{clean[:80]}…”" if len(clean) > 80 else f"“{clean}”"
