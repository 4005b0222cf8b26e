"""The query language of every list: the search line of a page and `?q=` of the API are the same text.

    state:inbox site:"clinic 7" -label:pacemaker,wire score:<0.3 age:60..70 since:7d night

A space means AND, `-` negates, a comma means OR among the values of one field, quotes hold a value together. The text becomes a small
typed tree that writes itself back as canonical text; what its fields mean is the matter of `hardcases.web.vocabulary`.
"""

import dataclasses
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from hardcases.errors import BadRequest

MAX_CHARACTERS = 200
MAX_TERMS = 20

_NAME = re.compile(r"[^\W\d][\w.-]*")
NUMBER = r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?"
DATE = r"\d{4}-\d{2}-\d{2}(?:T[\d:.]+(?:Z|[+-]\d{2}:\d{2})?)?"
_RANGE = re.compile(rf"({NUMBER})\.\.({NUMBER})|({DATE})\.\.({DATE})")


class Operator(StrEnum):
    IN = ":"
    GREATER = ">"
    AT_LEAST = ">="
    LESS = "<"
    AT_MOST = "<="
    RANGE = ".."


@dataclass(frozen=True)
class Term:
    """One condition. `field` None is a bare word. `values`: one or more for IN, one for a comparison, both included ends for RANGE."""

    field: str | None
    values: tuple[str, ...]
    operator: Operator = Operator.IN
    negated: bool = False
    position: int = dataclasses.field(default=0, compare=False)

    def __str__(self) -> str:
        sign = "-" if self.negated else ""
        if self.field is None:
            return sign + _written(self.values[0], bare=True)
        name = self.field if _NAME.fullmatch(self.field) else _quoted(self.field)
        match self.operator:
            case Operator.IN:
                values = ",".join(_written(value, bare=False) for value in self.values)
            case Operator.RANGE:
                values = "..".join(self.values)
            case comparison:
                values = comparison.value + _written(self.values[0], bare=False)
        return f"{sign}{name}:{values}"


@dataclass(frozen=True)
class Query:
    """Terms joined by AND; an empty query matches everything. `str(query)` is the canonical text: parsing it gives an equal query."""

    terms: tuple[Term, ...] = ()

    def __str__(self) -> str:
        return " ".join(str(term) for term in self.terms)

    def without(self, position: int) -> "Query":
        """The query with one term left out, counted from 0: "without `site:` there are 31"."""
        return Query(self.terms[:position] + self.terms[position + 1 :])


class QueryRefused(BadRequest):
    """400 with the place of the fault: `extra["position"]` counts characters from 0, `extra["hint"]` lists what would be known there."""

    code, title = "bad_query", "The search cannot be read"

    def __init__(self, sentence: str, *, position: int, known: Iterable[str] = ()) -> None:
        hint = sorted(known)
        super().__init__(sentence, extra={"position": position, "hint": hint})
        self.position = position
        self.hint = hint


def parse(text: str) -> Query:
    """Read a query. Raises `QueryRefused` with a sentence and the position of the fault."""
    if len(text) > MAX_CHARACTERS:
        raise QueryRefused(f"The search is longer than {MAX_CHARACTERS} characters. Shorten it.", position=MAX_CHARACTERS)
    if "\x00" in text:
        raise QueryRefused("The search contains a NUL character. Remove it.", position=text.index("\x00"))
    return _Reader(text).query()


class _Reader:
    """A cursor over the text; every method reads one thing and leaves the cursor behind it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def query(self) -> Query:
        terms: list[Term] = []
        while self._skip_spaces():
            if len(terms) == MAX_TERMS:
                raise QueryRefused(f"The search has more than {MAX_TERMS} terms. Leave some out.", position=self.at)
            terms.append(self._term())
        return Query(tuple(terms))

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _skip_spaces(self) -> bool:
        while self._peek().isspace():
            self.at += 1
        return self.at < len(self.text)

    def _term(self) -> Term:
        start = self.at
        negated = self._peek() == "-"
        self.at += negated
        if not self._peek() or self._peek().isspace():
            raise QueryRefused("“-” negates what follows it, but nothing does. Write it before a term, without a space.", position=start)
        name = self._quoted() if self._peek() == '"' else self._until(":")
        if self._peek() != ":":
            self._end_of_value()
            return Term(None, (name,), negated=negated, position=start)
        if not name:
            raise QueryRefused("A field name is missing before “:”.", position=start)
        self.at += 1
        operator, values = self._condition(name)
        return Term(name, values, operator, negated, start)

    def _condition(self, name: str) -> tuple[Operator, tuple[str, ...]]:
        start = self.at
        for sign in (">=", "<=", ">", "<"):
            if self.text.startswith(sign, self.at):
                self.at += len(sign)
                value = self._value(name)
                self._end_of_value()
                return Operator(sign), (value,)
        values: list[str] = []
        ranges = 0
        while not values or self._peek() == ",":
            self.at += bool(values)
            quoted = self._peek() == '"'
            values.append(self._value(name))
            ranges += not quoted and _looks_like_range(values[-1])
        self._end_of_value()
        if ranges and len(values) > 1:
            raise QueryRefused(f"A range cannot stand among other values of “{name}”. Use a term of its own, or quotes.", position=start)
        return (Operator.RANGE, _ends(values[0])) if ranges else (Operator.IN, tuple(values))

    def _value(self, name: str) -> str:
        if self._peek() == '"':
            return self._quoted()
        start = self.at
        value = self._until(",")
        if not value:
            raise QueryRefused(f'A value is missing after “{name}:”. Write “{name}:""” for cases without one.', position=start)
        return value

    def _until(self, stop: str) -> str:
        start = self.at
        while (character := self._peek()) and character not in f'"{stop}' and not character.isspace():
            self.at += 1
        return self.text[start : self.at]

    def _quoted(self) -> str:
        start, value = self.at, ""
        self.at += 1
        while (character := self._peek()) and character != '"':
            if character == "\\" and self.text[self.at + 1 : self.at + 2] in {'"', "\\"}:
                self.at += 1
                character = self._peek()
            value += character
            self.at += 1
        if not self._peek():
            raise QueryRefused("A quotation mark is opened and not closed.", position=start)
        self.at += 1
        return value

    def _end_of_value(self) -> None:
        if self._peek() and not self._peek().isspace():
            raise QueryRefused(f"A space is missing before “{self._peek()}”, or quotes around the whole value.", position=self.at)


def _looks_like_range(text: str) -> bool:
    return _RANGE.fullmatch(text) is not None


def _ends(text: str) -> tuple[str, str]:
    low, _, high = text.partition("..")
    return low, high


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _written(value: str, *, bare: bool) -> str:
    """A value as the shortest text that reads back as itself."""
    special = ":" if bare else ","
    plain = value and not any(character in f'"{special}' or character.isspace() for character in value)
    misread = value.startswith("-") if bare else value.startswith((">", "<")) or _looks_like_range(value)
    return value if plain and not misread else _quoted(value)
