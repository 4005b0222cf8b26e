"""Attributes of a case against what the project declares: what fits is kept, the rest is set aside with a sentence, nothing is lost."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, Protocol

from hardcases.cases.shapes import Finding, is_number
from hardcases.errors import Detail, Invalid
from hardcases.web.json_edge import pointer

MAX_KEYS = 200
MAX_KEY = 128
MAX_VALUE = 8_000
UNDECLARED = "The project does not declare this attribute."
NOT_LISTED = "The project's list of values for this attribute does not contain it."
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class Declared(Protocol):
    """What is read of a declared attribute."""

    name: str
    type: str
    values: Any


def refuse_oversized(sent: Mapping[str, Any]) -> None:
    """Raise Invalid where the attributes are larger than is kept even in quarantine: 200 names of 128 characters, values of 8,000 bytes."""
    findings = []
    if len(sent) > MAX_KEYS:
        findings.append(Detail(pointer=pointer("attributes"), detail=f"There are {len(sent):,} attributes; at most {MAX_KEYS} are kept."))
    for name, value in sent.items():
        if len(name) > MAX_KEY:
            findings.append(Detail(pointer=pointer("attributes", name[:40]), detail=f"The name is longer than {MAX_KEY} characters."))
        elif not _is_short(value) and len(value if isinstance(value, str) else json.dumps(value)) > MAX_VALUE:
            findings.append(Detail(pointer=pointer("attributes", name), detail=f"The value is longer than {MAX_VALUE:,} characters."))
    if findings:
        raise Invalid(f"{findings[0].detail} Nothing was stored. Shorten the attributes.", errors=findings[:20])


def _is_short(value: Any) -> bool:
    """Whether a value needs no writing down to know that it is."""
    kind = type(value)
    return kind is float or kind is bool or (kind is int and -(2**63) < value < 2**63) or (kind is str and len(value) <= MAX_VALUE)


def sort_out(sent: Mapping[str, Any], declared: Iterable[Declared]) -> tuple[dict[str, Any], list[Finding]]:
    """(fits, does not fit). A null says that the value is missing and is the same as leaving the name out."""
    known = {attribute.name: attribute for attribute in declared}
    kept: dict[str, Any] = {}
    findings: list[Finding] = []
    for name, value in sent.items():
        if name not in known:
            findings.append(Finding(name, value, UNDECLARED))
        elif value is not None:
            problem = _problem(known[name], value)
            if problem:
                findings.append(Finding(name, value, problem))
            else:
                kept[name] = value
    return kept, findings


def _problem(attribute: Declared, value: Any) -> str | None:
    fits, sentence = _TYPES[attribute.type]
    if not fits(value):
        return sentence
    if attribute.values is not None and value not in attribute.values:
        return NOT_LISTED
    return None


def _is_date(value: Any) -> bool:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


_TYPES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "category": (lambda value: isinstance(value, str) and value != "", "A category is a text that is not empty."),
    "text": (lambda value: isinstance(value, str), "This attribute is a text."),
    "number": (is_number, "This attribute is a number."),
    "boolean": (lambda value: isinstance(value, bool), "This attribute is true or false."),
    "date": (_is_date, "This attribute is a date such as 2026-11-20."),
}
