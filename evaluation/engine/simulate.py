"""What a policy would do, before anybody is judged by it: how often it blocks a model that is equal, and how often it misses one that is worse.

Outcomes are drawn on the set's own strata: their sizes, their overlap, their clusters and the share of cases that flips between two models.
Each outcome is judged by the rules of `gates`; the shares carry Clopper–Pearson intervals for the number of draws.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from evaluation.engine.arrays import BadInput, Bools, Floats, Ints, floats
from evaluation.engine.compare import design_effect, sign_flip
from evaluation.engine.data import cluster_codes
from evaluation.engine.gates import Check, Result, overall
from evaluation.engine.intervals import clopper_pearson, clustered_share
from evaluation.engine.seeds import generator
from evaluation.engine.strata import Strata, layers, names_of, with_all
from evaluation.engine.tallies import Tallies, judge_tallies

CHUNK = 4_000_000  # numbers drawn at a time
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Population:
    """A test set as a simulation sees it: cases of one kind belong to the same strata; a unit is what one cluster has of one kind.

    `sizes` (units,) cases, `kind` (units,), `cluster` (units,) or None where every case stands alone, `member` (kinds, strata), `minimum` (strata,) cases that a
    check of each stratum asks for where it says nothing itself.
    """

    names: tuple[str, ...]
    sizes: Ints
    kind: Ints
    cluster: Ints | None
    member: Bools
    minimum: Floats

    @cached_property
    def n(self) -> Floats:
        """Cases per stratum."""
        return np.asarray(self.sizes @ self.member[self.kind], dtype=np.float64)

    def share_of(self, name: str) -> Bools:
        """The kinds (kinds,) that belong to a stratum. Raises BadInput for one that is not there."""
        if name not in self.names:
            raise BadInput(f"stratum {name!r} is not among the {len(self.names)} strata of this set")
        return np.asarray(self.member[:, self.names.index(name)])


def population(strata: Strata, cases: int, *, clusters: ArrayLike | None = None, minimums: Mapping[str, int] | None = None) -> Population:
    """The set's cases counted by what they belong to; `minimums` by name of a stratum.

    "all" is put first if it is not among the strata. Raises BadInput like `blocks`.
    """
    found, codes = layers(with_all(strata, cases), cases), cluster_codes(clusters, cases)
    kind = np.zeros(cases, dtype=np.int64)
    for _, code in found:
        kind = np.unique(kind * (int(code.max(initial=0)) + 2) + code + 1, return_inverse=True)[1].astype(np.int64)
    _, first = np.unique(kind, return_index=True)
    columns = {name: code[first] == at for names, code in found for at, name in enumerate(names)}
    flat = tuple(names_of(with_all(strata, cases)))
    member = np.stack([columns[name] for name in flat], axis=1)
    least = floats([(minimums or {}).get(name, 0) for name in flat])
    if codes is None:
        return Population(flat, np.bincount(kind).astype(np.int64), np.arange(first.size), None, member, least)
    units, sizes = np.unique(codes * first.size + kind, return_counts=True)
    return Population(flat, sizes.astype(np.int64), units % first.size, units // first.size, member, least)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A candidate that is truly worse by `loss` (a fraction, 0: equal) in one stratum, and equal elsewhere."""

    name: str
    loss: float = 0.0
    stratum: str = "all"


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share of the draws with its 95 % Clopper–Pearson interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """What the policy did with one scenario. `blocked` is every draw that did not pass: failed, or not enough evidence."""

    scenario: Scenario
    draws: int
    passed: Share
    failed: Share
    not_enough: Share
    blocked: Share


Policy = Sequence[tuple[Check, Sequence[str]]]


def simulate(
    policy: Policy,
    of: Population,
    scenarios: Sequence[Scenario],
    *,
    flip_rate: ArrayLike,
    accuracy: ArrayLike = 0.9,
    seed: bytes,
    draws: int = 2000,
    correlation: float = 0.3,
) -> list[Simulated]:
    """Judge `draws` outcomes of each scenario by a policy: pairs of a check and the names of its strata.

    `flip_rate` and `accuracy`, one for all or (kinds,): the share of cases on which two equal models differ, half of them newly wrong, and
    the baseline's share of right cases. A loss is added to the newly wrong. `correlation` is the intra-cluster correlation of outcomes. Raises BadInput where
    the shares do not fit together.
    """
    if draws < 1 or not 0 <= correlation <= 1:
        raise BadInput(f"a simulation has at least one draw, and a correlation from 0 to 1; not {draws} and {correlation}")
    flips, base = _per_kind(of, flip_rate, "flip rate"), _per_kind(of, accuracy, "accuracy")
    out = []
    for scenario in scenarios:
        chances = _chances(of, scenario, flips, base)
        codes: list[Result] = []
        for tallies in _drawn(of, chances, seed, draws, correlation):
            judged = [(check.role, judge_tallies(check, tallies.of(strata))) for check, strata in policy]
            codes += [overall([(role, results[draw].result) for role, results in judged]) for draw in range(len(tallies.lost))]
        counts = {result: codes.count(result) for result in (Result.PASS, Result.FAIL, Result.NOT_ENOUGH)}
        passed, failed, missing = (_share(count, draws) for count in counts.values())
        blocked = _share(draws - counts[Result.PASS], draws)
        out.append(Simulated(scenario=scenario, draws=draws, passed=passed, failed=failed, not_enough=missing, blocked=blocked))
    return out


