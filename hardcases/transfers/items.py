"""An item of a foreign file as the actions take it: its content, and what is said about it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from rest_framework.exceptions import ValidationError

from hardcases.cases.content import File, Record, Sent, Text
from hardcases.cases.serializers import REPORT, fields_of
from hardcases.cases.steps import Fields
from hardcases.errors import Invalid, Refusal
from hardcases.formats.exchange import Item, Package
from hardcases.web.json_edge import canonical
from hardcases.web.problems import refusal_for

SAID = ("external_id", "captured_at", "reason", "source", "model", "prediction", "correction", "attributes", "tags")
_NOTHING = Fields()
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
MAX_PLACE = 200


class NoContent(Invalid):
    code, title = "no_content", "The item's content is not in the package"


def said_of(item: Item) -> dict[str, Any]:
    """What the item says, by the names of the API; what it leaves out left out."""
    said = {name: value for name in SAID if (value := getattr(item, name)) not in (None, "", (), [], {})}
    for name in ("attributes", "prediction", "correction"):
        if name in said:
            said[name] = dict(said[name])
    if "tags" in said:
        said["tags"] = list(said["tags"])
    return said


def fields_for(item: Item) -> Fields:
    """The item's sayings, checked as the API checks them. Raises Invalid."""
    said = said_of(item)
    if not said:
        return _NOTHING
    if (
        len(said) == 1 and isinstance(said.get("external_id"), str) and 0 < len(said["external_id"]) <= 255
    ):  # the usual row of a file of labels
        _refuse_unstorable(said)
        return Fields(external_id=said["external_id"])
    try:
        checked = REPORT.run_validation(said)
    except ValidationError as error:
        raise refusal_for(error) or Invalid("The item cannot be read. It was not imported.") from error
    _refuse_unstorable(said)
    return fields_of(checked)


def _refuse_unstorable(value: Any) -> None:
    """Readers are strict themselves; what would break a database is stopped here whoever wrote them."""
    if isinstance(value, str):
        if _UNSTORABLE.search(value):
            raise Invalid("A text in it holds a NUL character or half a character, which cannot be stored. It was not imported.")
    elif isinstance(value, Mapping):
        for name, item in value.items():
            _refuse_unstorable(name)
            _refuse_unstorable(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _refuse_unstorable(item)


def content_of(item: Item, package: Package, names: frozenset[str]) -> Sent | None:
    """The item's content, None where it only speaks of a case. Raises what the package says about a damaged member."""
    if item.text is not None:
        return Text(item.text)
    if item.record is not None:
        return Record(item.record)
    if item.file is None or item.file not in names:
        return None
    return File(package.open(item.file), last_part(item.file))


def last_part(name: str) -> str:
    """A file's name without its folders."""
    return re.split(r"[/\\]", name)[-1]


def place_of(text: str) -> str:
    """A place as a report shows it, whatever the file's author put into its names."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)[:MAX_PLACE]


def is_storable(text: str) -> bool:
    """Whether every database takes it: it holds neither NUL nor half a character."""
    return not _UNSTORABLE.search(text)


def facts(fields: Fields) -> frozenset[int]:
    """Every single thing that is said, each as a number: what was said before in any combination is nothing new."""
    return frozenset(map(hash, _facts({name: getattr(fields, name) for name in SAID})))


def facts_of(said: Mapping[str, Any]) -> set[int]:
    """The same for what was stored of an earlier report, or of a case."""
    return set(map(hash, _facts(said)))


def _facts(said: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    for name in SAID:
        value = said.get(name)
        if value in (None, "", [], {}):
            continue
        if name == "attributes":
            yield from ((name, key, canonical(item)) for key, item in value.items() if item is not None)
        elif name == "tags":
            yield from ((name, tag) for tag in value)
        elif name == "captured_at":
            yield name, _moment(value)
        else:
            yield name, canonical(value)


def _moment(value: Any) -> float:
    return (datetime.fromisoformat(value) if isinstance(value, str) else value).timestamp()


def problem_in(refusal: Refusal) -> str:
    """A refusal as a row of a report says it."""
    return refusal.sentence


def distinct(values: Iterable[str | None]) -> list[str]:
    """In order, without repeats and without nothing."""
    return list(dict.fromkeys(value for value in values if value))
