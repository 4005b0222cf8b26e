"""What is told of an item without the API's serializer is what the serializer says."""

from typing import Any

import pytest

from hardcases.cases.serializers import REPORT, fields_of
from hardcases.errors import Refusal
from hardcases.formats.exchange import Item
from hardcases.transfers import items

SAID: list[dict[str, Any]] = [
    {},
    {"external_id": "e"},
    {"external_id": "e" * 255},
    {"external_id": "e" * 256},
    {"external_id": " "},
    {"external_id": "a\x00b"},
    {"external_id": "a\ud800b"},
    {"external_id": 7},
    {"reason": "r" * 128, "source": "s" * 256, "model": "m" * 256},
    {"reason": "r" * 129},
    {"source": "s" * 257},
    {"model": 3},
    {"attributes": {"site": "x", "age": 6.5, "deep": {"a": [1]}, "nothing": None}},
    {"attributes": {"site": "a\x00b"}},
    {"attributes": {"site": {"\ud800": 1}}},
    {"attributes": {5: "number as a name"}},
    {"tags": ["a", "b" * 64]},
    {"tags": ["b" * 65]},
    {"tags": [""]},
    {"tags": ["a\x00"]},
    {"tags": ["a"] * 50},
    {"tags": ["a"] * 51},
    {"tags": [1]},
    {"captured_at": "2026-11-20T14:02:00Z"},
    {"captured_at": "yesterday"},
    {"prediction": {"scores": {"nodule": 0.5}}, "correction": {"label": "nodule"}},
    {"prediction": {"scores": {"a": "b\x00"}}},
    {"external_id": "e" * 256, "tags": ["b" * 65], "captured_at": "never", "attributes": {"a": 1}},
]


def outcome(read: Any, said: dict[str, Any]) -> Any:
    try:
        return read(said)
    except Refusal as refusal:
        return type(refusal), refusal.sentence, refusal.errors


def as_the_api(said: dict[str, Any]) -> Any:
    checked = items._as_the_api(said)
    items._refuse_unstorable(said)
    return fields_of(checked)


@pytest.mark.parametrize("said", SAID, ids=str)
def test_the_same_fields_or_the_same_refusal(said: dict[str, Any]) -> None:
    assert outcome(lambda said: items.fields_for(Item(place="rows/0", **said)), said) == outcome(as_the_api, said)


def test_the_usual_is_told_without_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(REPORT, "run_validation", pytest.fail)
    said = {"external_id": "e", "reason": "r", "source": "s", "model": "m", "attributes": {"age": 6}, "tags": ["t"]}
    assert items.fields_for(Item(place="rows/0", **said)).as_sent() == said


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [(1, 1.0, True), (1, True, False), (0, False, False), ("1", 1, False), ([1], [1.0], True), ("[1]", [1], False)],
)
def test_facts_are_the_same_where_json_is(one: Any, other: Any, same: bool) -> None:
    first, second = ({"attributes": {"a": value}} for value in (one, other))
    assert (items.facts_of(first) == items.facts_of(second)) is same
