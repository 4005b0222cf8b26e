"""The rows of a report, as they lie in `ReportPart`: what became of each entry of a file."""

import csv
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hardcases.web.json_edge import stable

NEW, SEEN_AGAIN, ALREADY_HERE, LABELLED, REJECTED, WARNING = "new", "seen_again", "already_here", "labelled", "rejected", "warning"
STATUSES = (NEW, SEEN_AGAIN, ALREADY_HERE, LABELLED, REJECTED, WARNING)
# Of one report. `labelled` counts every label given, also to new cases; the others count rows of that status. `entries` is everything that the file told.
COUNTS = ("entries", "new", "seen_again", "already_here", "labelled", "rejected", "warnings")
COLUMNS = ("place", "status", "key", "labelled", "problem")
_PLURAL = {WARNING: "warnings"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass
class Report:
    """The rows of some entries, and their counts."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))

    def add(
        self, place: str, status: str, *, key: str | None = None, labelled: bool = False, problem: str | None = None, times: int = 1
    ) -> None:
        """One row. `times`: how often the same is the case in the file, where one row stands for all."""
        row: dict[str, Any] = {"place": place, "status": status}
        if key is not None:
            row["key"] = key
        if labelled:
            row["labelled"] = True
            self.counts[LABELLED] += 1
        if problem is not None:
            row["problem"] = problem
        if times > 1:
            row["times"] = times
        self.rows.append(row)
        if status != LABELLED:
            self.counts[_PLURAL.get(status, status)] += times

    def packed(self) -> bytes:
        """For the column `rows`."""
        return zlib.compress(b"".join(stable(row) + b"\n" for row in self.rows), 1)

    def problems(self, at_most: int) -> list[dict[str, str]]:
        """The first rejections, as a job lists them."""
        found = (row for row in self.rows if row["status"] == REJECTED)
        return [{"pointer": row["place"], "detail": row["problem"]} for row, _ in zip(found, range(at_most), strict=False)]


def unpacked(packed: bytes) -> Iterator[dict[str, Any]]:
    """The rows of one part."""
    for line in zlib.decompress(packed).splitlines():
        yield json.loads(line)


def chosen(rows: Iterable[dict[str, Any]], status: str | None) -> Iterator[dict[str, Any]]:
    """Those of a status; `labelled` are all that a label was given to."""
    for row in rows:
        if status is None or row["status"] == status or (status == LABELLED and row.get("labelled")):
            yield row


def added(total: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Counts, summed."""
    return {name: total.get(name, 0) + more.get(name, 0) for name in COUNTS}


def as_jsonl(rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """A line a row."""
    for row in rows:
        yield stable(row) + b"\n"


def as_csv(rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """With a header; a cell that a spreadsheet would take for a formula begins with an apostrophe."""
    yield _line(COLUMNS)
    for row in rows:
        yield _line([_cell(row.get(name)) for name in COLUMNS])


def _cell(value: Any) -> str:
    text = "" if value is None else "true" if value is True else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _line(cells: Iterable[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue().encode()
