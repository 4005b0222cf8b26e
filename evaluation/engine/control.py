"""Control charts for a daily statistic, designed by how often they may cry wolf, with one alert per episode.

A fixed daily threshold either alarms every other week or is deaf. CUSUM (Page 1954) and EWMA (Roberts 1959) add up small evidence, and
their limit follows from the average run length (ARL): the mean number of observations until a false alarm. The ARL solves an integral
equation (Page 1954; Crowder 1987), here by Gauss–Legendre quadrature, for independent normal observations in control.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal, get_args

import numpy as np
from scipy import optimize, special

from evaluation.engine.arrays import BadInput, Floats

Kind = Literal["cusum", "ewma"]
NODES = 120
LEAST_WEIGHT = 0.005  # of an EWMA: below, the nodes lie farther apart than one observation moves it
LEAST_ARL, MOST_ARL = 5.0, 1e5


def cusum_arl(allowance: float, limit: float, shift: float = 0.0) -> float:
    """ARL of the two-sided CUSUM when the mean has moved by `shift` deviations; 1/ARL is the sum over both sides (Kemp 1961)."""
    if not (0 <= allowance < np.inf and 0 <= limit < np.inf and np.isfinite(shift)):
        raise BadInput(f"a CUSUM has a finite allowance, limit and shift, the first two not negative; not {allowance}, {limit} and {shift}")
    up = _one_sided(allowance, limit, shift)
    return up / 2 if shift == 0 else 1 / (1 / up + 1 / _one_sided(allowance, limit, -shift))


def _one_sided(allowance: float, limit: float, shift: float) -> float:
    """L(u) = 1 + L(0) Φ(k - u - shift) + ∫ L(y) φ(y + k - u - shift) dy over 0..h, at u = 0."""
    nodes, weights = _quadrature(0.0, limit)
    starts = np.append(0.0, nodes)
    kernel = np.empty((NODES + 1, NODES + 1))
    kernel[:, 0] = special.ndtr(allowance - starts - shift)
    kernel[:, 1:] = weights * _density(nodes + allowance - starts[:, None] - shift)
    return float(np.linalg.solve(np.eye(NODES + 1) - kernel, np.ones(NODES + 1))[0])


def ewma_arl(weight: float, limit: float, shift: float = 0.0) -> float:
    """ARL of the EWMA with constant limits ± `limit` times its long-run deviation, started at the centre."""
    if not (LEAST_WEIGHT <= weight <= 1 and 0 < limit < np.inf and np.isfinite(shift)):
        raise BadInput(
            f"an EWMA has a weight from {LEAST_WEIGHT} to 1, a finite limit above 0 and a finite shift; not {weight}, {limit} and {shift}"
        )
    reach = limit * (weight / (2 - weight)) ** 0.5
    nodes, weights = _quadrature(-reach, reach)

    def row(start: Floats) -> Floats:
        return np.asarray(weights * _density((nodes - (1 - weight) * start[:, None]) / weight - shift) / weight)

    inside = np.linalg.solve(np.eye(NODES) - row(nodes), np.ones(NODES))
    return 1 + float((row(np.zeros(1)) @ inside)[0])


@cache
def _legendre() -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return nodes, weights


def _quadrature(low: float, high: float) -> tuple[Floats, Floats]:
    nodes, weights = _legendre()
    return (nodes + 1) / 2 * (high - low) + low, weights * (high - low) / 2


def _density(x: Floats) -> Floats:
    return np.asarray(np.exp(-(x**2) / 2) / (2 * np.pi) ** 0.5)


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart of (value - centre) / deviation.

    `step` is the allowance k of a CUSUM or the weight of the newest value in an EWMA; `limit` is h or the multiple L of the EWMA's
    deviation. An episode ends when the statistic has been below half of its limit for `quiet` observations in a row.
    """

    kind: Kind
    centre: float
    deviation: float
    step: float
    limit: float
    quiet: int = 3

    def arl(self, shift: float = 0.0) -> float:
        """Mean number of observations until an alarm when the mean has moved by `shift` deviations."""
        return cusum_arl(self.step, self.limit, shift) if self.kind == "cusum" else ewma_arl(self.step, self.limit, shift)


def design(
    kind: Kind,
    centre: float,
    deviation: float,
    *,
    false_alarms: float = 1.0,
    days: float = 90.0,
    per_day: float = 1.0,
    charts: int = 1,
    shift: float = 1.0,
    quiet: int = 3,
) -> Chart:
    """The chart that has at most `false_alarms` per `days` over `charts` charts together, with `per_day` observations a day.

    `shift` is the change, in deviations, that should be found soonest: a CUSUM's allowance is half of it; an EWMA's weight is shift² / 10,
    between 0.05 and 0.4, close to the best for such a shift. `centre` and `deviation` are those of a quiet time, as from `quiet_time`.
    Raises BadInput where no chart can do this.
    """
    if kind not in get_args(Kind):
        raise BadInput(f"a chart is a {' or '.join(get_args(Kind))}, not {kind!r}")
    target = days * per_day * charts / false_alarms if false_alarms > 0 else float("inf")
    if not LEAST_ARL <= target <= MOST_ARL:
        raise BadInput(f"one false alarm in {target:.4g} observations cannot be designed for; between 5 and 100,000 can")
    if not (deviation > 0 and np.isfinite([centre, deviation]).all() and 0.25 <= shift <= 4):
        raise BadInput("a chart needs a finite centre, a deviation above 0 and a shift from 0.25 to 4 deviations")
    step = shift / 2 if kind == "cusum" else min(max(shift**2 / 10, 0.05), 0.4)
    limit = _limit(cusum_arl if kind == "cusum" else ewma_arl, step, target)
    return Chart(kind=kind, centre=centre, deviation=deviation, step=step, limit=limit, quiet=quiet)


