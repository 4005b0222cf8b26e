"""Where does the model fail more often than elsewhere? A search over conjunctions of attribute values, and a test of what it found on other cases.

The search is SliceLine's (Sagadeeva & Boehm 2021): a score that weighs a slice's error rate against its size, level by level through the
lattice of conjunctions; a slice is only refined while its parents' sizes and errors leave room for a better score. What a search finds is too
good: it is tested on clusters that took no part in the search, and the p-values are adjusted for all slices found (Benjamini–Yekutieli, for slices overlap). A
slice never decides a release; it can be named as a stratum for the next one.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from evaluation.engine.arrays import BadInput, Bools, Floats, Ints, floats, integers, tally
from evaluation.engine.data import cluster_codes
from evaluation.engine.intervals import clustered_share, wilson
from evaluation.engine.multiplicity import benjamini_yekutieli
from evaluation.engine.seeds import half_of

Literals = tuple[tuple[int, int], ...]  # (attribute, value) in the order of attributes
MOST_CELLS = 20_000_000


@dataclass(frozen=True)
class Attribute:
    """One attribute: `codes` (n,) holds an index into `values`, or -1 where the case has none."""

    name: str
    values: Sequence[str]
    codes: ArrayLike


@dataclass(frozen=True, kw_only=True)
class Search:
    """`support`: fewest cases of a slice; `effect`: least excess of its error rate over the whole's; `depth`: most attributes; `weight` alpha in
    (0, 1]: 1 looks at error rates alone, less prefers large slices; `most` slices are kept."""

    support: int = 30
    effect: float = 0.0
    depth: int = 3
    weight: float = 0.95
    most: int = 20

    def __post_init__(self) -> None:
        if not (self.support >= 1 and self.depth >= 1 and self.most >= 1 and 0 < self.weight <= 1 and 0 <= self.effect < 1):
            raise BadInput("support, depth and most are at least 1, weight lies in (0, 1], effect in [0, 1)")


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Errors per case with a Wilson interval (on the effective n of clusters where there are any)."""

    value: float
    low: float
    high: float
    n: int
    clusters: int | None


@dataclass(frozen=True, kw_only=True)
class Slice:
    """`name` as a stratum id (`site=a & view=pa`), the score and rate where it was found, the rates inside and outside on other cases.

    `p` is one-sided (more errors inside than outside), `p_adjusted` over all slices found; `confirmed` where that is at most q. None where the
    other cases hold too few of the slice.
    """

    name: str
    literals: tuple[tuple[str, str], ...]
    score: float
    found: Rate
    inside: Rate | None
    outside: Rate | None
    p: float | None
    p_adjusted: float | None
    confirmed: bool


def find_slices(
    attributes: Sequence[Attribute],
    errors: ArrayLike,
    *,
    seed: bytes,
    clusters: ArrayLike | None = None,
    search: Search | None = None,
    q: float = 0.10,
    level: float = 0.95,
) -> list[Slice]:
    """Slices with more errors than elsewhere, those confirmed first, then by score.

    `errors` (n,) is 1 for a wrong (or newly wrong) case and 0 else. Half of the clusters, drawn by `seed`, are searched; the other half test. Raises
    BadInput for shapes that do not fit and codes that name no value.
    """
    wrong = floats(errors)
    bad = np.flatnonzero((wrong != 0) & (wrong != 1))
    if wrong.ndim != 1 or bad.size:
        raise BadInput(f"row {bad[0] if bad.size else 0}: an error is 0 or 1, one for each case")
    codes = [_codes(attribute, wrong.size) for attribute in attributes]
    unit = cluster_codes(clusters, wrong.size)
    searched = half_of(np.arange(wrong.size) if unit is None else unit, seed)
    rules = search or Search()
    lattice = _Lattice([code[searched] for code in codes], [len(a.values) for a in attributes], wrong[searched], rules)
    found = lattice.best()
    rows = [_members(codes, literals) for literals, _ in found]
    tests = [_test(wrong, unit, member, ~searched, rules.support, level) for member in rows]
    adjusted = benjamini_yekutieli([np.nan if test is None else test[2] for test in tests])
    out = [
        Slice(
            name=" & ".join(f"{name}={value}" for name, value in sorted(_words(attributes, literals))),
            literals=_words(attributes, literals),
            score=score,
            found=_rate(wrong, unit, member & searched, level),
            inside=None if test is None else test[0],
            outside=None if test is None else test[1],
            p=None if test is None else test[2],
            p_adjusted=None if test is None else float(p),
            confirmed=bool(p <= q),
        )
        for (literals, score), member, test, p in zip(found, rows, tests, adjusted, strict=True)
    ]
    return sorted(out, key=lambda each: (not each.confirmed, -each.score, each.name))


