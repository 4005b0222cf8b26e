"""Tests and sizes where the runs of two recipes are compared by their values alone: how few runs can prove anything, and what they could.

Every function takes one value a run (k,), larger is better. Where cases matter too, `replicates` has the interval. Sources: Fisher's permutation
test; Noether 1987; Bouthillier et al. 2021 (probability of improvement).
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from evaluation.engine.arrays import BadInput, Floats, floats
from evaluation.engine.intervals import t_quantile

MOST_EXACT = 200_000  # arrangements that are all looked at
RUNS_FOR_SD, RUNS_FOR_GATE = 3, 5
SAME = 1e-12


def least_p(runs: int, baseline_runs: int) -> float:
    """Smallest one-sided p that a permutation of so many runs can give: .05 for 3 and 3, .004 for 5 and 5."""
    return float(1 / special.binom(runs + baseline_runs, runs))


def least_paired_p(pairs: int) -> float:
    """The same with seeds in common: .031 for 5 pairs."""
    return 0.5**pairs


def _runs(values: ArrayLike) -> Floats:
    """One finite value a run (k,), at least one. Raises BadInput: an undefined value would be taken for the worst of all."""
    found = floats(values)
    if found.ndim != 1 or not found.size or not np.isfinite(found).all():
        raise BadInput("a comparison of runs needs at least one on each side, each with a finite value")
    return found


def permutation_p(candidate: ArrayLike, baseline: ArrayLike) -> float:
    """One-sided exact p of "the candidate's runs are not worse": small when their mean is lower than nearly all other splits of the runs.

    Raises BadInput for values that are not finite, and for more than 200,000 arrangements (9 runs and 9 still fit), where a t interval serves.
    """
    new, old = _runs(candidate), _runs(baseline)
    pooled = np.concatenate([new, old])
    if special.binom(pooled.size, new.size) > MOST_EXACT:
        raise BadInput(f"{new.size} and {old.size} runs have too many arrangements to look at; use the interval over runs and cases")
    sums = np.array([pooled[list(chosen)].sum() for chosen in combinations(range(pooled.size), new.size)])
    return float((sums <= new.sum() + SAME).mean())


@dataclass(frozen=True, kw_only=True)
class PairedRuns:
    """Mean difference of runs that share their seeds, Student's interval, and the exact one-sided p of a loss by sign flips."""

    value: float
    low: float
    high: float
    p_loss: float
    pairs: int


def paired_runs(candidate: ArrayLike, baseline: ArrayLike, level: float = 0.95) -> PairedRuns:
    """Run i of both sides was trained with the same seed. Raises BadInput for fewer than two pairs, unequal numbers, or more than 17 pairs."""
    change = _runs(candidate) - _runs(baseline) if np.shape(candidate) == np.shape(baseline) else np.empty(0)
    pairs = change.size
    if not 2 <= pairs <= 17:
        raise BadInput("paired runs are 2 to 17 on each side, in the order of their common seeds")
    half = float(t_quantile(level, pairs - 1)) * float(change.std(ddof=1)) / pairs**0.5
    signs = 1 - 2 * ((np.arange(2**pairs)[:, None] >> np.arange(pairs)) & 1)
    p = float((signs @ change <= change.sum() + SAME).mean())
    mean = float(change.mean())
    return PairedRuns(value=mean, low=mean - half, high=mean + half, p_loss=p, pairs=pairs)


def detectable_drop(runs: int, *, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """The true drop, in standard deviations over runs, that `runs` on each side prove with this power: 2.48 for 3, 1.72 for 5. None below 2 runs."""
    if runs < 2:
        return None
    degrees = 2 * runs - 2
    critical = float(special.stdtrit(degrees, 1 - alpha))
    low, high = 0.0, 100.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        reached = 1 - float(special.nctdtr(degrees, middle * (runs / 2) ** 0.5, critical))
        low, high = (low, middle) if reached >= power else (middle, high)
    return high


@dataclass(frozen=True, kw_only=True)
class Improvement:
    """P(candidate > baseline) for one run of each, ties counted half, with a percentile bootstrap interval over runs."""

    value: float
    low: float
    high: float
    meaningful: bool


def improvement(
    candidate: ArrayLike, baseline: ArrayLike, *, rng: np.random.Generator, gamma: float = 0.75, level: float = 0.90, resamples: int = 2000
) -> Improvement:
    """`meaningful` where the estimate is above `gamma` and the lower bound above one half. Raises BadInput without a run on each side or for a
    value that is not finite."""
    new, old = _runs(candidate), _runs(baseline)
    wins = (new[:, None] > old) + 0.5 * (new[:, None] == old)
    weights = [rng.multinomial(side.size, np.full(side.size, 1 / side.size), resamples) / side.size for side in (new, old)]
    draws: Floats = np.einsum("bi,ij,bj->b", weights[0], wins, weights[1])
    low, high = np.quantile(draws, [0.5 - level / 2, 0.5 + level / 2])
    value = float(wins.mean())
    return Improvement(value=value, low=float(low), high=float(high), meaningful=bool(value > gamma and low > 0.5))


def improvement_pairs(gamma: float = 0.75, *, alpha: float = 0.05, beta: float = 0.05) -> int:
    """Runs on each side that show P(candidate > baseline) = `gamma` (Noether): 29 for .75."""
    if not 0.5 < gamma < 1:
        raise BadInput("gamma lies between one half and one")
    z = special.ndtri(1 - alpha) + special.ndtri(1 - beta)
    return int(np.ceil(z**2 / (6 * (gamma - 0.5) ** 2)))
