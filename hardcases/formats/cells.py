"""Cells of text tables: which value a cell holds, and how a value is written so that it is read again as the same and starts no formula in a spreadsheet."""

import json
import math
import re
from typing import Any

from hardcases.formats import strict

_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_LOOSE_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_CONSTANTS = {"true": True, "True": True, "false": False, "False": False}
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_SHIELDED = re.compile(r"'+[=+\-@\t\r]")


class NumberError(ValueError):
    """The cell was to be a number and is none."""


def value_of(cell: str) -> Any:
    """A number, true or false, a JSON list, object or quoted text where the cell is exactly that; else the text. `007` stays a text."""
    start = cell[:1]
    if start in "-0123456789" and _NUMBER.fullmatch(cell):
        number = _number(cell)
        return cell if number is None else number
    if start in '[{"':
        try:
            return strict.parse(cell)
        except strict.JSONError:
            return cell
    return _CONSTANTS.get(cell, cell)


def number_of(cell: str) -> int | float:
    """The number of a cell that must hold one; `+1`, `.5` and `1.` are numbers here. Raises `NumberError`."""
    number = _number(cell) if _LOOSE_NUMBER.fullmatch(cell) else None
    if number is None:
        raise NumberError(cell)
    return number


def _number(cell: str) -> int | float | None:
    if len(cell) <= 17 and cell.lstrip("+-").isdigit():
        whole = int(cell)
        return whole if abs(whole) <= strict.MAX_INTEGER else None
    if cell.lstrip("+-").isdigit():
        return None
    value = float(cell)
    return value if math.isfinite(value) else None


def cell_of(value: Any) -> str:
    """The cell that `value_of` reads as this value again; empty for None."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value if value and value_of(value) == value and isinstance(value_of(value), str) else json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def shielded(cell: str) -> str:
    """The cell with an apostrophe before what a spreadsheet would run as a formula. Numbers stay numbers."""
    return "'" + cell if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def unshielded(cell: str) -> str:
    """The cell as it was before `shielded`, which every cell of our own tables went through."""
    return cell[1:] if cell.startswith("'") and _SHIELDED.match(cell) else cell
