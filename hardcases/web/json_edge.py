"""The one strict JSON reader, and the one canonical JSON writer.

What RFC 8259 leaves open is refused here, because each gap has been somebody's incident: duplicate keys (two readers see two documents),
NaN and 1e999 (not JSON, poison every mean), integers that a double cannot hold, NUL (PostgreSQL refuses it), lone surrogates (SQLite
stores them and every later page fails), and nesting deep enough to exhaust a parser. Findings carry JSON pointers (RFC 6901) so that a
client can show them beside the value.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, ClassVar

import rfc8785
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict
from rest_framework.parsers import BaseParser

from hardcases.errors import BadRequest, Detail, Refusal, TooLarge

JSON_LIMIT = 1_000_000
MAX_DEPTH = 32
MAX_INTEGER = 2**53 - 1  # the safe range of RFC 8785; beyond it two different integers are the same double
MAX_FINDINGS = 20

# A string is consumed whole, closed or not, and possessively: linear in the input whatever it contains.
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class BadJSON(BadRequest):
    code, title = "bad_json", "The JSON could not be read"


def pointer(*steps: str | int) -> str:
    """JSON pointer of a path, RFC 6901: `pointer("a/b", 3)` is `/a~1b/3`."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


class _Pairs(list[tuple[str, Any]]):
    """An object as the parser met it, duplicates included."""


@dataclass(frozen=True)
class _Unacceptable:
    """A number that parsed but may not pass; its sentence waits for the pointer."""

    sentence: str


def _integer(literal: str) -> int | _Unacceptable:
    # Length first: int() of a million digits is quadratic, and Python refuses beyond 4,300 with its own error.
    if len(literal) > 17 or abs(int(literal)) > MAX_INTEGER:
        return _Unacceptable("This integer is beyond ±(2^53 − 1), where digits are lost; send it as a string.")
    return int(literal)


def _number(literal: str) -> float | _Unacceptable:
    value = float(literal)
    if math.isinf(value):
        return _Unacceptable("This number is too large for a double.")
    return value


def _constant(literal: str) -> _Unacceptable:
    return _Unacceptable(f"{literal} is not JSON; leave the value out or send null.")


_SORTED = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
_DECODER = json.JSONDecoder(object_pairs_hook=_Pairs, parse_int=_integer, parse_float=_number, parse_constant=_constant)


def read_json(data: bytes | str, *, limit: int = JSON_LIMIT) -> Any:
    """Parse one JSON document (UTF-8). Raises `TooLarge` beyond `limit` bytes and `BadJSON` (400) for anything the strict rules refuse."""
    if len(data) > limit:
        raise TooLarge(f"The JSON is larger than the limit of {limit:,} bytes. Nothing was stored. Send less at once.")
    text = data if isinstance(data, str) else _decoded(data)
    _check_depth(text)
    try:
        raw = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise BadJSON(
            f"The body is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}. Nothing was stored."
        ) from error
    findings: list[Detail] = []
    value = _settle(raw, (), findings)
    if findings:
        first = findings[0]
        where = first.pointer or "the top level"
        raise BadJSON(f"The JSON breaks a rule at {where}: {first.detail} Nothing was stored.", errors=findings[:MAX_FINDINGS])
    return value


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadJSON(f"The body is not UTF-8: byte {error.start} cannot be read. Nothing was stored. Send the JSON in UTF-8.") from error


def _check_depth(text: str) -> None:
    depth = 0
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in {"[", "{"}:
            depth += 1
            if depth > MAX_DEPTH:
                raise BadJSON(
                    f"The JSON is nested deeper than {MAX_DEPTH} levels at character {token.start()}. Nothing was stored. Send it flatter."
                )
        elif mark in {"]", "}"}:
            depth -= 1


def _settle(value: Any, path: tuple[str | int, ...], findings: list[Detail]) -> Any:
    """Turn the parser's raw tree into plain values; the depth is already bounded, so recursion is safe."""
    if isinstance(value, _Pairs):
        return _settle_object(value, path, findings)
    if isinstance(value, list):
        return [_settle(item, (*path, index), findings) for index, item in enumerate(value)]
    if isinstance(value, _Unacceptable):
        findings.append(Detail(pointer=pointer(*path), detail=value.sentence))
        return None
    if isinstance(value, str):
        return _settle_text(value, path, findings, "This text")
    return value


def _settle_object(pairs: _Pairs, path: tuple[str | int, ...], findings: list[Detail]) -> dict[str, Any]:
    settled: dict[str, Any] = {}
    for key, item in pairs:
        shown = _settle_text(key, path, findings, "A key of this object")
        if shown in settled:
            findings.append(Detail(pointer=pointer(*path, shown), detail="This key occurs twice in its object; keep one."))
        settled[shown] = _settle(item, (*path, shown), findings)
    return settled


def _settle_text(text: str, path: tuple[str | int, ...], findings: list[Detail], subject: str) -> str:
    found = _UNSTORABLE.search(text)
    if not found:
        return text
    what = "a NUL character" if found[0] == "\x00" else "a lone surrogate (half a character)"
    findings.append(Detail(pointer=pointer(*path), detail=f"{subject} contains {what}, which cannot be stored."))
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


