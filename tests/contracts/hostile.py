"""What nobody sends by mistake: bodies, values, queries, path segments and headers that have broken servers.

A document is hurt at every node, one at a time, so that each hostile value arrives where the rest of the request is right. All of it everywhere takes minutes, so a
deck deals each place a few in turn, in an order that a seed fixes. `HOSTILE=all` sends everything everywhere.
"""

import json
import os
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any, Generic, TypeVar

SEED = 20_24
ALL = os.environ.get("HOSTILE") == "all"
FORM, JSON, NDJSON, YAML, CSV = (
    "application/x-www-form-urlencoded",
    "application/json",
    "application/x-ndjson",
    "application/yaml",
    "text/csv",
)

LONG = "x" * 10_000
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    2**53 - 1,
    1e308,
    0.1,
    "",
    " \t\n",
    LONG,
    "9" * 400,
    "\U0001f600\u202e\ufeff\u0301",
    "\x01\x1b[31m\x7f\u2028\x85",
    "'; DROP TABLE x; -- %s {{ 7 }} <script>",
    "../../../etc/passwd",
    "2024-13-45T99:99:99Z",
    "9999-12-31T23:59:59-23:59",
    [],
    [[[]]],
    [None, 1, "a", {}],
    ["x"] * 1_100,
    {},
    {"": {"__proto__": [1]}},
    {"q": '((("' * 200},
)
SEGMENTS = (
    "%00",
    "%F0%9F%98%80%E2%80%AE",
    "%ED%A0%80",
    "%ff",
    "..%2f..%2fetc",
    "x" * 3_000,
    "9" * 25,
    "XR-" + "9" * 25,
    "XR-%D9%A1",
    "production",
    "1@1@1",
    "a%0Ab",
)
QUERIES = (
    "%00",
    "%ff%fe",
    "%ED%A0%80",
    "",
    "x" * 6_000,
    "9" * 25,
    "-1",
    "1e999",
    "NaN",
    "%D9%A1",
    "%22%28" * 500,
    "label:",
    "age:%3E1e999",
    "since:99999-99-99",
    "-" * 50 + "a",
    "a%7C%7C%00",
    "{}",
    "0001-01-01",
)
TEXTS = (
    "",
    " ",
    LONG,
    "9" * 400,
    "-1",
    "1e999",
    "\x00",
    "\ud800",
    "\U0001f600\u202e",
    "\x1b[31m\x85\u2028",
    "'; DROP TABLE x; -- %s",
    "\n" * 500,
    "a number: 1, 1e999",
    "(" * 400,
    "label:normal -",
    "\u0661",
    "{{ 7|add:7 }}",
)
HEADERS: tuple[tuple[str, dict[str, str]], ...] = (
    ("Idempotency-Key of 5,000 characters", {"Idempotency-Key": "k" * 5_000}),
    ("empty Idempotency-Key", {"Idempotency-Key": ""}),
    ("Idempotency-Key with controls", {"Idempotency-Key": "a\x7f\x01"}),
    ("Accept nonsense", {"Accept": "x/y;q=z,,*", "Accept-Language": "\xff,de-DE-x-" + "y" * 300}),
    ("HX-Request", {"HX-Request": "true", "HX-Target": "\xff'\"", "X-Request-Id": "\r" * 3}),
    ("Range and conditions", {"Range": "bytes=-1-,5", "If-None-Match": '"', "If-Modified-Since": "yesterday"}),
)
MULTIPART, END = "multipart/form-data; boundary=b", b"--b--\r\n"
METHODS = ("HEAD", "OPTIONS", "TRACE", "PROPFIND", "PUT", "PATCH", "DELETE", "get")


Item = TypeVar("Item")


@dataclass(frozen=True)
class Attack:
    """One request. `what` names it in a failure."""

    what: str
    body: bytes = b""
    content_type: str = JSON
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class Deck(Generic[Item]):
    """Deals its items round and round."""

    def __init__(self, items: Iterable[Item]) -> None:
        self.items = list(items)
        random.Random(SEED).shuffle(self.items)
        self._next = cycle(self.items)

    def deal(self, number: int) -> list[Item]:
        """The next so many, or all where all are wanted."""
        return self.items if ALL else list(islice(self._next, number))


