"""Reads of cases: the words of the query language, and the facts that upper rooms add to a case.

No word of a user becomes a lookup or an alias. A field is looked up in the vocabulary; an attribute's name, which a project declares, is passed to the
database as a value.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, Expression, F, FloatField, Q, QuerySet, TextField, Value
from django.db.models.lookups import GreaterThan, GreaterThanOrEqual, In, IsNull, LessThan, LessThanOrEqual
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone

from hardcases.cases.keys import number_of
from hardcases.cases.models import KINDS, STATES, Case, ExternalId, SetAside
from hardcases.database.prepared import Given, PreparedMany
from hardcases.projects.models import Attribute, Project
from hardcases.sampling.rules import Arrival
from hardcases.web.pagination import counted
from hardcases.web.search import Operator, Term, parse
from hardcases.web.vocabulary import Meaning, Vocabulary, choices, compile_query, number, only_in, ordered, refused, since


@dataclass(frozen=True)
class Asked:
    """In what a query is understood."""

    project: Project
    now: datetime


class _OfAttribute(Expression):
    """Something about one named value of the column `attributes`; the name travels as a parameter."""

    sqlite: str
    postgresql: str

    def __init__(self, name: str, column: str = "attributes") -> None:
        super().__init__()
        self.column: Any = F(column)
        self.name = name

    def get_source_expressions(self) -> list[Any]:
        """The column."""
        return [self.column]

    def set_source_expressions(self, exprs: Sequence[Any]) -> None:
        """The resolved column."""
        (self.column,) = exprs

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any) -> tuple[str, list[str]]:
        """SQL for SQLite, whose JSON paths quote names as JSON does."""
        return self._write(compiler, self.sqlite, "$." + json.dumps(self.name, ensure_ascii=False))

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any) -> tuple[str, list[str]]:
        """SQL for PostgreSQL."""
        return self._write(compiler, self.postgresql, self.name)

    def _write(self, compiler: SQLCompiler, template: str, key: str) -> tuple[str, list[str]]:
        column, _ = compiler.compile(self.column)
        times = template.count("{key}")
        return template.format(column=column, key="%s"), [key] * times


class AttributeText(_OfAttribute):
    """The value as text (true and false for a boolean), the empty text where it is missing."""

    output_field = TextField()
    sqlite = "COALESCE(CASE json_type({column}, {key}) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(json_extract({column}, {key}) AS TEXT) END, '')"
    postgresql = "COALESCE({column} ->> {key}::text, '')"


class AttributeNumber(_OfAttribute):
    """The value as a number, NULL where it is missing or something else."""

    output_field = FloatField()
    sqlite = "CASE WHEN json_type({column}, {key}) IN ('integer', 'real') THEN json_extract({column}, {key}) END"
    postgresql = "CASE WHEN jsonb_typeof({column} -> {key}::text) = 'number' THEN CAST({column} ->> {key}::text AS double precision) END"


class HasTag(_OfAttribute):
    """Whether the list `tags` holds the text."""

    output_field = BooleanField()
    postgresql = "jsonb_exists({column}, {key}::text)"
    sqlite = "EXISTS (SELECT 1 FROM json_each({column}) WHERE value = {key})"

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any) -> tuple[str, list[str]]:
        """The text itself, not a path."""
        return self._write(compiler, self.sqlite, self.name)


_COMPARISONS = {
    Operator.GREATER: GreaterThan,
    Operator.AT_LEAST: GreaterThanOrEqual,
    Operator.LESS: LessThan,
    Operator.AT_MOST: LessThanOrEqual,
}


def _compared(expression: Expression, term: Term, convert: Callable[[Term, str], Any]) -> Q:
    """Equality, comparison or range over an expression."""
    values = [convert(term, value) for value in term.values]
    match term.operator:
        case Operator.IN:
            return Q(In(expression, values))
        case Operator.RANGE:
            return Q(GreaterThanOrEqual(expression, values[0])) & Q(LessThanOrEqual(expression, values[1]))
        case comparison:
            return Q(_COMPARISONS[comparison](expression, values[0]))


def _number_term(name: str, term: Term, _: Asked) -> Q:
    expression = AttributeNumber(name)
    if term.operator is Operator.IN and "" in term.values:
        missing = Q(IsNull(expression, True))
        rest = Term(term.field, tuple(value for value in term.values if value), position=term.position)
        return missing | _number_term(name, rest, _) if rest.values else missing
    # A missing value fits no comparison, and so fits every negated one: NULL alone would fit neither.
    return Q(IsNull(expression, False)) & _compared(expression, term, number)


def _boolean_term(name: str, term: Term, _: Asked) -> Q:
    return Q(In(AttributeText(name), list(choices(term, ("true", "false", "")))))


def _text_term(name: str, term: Term, _: Asked) -> Q:
    return Q(In(AttributeText(name), list(only_in(term))))


def _date_term(name: str, term: Term, _: Asked) -> Q:
    expression = AttributeText(name)  # dates are stored as 2026-11-20, whose order as text is their order in time
    if term.operator is Operator.IN:
        return Q(In(expression, list(term.values)))
    return Q(GreaterThan(expression, Value(""))) & _compared(expression, term, lambda _, value: value)


_BY_TYPE: dict[str, Callable[[str, Term, Asked], Q]] = {
    "category": _text_term,
    "text": _text_term,
    "number": _number_term,
    "boolean": _boolean_term,
    "date": _date_term,
}


def _meaning_of(attribute: Attribute) -> Meaning[Asked]:
    by_type, name = _BY_TYPE[attribute.type], attribute.name
    return lambda term, asked: by_type(name, term, asked)


def _column(path: str) -> Meaning[Asked]:
    return lambda term, _: Q((f"{path}__in", only_in(term)))


def _tags(term: Term, _: Asked) -> Q:
    condition = Q()
    for value in only_in(term):
        condition |= Q(HasTag(value, "tags"))
    return condition


def _keys(term: Term, asked: Asked) -> Q:
    numbers = [number_of(asked.project.key_prefix, value) for value in only_in(term)]
    return Q(number__in=[found for found in numbers if found is not None])


def _external_ids(term: Term, asked: Asked) -> Q:
    return Q(pk__in=ExternalId.objects.filter(project=asked.project, value__in=only_in(term)).values("case_id"))


def _either(term: Term, holds: Q) -> Q:
    wanted = set(choices(term, ("true", "false")))
    if len(wanted) == 2:
        return Q()
    return holds if wanted == {"true"} else ~holds


def _quarantine(term: Term, _: Asked) -> Q:
    return _either(term, Q(SetAside("quarantine")))


def _word(term: Term, asked: Asked) -> Q:
    """A bare word: a key, an external id, or a part of the text or the file's name."""
    text = term.values[0]
    return _keys(term, asked) | _external_ids(term, asked) | Q(text__icontains=text) | Q(file_name__icontains=text)