def _words(attributes: Sequence[Attribute], literals: Literals) -> tuple[tuple[str, str], ...]:
    return tuple((attributes[a].name, attributes[a].values[v]) for a, v in literals)


def _codes(attribute: Attribute, cases: int) -> Ints:
    codes = integers(attribute.codes, f"the code of attribute {attribute.name!r}")
    if codes.shape != (cases,):
        raise BadInput(f"attribute {attribute.name!r}: the codes have shape {codes.shape}, but there are {cases} cases")
    wrong = np.flatnonzero((codes < -1) | (codes >= len(attribute.values)))
    if wrong.size:
        raise BadInput(f"row {wrong[0]}: code {codes[wrong[0]]} names none of the {len(attribute.values)} values of {attribute.name!r}")
    return codes.astype(np.int64)


def _members(codes: Sequence[Ints], literals: Literals) -> Bools:
    return np.asarray(np.logical_and.reduce([codes[a] == v for a, v in literals]))


class _Lattice:
    """The searched cases and the level-wise search over them."""

    def __init__(self, codes: Sequence[Ints], widths: Sequence[int], errors: Floats, rules: Search) -> None:
        self.codes, self.widths, self.errors, self.rules = codes, widths, errors, rules
        self.n, self.total = errors.size, float(errors.sum())

    def score(self, size: Floats, wrong: Floats) -> Floats:
        """SliceLine's: weight * (rate / overall rate - 1) - (1 - weight) * (n / size - 1)."""
        weight = self.rules.weight
        return np.asarray(weight * (wrong / size * self.n / self.total - 1) - (1 - weight) * (self.n / size - 1))

    def bound(self, size: Floats, wrong: Floats) -> Floats:
        """The best score that any part of slices so large, with so many errors, could have: the smallest size that holds all errors, or any larger."""
        least = np.maximum(wrong, self.rules.support)
        return np.maximum(self.score(least, wrong), self.score(np.maximum(size, least), wrong))

    def best(self) -> list[tuple[Literals, float]]:
        """The best slices, best first. Nothing is found where nothing is wrong."""
        kept: list[tuple[float, Literals]] = []
        if not self.n or not self.total:
            return []
        parents: dict[Literals, tuple[float, float]] = {}
        for depth in range(1, min(self.rules.depth, len(self.codes)) + 1):
            level: dict[Literals, tuple[float, float]] = {}
            threshold = kept[-1][0] if len(kept) == self.rules.most else 0.0
            for attributes in combinations(range(len(self.codes)), depth):
                for literals, size, wrong in self._slices(attributes, parents):
                    level[literals] = size, wrong
            sizes, errors = (np.array([pair[i] for pair in level.values()]) for i in (0, 1))
            if not level:
                break
            scores, bounds = self.score(sizes, errors), self.bound(sizes, errors)
            excess = errors / sizes - self.total / self.n
            good = (scores > threshold) & (excess > 0) & (excess >= self.rules.effect)
            kept += [(float(scores[i]), literals) for i, literals in enumerate(level) if good[i]]
            kept = sorted(kept, key=lambda pair: (-pair[0], pair[1]))[: self.rules.most]
            threshold = kept[-1][0] if len(kept) == self.rules.most else 0.0
            parents = {literals: pair for i, (literals, pair) in enumerate(level.items()) if bounds[i] > threshold}
        return [(literals, score) for score, literals in kept]

    def _slices(self, attributes: tuple[int, ...], parents: dict[Literals, tuple[float, float]]) -> Iterator[tuple[Literals, float, float]]:
        """Slices over exactly these attributes with enough support whose parents were all worth refining."""
        depth = len(attributes)
        candidates: set[Literals] | None = None
        if depth > 1:
            left, right = ([one for one in parents if tuple(a for a, _ in one) == part] for part in (attributes[:-1], attributes[1:]))
            joined = {(*start, end[-1]) for start in left for end in right if start[1:] == end[:-1]}
            candidates = {one for one in joined if all(one[:i] + one[i + 1 :] in parents for i in range(depth))}
            if not candidates:
                return
        width = math.prod(self.widths[a] for a in attributes)
        if candidates is None or width <= MOST_CELLS:
            yield from self._counted(attributes, width, candidates)
            return
        for one in sorted(candidates):
            member = _members(self.codes, one)
            size = int(member.sum())
            if size >= self.rules.support:
                yield one, float(size), float(self.errors[member].sum())

    def _counted(
        self, attributes: tuple[int, ...], width: int, candidates: set[Literals] | None
    ) -> Iterator[tuple[Literals, float, float]]:
        """All cells of the attributes' product in one pass."""
        cell, present = np.zeros(self.n, dtype=np.int64), np.ones(self.n, dtype=np.bool_)
        for a in attributes:
            cell, present = cell * self.widths[a] + self.codes[a], present & (self.codes[a] >= 0)
        sizes, wrong = tally(cell[present], None, width), tally(cell[present], self.errors[present], width)
        for at in np.flatnonzero(sizes >= self.rules.support):
            values = np.unravel_index(at, [self.widths[a] for a in attributes])
            literals = tuple((a, int(v)) for a, v in zip(attributes, values, strict=True))
            if candidates is None or literals in candidates:
                yield literals, float(sizes[at]), float(wrong[at])