def _limit(arl: Callable[[float, float], float], step: float, target: float) -> float:
    """The limit with this ARL; the tightest there is where even that alarms more rarely."""
    least, most = 0.01, 1.0
    if arl(step, least) >= target:
        return least
    while arl(step, most) < target:
        most *= 1.5
    return float(optimize.brentq(lambda limit: np.log(arl(step, limit) / target), least, most, xtol=1e-6))


def quiet_time(values: Iterable[float]) -> tuple[float, float]:
    """Centre and deviation for a chart from observations of a quiet time, in order; at least 10, not all equal.

    Where a day resembles the day before (lag-1 correlation r above 2/sqrt(n)), evidence adds up faster than it should. The deviation is then
    the long-run one of a first-order autoregression, larger by sqrt((1 + r) / (1 - r)), r at most 0.8.
    """
    seen = np.asarray(list(values), dtype=np.float64)
    if seen.size < 10 or not np.isfinite(seen).all() or np.ptp(seen) == 0:
        raise BadInput("a quiet time has at least 10 finite observations that are not all equal; 60 or more are sensible")
    centred = seen - seen.mean()
    resembles = min(float((centred[1:] * centred[:-1]).sum() / (centred**2).sum()), 0.8)
    stretch = ((1 + resembles) / (1 - resembles)) ** 0.5 if resembles > 2 / seen.size**0.5 else 1.0
    return float(seen.mean()), float(seen.std(ddof=1)) * stretch


@dataclass(frozen=True)
class State:
    """Where a chart stands; everything a worker needs to go on. `up` is an EWMA's value, `down` unused by it."""

    up: float = 0.0
    down: float = 0.0
    open: bool = False
    quiet: int = 0

    def stored(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def restored(cls, stored: dict[str, Any]) -> "State":
        return cls(**stored)


@dataclass(frozen=True)
class Event:
    """An episode opened or closed; `direction` is up or down, where it went when it opened."""

    kind: Literal["opened", "closed"]
    direction: Literal["up", "down"] | None = None


def observe(chart: Chart, state: State, value: float | None) -> tuple[State, Event | None]:
    """One observation. None means that there were no data: nothing changes, and silence is not an alarm of this chart.

    While an episode is open the statistic is kept from growing beyond its limit, so that recovery shows at once, and no second alert is
    given. When it closes, the chart starts anew. Raises BadInput on a value that is not finite.
    """
    if value is None:
        return state, None
    z = (value - chart.centre) / chart.deviation
    if not np.isfinite(z):
        raise BadInput("an observation of a chart is a finite number, or None where there are no data")
    up, down, limit = _moved(chart, state, z)
    height = max(abs(up), down)
    if not state.open:
        if height <= limit:
            return State(up, down), None
        return State(*_capped(up, down, limit), open=True), Event("opened", "up" if up >= down and up > 0 else "down")
    quiet = state.quiet + 1 if height <= limit / 2 else 0
    if quiet >= chart.quiet:
        return State(), Event("closed")
    return State(*_capped(up, down, limit), open=True, quiet=quiet), None


def _moved(chart: Chart, state: State, z: float) -> tuple[float, float, float]:
    """The statistic after z, and its limit."""
    if chart.kind == "cusum":
        return max(0.0, state.up + z - chart.step), max(0.0, state.down - z - chart.step), chart.limit
    return (1 - chart.step) * state.up + chart.step * z, 0.0, chart.limit * (chart.step / (2 - chart.step)) ** 0.5


def _capped(up: float, down: float, limit: float) -> tuple[float, float]:
    return min(max(up, -limit), limit), min(down, limit)


@dataclass(frozen=True)
class Episode:
    """Indices of the observations at which it opened and closed (None: still open)."""

    opened: int
    closed: int | None
    direction: str | None


def replay(chart: Chart, values: Iterable[float | None], state: State | None = None) -> tuple[list[Episode], State]:
    """What this chart would have said about past observations, and where it stands after them."""
    state, episodes = state or State(), list[Episode]()
    for index, value in enumerate(values):
        state, event = observe(chart, state, value)
        if event is None:
            continue
        if event.kind == "opened":
            episodes.append(Episode(index, None, event.direction))
        elif episodes:
            episodes[-1] = Episode(episodes[-1].opened, index, episodes[-1].direction)
    return episodes, state
