"""Reading set-aside values again: each proposal of a repair goes to the reader that set the value aside, and what fits joins the case. Pure.

A value that the case has already is never overwritten: then the entry stays where it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hardcases.cases import attributes
from hardcases.cases.attributes import Declared
from hardcases.cases.shapes import Shape
from hardcases.cases.steps import Sorted
from hardcases.repairs.rules import REVIEWS, Dropped, Rule, is_reviewed

SCORES, LABELS, BOXES = "scores", "labels", "boxes"


@dataclass(frozen=True)
class Schema:
    """Against what is read: a project's declared attributes and the shape of its predictions."""

    declared: Sequence[Declared]
    shape: Shape


@dataclass
class Reread:
    """What became of a case. `changes` are (entry, place and value now; None where it was dropped); `left` the matching entries that stay."""

    kept: Sorted
    changes: list[tuple[dict[str, Any], tuple[str, Any] | None]] = field(default_factory=list)
    left: list[dict[str, Any]] = field(default_factory=list)


def reread(kept: Sorted, rule: Rule, schema: Schema) -> Reread:
    """Apply one rule to everything that was set aside of a case. Doing it again changes nothing."""
    found = Reread(Sorted(dict(kept.attributes), _copy(kept.prediction), _copy(kept.correction), []))
    for entry in kept.quarantine:
        if not rule.is_about(entry) or (rule.action in REVIEWS and is_reviewed(entry)):
            found.kept.quarantine.append(entry)
            continue
        proposal = None if rule.action in REVIEWS else rule.proposal(entry)
        if isinstance(proposal, Dropped):
            found.changes.append((entry, None))
        elif proposal is not None and (joined := _joined(found.kept, *proposal, schema)) is not None:
            found.kept = joined
            found.changes.append((entry, proposal))
        else:
            found.kept.quarantine.append(entry)
            found.left.append(entry)
    return found


def mend(kept: Sorted, rules: Sequence[Rule], schema: Schema) -> Sorted:
    """A report's sayings after every standing rule, in order."""
    for rule in rules:
        if not kept.quarantine:
            break
        kept = reread(kept, rule, schema).kept
    return kept


def _copy(said: dict[str, Any] | None) -> dict[str, Any] | None:
    """A copy that may be added to without touching what it was made from."""
    return None if said is None else {name: _copied(value) for name, value in said.items()}


def _copied(value: Any) -> Any:
    return dict(value) if isinstance(value, dict) else list(value) if isinstance(value, list) else value


def _joined(kept: Sorted, place: str, value: Any, schema: Schema) -> Sorted | None:
    """`kept` with the value at its place; None where it does not fit, or where the case has another one there."""
    whole, _, rest = place.partition(".")
    if whole == "attributes":
        fits, findings = attributes.sort_out({rest: value}, schema.declared)
        if findings or (rest in kept.attributes and kept.attributes[rest] != fits.get(rest)):
            return None
        kept.attributes.update(fits)
        return kept
    said, findings = schema.shape.read(_fragment(rest, value))
    if findings or said is None:
        return None
    before = kept.prediction if whole == "prediction" else kept.correction
    merged = _merged(dict(before or {}), said)
    if merged is None:
        return None
    return replace(kept, prediction=merged) if whole == "prediction" else replace(kept, correction=merged)


def _fragment(rest: str, value: Any) -> Any:
    """What would have been sent for this part alone."""
    head, _, tail = rest.partition(".")
    if not rest:
        return value
    if head == SCORES and tail:
        return {SCORES: {tail: value}}
    return {head: [value]} if head in {LABELS, BOXES} and tail else {rest: value}


def _merged(said: dict[str, Any], more: dict[str, Any]) -> dict[str, Any] | None:
    for name, value in more.items():
        if name not in said:
            said[name] = value
        elif name == SCORES:
            if any(said[SCORES].get(key, score) != score for key, score in value.items()):
                return None
            said[SCORES] = {**said[SCORES], **value}
        elif name == LABELS:
            said[LABELS] = [*said[LABELS], *(label for label in value if label not in said[LABELS])]
        elif name == BOXES:
            said[BOXES] = [*said[BOXES], *value]
        elif said[name] != value:
            return None
    return said
