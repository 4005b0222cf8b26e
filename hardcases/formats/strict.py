"""JSON as it comes in foreign files: read strictly, and piece by piece where the file is large.

Refused are the same things as at the API's edge: repeated keys, NaN and infinity, whole numbers that a double cannot hold, NUL, half characters, deep nesting.
"""

import codecs
import json
import math
import re
from collections.abc import Iterator
from typing import IO, Any, NoReturn

MAX_DEPTH = 32
MAX_INTEGER = 2**53 - 1
MAX_PIECE = 64 * 2**20  # characters of one element of a list
_CHUNK = 2**20
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_LARGE = re.compile(r"\d{16}|[eE]\+?\d{2}")
_SPACE = re.compile(r"[ \t\n\r]*")


class JSONError(ValueError):
    """Why it cannot be used, as a sentence."""


class Repeating(dict[str, Any]):
    """An object in which a key occurs twice, so that what it says depends on who reads it. `key` is the first such key."""

    key = ""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    marked, seen = Repeating(found), set()
    for name, _ in pairs:
        if name in seen:
            marked.key = name
            break
        seen.add(name)
    return marked


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=float)  # NaN and infinity are told by `unfit`


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = _object(pairs)
    if isinstance(found, Repeating):
        raise JSONError(_repeated(found))
    return found


def _repeated(found: Repeating) -> str:
    return f"The key “{found.key.encode(errors='replace').decode()[:80]}” occurs twice in one object."


def _constant(literal: str) -> NoReturn:
    raise JSONError(f"{literal} is not a JSON number; leave the value out.")


_STRICT = json.JSONDecoder(object_pairs_hook=_unrepeated, parse_constant=_constant)


def parse(data: bytes | str) -> Any:
    """One whole document in UTF-8. Raises `JSONError`."""
    try:
        text = data if isinstance(data, str) else data.decode("utf-8-sig")
        value = _STRICT.decode(text)
    except UnicodeDecodeError as error:
        raise JSONError("This is not UTF-8.") from error
    except JSONError:
        raise
    except (ValueError, RecursionError) as error:
        raise JSONError("This is not valid JSON.") from error
    problem = unfit(value) if _may_be_unfit(text) else None
    if problem:
        raise JSONError(problem)
    return value


def _may_be_unfit(text: str) -> bool:
    """Whether a document can hold anything that `unfit` tells of, judged by its text, which is far quicker than walking through its values."""
    return "\\u" in text or _LARGE.search(text) is not None or text.count("[") + text.count("{") > MAX_DEPTH


def unfit(value: Any, depth: int = 0) -> str | None:
    """Why a parsed value cannot be stored, as a sentence; None where it can."""
    kind = type(value)
    if kind is dict or kind is list or kind is Repeating:
        return _unfit_within(value, depth)
    if kind is str:
        return "A text holds a NUL character or half a character." if _UNSTORABLE.search(value) else None
    if kind is float:
        return None if math.isfinite(value) else "A number is NaN or infinite; leave the value out."
    if kind is int and not -MAX_INTEGER <= value <= MAX_INTEGER:
        return "A whole number is beyond ±(2^53 − 1), where digits are lost."
    return None


def _unfit_within(value: Any, depth: int) -> str | None:
    if depth >= MAX_DEPTH:
        return f"It is nested deeper than {MAX_DEPTH} levels."
    if isinstance(value, Repeating):
        return _repeated(value)
    if isinstance(value, dict) and (problem := next(filter(None, map(unfit, value)), None)):
        return problem
    for item in value.values() if isinstance(value, dict) else value:
        problem = unfit(item, depth + 1)
        if problem:
            return problem
    return None


def pieces(stream: IO[bytes]) -> Iterator[tuple[str, int, Any]]:
    """A document piece by piece: `("", 3, …)` an element of a list at the top; of an object at the top `("images", 3, …)` an element of a member that is a
    list, and `("info", -1, …)` a member that is none; `("images", -1, [])` begins every list.

    Memory holds one piece and a buffer. Pieces are not looked at with `unfit`: whoever keeps a part of one does that. Raises `JSONError` at the place where the
    document breaks, after the pieces before it.
    """
    text = _Text(stream)
    mark = text.peek()
    if mark == "[":
        yield from _elements(text, "")
    elif mark == "{":
        yield from _members(text)
    else:
        raise JSONError("The file holds neither a JSON object nor a JSON list.")
    if text.peek():
        raise JSONError("Something follows after the end of the JSON.")


def _members(text: "_Text") -> Iterator[tuple[str, int, Any]]:
    text.take("{")
    seen: set[str] = set()
    while text.peek() != "}":
        if seen:
            text.take(",")
        name = text.value()
        if not isinstance(name, str):
            raise JSONError("This is not valid JSON.")
        if name in seen:
            raise JSONError(f"The key “{name.encode(errors='replace').decode()[:80]}” occurs twice at the top.")
        seen.add(name)
        text.take(":")
        if text.peek() == "[":
            yield from _elements(text, name)
        else:
            yield name, -1, text.value()
    text.take("}")


def _elements(text: "_Text", name: str) -> Iterator[tuple[str, int, Any]]:
    yield name, -1, []
    text.take("[")
    number = 0
    while text.peek() != "]":
        if number:
            text.take(",")
        yield name, number, text.value()
        number += 1
    text.take("]")


class _Text:
    """A window on a stream of UTF-8 that values are cut from."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._decoder = stream, codecs.getincrementaldecoder("utf-8-sig")()
        self._text, self._at, self._ended = "", 0, False

    def peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            space = _SPACE.match(self._text, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if self._ended:
                return ""
            self._more()

    def take(self, mark: str) -> None:
        if self.peek() != mark:
            raise JSONError("This is not valid JSON." if self.peek() else "The JSON ends before its end.")
        self._at += 1

    def value(self) -> Any:
        """The next value, of any size up to `MAX_PIECE`."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._ended or not self._may_go_on(error):
                    raise JSONError(
                        "The JSON ends before its end." if self._ended and self._may_go_on(error) else "This is not valid JSON."
                    ) from error
            except (ValueError, RecursionError) as error:
                raise JSONError("This is not valid JSON.") from error
            else:
                if end < len(self._text) or self._ended:
                    self._at = end
                    return value
            if len(self._text) - self._at > MAX_PIECE:
                raise JSONError(f"One element of the JSON is longer than {MAX_PIECE:,} characters.")
            self._more()

    def _may_go_on(self, error: json.JSONDecodeError) -> bool:
        """Whether the window, not the document, was too short: texts and escapes are reported where they begin, all else near the end."""
        return error.pos >= len(self._text) - 16 or error.msg.startswith(("Unterminated", "Invalid \\"))

    def _more(self) -> None:
        data = self._stream.read(max(_CHUNK, len(self._text) - self._at))
        self._ended = not data
        try:
            added = self._decoder.decode(data, final=self._ended)
        except UnicodeDecodeError as error:
            raise JSONError("The file is not UTF-8.") from error
        self._text, self._at = self._text[self._at :] + added, 0
