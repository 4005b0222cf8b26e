"""JSON lines, and a JSON list of the same objects: one case an object, in our names, in those of the API, or in those of tools for language models."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

from hardcases.formats import strict
from hardcases.formats.dialogues import translated
from hardcases.formats.exchange import Finding, Item, Options, Package
from hardcases.formats.fields import plain
from hardcases.formats.packages import only_member
from hardcases.formats.pictures import PackedPictures
from hardcases.formats.rowwise import Rows

MAX_LINE = 8 * 2**20


def read_jsonl(package: Package, options: Options) -> Iterator[Item | Finding]:
    """Every object of the one such file in the package; pictures beside it are named by `file`. A line that cannot be read costs that line only."""
    name = only_member(package, (".jsonl", ".ndjson", ".json"), options.mapping.get("member"))
    rows, pictures = Rows(options, textual=False), PackedPictures(package)
    with package.open(name) as file:
        start = file.read(4096)
    with package.open(name) as file:
        objects = _list(file) if start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"[" else _lines(file)
        for place, value in objects:
            if isinstance(value, Finding):
                yield value
                continue
            for found in rows.read(place, translated(place, value, options, rows.tally)):
                yield pictures.found(found) if isinstance(found, Item) else found
    yield from rows.end()
    yield from pictures.end()


def _lines(file: IO[bytes]) -> Iterator[tuple[str, dict[str, Any] | Finding]]:
    number = 0
    while line := file.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE:
            yield (
                "",
                Finding(place=f"rows/{number}", problem=f"This line is longer than {MAX_LINE:,} bytes; from here on nothing was read."),
            )
            return
        if not line.strip():
            continue
        place = f"rows/{number}"
        number += 1
        try:
            value = strict.parse(line)
        except strict.JSONError as error:
            yield place, Finding(place=place, problem=str(error))
            continue
        yield place, value if isinstance(value, dict) else Finding(place=place, problem="This line is not a JSON object.")
    if not number:
        yield "", Finding(place="", problem="The file is empty.", lost=False)


def _list(file: IO[bytes]) -> Iterator[tuple[str, dict[str, Any] | Finding]]:
    number = 0
    try:
        for _, number, value in strict.pieces(file):
            if number < 0:
                continue
            place = f"rows/{number}"
            problem = strict.unfit(value) or (None if isinstance(value, dict) else "This element is not a JSON object.")
            yield place, Finding(place=place, problem=problem) if problem else value
    except strict.JSONError as error:
        yield "", Finding(place=f"rows/{max(number + 1, 0)}", problem=f"From here on the file could not be read: {error}")


def write_jsonl(items: Iterable[Item], out: IO[bytes], options: Options) -> None:
    """One object a line with the values that are set, in the names of `Item`."""
    for item in items:
        out.write(line_of(plain(item)))


def line_of(value: Mapping[str, Any]) -> bytes:
    """One line of JSON in UTF-8. Raises ValueError for a number that is not finite."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"