@dataclass(frozen=True)
class Line:
    """One line of NDJSON: its value, or the refusal that concerns this line alone. `number` counts from 0 and skips blank lines."""

    number: int
    value: Any = None
    refusal: Refusal | None = None


def read_ndjson(stream: IO[bytes], *, total_limit: int, line_limit: int = JSON_LIMIT, max_lines: int | None = None) -> Iterator[Line]:
    """Read newline-delimited JSON strictly and lazily; a bad line is yielded with its refusal so that good ones are kept.

    Raises `TooLarge` when the stream exceeds `total_limit` bytes or `max_lines`, or a line exceeds `line_limit` (its end is then unknown).
    """
    received = number = 0
    while line := stream.readline(line_limit + 2):
        received += len(line)
        content = line.rstrip(b"\r\n")
        if len(content) > line_limit:
            raise TooLarge(f"Line {number} is longer than the limit of {line_limit:,} bytes. Nothing was stored. Send shorter lines.")
        if received > total_limit:
            raise TooLarge(f"The body is larger than the limit of {total_limit:,} bytes. Nothing was stored. Send it in parts.")
        if not content.strip():
            continue
        if max_lines is not None and number >= max_lines:
            raise TooLarge(f"The body has more than {max_lines:,} lines. Nothing was stored. Send it in parts.")
        yield _line(number, content, line_limit)
        number += 1


def _line(number: int, content: bytes, limit: int) -> Line:
    try:
        return Line(number, value=read_json(content, limit=limit))
    except Refusal as refusal:
        return Line(number, refusal=refusal)


class StrictJSONParser(BaseParser):
    """`application/json` through `read_json`. A view raises the limit with an attribute `json_limit` (bytes)."""

    media_type = "application/json"
    setting: ClassVar[str] = "json_limit"

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        limit = _limit_of(parser_context, self.setting, JSON_LIMIT)
        return read_json(stream.read(limit + 1), limit=limit)


class StrictNDJSONParser(BaseParser):
    """`application/x-ndjson` to `list[Line]`. A view sets `ndjson_limit` (bytes, default 256 MB) and `ndjson_lines` (default 1,000)."""

    media_type = "application/x-ndjson"

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        total = _limit_of(parser_context, "ndjson_limit", 256_000_000)
        lines = _limit_of(parser_context, "ndjson_lines", 1_000)
        return list(read_ndjson(stream, total_limit=total, max_lines=lines))


def _limit_of(context: Mapping[str, Any] | None, name: str, default: int) -> int:
    view = (context or {}).get("view")
    return int(getattr(view, name, default))


def json_part(data: QueryDict, files: MultiValueDict[str, Any], name: str, *, limit: int = JSON_LIMIT) -> Any:
    """The JSON of one multipart part, sent with or without a file name. Raises `BadRequest` when the part is absent or sent twice.

    `data` and `files` are `request.POST`/`request.FILES` of Django, or `request.data`/`request.FILES` of REST framework.
    """
    sent_files = files.getlist(name)
    sent_texts = [item for item in data.getlist(name) if item not in sent_files]  # REST framework's data repeats the files
    if len(sent_files) + len(sent_texts) != 1:
        found = "was sent more than once" if sent_files or sent_texts else "is missing"
        raise BadRequest(f"The part “{name}” {found}. Nothing was stored. Send one part of that name with JSON in it.")
    if sent_texts:
        return read_json(sent_texts[0].encode("utf-8", "surrogatepass"), limit=limit)
    part = sent_files[0]
    return read_json(part.read(limit + 1), limit=limit)


def canonical(value: Any) -> bytes:
    """RFC 8785 form of a value that came through `read_json` or was made of its types. UTF-8 bytes, keys sorted by UTF-16 code units."""
    return _plain(value) or rfc8785.dumps(value)


def _plain(value: Any) -> bytes | None:
    """The same bytes from Python's own encoder, twenty times faster, where it writes them as RFC 8785 wants; None where it might not."""
    if not _alike(value):
        return None
    try:
        return _SORTED.encode(value).encode()
    except UnicodeEncodeError:
        return None  # a lone surrogate: the other encoder says so in its own words


def _alike(value: Any) -> bool:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is dict:
        return all(type(key) is str and key.isascii() and _alike(item) for key, item in value.items())
    if kind is list:
        return all(map(_alike, value))
    if kind is int:
        return bool(-MAX_INTEGER <= value <= MAX_INTEGER)
    return bool(kind is float and 1e-4 <= abs(value) < 1e16 and not value.is_integer())  # where both write digits without exponent or “.0”


def stable(value: Any) -> bytes:
    """UTF-8 JSON with sorted keys, the same bytes for equal values made by us. For large documents whose digest nobody computes from the values.

    Raises ValueError for a number that is not finite.
    """
    return _SORTED.encode(value).encode()


def digest_of(value: Any) -> str:
    """SHA-256 of the canonical form, 64 lower-case hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()
