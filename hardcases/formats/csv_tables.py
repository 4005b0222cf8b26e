"""CSV: one case a row. The delimiter is found, the header says what the columns are, and our own exports are read back to the letter."""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import IO, Any

from hardcases.errors import Invalid
from hardcases.formats import csv_cells
from hardcases.formats.cells import cell_of, shielded, unshielded
from hardcases.formats.exchange import Finding, Item, Options, Package
from hardcases.formats.flat import OWN, columns_of, row_of
from hardcases.formats.packages import only_member
from hardcases.formats.pictures import PackedPictures
from hardcases.formats.rows import shown
from hardcases.formats.rowwise import Rows

DELIMITERS = ",;\t|"
MAX_COLUMNS = 20_000
_HEAD = 2**16
_TOLD = re.compile(r"sep=([^\r\n\"])(?=[\r\n]|$)", re.IGNORECASE)  # the first line of some tables for spreadsheets


def read_csv(package: Package, options: Options) -> Iterator[Item | Finding]:
    """Every row of the one table in the package; pictures beside it are named by the column `file`."""
    name = only_member(package, (".csv", ".tsv", ".txt"), options.mapping.get("member"))
    with package.open(name) as file:
        head = file.read(_HEAD)
        encoding = _encoding(head)
    with (
        package.open(name) as file,
        io.TextIOWrapper(file, encoding, "surrogateescape" if "8" in encoding else "strict", newline="") as text,
    ):
        mark = _delimiter(head, encoding, options)
        reader = csv.reader(text, delimiter=mark, strict=True)
        yield from _rows(reader, mark, Rows(options, textual=True), PackedPictures(package))


def _encoding(head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8-sig"


def _delimiter(head: bytes, encoding: str, options: Options) -> str:
    """The mapping's, else the one that parts the header into the most cells; quoted delimiters do not count."""
    wanted = options.mapping.get("delimiter")
    if wanted is not None:
        if not isinstance(wanted, str) or len(wanted) != 1 or wanted in '"\r\n':
            raise Invalid("In the mapping, “delimiter” is one character. Nothing was imported. Correct the mapping.")
        return wanted
    text = head[: len(head) // 2 * 2].decode(encoding, "replace").lstrip("\r\n")
    told = _TOLD.match(text)
    if told:
        return told[1]
    parted = {mark: len(next(_tolerant(text, mark), [])) for mark in DELIMITERS}
    return max(DELIMITERS, key=lambda mark: parted[mark])


def _tolerant(text: str, mark: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
    try:
        yield next(reader, [])
    except csv.Error:
        return


def _rows(reader: Any, mark: str, rows: Rows, pictures: PackedPictures) -> Iterator[Item | Finding]:
    header: list[str] = []
    own, number = False, 0
    while True:
        try:
            row = next(reader, None)
        except (csv.Error, UnicodeError) as error:
            yield Finding(place=f"rows/{number}", problem=csv_cells.problem(error))
            break
        if row is None:
            break
        if not any(row):
            continue
        if not header and not number and reader.line_num == 1 and _TOLD.fullmatch(mark.join(row)):
            continue
        if not header:
            header = _header(row)
            own = tuple(header[: len(OWN)]) == OWN
            continue
        place = f"rows/{number}"
        number += 1
        problem = _problem(row, header)
        if problem:
            yield Finding(place=place, problem=problem)
            continue
        cells = map(unshielded, row) if own else row
        for found in rows.read(place, dict(zip(header, cells, strict=True))):
            yield pictures.found(found) if isinstance(found, Item) else found
    if not header:
        raise Invalid("The file is empty. Nothing was imported. Send a table with a header.")
    yield from rows.end()
    yield from pictures.end()


def _header(row: list[str]) -> list[str]:
    header = [name.strip() or f"column {number}" for number, name in enumerate(row, start=1)]
    if any(not name.isprintable() for name in header):  # bytes that are not UTF-8 come as half characters
        raise Invalid("The header holds characters that cannot be read. Nothing was imported. Save the file as CSV in UTF-8.")
    again = next((name for name, count in Counter(header).items() if count > 1), None) if len(header) <= MAX_COLUMNS else ""
    if again is not None:
        what = (
            f"The header names {shown(again)} more than once"
            if again
            else f"The header has an empty name or more than {MAX_COLUMNS:,} of them"
        )
        raise Invalid(f"{what}. Nothing was imported. Give each column a name of its own.")
    return header


def _problem(row: list[str], header: list[str]) -> str | None:
    if len(row) != len(header):
        return f"This row has {len(row):,} cells, the header {len(header):,}."
    for name, cell in zip(header, row, strict=True):
        if not cell.isascii() and any("\ud800" <= letter <= "\udfff" for letter in cell):
            return f"The cell in column {shown(name)} is not UTF-8. Save the file as CSV in UTF-8."
        if "\x00" in cell:
            return f"The cell in column {shown(name)} holds a NUL character."
    return None


def write_csv(items: Iterable[Item], out: IO[bytes], options: Options) -> None:
    """One row an item, with `flat.columns_of` as the header. Cells that a spreadsheet would run begin with an apostrophe."""
    columns = columns_of(options)
    text = io.TextIOWrapper(out, "utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(map(shielded, columns))
    for item in items:
        row = row_of(item, options)
        writer.writerow([shielded(_cell(name, row.get(name))) for name in columns])
    text.flush()
    text.detach()


def _cell(name: str, value: Any) -> str:
    return value if isinstance(value, str) and not name.startswith("attributes.") else cell_of(value)
