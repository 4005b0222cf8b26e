"""Says once what a file repeats a hundred thousand times: a finding for each kind of problem, with its first place and the count of all."""

from collections.abc import Iterator
from dataclasses import dataclass

from hardcases.formats.exchange import Finding

KINDS = 1_000


@dataclass
class _Kind:
    place: str
    problem: str
    unknown_class: str | None
    count: int = 0


class Tally:
    """Collects problems that take nothing but a part; at most a thousand kinds are told apart, the others are counted together."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str | None], _Kind] = {}

    def add(self, place: str, problem: str, *, kind: str = "", count: int = 1, unknown_class: str | None = None) -> None:
        """`problem` is a sentence that is true of every place of its kind; without `kind` the sentence and the class, of which it may cut the name, are it."""
        name = (kind or problem, unknown_class)
        if name not in self._kinds and len(self._kinds) >= KINDS:
            name, problem, unknown_class = ("", None), "There are more kinds of problems than are told apart.", None
        found = self._kinds.setdefault(name, _Kind(place, problem, unknown_class))
        found.count += count

    def findings(self) -> Iterator[Finding]:
        """One for each kind, in the order of their first places."""
        for found in self._kinds.values():
            yield Finding(place=found.place, problem=found.problem, lost=False, count=found.count, unknown_class=found.unknown_class)
