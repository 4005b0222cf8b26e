"""What the words of a query mean: rooms register their fields, and a query becomes a Django `Q`.

No word of the user ever becomes a lookup or an alias: it is looked up in the vocabulary, or passed on as a value.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Generic, TypeVar

from django.db.models import Q

from hardcases.web.search import DATE, NUMBER, Operator, Query, QueryRefused, Term

_AGO = re.compile(r"(\d{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

Context = TypeVar("Context")
Meaning = Callable[[Term, Context], Q]


@dataclass(frozen=True)
class Vocabulary(Generic[Context]):
    """What the words of a query mean in one list. `Context` is whatever the meanings need: usually the project, and the clock.

    `fields` maps a field name to its meaning, which gets the term without its negation. `word` means a bare word; None refuses them.
    """

    fields: Mapping[str, Meaning[Context]]
    word: Meaning[Context] | None = None

    def extended(self, fields: Mapping[str, Meaning[Context]]) -> "Vocabulary[Context]":
        """Further fields, such as a project's attributes; names that exist keep their meaning."""
        return replace(self, fields={**fields, **self.fields})


def compile_query(query: Query, vocabulary: Vocabulary[Context], context: Context) -> Q:
    """The condition of a whole query. Raises `QueryRefused` for an unknown field, naming the known ones."""
    condition = Q()
    for term in query.terms:
        meant = _meaning(term, vocabulary)(replace(term, negated=False), context)
        condition &= ~meant if term.negated else meant
    return condition


def _meaning(term: Term, vocabulary: Vocabulary[Context]) -> Meaning[Context]:
    if term.field is None:
        if vocabulary.word is None:
            raise refused(term, f"“{term.values[0]}” has no field here. Write field:value.", known=vocabulary.fields)
        return vocabulary.word
    meaning = vocabulary.fields.get(term.field)
    if meaning is None:
        known = ", ".join(sorted(vocabulary.fields)[:30])
        raise refused(
            term, f"There is no field “{term.field}” (character {term.position + 1}). Known here: {known}.", known=vocabulary.fields
        )
    return meaning


def refused(term: Term, sentence: str, *, known: Iterable[str] = ()) -> QueryRefused:
    """For meanings: a refusal that points at the term."""
    return QueryRefused(sentence, position=term.position, known=known)


def only_in(term: Term) -> tuple[str, ...]:
    """The values of a field that knows no order. Raises `QueryRefused` for comparisons and ranges."""
    if term.operator is not Operator.IN:
        raise refused(
            term, f"“{term.field}” has no order, so “{term.operator.value}” does not apply. Write {term.field}:value or quote the value."
        )
    return term.values


def choices(term: Term, allowed: Iterable[str]) -> tuple[str, ...]:
    """`only_in`, each value one of `allowed`."""
    known = tuple(allowed)
    for value in only_in(term):
        if value not in known:
            raise refused(term, f"“{term.field}” is never “{value}”. It can be {', '.join(known)}.", known=known)
    return term.values


def number(term: Term, value: str) -> float:
    """A finite number of a term's value. Raises `QueryRefused`."""
    if not re.fullmatch(NUMBER, value) or not -1e300 < float(value) < 1e300:
        raise refused(term, f"“{term.field}” needs a number, not “{value}”.")
    return float(value)


Bound = TypeVar("Bound")


def ordered(term: Term, path: str, convert: Callable[[Term, str], Bound]) -> Q:
    """The usual meaning of a field with an order: equality, comparison, range (both ends included).

    `path` is a lookup path written in code, never taken from a user; `convert` turns a value into what the column holds, or refuses.
    """
    values = [convert(term, value) for value in term.values]
    match term.operator:
        case Operator.IN:
            return Q((f"{path}__in", values))
        case Operator.RANGE:
            return Q((f"{path}__gte", values[0]), (f"{path}__lte", values[1]))
        case comparison:
            lookup = {Operator.GREATER: "gt", Operator.AT_LEAST: "gte", Operator.LESS: "lt", Operator.AT_MOST: "lte"}[comparison]
            return Q((f"{path}__{lookup}", values[0]))


def since(term: Term, now: datetime) -> datetime:
    """The moment that `since:7d`, `since:24h`, `since:2026-11-01` or an RFC 3339 time means, UTC. Raises `QueryRefused`."""
    if term.operator is not Operator.IN or len(term.values) != 1:
        raise refused(term, f"“{term.field}” takes one moment, such as 7d, 24h or 2026-11-01.")
    return moment(term, term.values[0], now=now)


def moment(term: Term, value: str, *, now: datetime) -> datetime:
    """A date (its first second, UTC), an RFC 3339 time, or a distance back from `now` in m, h, d or w."""
    ago = _AGO.fullmatch(value)
    try:
        if ago:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
            return datetime.combine(date.fromisoformat(value), time.min, UTC)
        if re.fullmatch(DATE, value):
            read = datetime.fromisoformat(value)
            return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise refused(term, f"“{value}” is no date that exists.") from error
    raise refused(term, f"“{value}” is no moment. Write 7d, 24h, 2026-11-01 or 2026-11-01T08:00:00Z.")
