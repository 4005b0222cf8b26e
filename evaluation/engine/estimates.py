"""The numbers of a report before they become JSON: an estimate with its interval, a paired difference, and a column of them over strata."""

from dataclasses import dataclass

from evaluation.engine.arrays import BadInput


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What makes a report reproducible: seed bytes, confidence level, number of resamples. Raises BadInput for a level or number that is none."""

    seed: bytes
    level: float = 0.95
    resamples: int = 2000

    def __post_init__(self) -> None:
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
    method: str


@dataclass(frozen=True)
class Column:
    """One metric over the strata of a block."""

    candidate: list[Estimate]
    baseline: list[Estimate] | None
    difference: list[Gap | None] | None
