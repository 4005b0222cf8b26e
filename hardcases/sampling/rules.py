"""Sampling rules as they are written down, and which of them an arrival falls under. Pure.

    {"when": {"reason": "random_sample"}, "keep": 0.1}
    {"when": {"source": ["clinic-7", "clinic-9"]}, "quota": {"per": "day", "limit": 50, "by": ["site"]}}
    {"when": {}, "reservoir": {"size": 500, "per": "week"}}

An arrival that somebody corrected, or that was sent because a doctor disagreed, is a failure that a person found: only a rule that says so applies to it.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from hardcases.errors import Invalid
from hardcases.web.documents import Path, Reader
from hardcases.web.json_edge import canonical

MOST_RULES = 50
PERIODS = ("day", "week")
KINDS = ("keep", "quota", "reservoir")
WORDS = ("reason", "source", "model")
FOUND_BY_PEOPLE = frozenset({"doctor_disagreed"})
MOST_VALUES, LONGEST = 50, 256
MOST = 1_000_000
_STRATUM = 200


class RulesRefused(Invalid):
    code, title = "sampling_rules_refused", "The sampling rules were not accepted"


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A new content at the door: its digest and what was said about it, attributes as far as they fit the project."""

    digest: str
    reason: str = ""
    source: str = ""
    model: str = ""
    corrected: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def word(self, name: str) -> Any:
        """The value of a word or else of an attribute; None where it is missing."""
        if name in WORDS:
            return getattr(self, name) or None
        return self.attributes.get(name.removeprefix("attr."))


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule in force: its document with the id and the salt of its row. Exactly one of keep, quota and reservoir is not None."""

    id: int
    salt: str
    when: Mapping[str, Any]
    name: str = ""
    keep: float | None = None
    quota: Mapping[str, Any] | None = None
    reservoir: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, document: Mapping[str, Any], *, id: int = 0, salt: str = "") -> "Rule":  # noqa: A002 - the name of the row's key
        """From a document that `read_rules` gave."""
        return cls(id=id, salt=salt, **document)

    def is_about(self, arrival: Arrival) -> bool:
        """Whether this rule decides about the arrival, if none before it does."""
        if arrival.corrected and self.when.get("correction") is not True:
            return False
        if arrival.reason in FOUND_BY_PEOPLE and "reason" not in self.when:
            return False
        if self.when.get("correction") not in {None, arrival.corrected}:
            return False
        words = all(arrival.word(name) in self.when[name] for name in WORDS if name in self.when)
        return words and all(_among(arrival.attributes.get(name), values) for name, values in self.when.get("attributes", {}).items())

    def draw(self, digest: str) -> float:
        """A number in [0, 1) that this content has for this rule and for no other: the same however often it is asked."""
        hashed = hashlib.sha256(f"{digest}:{self.id}:{self.salt}".encode()).digest()
        return int.from_bytes(hashed[:6]) / 2**48

    def period(self, day: date) -> date:
        """The first day of the period that is counted together."""
        per = (self.quota or self.reservoir or {}).get("per", "day")
        return day - timedelta(days=day.weekday()) if per == "week" else day

    def stratum(self, arrival: Arrival) -> str:
        """What a quota counts apart, as text; the empty text where everything is counted together."""
        by = (self.quota or {}).get("by", [])
        if not by:
            return ""
        text = canonical([arrival.word(name) for name in by]).decode()
        return text if len(text) <= _STRATUM else hashlib.sha256(text.encode()).hexdigest()


def _among(value: Any, wanted: Sequence[Any]) -> bool:
    """Equal to one of them and of one type: 1 is not true."""
    return any(value == other and isinstance(value, bool) == isinstance(other, bool) for other in wanted)


def read_rules(documents: Any, declared: Collection[str]) -> list[dict[str, Any]]:
    """The rules in their plain form (every condition a list), for a project that declares these attributes. Raises RulesRefused with every finding."""
    read = Reader()
    items = read.sequence(documents, ("rules",), 0, MOST_RULES)
    found = [_rule(read, item, ("rules", index), declared) for index, item in enumerate(items)]
    read.refuse_if_any(RulesRefused)
    return found


def _rule(read: Reader, item: Any, path: Path, declared: Collection[str]) -> dict[str, Any]:
    body = read.mapping(item, path)
    read.fields(body, path, {"name", "when", *KINDS})
    rule: dict[str, Any] = {"when": _when(read, body.get("when", {}), (*path, "when"), declared)}
    if body.get("name"):
        rule["name"] = read.text(body["name"], (*path, "name"), 100)
    said = [kind for kind in KINDS if body.get(kind) is not None]
    if len(said) != 1:
        read.wrong(path, f"A rule has exactly one of {', '.join(KINDS)}.")
        return rule
    kind, place = said[0], (*path, said[0])
    if kind == "keep":
        return rule | {"keep": read.number(body["keep"], place, 0.0, 1.0)}
    limits = read.mapping(body[kind], place)
    size = "limit" if kind == "quota" else "size"
    read.fields(limits, place, {"per", size, *(["by"] if kind == "quota" else [])})
    counted = {
        "per": read.choice(limits.get("per"), (*place, "per"), PERIODS),
        size: read.integer(limits.get(size), (*place, size), 1, MOST),
    }
    if kind == "quota":
        counted["by"] = _by(read, limits.get("by", []), (*place, "by"), declared)
    return rule | {kind: counted}


def _by(read: Reader, value: Any, path: Path, declared: Collection[str]) -> list[str]:
    names = read.sequence(value, path, 0, 5)
    for index, name in enumerate(names):
        if not isinstance(name, str) or (name not in WORDS and name.removeprefix("attr.") not in declared):
            read.wrong((*path, index), f"This must be {', '.join(WORDS)} or a declared attribute.")
    return names


def _when(read: Reader, value: Any, path: Path, declared: Collection[str]) -> dict[str, Any]:
    body = read.mapping(value, path)
    read.fields(body, path, {*WORDS, "correction", "attributes"})
    when: dict[str, Any] = {name: _values(read, body[name], (*path, name), str) for name in WORDS if body.get(name) is not None}
    if body.get("correction") is not None:
        when["correction"] = read.flag(body["correction"], (*path, "correction"))
    attributes = read.mapping(body.get("attributes") or {}, (*path, "attributes"))
    for name in attributes:
        if name not in declared:
            read.wrong((*path, "attributes", name), "The project declares no attribute of this name.")
    if attributes:
        when["attributes"] = {
            name: _values(read, value, (*path, "attributes", name), (str, bool, int, float)) for name, value in attributes.items()
        }
    return when


def _values(read: Reader, value: Any, path: Path, kinds: Any) -> list[Any]:
    values = value if isinstance(value, list) else [value]
    if not 1 <= len(values) <= MOST_VALUES:
        read.wrong(path, f"Give one value or a list of at most {MOST_VALUES}.")
        return []
    for index, one in enumerate(values):
        if not isinstance(one, kinds) or (isinstance(one, str) and not 1 <= len(one) <= LONGEST):
            read.wrong((*path, index) if isinstance(value, list) else path, "This must be a value such as the reports carry.")
    return values