def _per_kind(of: Population, value: ArrayLike, what: str) -> Floats:
    """A fraction for all kinds or one for each, as (kinds,)."""
    given, kinds = floats(value), len(of.member)
    if given.shape not in {(), (kinds,)} or not np.all((given >= 0) & (given <= 1)):
        raise BadInput(f"the {what} is one fraction from 0 to 1, or one for each of the {kinds} kinds of case")
    return np.broadcast_to(given, (kinds,))


def _share(count: int, draws: int) -> Share:
    low, high = clopper_pearson(count, draws)
    return Share(value=count / draws, low=float(low), high=float(high))


def _chances(of: Population, scenario: Scenario, flips: Floats, base: Floats) -> Floats:
    """(kinds, 4): newly wrong, both right, both wrong, newly right."""
    loss = np.where(of.share_of(scenario.stratum), scenario.loss, 0.0)
    lost, gained = flips / 2 + loss, flips / 2
    chances = np.stack([lost, base - lost, 1 - base - gained, gained], axis=1)
    if chances.min(initial=0.0) < -ROUNDING:
        raise BadInput(
            f"scenario {scenario.name!r}: with {base.min():.3g} right, {flips.max():.3g} flipping and a loss of {scenario.loss:.3g} some outcome has "
            "a negative chance; lower the loss or the flip rate"
        )
    return np.maximum(chances, 0.0)


def _drawn(of: Population, chances: Floats, seed: bytes, draws: int, correlation: float) -> Iterator[Tallies]:
    """The outcomes in pieces. Cases of a cluster share one fate with chance sqrt(correlation) each, so that two of them correlate by it."""
    rng = generator(seed)
    piece = max(1, CHUNK // (4 * max(of.sizes.size, len(of.names))))
    for start in range(0, draws, piece):
        size = min(piece, draws - start)
        if of.cluster is None:
            yield _tallies(of, rng.multinomial(of.sizes, chances[of.kind], (size, of.sizes.size)).astype(np.float64))
            continue
        common = rng.random((size, int(of.cluster.max()) + 1))[:, of.cluster]
        fate = (common[..., None] >= np.cumsum(chances, axis=1)[of.kind, :3]).sum(axis=-1)
        together = rng.binomial(of.sizes, correlation**0.5, (size, of.sizes.size))
        cells = np.asarray(rng.multinomial(of.sizes - together, chances[of.kind]), dtype=np.float64)
        np.put_along_axis(cells, fate[..., None], np.take_along_axis(cells, fate[..., None], 2) + together[..., None], 2)
        yield _tallies(of, cells)


def _tallies(of: Population, cells: Floats) -> Tallies:
    """`cells` (draws, units, 4) added up per stratum."""
    lost, both, _, gained = np.moveaxis(cells, -1, 0)
    member = of.member[of.kind].astype(np.float64)
    shape = (len(cells), len(of.names))
    clusters, effects = np.full(of.n.shape, np.inf), (np.ones(shape), np.ones(shape), np.full(shape, np.nan))
    if of.cluster is not None:
        clusters = _clustered(of, lost, gained, both + gained, effects)
    return Tallies(
        names=of.names,
        n=of.n,
        minimum=of.minimum,
        clusters=clusters,
        lost=lost @ member,
        gained=gained @ member,
        right=(both + gained) @ member,
        effect=effects[0],
        share_effect=effects[1],
        loss_p=effects[2],
    )


def _clustered(of: Population, lost: Floats, gained: Floats, right: Floats, effects: tuple[Floats, Floats, Floats]) -> Floats:
    """Fill design effects and sign-flip p of each draw and stratum; returns the strata's clusters, infinity where every case stands alone."""
    assert of.cluster is not None  # the caller has looked
    effect, share_effect, loss_p = effects
    clusters = np.full(of.n.shape, np.inf)
    for stratum in range(len(of.names)):
        here = np.flatnonzero(of.member[of.kind, stratum])
        group = np.unique(of.cluster[here], return_inverse=True)[1]
        adding = sparse.csr_array((np.ones(here.size), (group, np.arange(here.size))))
        sizes = adding @ of.sizes[here].astype(np.float64)
        if not here.size or sizes.max() <= 1:
            continue
        clusters[stratum] = sizes.size
        down, up, hits = (np.asarray(adding @ values[:, here].T).T for values in (lost, gained, right))
        draws = len(hits)
        effect[:, stratum] = design_effect(up - down, sizes, down.sum(axis=1), up.sum(axis=1))
        loss_p[:, stratum] = _losses((up - down).astype(np.int64))
        found = clustered_share(hits.ravel(), np.tile(sizes, draws), np.repeat(np.arange(draws), sizes.size), draws)
        share_effect[:, stratum] = found.n / found.n_effective
    return clusters


def _losses(changes: Ints) -> Floats:
    """The sign-flip test's p of a loss for each outcome (draws, clusters). Outcomes with the same sizes of change and the same sum are tested once."""
    known: dict[tuple[int, bytes], float] = {}
    out = np.ones(len(changes))
    for draw, change in enumerate(changes):
        total = int(change.sum())
        if total >= 0:
            continue  # its p is at least one half, which no family turns into a loss
        key = total, np.bincount(np.abs(change)).tobytes()
        if key not in known:
            known[key] = sign_flip(change)[1]
        out[draw] = known[key]
    return out
