"""An item as plain named values and back: what rows of tables hold, and what our exports carry along in formats that have no place for it."""

import re
from collections.abc import Mapping
from typing import Any

from hardcases.formats.exchange import Finding, Item
from hardcases.formats.said import is_number

TEXTS = ("key", "external_id", "sha256", "file", "text", "captured_at", "reason", "source", "model", "note")
NUMBERS = ("width", "height")
OBJECTS = ("record", "attributes", "prediction", "correction", "label")
NAMES = (*TEXTS, *NUMBERS, *OBJECTS, "tags")
NOTHING = (
    "It holds no content (a file, text or record) and names no case (a key, external id or SHA-256). "
    "If one of its columns or variables is that, say so with “columns” in the mapping."
)
_NAMING = frozenset({"key", "external_id", "sha256", "file", "text", "record"})  # without these it would be another case, or none
_OFTEN_NUMBERS = frozenset({"external_id", "source", "model"})
_SHA256 = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})")


def item_of(place: str, fields: Mapping[str, Any]) -> tuple[Item | None, list[Finding]]:
    """The item that named values describe, None where it cannot be used, and what was wrong. Absent, null and empty text are the same."""
    kept: dict[str, Any] = {}
    findings: list[Finding] = []
    for name, value in fields.items():
        if value is None or value == "":
            continue
        usable, problem = _READERS[name](name, value)
        if problem:
            findings.append(Finding(place=place, problem=problem, lost=name in _NAMING))
        if usable is not None:
            kept[name] = usable
    contents = [name for name in ("file", "text", "record") if name in kept]
    if not findings and (len(contents) == 1 or (not contents and not _NAMING.isdisjoint(kept))):
        return Item(place=place, **kept), findings
    if len(contents) > 1:
        findings.append(Finding(place=place, problem=f"It has both {contents[0]} and {contents[1]}; a case has one content."))
    if not any(finding.lost for finding in findings) and not _NAMING & set(kept):
        findings.append(Finding(place=place, problem=NOTHING))
    if any(finding.lost for finding in findings):
        return None, findings
    return Item(place=place, **kept), findings


def plain(item: Item, leave_out: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The values of an item that are set, by name, in a fixed order."""
    values = ((name, getattr(item, name)) for name in NAMES if name not in leave_out)
    found = {
        name: value for name, value in values if value is not None and value != "" and not (name in {"attributes", "tags"} and not value)
    }
    if "tags" in found:
        found["tags"] = list(found["tags"])
    return found


def _read_text(name: str, value: Any) -> tuple[Any, str]:
    if name in _OFTEN_NUMBERS and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None, f"“{name}” must be a text."
    if name != "sha256":
        return value, ""
    digest = _SHA256.fullmatch(value)
    return (digest[1].lower(), "") if digest else (None, "“sha256” must be 64 hexadecimal digits.")


def _read_number(name: str, value: Any) -> tuple[Any, str]:
    if is_number(value) and 0 < value < 2**31 and int(value) == value:
        return int(value), ""
    return None, f"“{name}” must be a whole number of pixels."


def _read_object(name: str, value: Any) -> tuple[Any, str]:
    return (dict(value), "") if isinstance(value, dict | Mapping) else (None, f"“{name}” must be an object.")


def _read_tags(_: str, value: Any) -> tuple[Any, str]:
    if not isinstance(value, list | tuple):
        return None, "“tags” must be a list of texts."
    texts = [tag for tag in value if isinstance(tag, str) and tag]
    return tuple(texts), "" if len(texts) == len(value) else "“tags” holds something that is no text; it was left out."


_READERS = {
    **dict.fromkeys(TEXTS, _read_text),
    **dict.fromkeys(NUMBERS, _read_number),
    **dict.fromkeys(OBJECTS, _read_object),
    "tags": _read_tags,
}
