"""What a perturbation is: one row of the registry, whose numbers say what each severity does to the input.

A severity is 1 to 5 and stands for a stated change (`steps` in `unit`), never for a taste. A perturbation that knows only "done or not done"
(a mirrored picture, exchanged channels) has one step. Whatever is stochastic draws from a Generator that its caller made from a digest.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from evaluation.engine.arrays import BadInput

Domain = Literal["image", "text", "record"]
CORRUPTIONS = "Hendrycks & Dietterich 2019, own scale"


@dataclass(frozen=True, kw_only=True)
class Perturbation:
    """One perturbation.

    `steps`: a number per severity; `unit` says in words what that number is. `label_kept`: the right answer to the changed input is still the
    case's label; where it is False only the candidate's agreement with the baseline means something. `stochastic`: another seed gives
    another output. `source`: where it is described, or what fault it imitates.
    """

    name: str
    domain: Domain
    kind: str
    steps: tuple[int, ...]
    unit: str
    label_kept: bool = True
    stochastic: bool = False
    source: str

    @property
    def severities(self) -> range:
        return range(1, len(self.steps) + 1)

    def step(self, severity: int) -> int:
        """The number that this severity stands for. Raises BadInput for a severity there is not."""
        if type(severity) is not int or severity not in self.severities:
            there = "has one step, 1" if len(self.steps) == 1 else f"has severities 1 to {len(self.steps)}"
            raise BadInput(f"{self.name} {there}; {severity!r} is none of them")
        return self.steps[severity - 1]

    def meaning(self, severity: int) -> str:
        """The change in words: "standard deviation 8 % of the range"."""
        return self.unit.format(self.step(severity))


Row = TypeVar("Row", bound=Perturbation)


def named(rows: Sequence[Row], name: str) -> Row:
    """The entry of that name. Raises BadInput that lists the names there are."""
    found = next((row for row in rows if row.name == name), None)
    if found is None:
        raise BadInput(f"there is no perturbation {name!r} here; there are {', '.join(row.name for row in rows)}")
    return found


def seed_of(case_digest: str, name: str, severity: int, seed: int) -> bytes:
    """SHA-256 over case digest, perturbation, severity and seed, one a line: what a case's noise depends on, and nothing else."""
    if len(case_digest) != 64 or set(case_digest) - set("0123456789abcdef"):
        raise BadInput(f"a case digest is 64 hexadecimal digits, not {case_digest!r}")
    return hashlib.sha256(f"{case_digest}\n{name}\n{severity}\n{seed}".encode()).digest()
