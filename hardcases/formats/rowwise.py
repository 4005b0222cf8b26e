"""Rows of tables, of text or of JSON values, turned into items: the columns' names say where a value belongs.

Columns are the names of an `Item` (`external_id`, `file`, `text`, `label`, …), parts of them with a dot (`attributes.site`, `prediction.score:nodule`), and
`case` for any name of a case. A column of another name is an attribute of that name; `columns` in the mapping renames columns, or drops them with null.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hardcases.errors import Invalid
from hardcases.formats import strict
from hardcases.formats.cells import NumberError, number_of, value_of
from hardcases.formats.classes import Classes, UnknownClassError, part
from hardcases.formats.exchange import Finding, Item, Options
from hardcases.formats.fields import NAMES, NUMBERS, OBJECTS, TEXTS, item_of
from hardcases.formats.rows import shown
from hardcases.formats.said import ShapeError, label_of, prediction_of
from hardcases.formats.tally import Tally

SCORE = "score:"
_PARTS = ("label", "labels", "boxes", "value", "refused", "message")
_SAID = ("label", "prediction", "correction")
_LISTS = ("labels", "boxes")


class CellError(ValueError):
    """Why a cell cannot be used, as a sentence that follows the column's name."""


def target_of(column: str, options: Options) -> tuple[str, str] | None:
    """Where a column's values belong, as (name, part); None where the mapping drops the column. Raises `Invalid` for a mapping of another shape."""
    name = part(options, "columns").get(column, column)
    if name is None or name == "":
        return None
    if not isinstance(name, str):
        raise Invalid(
            f"The mapping turns the column {shown(column)} into something that is no name. Nothing was imported. Correct the mapping."
        )
    if name == "case" or name in NAMES:
        return name, ""
    head, dot, rest = name.partition(".")
    if name.startswith(SCORE):
        return "prediction", name
    if dot and rest and (head in {"attributes", "record"} or (head in _SAID and (rest in _PARTS or rest.startswith(SCORE)))):
        return head, rest
    return "attributes", name


class Rows:
    """Turns rows into items. One for a file: it remembers what repeats, and `end` tells it."""

    def __init__(self, options: Options, *, textual: bool) -> None:
        """`textual` where every value is a cell of text that has to be understood first."""
        self._options, self._classes, self._textual = options, Classes(options), textual
        texts = options.mapping.get("texts", [])
        if not isinstance(texts, list):
            raise Invalid("In the mapping, “texts” is a list of columns. Nothing was imported. Correct the mapping.")
        self._texts = frozenset(map(str, texts))
        self._categories = frozenset(options.categories)
        self._plan: dict[str, tuple[str, str] | None] = {}
        self.tally = Tally()

    def read(self, place: str, row: Mapping[str, Any]) -> Iterator[Item | Finding]:
        """The item of one row, preceded by what was wrong with it."""
        findings: list[Finding] = []
        fields = self._fields(place, row, findings)
        item, more = item_of(place, self.said(place, fields, findings))
        yield from findings
        yield from more
        if item is not None and not any(finding.lost for finding in findings):
            yield item

    def end(self) -> Iterator[Finding]:
        """What was met many times, once for each kind."""
        return self.tally.findings()

    def _fields(self, place: str, row: Mapping[str, Any], findings: list[Finding]) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for column, raw in row.items():
            if raw is None or raw == "":
                continue
            try:
                target = self._plan[column]
            except KeyError:
                target = self._plan[column] = target_of(column, self._options)
            if target is None:
                continue
            name, inner = target
            try:
                value = self._understood(column, raw, name, inner) if isinstance(raw, str) else raw
            except CellError as error:
                lost = name in {"record", "key", "external_id", "sha256"}
                findings.append(Finding(place=place, problem=f"The column {shown(column)} {error}", lost=lost))
                continue
            _put(fields, name, inner, value)
        return fields

    def _understood(self, column: str, cell: str, name: str, inner: str) -> Any:
        """The value that a text means at its place; texts of JSON tables are only opened where they hold what cannot be a text."""
        if name in TEXTS or name == "case":
            return cell
        if name in NUMBERS or inner == "value" or inner.startswith(SCORE):
            return _number(cell)
        if name in {"attributes", "record"} and inner:
            value = value_of(cell) if self._textual and column not in self._texts else cell
            # The code of a site may be 12 or 1.5 in a table, and is a text all the same.
            return value if isinstance(value, str) or name == "record" or inner not in self._categories else cell
        if inner == "refused":
            return _boolean(cell)
        if inner in _LISTS or (not inner and name in OBJECTS) or name == "tags":
            return self._nested(cell, name, inner)
        return cell

    def _nested(self, cell: str, name: str, inner: str) -> Any:
        task = self._options.task
        if cell.lstrip()[:1] in {"{", "["}:
            try:
                return strict.parse(cell)
            except strict.JSONError as error:
                raise CellError(f"holds JSON that cannot be used: {error}") from error
        if name == "tags" or inner == "labels" or (name in _SAID and task == "multilabel" and not inner):
            return [text for text in (piece.strip() for piece in cell.split(";")) if text]
        if name in _SAID and not inner and task == "classification":
            return cell
        if name in _SAID and not inner and task == "regression":
            return _number(cell)
        raise CellError("must hold JSON.")

    def said(self, place: str, fields: dict[str, Any], findings: list[Finding]) -> dict[str, Any]:
        """The fields with what was said in the API's shapes. An unknown class leaves the label out and is told once for the file."""
        if "label" in fields:
            value = self._checked(place, fields.pop("label"), "label", findings, lambda said: label_of(said, self._options, self._classes))
            if value is not None:
                fields["label"] = value
        for name in ("prediction", "correction"):
            if name in fields:
                value = self._checked(
                    place, fields.pop(name), name, findings, lambda said: prediction_of(said, self._options, self._classes)
                )
                if value:
                    fields[name] = value
        case = fields.pop("case", None)
        if case is not None:
            digest = isinstance(case, str) and len(case.removeprefix("sha256:")) == 64
            fields.setdefault("sha256" if digest else "external_id", case)
        return fields

    def _checked(
        self, place: str, value: Any, name: str, findings: list[Finding], read: Callable[[Any], dict[str, Any] | None]
    ) -> dict[str, Any] | None:
        try:
            return read(value)
        except UnknownClassError as error:
            self.tally.add(place, f"The {name} was left out: {error}", unknown_class=error.name)
        except ShapeError as error:
            findings.append(Finding(place=place, problem=f"The {name} was left out: {error}", lost=False))
        return None


def _put(fields: dict[str, Any], name: str, inner: str, value: Any) -> None:
    """Sets a value at its place. A whole object and single parts of it may both be given; the parts are added to it."""
    if not inner:
        if name in fields and isinstance(value, dict) and isinstance(fields[name], dict):
            value = {**value, **fields[name]}
        fields[name] = value
        return
    whole = fields.setdefault(name, {})
    if not isinstance(whole, dict):
        whole = fields[name] = {"label": whole} if isinstance(whole, str) else {}
    if inner.startswith(SCORE):
        whole = whole.setdefault("scores", {})
        inner = inner.removeprefix(SCORE)
    if isinstance(whole, dict):
        whole[inner] = value


def _number(cell: str) -> int | float:
    try:
        return number_of(cell)
    except NumberError as error:
        raise CellError(f"holds {shown(cell)}, which is no number.") from error


def _boolean(cell: str) -> bool:
    known = {"true": True, "1": True, "false": False, "0": False}
    if cell.lower() not in known:
        raise CellError(f"holds {shown(cell)}; it must be true or false.")
    return known[cell.lower()]
