"""Which perturbations a run applies, at which severities, with which seed: checked before anything is predicted, and named by a digest."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from evaluation.engine.arrays import BadInput
from evaluation.engine.stress.registry import perturbation

SEVERITIES = range(1, 6)


@dataclass(frozen=True)
class Step:
    """One perturbation at one severity."""

    name: str
    severity: int

    @property
    def stratum(self) -> str:
        """Its name in reports: "gaussian_blur@3"."""
        return f"{self.name}@{self.severity}"


@dataclass(frozen=True)
class Item:
    """One input to make and to predict."""

    case_digest: str
    step: Step


@dataclass(frozen=True)
class Plan:
    """Names in the order of a report, severities ascending. A perturbation that has one step takes it, whatever the severities are.

    All names are of one domain. Raises BadInput for unknown or repeated names and severities, no name, mixed domains, and a seed below 0.
    """

    names: tuple[str, ...]
    severities: tuple[int, ...]
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.names or not self.severities:
            raise BadInput("a stress plan has at least one perturbation and one severity")
        for what, values in (("perturbation", self.names), ("severity", self.severities)):
            repeated = [value for i, value in enumerate(values) if value in values[:i]]
            if repeated:
                raise BadInput(f"{what} {repeated[0]!r} is given twice")
        domains = {perturbation(name).domain: name for name in self.names}
        if len(domains) > 1:
            raise BadInput(f"a stress plan is about one kind of input, but {' and '.join(domains.values())} change different ones")
        wrong = [severity for severity in self.severities if type(severity) is not int or severity not in SEVERITIES]
        if wrong:
            raise BadInput(f"severity {wrong[0]!r} is not one of 1 to 5")
        if list(self.severities) != sorted(self.severities):
            raise BadInput("severities are given in ascending order")
        if type(self.seed) is not int or self.seed < 0:
            raise BadInput(f"the seed is an integer from 0, not {self.seed!r}")

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every perturbation at every severity that it has."""
        rows = [perturbation(name) for name in self.names]
        return tuple(Step(row.name, s) for row in rows for s in (self.severities if len(row.steps) > 1 else (1,)))

    @property
    def digest(self) -> str:
        """SHA-256 over names, severities, seed and what each step means, so that a changed scale is another plan."""
        meanings = [[step.name, step.severity, perturbation(step.name).meaning(step.severity)] for step in self.steps]
        return hashlib.sha256(json.dumps([self.seed, meanings], ensure_ascii=False).encode()).hexdigest()

    def items(self, case_digests: Iterable[str]) -> Iterator[Item]:
        """Every step of each case in turn, in the order of the cases; the same list on every machine."""
        steps = self.steps
        return (Item(digest, step) for digest in case_digests for step in steps)
