"""The numbers of a report before they become JSON: an estimate with its interval, a paired difference, and a column of them over strata."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What makes a report reproducible: seed bytes, confidence level, number of resamples."""

    seed: bytes
    level: float = 0.95
    resamples: int = 2000


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
