"""The numbers of a report before they become JSON: an estimate with its interval, a paired difference, and a column of them over strata."""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.engine.arrays import BadInput
from evaluation.engine.seeds import checked


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What makes a report reproducible: seed bytes, confidence level, number of resamples. Raises BadInput for a level or number that is none."""

    seed: bytes
    level: float = 0.95
    resamples: int = 2000

    def __post_init__(self) -> None:
        checked(self.seed)
        if not (0 < self.level < 1 and self.resamples >= 1):
            raise BadInput(f"a level lies between 0 and 1, and there is at least one resample; not {self.level} and {self.resamples}")


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """One number with its interval; all None but `undefined` where it does not exist. `n` is the denominator of a proportion."""

    value: float | None
    low: float | None
    high: float | None
    method: str | None
    n: int | None = None
    undefined: str | None = None


def nothing(why: str | None, n: int | None = None) -> Estimate:
    """No number, and why."""
    return Estimate(value=None, low=None, high=None, method=None, n=n, undefined=why)


def missing_reason(count: int) -> str | None:
    """Why a stratum with so many missing predictions has no number; None where there are none."""
    return f"{count} prediction{'' if count == 1 else 's'} missing" if count else None


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Candidate - baseline, never sign-flipped, with a two-sided p."""

    value: float
    low: float | None
    high: float | None
    p: float | None
    method: str | None


@dataclass(frozen=True)
class Column:
    """One metric over the strata of a block."""

    candidate: list[Estimate]
    baseline: list[Estimate] | None
    difference: list[Gap | None] | None

    @property
    def sides(self) -> list[list[Estimate]]:
        """The candidate, and the baseline where there is one."""
        return [self.candidate] if self.baseline is None else [self.candidate, self.baseline]

    def at(self, stratum: int) -> tuple[list[Estimate], Gap | None]:
        """Both sides' estimates and their difference."""
        return [side[stratum] for side in self.sides], self.difference[stratum] if self.difference else None


def column_of(strata: Sequence[tuple[list[Estimate], Gap | None]], *, compared: bool) -> Column:
    """From both sides' estimates and their difference in each stratum; `compared`: there is a baseline."""
    ours, theirs = ([sides[side] for sides, _ in strata] if side == 0 or compared else [] for side in (0, 1))
    return Column(ours, theirs, [gap for _, gap in strata]) if compared else Column(ours, None, None)
