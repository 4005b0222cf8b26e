"""A repair as it is written down: which of the values that were set aside it is about, and what becomes of each. Pure.

    {"action": "map", "field": "attributes.site", "value": "Clinic 7", "to": "clinic-7"}

`field` names a place as the quarantine does, with `*` for the number of a box or of a label: `prediction.boxes.*`. A repair proposes; whether the proposal
fits is decided by the same reader that set the value aside.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hardcases.errors import Invalid
from hardcases.web.documents import Reader

ACTIONS = ("map", "rename", "number", "drop", "again", "keep", "decline")
STANDING = ("map", "rename", "number", "drop")  # what may be kept for reports to come
REVIEWS = ("keep", "decline")  # they leave the value where it is
WHOLES = ("attributes", "prediction", "correction")
COMMA, POINT = "comma", "point"
_FIELDS = {
    "map": {"value", "to"},
    "rename": {"to"},
    "number": {"decimal"},
    "drop": {"value"},
    "again": set[str](),
    "keep": {"value"},
    "decline": {"value", "decline_reason"},
}
_NUMBERED = re.compile(r"((?:prediction|correction)\.(?:boxes|labels))\.\d+")
_NUMBER = {COMMA: re.compile(r"[+-]?\d{1,17}(?:,\d{1,17})?"), POINT: re.compile(r"[+-]?\d{1,17}(?:\.\d{1,17})?(?:[eE][+-]?\d{1,3})?")}
Entry = Mapping[str, Any]


class RuleRefused(Invalid):
    code, title = "repair_refused", "The repair was not accepted"


@dataclass(frozen=True)
class Dropped:
    """The value is to be forgotten by the case; what was sent stays with the sighting."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One repair. `value` is compared with what `subject` gives; `any_value` where the repair is about every value of the field."""

    action: str
    field: str | None = None
    value: Any = None
    any_value: bool = True
    to: Any = None
    decimal: str = COMMA
    decline_reason: str | None = None

    def as_json(self) -> dict[str, Any]:
        """As it is written down; reading it again gives an equal rule."""
        said: dict[str, Any] = {"action": self.action}
        if self.field is not None:
            said["field"] = self.field
        if not self.any_value:
            said["value"] = self.value
        if self.action in {"map", "rename"}:
            said["to"] = self.to
        if self.action == "number":
            said["decimal"] = self.decimal
        if self.decline_reason is not None:
            said["decline_reason"] = self.decline_reason
        return said

    def names(self) -> dict[str, Any]:
        """For the audit log, which cannot be erased: the place and what is done, no value."""
        return {"action": self.action, "field": self.field or "every field"}

    def is_about(self, entry: Entry) -> bool:
        """Whether the repair speaks of this value that was set aside."""
        if self.action not in REVIEWS and not is_repairable(entry):
            return False
        if self.field is not None and place_of(entry) != self.field:
            return False
        return self.any_value or _same(subject(entry), self.value)

    def proposal(self, entry: Entry) -> tuple[str, Any] | Dropped | None:
        """(place, value) to read instead, `Dropped`, or None where this value cannot be read so."""
        field, value = str(entry["field"]), entry["value"]
        match self.action:
            case "map":
                return field, {**value, "label": self.to} if isinstance(value, dict) else self.to
            case "rename":
                return _renamed(field, self.to), value
            case "number":
                number = as_number(value, self.decimal)
                return None if number is None else (field, number)
            case "drop":
                return Dropped()
            case _:
                return field, value


def _renamed(field: str, name: str) -> str:
    """The place beside this one that has the name. Classes and attributes may have points in theirs."""
    whole, _, rest = field.partition(".")
    return f"{whole}.scores.{name}" if whole != "attributes" and rest.startswith("scores.") else f"{whole}.{name}"


def read_rule(document: Any) -> Rule:
    """The repair in `document`. Raises RuleRefused with every finding; whether it fits the project is the action's question."""
    read = Reader()
    body = read.mapping(document, ())
    read.refuse_if_any(RuleRefused)
    action = read.choice(body.get("action"), ("action",), ACTIONS)
    read.fields(body, (), {"action", "field", *_FIELDS[action]})
    field = None if action == "again" and body.get("field") is None else read.text(body.get("field"), ("field",), 300)
    if action not in {*REVIEWS, "again"} and field and field.partition(".")[0] not in WHOLES:
        read.wrong(("field",), f"Only what was said in {', '.join(WHOLES)} is repaired by rule.")
    if action == "map" and "value" not in body:
        read.wrong(("value",), "Say which value is to become another.")
    to = body.get("to")
    if action in {"map", "rename"} and (to is None or isinstance(to, (list, dict)) or (action == "rename" and not isinstance(to, str))):
        read.wrong(("to",), "Say what it is to become: one declared name or value.")
    decimal = read.choice(body.get("decimal", COMMA), ("decimal",), (COMMA, POINT))
    reason = read.text(body.get("decline_reason"), ("decline_reason",), 24) if action == "decline" else None
    read.refuse_if_any(RuleRefused)
    return Rule(
        action=action,
        field=field,
        value=body.get("value"),
        any_value="value" not in body,
        to=to,
        decimal=decimal,
        decline_reason=reason,
    )


def place_of(entry: Entry) -> str:
    """The field with `*` for the number of a box or label, so that equal findings have equal places."""
    field = str(entry["field"])
    found = _NUMBERED.fullmatch(field)
    return f"{found[1]}.*" if found else field


def subject(entry: Entry) -> Any:
    """What a `map` compares: the value itself, of a box its label."""
    value = entry["value"]
    return value.get("label") if isinstance(value, dict) and ".boxes." in str(entry["field"]) else value


def is_repairable(entry: Entry) -> bool:
    """Whether a rule can put it right: it was said about the case, and was not found in its file."""
    return str(entry["field"]).partition(".")[0] in WHOLES


def is_reviewed(entry: Entry) -> bool:
    """Whether somebody looked at it and left it where it is."""
    return "reviewed" in entry


def as_number(value: Any, decimal: str) -> float | int | None:
    """A text as the number that it writes with this decimal sign; signs that group thousands are not guessed at. None where it is none."""
    if not isinstance(value, str) or not _NUMBER[decimal].fullmatch(value.strip()):
        return None
    text = value.strip().replace(",", ".")
    number = float(text)
    return int(text) if text.lstrip("+-").isdigit() and abs(number) < 2**53 else number


def _same(one: Any, other: Any) -> bool:
    """Equal and of one type: 1 is not true."""
    return type(one) is type(other) and bool(one == other)
