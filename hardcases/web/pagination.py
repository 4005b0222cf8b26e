"""Lists in pages by keyset: the cursor says after which row to go on, so depth costs nothing and new rows shift nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.core import signing
from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet

from hardcases.errors import BadRequest
from hardcases.web.queries import DEFAULT_LIMIT, MAX_LIMIT

Row = TypeVar("Row", bound=Model)
MOST_COUNTED = 1_000


class BadCursor(BadRequest):
    code, title = "bad_cursor", "The cursor cannot be used"

    def __init__(self) -> None:
        super().__init__("The cursor is not one this list has given out. Nothing was done. Start again without it.")


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Rows in order, and the cursor of the next page or None."""

    rows: list[Row]
    next: str | None

    def envelope(self, represent: Callable[[Row], Any]) -> dict[str, Any]:
        """The body of every list: `{"results": […], "next": cursor|null}`."""
        return {"results": [represent(row) for row in self.rows], "next": self.next}


def keyset_page(queryset: QuerySet[Row], *, order: Sequence[str], cursor: str | None = None, limit: int = DEFAULT_LIMIT) -> Page[Row]:
    """One page of `queryset` in `order`: column names, `-` for descending, unique as a whole, none of them nullable.

    Raises `BadCursor` (400) for a cursor that was made for another order or by somebody else. Costs one query.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise ValueError(f"limit must be from 1 to {MAX_LIMIT}, not {limit}")
    _check_order(queryset.model, order)
    rows = queryset.order_by(*order)
    if cursor:
        rows = rows.filter(_after(order, _values(queryset.model, order, cursor)))
    found = list(rows[: limit + 1])
    more = len(found) > limit
    found = found[:limit]
    return Page(found, _cursor(found[-1], order) if more else None)


def counted(rows: QuerySet[Any], most: int | None = None) -> tuple[int, str]:
    """(how many, at most one more than `most`, by default MOST_COUNTED; as it is written: 31, or 1,000+).

    Nobody needs to know more exactly, and a page must not cost more the longer nobody looks.
    """
    most = MOST_COUNTED if most is None else most
    found = rows.order_by()[: most + 1].count()
    return found, f"{most:,}+" if found > most else f"{found:,}"


def _names(order: Sequence[str]) -> list[str]:
    return [part.removeprefix("-") for part in order]


def _field(model: type[Model], name: str) -> Any:
    return model._meta.pk if name == "pk" else model._meta.get_field(name)  # noqa: SLF001 - _meta is Django's public model API


def _check_order(model: type[Model], order: Sequence[str]) -> None:
    """A null has no place in a keyset: rows would vanish between pages, so this is refused while developing."""
    nullable = [name for name in _names(order) if _field(model, name).null]
    if not order or nullable:
        raise ValueError(f"keyset order {list(order)} needs columns that are never null: {nullable}")


def _signer(order: Sequence[str]) -> signing.Signer:
    return signing.Signer(salt="hardcases.cursor:" + ",".join(order), sep=".")


def _cursor(row: Model, order: Sequence[str]) -> str:
    return _signer(order).sign_object([_plain(getattr(row, name)) for name in _names(order)])


def _plain(value: Any) -> Any:
    """JSON has no times and ids; Django's own encoder would cut microseconds, and with them rows."""
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def _values(model: type[Model], order: Sequence[str], cursor: str) -> list[Any]:
    try:
        parts = _signer(order).unsign_object(cursor)
        return [_field(model, name).to_python(part) for name, part in zip(_names(order), parts, strict=True)]
    except (signing.BadSignature, ValidationError, ValueError, TypeError) as error:
        raise BadCursor from error


def _after(order: Sequence[str], values: Sequence[Any]) -> Q:
    """Rows behind `values`: the first column is bounded for the index, then (a > x) or (a = x and (b > y or …))."""
    condition = Q()
    for part, value in reversed(list(zip(order, values, strict=True))):
        name, beyond = part.removeprefix("-"), "lt" if part.startswith("-") else "gt"
        further = Q((f"{name}__{beyond}", value))
        condition = further | (Q((name, value)) & condition) if condition else further
    first, bound = order[0].removeprefix("-"), "lte" if order[0].startswith("-") else "gte"
    return Q((f"{first}__{bound}", values[0])) & condition
