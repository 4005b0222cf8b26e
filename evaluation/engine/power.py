"""How many cases an answer needs, and how small a loss a set can see. All at a stated power (default 0.8) and one-sided alpha."""

from collections.abc import Callable
from functools import cache, partial

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from evaluation.engine.arrays import BadInput, Floats, Ints, floats
from evaluation.engine.compare import mcnemar_loss, tango_score
from evaluation.engine.intervals import exact_lower, exact_upper, open_share

MOST_EXACT = 2000
LIMIT = 10_000_000  # more cases than this is "not reachable"


def non_inferiority_cases(psi: float, margin: float, *, alpha: float = 0.05, power: float = 0.8, design_effect: float = 1.0) -> int | None:
    """Cases needed to show "not worse than `margin`" when nothing changed and a share `psi` of the cases flips.

    Inverts Tango's bound at the outcome that is only reached or beaten with probability `power`: d = -z_power * sqrt(psi / n), but never
    better than no flip at all. None where more than 10 million would be needed or the margin is 0. Raises BadInput for a psi or a margin that is no share.
    """
    _share("psi", psi)
    _share("margin", margin)
    open_share("alpha", alpha), open_share("power", power)
    if not margin > 0:
        return None
    z_alpha, z_power = special.ndtri(1 - alpha), special.ndtri(power)

    def enough(n: int) -> bool:
        slip = min(float(z_power) * (psi / n) ** 0.5, psi) if psi > 0 else 0.0
        return bool(tango_score(n * (psi + slip) / 2, n * (psi - slip) / 2, n, -margin) > z_alpha)

    found = _smallest(enough)
    return None if found is None else int(np.ceil(found * design_effect))


def psi_upper(flips: float, n: float, confidence: float = 0.8) -> float:
    """Upper bound of the share of flipping cases (Clopper–Pearson, one-sided)."""
    return float(exact_upper(flips, n, 1 - confidence))


def floor_cases(share: float, floor: float, *, alpha: float = 0.05, power: float = 0.8, design_effect: float = 1.0) -> int | None:
    """Cases needed to prove a proportion at least `floor` when it is `share`.

    Up to 2,000 the smallest number that has this power, as in the tables of exact single-stage designs (A'Hern 2001). Beyond, a number that has it, found by
    bisection: power goes up and down with each case, so that some percent fewer may have it too. None where the share is not above the floor (more cases
    cannot help). Raises BadInput for a share or a floor that is none.
    """
    _share("share", share)
    _share("floor", floor)
    open_share("alpha", alpha), open_share("power", power)
    if not share > floor:
        return None

    def enough(n: int) -> bool:
        return bool(exact_lower(_binomial_quantile(1 - power, n, share), n, alpha) >= floor)

    found = _smallest(enough)
    if found is not None:
        n = np.arange(1, min(found, MOST_EXACT) + 1)
        found = int(next(iter(n[exact_lower(_binomial_quantile(1 - power, n, share), n, alpha) >= floor]), found))
    return None if found is None else int(np.ceil(found * design_effect))


def _share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise BadInput(f"{name} is a share between 0 and 1, and {value} is not")


def _binomial_quantile(p: float, n: ArrayLike, share: float) -> Floats:
    """Smallest k with P(X <= k) >= `p`, for each number of cases `n`."""
    n = floats(n)
    if share >= 1:
        return n
    k = np.nan_to_num(np.ceil(special.bdtrik(p, n, share)))
    below = np.maximum(k - 1, 0.0)  # the root may lie a rounding error above an integer
    return np.asarray(np.where(special.betainc(n - below, below + 1, 1 - share) >= p, below, np.minimum(k, n)))


def _smallest(enough: Callable[[int], bool]) -> int | None:
    """Smallest n that is enough, taking `enough` as monotone: doubling, then bisection."""
    high = 1
    while not enough(high):
        high *= 2
        if high > LIMIT:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def detectable_loss(n: float, *, gained: float = 0.02, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """Smallest true loss that the one-sided mid-P test would prove with `n` cases, when a share `gained` of them becomes newly right.

    Exact sum over the binomial number of flips up to 2,000 cases, the normal approximation beyond. None where not even losing every case
    would do.
    """
    if not n >= 0:
        raise BadInput(f"{n} is not a number of cases")
    _share("gained", gained)
    open_share("alpha", alpha), open_share("power", power)
    n = int(n)
    top = 1 - 2 * gained
    if n < 1 or top <= 0:
        return None
    reaches = partial(_normal_power, n, gained, alpha) if n > MOST_EXACT else partial(_exact_power, n, gained, _critical(n, alpha))
    if reaches(top) < power:
        return None
    low, high = 0.0, top
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if reaches(middle) >= power else (middle, high)
    return high


def _normal_power(n: int, gained: float, alpha: float, loss: float) -> float:
    share = 2 * gained + loss
    null_sd, sd = (share / n) ** 0.5, (max(share - loss**2, 0.0) / n) ** 0.5
    reach = loss - float(special.ndtri(1 - alpha)) * null_sd
    return float(special.ndtr(reach / sd)) if sd > 0 else float(reach > 0)


def _exact_power(n: int, gained: float, critical: Ints, loss: float) -> float:
    """Sum over the number of flips of its chance times the chance of at least `critical` losses among them."""
    share = 2 * gained + loss
    flips = np.arange(n + 1)
    chance = np.exp(special.xlogy(flips, share) + special.xlog1py(n - flips, -share) - special.betaln(flips + 1, n - flips + 1)) / (n + 1)
    possible = critical <= flips
    wanted, total = critical[possible].astype(np.float64), flips[possible]
    return float(chance[possible] @ special.betainc(wanted, total - wanted + 1, (gained + loss) / share))


@cache
def _critical_table(most: int, alpha: float) -> Ints:
    flips = np.arange(most + 1)
    guess = np.nan_to_num(np.ceil(special.bdtrik(1 - alpha, flips, 0.5)))
    lost = np.clip(guess[:, None] + np.arange(-2, 3), 0, flips[:, None] + 1)
    significant = (lost <= flips[:, None]) & (mcnemar_loss(lost, np.maximum(flips[:, None] - lost, 0)) <= alpha)
    found = np.where(significant.any(axis=1), lost[np.arange(flips.size), significant.argmax(axis=1)], flips + 1)
    return found.astype(np.int64)


def _critical(n: int, alpha: float) -> Ints:
    """Per number of flips 0..n the smallest count of losses that is significant (flips + 1 where none is)."""
    return _critical_table(MOST_EXACT, alpha)[: n + 1]