def _whole(term: Term, value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise refused(term, f"“{term.field}” needs a whole number, not “{value}”.")
    return int(value)


# Upper rooms add theirs in the wiring: labels `label`, test sets `stratum`.
QUERY_TERMS: dict[str, Meaning[Asked]] = {
    "state": lambda term, _: Q(state__in=choices(term, STATES)),
    "kind": lambda term, _: Q(kind__in=choices(term, KINDS)),
    "reason": _column("reason"),
    "source": _column("source"),
    "model": _column("model"),
    "declined": _column("decline_reason"),
    "sha256": _column("sha256"),
    "tag": _tags,
    "key": _keys,
    "external_id": _external_ids,
    "quarantine": _quarantine,
    "leak": lambda term, _: _either(term, Q(leaked_at__isnull=False)),
    "sightings": lambda term, _: ordered(term, "sightings_count", _whole),
    "since": lambda term, asked: Q(received_at__gte=since(term, asked.now)),
}


def vocabulary(project: Project) -> Vocabulary[Asked]:
    """The words of this project: the reserved ones, each attribute as `attr.NAME`, and by its plain name where no reserved word hides it."""
    attributes = {attribute.name: _meaning_of(attribute) for attribute in project.attributes.all()}
    prefixed = {f"attr.{name}": meaning for name, meaning in attributes.items()}
    return Vocabulary({**QUERY_TERMS, **prefixed}, word=_word).extended(attributes)


def condition(project: Project, q: str, *, now: datetime | None = None) -> Q:
    """What a query means in this project. Raises `QueryRefused` (400) with the place of the fault."""
    return compile_query(parse(q), vocabulary(project), Asked(project, now or timezone.now()))


def search(project: Project, q: str) -> QuerySet[Case]:
    """The project's cases that a query finds, in no order yet. Tombstones are found only where the query speaks of states."""
    found = Case.objects.filter(condition(project, q), project=project)
    return found if any(term.field == "state" for term in parse(q).terms) else found.exclude(state="erased")


def emptied_by(project: Project, q: str, at_most: int = 5) -> list[tuple[str, int, str]]:
    """For a query that finds nothing: each term without which something would be found, and how much, counted only so far, as number and as written."""
    query = parse(q)
    found = []
    for index, term in enumerate(query.terms[:at_most]):
        count, words = counted(search(project, str(query.without(index))))
        if count:
            found.append((str(term), count, words))
    return found


# Addresses, by name, of fragments that upper rooms show on the page of a case: each is asked for with (project slug, case key).
CASE_SLOTS: list[str] = []

Facts = Callable[[Sequence[Case]], Mapping[int, Any]]
CASE_FACTS: dict[str, Facts] = {}


def case_facts(cases: Sequence[Case]) -> dict[str, Mapping[int, Any]]:
    """What upper rooms know about these cases, by name and primary key: one question a room, however many cases."""
    return {name: facts(cases) for name, facts in CASE_FACTS.items()}


def keys_of(project: Project, digests: Collection[str]) -> dict[str, str]:
    """The keys under which this project, and no other, knows contents, by the SHA-256 of what was received. One look into an index."""
    found = _KEYS.all(digests, project=project.pk)
    return {sha256: f"{project.key_prefix}-{number}" for sha256, number in found}


_KEYS: PreparedMany[tuple[str, int]] = PreparedMany(
    lambda digests: Case.objects.filter(project_id=Given("project"), sha256__among=digests).values_list("sha256", "number")
)


def external_ids(cases: Sequence[Case]) -> dict[int, list[str]]:
    """The external ids of each case, by primary key."""
    found: dict[int, list[str]] = {case.pk: [] for case in cases}
    for case_id, value in ExternalId.objects.filter(case__in=found).order_by("pk").values_list("case_id", "value"):
        found[case_id].append(value)
    return found


def in_use(digests: set[str]) -> set[str]:
    """Those of the digests whose files a case of any project still needs."""
    columns = ("sha256", "stored_sha256", "thumbnail_sha256", "display_sha256")
    anywhere = Q()
    for column in columns:
        anywhere |= Q((f"{column}__in", digests))
    rows = Case.objects.filter(anywhere).exclude(state="erased").values_list(*columns)
    return digests & {digest for row in rows for digest in row if digest}


def arrivals(project: Project, since: datetime, most: int) -> list[tuple[datetime, Arrival]]:
    """What came through the door since then and was kept, newest first, as sampling rules look at it. Cases filed in another way are none of them."""
    columns = ("received_at", "sha256", "reason", "source", "model", "correction", "attributes")
    found = Case.objects.filter(project=project, received_at__gte=since).exclude(state="erased").order_by("-received_at")
    came = found.filter(Q(selection_probability__isnull=False) | Q(sampling_rule__isnull=False)).values_list(*columns)[:most]
    return [
        (at, Arrival(digest=sha256, reason=reason, source=source, model=model, corrected=correction is not None, attributes=attributes))
        for at, sha256, reason, source, model, correction, attributes in came
    ]
