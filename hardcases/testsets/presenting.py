"""What the page of a version shows of its members: counts by class and attribute, each with the search that finds such cases."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import rfc8785
from django.utils.translation import gettext as _

from hardcases.testsets.groupings import Grouping
from hardcases.testsets.models import DraftChange
from hardcases.testsets.queries import Diff, Pinned
from hardcases.testsets.snapshots import Members
from hardcases.web.search import Operator, Query, Term

_LONG = 12  # digits of a value that is still read as a number


@dataclass(frozen=True)
class Share:
    """One stratum of a version: how many of its cases, and the search for such cases in the project."""

    label: str | None
    cases: int
    share: float
    q: str


@dataclass(frozen=True)
class Composition:
    """The strata of one attribute, or the classes."""

    name: str
    shares: tuple[Share, ...]


def composition(of: Members) -> list[Composition]:
    """Classes first, then attributes as the project lists them."""
    return [Composition(grouping.name, tuple(_shares(grouping, len(of)))) for grouping in of.groupings]


def _shares(grouping: Grouping, cases: int) -> Iterator[Share]:
    counts = np.bincount(grouping.codes[grouping.codes >= 0], minlength=len(grouping.values))
    for value, count in sorted(zip(grouping.values, counts.tolist(), strict=True), key=_as_numbers(grouping)):
        yield Share(value, count, count / max(cases, 1), _search(grouping.name, value))


def _as_numbers(grouping: Grouping) -> Callable[[tuple[str | None, int]], int]:
    """Values that are whole numbers in the order of numbers, the missing one last; others stay where they are."""
    named = [value for value in grouping.values if value is not None]
    if not all(value.isascii() and value.isdigit() and len(value) < _LONG for value in named):
        return lambda _share: 0
    return lambda share: 10**_LONG if share[0] is None else int(share[0])


def _search(name: str, value: str | None) -> str:
    if name == "class":
        return str(Query((Term("label", (value or "",)),)))
    low, dots, high = (value or "").partition("..")
    if dots:
        return str(Query((Term(name, (low,), Operator.AT_LEAST), Term(name, (high,), Operator.LESS))))
    return str(Query((Term(name, (value or "",)),)))


@dataclass(frozen=True)
class AnswerMove:
    """So many cases were answered `before` in one version and `after` in the other."""

    before: str
    after: str
    cases: int


def answer_moves(diff: Diff) -> list[AnswerMove]:
    """Old answer × new answer, the most frequent first."""
    moves = Counter((in_words(before.label), in_words(after.label)) for before, after in diff.answers)
    return [AnswerMove(before, after, cases) for (before, after), cases in moves.most_common()]


def in_words(label: dict[str, Any]) -> str:
    """A label as people read it: the class, else the whole in its canonical form."""
    return str(label["label"]) if set(label) == {"label"} else rfc8785.dumps(label).decode()


@dataclass(frozen=True)
class Listed:
    """A case in a list of a diff."""

    key: str
    label: str


def member(key_prefix: str, pinned: Pinned) -> Listed:
    """A case that came or went."""
    return Listed(f"{key_prefix}-{pinned.number}", in_words(pinned.label))


@dataclass(frozen=True)
class Repinned:
    """A case that both versions hold, and what differs."""

    key: str
    sentence: str


def repinned(key_prefix: str, before: Pinned, after: Pinned) -> Repinned:
    """A case of which other facts are pinned."""
    said = []
    if before.label != after.label:
        said.append(_("%(before)s → %(after)s") % {"before": in_words(before.label), "after": in_words(after.label)})
    elif before.revision != after.revision:
        said.append(_("labelled again"))
    if before.attributes != after.attributes:
        said.append(_("other attributes"))
    if before.strata != after.strata:
        said.append(_("other strata"))
    return Repinned(f"{key_prefix}-{after.number}", ", ".join(said))


@dataclass(frozen=True)
class Drafted:
    """A case in the draft. `label` is None where nobody has labelled it."""

    key: str
    label: str | None
    by: str
    at: datetime


def drafted(key_prefix: str, change: DraftChange) -> Drafted:
    """A change of the draft; its case comes with the current label and its revision."""
    current = getattr(change.case, "current_label", None)
    label = None if current is None else in_words(current.revision.label)
    return Drafted(f"{key_prefix}-{change.case.number}", label, change.by, change.at)
