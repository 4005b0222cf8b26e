"""Queries of the hottest paths, built and compiled once a process instead of once a request.

Building a queryset and turning it into SQL costs Django several times as much as a database needs to answer it, and the upload door asks the same few
questions every time. A `Prepared` is written as the queryset it is, with a `Given` for every value that changes, so a renamed column is still found by
Django and the rows are Django's own models.

    _BEARER = Prepared(lambda: ApiToken.objects.filter(digest=Given("digest"), expires_at__gt=Now()))
    token = _BEARER.first(digest=digest)
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.db import connection, models
from django.db.models import QuerySet, Value
from django.db.models.query import ModelIterable, get_related_populators

from hardcases.database.among import parameter

Row = TypeVar("Row")


class Given(Value):
    """Stands for a text or a whole number that is given when the query runs."""

    def as_sql(self, *_: Any, **__: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        return "%s", [self]


class Prepared(Generic[Row]):
    """`make()` returns a queryset of models (with `select_related`, if wanted) or of `values_list` with several columns."""

    def __init__(self, make: Callable[[], "QuerySet[Any, Row]"]) -> None:
        self._make = make

    @cached_property
    def _compiled(self) -> tuple[Any, str, tuple[Any, ...], Any, Callable[[Sequence[Any]], Any]]:
        """(Django's compiler, the SQL, its parameters with givens among them, the columns' converters, what a row becomes)."""
        queryset = self._make()
        compiler = queryset.query.get_compiler(connection.alias)
        sql, params = compiler.as_sql()
        becomes = self._builder(compiler) if queryset._iterable_class is ModelIterable else tuple  # noqa: SLF001 - no other way to ask
        return compiler, sql, tuple(params), compiler.get_converters([column for column, *_ in compiler.select]), becomes

    @staticmethod
    def _builder(compiler: Any) -> Callable[[Sequence[Any]], models.Model]:
        """From a row to a model with its related ones, as the queryset would."""
        info, alias = compiler.klass_info, connection.alias
        first, end = info["select_fields"][0], info["select_fields"][-1] + 1
        names = [column.target.attname for column, *_ in compiler.select[first:end]]
        related = get_related_populators(info, compiler.select, alias)  # type: ignore[call-arg]  # the stubs are those of Django 6

        def build(row: Sequence[Any]) -> models.Model:
            built: models.Model = info["model"].from_db(alias, names, row[first:end])
            for populator in related:
                populator.populate(row, built)
            return built

        return build

    def all(self, **values: str | int) -> list[Row]:
        """The rows, in one query. `values` has one entry for each given."""
        compiler, sql, params, converters, becomes = self._compiled
        with connection.cursor() as cursor:
            cursor.execute(sql, [values[param.value] if isinstance(param, Given) else param for param in params])
            found: Iterable[Any] = cursor.fetchall()
        if converters:
            found = compiler.apply_converters(found, converters)
        return [becomes(row) for row in found]

    def first(self, **values: str | int) -> Row | None:
        """The first row or None. For queries that find at most one."""
        return next(iter(self.all(**values)), None)


class PreparedMany(Generic[Row]):
    """A query for a list of texts or of whole numbers: `make(given)` uses it in `…__among=given`. One statement serves every length."""

    def __init__(self, make: Callable[[Given], "QuerySet[Any, Row]"]) -> None:
        self._prepared = Prepared(lambda: make(Given("among")))

    def all(self, asked: Collection[str] | Collection[int], **values: str | int) -> list[Row]:
        """The rows for these, in one query; none for none."""
        return self._prepared.all(**values, among=parameter(asked, connection.vendor)) if asked else []
