"""An item of a foreign file as the actions take it: its content, and what is said about it."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, cast

from rest_framework.exceptions import ValidationError

from hardcases.cases.content import File, Record, Sent, Text
from hardcases.cases.serializers import MAX_TAGS, REPORT, TAG, fields_of
from hardcases.cases.steps import Fields
from hardcases.errors import Invalid, Refusal
from hardcases.formats.exchange import Item, Package
from hardcases.web.json_edge import canonical
from hardcases.web.problems import refusal_for

SAID = ("external_id", "captured_at", "reason", "source", "model", "prediction", "correction", "attributes", "tags")
NOTHING = Fields()
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_SCALARS = frozenset({str, int, float})
_OTHERS = frozenset({int, float, bool, type(None)})
MAX_PLACE = 200


class NoContent(Invalid):
    code, title = "no_content", "The item's content is not in the package"


def said_of(item: Item) -> dict[str, Any]:
    """What the item says, by the names of the API; what it leaves out left out."""
    values = vars(item)
    said = {name: values[name] for name in SAID if values[name]}
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
        return NOTHING
    try:
        checked = {name: _CHECKS.get(name, REPORT.fields[name].run_validation)(value) for name, value in said.items()}
    except (ValidationError, _UnusualError):
        checked = _as_the_api(said)
    _refuse_unstorable(said)
    return fields_of(checked)


def _as_the_api(said: dict[str, Any]) -> dict[str, Any]:
    """What the serializer makes of it as a whole, or all that it has against it."""
    try:
        return cast("dict[str, Any]", REPORT.run_validation(said))
    except ValidationError as error:
        raise refusal_for(error) or Invalid("The item cannot be read. It was not imported.") from error


class _UnusualError(ValueError):
    """The serializer has to be asked, which takes twenty times as long."""


def _text_check(longest: int) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if type(value) is str and value and len(value) <= longest and not _UNSTORABLE.search(value):
            return value
        raise _UnusualError

    return check


_TAG = _text_check(TAG)


def _tags(value: Any) -> list[str]:
    if type(value) is list and len(value) <= MAX_TAGS:
        return list(map(_TAG, value))
    raise _UnusualError


def _attributes(value: Any) -> dict[str, Any]:
    if type(value) is dict and set(map(type, value)) <= {str}:
        return value
    raise _UnusualError


# What the serializer would take as it is, told without it. Its limits are read from it.
_CHECKS: dict[str, Callable[[Any], Any]] = {
    **{name: _text_check(vars(REPORT.fields[name])["max_length"]) for name in ("external_id", "reason", "source", "model")},
    "attributes": _attributes,
    "tags": _tags,
}


def _refuse_unstorable(value: Any) -> None:
    """Readers are strict themselves; what would break a database is stopped here whoever wrote them."""
    kind = type(value)
    if kind is str or isinstance(value, str):
        if _UNSTORABLE.search(value):
            raise Invalid("A text in it holds a NUL character or half a character, which cannot be stored. It was not imported.")
    elif kind in _OTHERS:
        return
    elif kind is dict or isinstance(value, Mapping):
        for name, item in value.items():
            _refuse_unstorable(name)
            _refuse_unstorable(item)
    elif kind is list or kind is tuple:
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
    return name.replace("\\", "/").rpartition("/")[2]


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
            yield from ((name, key, *_told(item)) for key, item in value.items() if item is not None)
        elif name == "tags":
            yield from ((name, tag) for tag in value)
        elif name == "captured_at":
            yield name, _moment(value)
        else:
            yield name, *_told(value)


def _told(value: Any) -> tuple[Any, ...]:
    """Equal for values that are equal in JSON, where 1 is 1.0 but not true."""
    return (value,) if type(value) in _SCALARS else (None, canonical(value))


def _moment(value: Any) -> float:
    return (datetime.fromisoformat(value) if isinstance(value, str) else value).timestamp()


def problem_in(refusal: Refusal) -> str:
    """A refusal as a row of a report says it."""
    return refusal.sentence


def distinct(values: Iterable[str | None]) -> list[str]:
    """In order, without repeats and without nothing."""
    return list(dict.fromkeys(value for value in values if value))
