"""Findings: what was set aside in the same place, for the same problem, with a value of the same shape. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hardcases.cases.attributes import UNDECLARED
from hardcases.cases.shapes import NO_CLASS, NO_PART
from hardcases.repairs.rules import COMMA, POINT, Entry, as_number, is_repairable, is_reviewed, place_of, subject
from hardcases.web.json_edge import canonical, digest_of

EXAMPLES = 5
LONGEST = 200  # characters of a value that makes a finding of its own
KINDS = {str: "text", bool: "true or false", int: "number", float: "number", list: "list", dict: "object", type(None): "nothing"}


@dataclass(kw_only=True)
class Finding:
    """Everything of a kind. `shape` is {"value": …} where cases share one value, else {"kind": …}. `examples` are (case number, value) of its newest cases."""

    id: str
    place: str
    problem: str
    shape: dict[str, Any]
    repairable: bool
    cases: int = 0
    reviewed: int = 0
    examples: list[tuple[int, Any]] = field(default_factory=list)

    @property
    def open(self) -> int:
        """How many cases of it nobody has reviewed."""
        return self.cases - self.reviewed

    @property
    def suggested(self) -> str:
        """The repair that most likely helps."""
        if not self.repairable:
            return "keep"
        if self.shape.get("kind") in {f"number with a {COMMA}", "number in quotes"}:
            return "number"
        return "rename" if _misnamed(self.problem, self.place) else "map" if "value" in self.shape else "drop"

    @property
    def decimal(self) -> str:
        """The decimal sign of a number that was sent as text."""
        return POINT if self.shape.get("kind") == "number in quotes" else COMMA


def shape_of(entry: Entry) -> dict[str, Any]:
    """What makes values alike: of a name that means nothing only the kind counts, of a number in words how it is written, else the value itself."""
    value = subject(entry)
    if _misnamed(str(entry["problem"]), str(entry["field"])):
        return {"kind": _kind(value)}
    if isinstance(value, str) and (kind := _kind(value)) != "text":
        return {"kind": kind}
    simple = value is None or isinstance(value, (str, bool, int, float))
    return {"value": value} if simple and len(str(value)) <= LONGEST else {"kind": _kind(value)}


def _misnamed(problem: str, place: str) -> bool:
    """Whether it is the name that means nothing here, whatever the value."""
    return problem == UNDECLARED or NO_PART in problem or (problem == NO_CLASS and ".scores." in place)


def _kind(value: Any) -> str:
    if as_number(value, POINT) is not None:
        return "number in quotes"
    return f"number with a {COMMA}" if as_number(value, COMMA) is not None else KINDS.get(type(value), "something else")


def collect(cases: Iterable[tuple[int, Iterable[Entry]]]) -> list[Finding]:
    """The findings about cases, each (case number, what was set aside of it), the largest first. A case counts once, however many boxes it has."""
    found: dict[bytes, Finding] = {}
    for number, entries in cases:
        counted: Counter[bytes] = Counter()
        for entry in entries:
            shape, place = shape_of(entry), place_of(entry)
            key = canonical([place, entry["problem"], shape])
            finding = found.get(key)
            if finding is None:
                name = digest_of([place, entry["problem"], shape])[:16]
                finding = found[key] = Finding(
                    id=name, place=place, problem=str(entry["problem"]), shape=shape, repairable=is_repairable(entry)
                )
            counted[key] += 1
            if counted[key] > 1:
                continue
            finding.cases += 1
            finding.reviewed += is_reviewed(entry)
            if len(finding.examples) < EXAMPLES:
                finding.examples.append((number, entry["value"]))
    return sorted(found.values(), key=lambda finding: (-finding.open, -finding.cases, finding.place, finding.id))