def _rate(errors: Floats, unit: Ints | None, member: Bools, level: float) -> Rate:
    k, n = float(errors[member].sum()), int(member.sum())
    if unit is None:
        low, high = wilson(k, n, level)
        return Rate(value=k / n, low=float(low), high=float(high), n=n, clusters=None)
    share = clustered_share(*_sums(errors, unit, member))
    low, high = share.wilson(level)
    return Rate(value=k / n, low=float(low[0]), high=float(high[0]), n=n, clusters=int(share.clusters[0]))


def _sums(errors: Floats, unit: Ints, member: Bools) -> tuple[Floats, Floats, Ints, int]:
    keys, group = np.unique(unit[member], return_inverse=True)
    hits, sizes = tally(group, errors[member], keys.size), tally(group, None, keys.size)
    return hits, sizes, np.zeros(keys.size, dtype=np.int64), 1


def _test(errors: Floats, unit: Ints | None, member: Bools, other: Bools, support: int, level: float) -> tuple[Rate, Rate, float] | None:
    """Rates inside and outside the slice on the other half and the one-sided p of "not more errors inside"; None with too few cases or clusters there."""
    inside, outside = member & other, ~member & other
    if inside.sum() < max(support // 2, 2) or outside.sum() < 2:
        return None
    if unit is not None and np.unique(unit[other]).size < 2:
        return None
    rates = _rate(errors, unit, inside, level), _rate(errors, unit, outside, level)
    if unit is None:
        k, n = int(errors[inside].sum()), int(inside.sum())
        return *rates, _hypergeometric(k, n, int(errors[other].sum()), int(other.sum()))
    return *rates, _clustered_p(errors, unit, inside, outside)


def _hypergeometric(k: int, n: int, wrong: int, total: int) -> float:
    """Mid-P of Fisher's exact test: the chance of more than `k` errors among `n` of `total` cases with `wrong`, plus half that of exactly `k`."""
    counts = np.arange(max(0, n - (total - wrong)), min(n, wrong) + 1, dtype=np.float64)
    logs = _log_choose(wrong, counts) + _log_choose(total - wrong, n - counts) - _log_choose(total, n)
    chances = np.exp(logs)
    return float(min(chances[counts > k].sum() + chances[counts == k].sum() / 2, 1.0))


def _log_choose(n: float, k: ArrayLike) -> Floats:
    k = floats(k)
    return np.asarray(special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1))


def _clustered_p(errors: Floats, unit: Ints, inside: Bools, outside: Bools) -> float:
    """Student's p of the difference of two rates, its variance from the clusters' sums of influences; a cluster may lie on both sides."""
    sides = [(part, float(errors[part].mean()), int(part.sum())) for part in (inside, outside)]
    influence = np.zeros(errors.size)
    for sign, (part, mean, n) in zip((1, -1), sides, strict=True):
        influence[part] = sign * (errors[part] - mean) / n
    used = inside | outside
    keys, group = np.unique(unit[used], return_inverse=True)
    variance = keys.size / (keys.size - 1) * float((tally(group, influence[used], keys.size) ** 2).sum())
    difference = sides[0][1] - sides[1][1]
    if not variance > 0:
        return 1.0 if difference <= 0 else 0.5
    degrees = min(np.unique(unit[part]).size for part, _, _ in sides) - 1
    return float(special.stdtr(max(degrees, 1), -difference / variance**0.5))