def _nodes(document: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    for step, value in items:
        yield (*path, step)
        yield from _nodes(value, (*path, step))


def _put(document: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """A copy with another value at the path."""
    if not path:
        return value
    first, *rest = path
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[first] = _put(copy[first], tuple(rest), value)
    return copy


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 40 else f"{text[:30]}… ({len(text)})"


VALUE_DECK = Deck(VALUES)


def hurt(document: Any) -> Iterator[tuple[str, Any]]:
    """(what was done, the document) for every node with some of the values, for the whole of it, and with an unknown field more."""
    top = 2 if isinstance(document, list) else 1
    for path in _nodes(document):
        for value in VALUE_DECK.deal(6 if len(path) <= top else 2):
            yield f"{'/'.join(map(str, path))} = {_shown(value)}", _put(document, path, value)
    for value in VALUE_DECK.deal(6):
        yield f"the whole body = {_shown(value)}", value
    if isinstance(document, dict):
        yield "an unknown field", document | {"colour": "red"}


def raw_json(document: Any) -> Iterator[tuple[str, bytes]]:
    """Bodies that are not the JSON they pretend to be, made of one that is right."""
    right = json.dumps(document)
    first = next(iter(document)) if isinstance(document, dict) and document else "a"
    yield "nothing", b""
    yield "truncated JSON", right[: len(right) // 2].encode()
    yield "something after the JSON", right.encode() + b"]"
    yield "a byte-order mark", b"\xef\xbb\xbf" + right.encode()
    yield "UTF-16", right.encode("utf-16")
    yield "Latin-1", b'{"a": "\xe9\xff"}'
    for name, text in {
        "NUL": '"a\\u0000b"',
        "lone surrogate": '"\\ud800"',
        "NaN": "NaN",
        "Infinity": "-Infinity",
        "1e999": "1e999",
        "a huge integer": "9" * 5_000,
        "depth 2,000": "[" * 2_000 + "]" * 2_000,
        "duplicate keys": '{"a": 1, "a": 2}',
        "a million brackets": "[" * 1_000_000,
    }.items():
        yield name, f"{{{json.dumps(first)}: {text}}}".encode()
    yield "the first field twice", f"{{{json.dumps(first)}: 1, {right[1:]}".encode()


def part(name: str, value: bytes, more: str = "") -> bytes:
    """One part of a multipart body whose boundary is b."""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value + b"\r\n"


def frames(names: list[str]) -> Iterator[Attack]:
    """Content types and multipart frames that do not fit what they hold."""
    first = names[0] if names else "file"
    for kind in (
        "",
        "text/plain",
        "application/xml",
        "application/json; charset=utf-7",
        "application/json; charset=",
        "a/b; c",
        "\xff/\xff",
        FORM,
        NDJSON,
        YAML,
    ):
        yield Attack(f"content type {kind!r}", b'{"a": "\xff"}', kind)
    yield Attack("multipart without a boundary", part(first, b"x") + END, "multipart/form-data")
    yield Attack("multipart with an odd boundary", b"--", "multipart/form-data; boundary=\xff\x01")
    yield Attack("multipart of another boundary", part(first, b"x") + END, "multipart/form-data; boundary=c")
    yield Attack("multipart cut off", part(first, b"x", '; filename="x"')[:-9], MULTIPART)
    yield Attack("parts without names", part("", b"x") + part("", b"y", '; filename=""') + END, MULTIPART)
    yield Attack("a part twice", part(first, b"{}") * 2 + part(first, b"{}", '; filename="x.png"') * 2 + END, MULTIPART)
    yield Attack("parts of bytes", b"".join(part(name, b"\x00\xff\xed\xa0\x80") for name in names) + END, MULTIPART)
    yield Attack("parts as files", b"".join(part(name, b"{}", f'; filename="../{name}"') for name in names) + END, MULTIPART)
    yield Attack("NUL in a file name", part(first, b"x", '; filename="a\x00b"') + END, MULTIPART)
    yield Attack(
        "a part of another encoding",
        b'--b\r\nContent-Disposition: form-data; name="' + first.encode() + b'"\r\nContent-Transfer-Encoding: base64\r\n\r\n=\r\n' + END,
        MULTIPART,
    )
    yield Attack("1,500 parts", b"".join(part(f"p{number}", b"") for number in range(1_500)) + END, MULTIPART)
    yield Attack("two boundaries deep", part(first, b"x", "\r\nContent-Type: multipart/mixed; boundary=c") + END, MULTIPART)


def yamls() -> Iterator[tuple[str, bytes]]:
    """YAML with YAML's surprises."""
    yield "an alias bomb", b"a: &a [1,1]\nb: &b [*a,*a]\nc: [*b,*b]"
    yield "a tag", b"slug: !!python/object/apply:os.system [id]"
    yield "depth 2,000", b"[" * 2_000 + b"]" * 2_000
    yield "depth by blocks", b"\n".join(b" " * depth + b"a:" for depth in range(600))
    yield "a date", b"slug: 2024-01-01"
    yield "NaN", b"min_n: .nan"
    yield "infinity", b"min_n: -.inf"
    yield "a huge integer", b"min_n: " + b"9" * 5_000
    yield "hexadecimal and sexagesimal", b"min_n: 0x1f\nslug: 1:30"
    yield "repeated keys", b"slug: a\nslug: b"
    yield "keys that are no text", b"? [1, 2]\n: 3\n~: 4\n1: 5"
    yield "NUL", b"slug: a\x00b"
    yield "an escaped NUL", b'slug: "a\\0b"'
    yield "a lone surrogate", b'slug: "\\ud800"'
    yield "no UTF-8", b"slug: \xff"
    yield "UTF-16", "slug: a".encode("utf-16")
    yield "several documents", b"a: 1\n---\nb: 2"
    yield "nothing", b""
    yield "a set and binary", b"a: !!set {x}\nb: !!binary /w=="


def files(key: str) -> Iterator[tuple[str, bytes]]:
    """Predictions that are none; `key` is a case."""
    yield "CSV of NaN", f"case,score:nodule\n{key},NaN\n".encode()
    yield "CSV of infinity", f"case,score:nodule\n{key},1e999\n".encode()
    yield "CSV of a huge field", f"case,score:nodule\n{key},".encode() + b"9" * 300_000
    yield "CSV with an open quote", b'case,score:nodule\n"XR-1,0.5\n'
    yield "CSV without rows", b"case,score:nodule\n"
    yield "CSV with NUL", b"case,score:nodule\nXR-1\x00,0.5\n"
    yield "CSV with a column twice", f"case,case,score:nodule,score:nodule\n{key},{key},1,1\n".encode()
    yield "CSV in UTF-16", "case,label\nXR-1,normal\n".encode("utf-16")
    yield "bytes", bytes(range(256)) * 4
    yield "half a Parquet", b"PAR1" + bytes(100) + b"PAR1"
    yield "a Parquet's end", b"\xff\xff\xff\x7fPAR1"
    yield "lines that are no objects", b'[1]\n"x"\n{"case": null}\n{"case": {"a": 1}, "score:nodule": "x"}\n'
