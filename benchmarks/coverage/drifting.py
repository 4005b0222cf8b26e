"""Production beside the test set: intervals of distances, and how often sound production is called moved, told apart, alarming or out of the domain."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from benchmarks.coverage.worlds import Floats, row, table
from evaluation.engine.control import Chart, design, quiet_time, replay
from evaluation.engine.drift.distances import Distance, bin_counts, category_counts, independence, jensen_shannon, kolmogorov_smirnov, psi
from evaluation.engine.drift.features import feature_drift
from evaluation.engine.drift.twosample import classifier_test, mmd
from evaluation.engine.ood import fit

BINS = 10


@dataclass(frozen=True)
class Pair:
    """Sizes of the test set and of production; how far production's mean lies from 0, in deviations."""

    n: int
    m: int
    apart: float

    @property
    def name(self) -> str:
        return f"{self.n} and {self.m}, " + (f"{self.apart:g} sd apart" if self.apart else "equal")


PAIRS = (Pair(100, 100, 0.0), Pair(1000, 200, 0.0), Pair(100, 100, 0.3), Pair(2000, 500, 0.1), Pair(1000, 1000, 0.6), Pair(300, 300, 1.0))


def _distances(pair: Pair) -> dict[str, float]:
    """Of the two populations, in tenths of the first; V weighs them by the sizes of the samples."""
    edges = np.concatenate([[-np.inf], stats.norm.ppf(np.arange(1, BINS) / BINS), [np.inf]])
    p, q = np.full(BINS, 1 / BINS), np.diff(stats.norm.cdf(edges - pair.apart))
    middle, pooled = (p + q) / 2, np.stack([pair.n * p, pair.m * q])
    expected = pooled.sum(axis=1, keepdims=True) * pooled.sum(axis=0) / pooled.sum()
    return {
        "Kolmogorov–Smirnov": 2 * float(stats.norm.cdf(pair.apart / 2)) - 1,
        "PSI": float(((p - q) * np.log(p / q)).sum()),
        "Jensen–Shannon": float(special.rel_entr(p, middle).sum() + special.rel_entr(q, middle).sum()) ** 0.5 / (2 * np.log(2)) ** 0.5,
        "Cramér's V, χ²": float(((pooled - expected) ** 2 / expected).sum() / pooled.sum()) ** 0.5,
        "Cramér's V, G": float(2 * special.rel_entr(pooled, expected).sum() / pooled.sum()) ** 0.5,
    }


def _measured(pair: Pair, rng: np.random.Generator) -> list[Distance]:
    """Numbers by D; by tenths of the test set that was seen; categories by V."""
    ours, theirs = rng.normal(size=pair.n), rng.normal(pair.apart, 1, pair.m)
    counts = bin_counts(ours, theirs)
    named = category_counts(*(np.floor(BINS * stats.norm.cdf(x)).astype(int) for x in (ours, theirs)))[1]
    return [kolmogorov_smirnov(ours, theirs), psi(counts), jensen_shannon(counts), independence(named), independence(named, "g")]


def _wolf(p: Sequence[float]) -> str:
    return f"p ≤ .05: {100 * np.mean(np.array(p) <= 0.05):.1f} %"


def distances(sets: int) -> None:
    """Each distance of one feature as `feature_drift` takes it; and the feature that is wrongly called moved, among ten."""
    lines: dict[str, list[str]] = {}
    for number, pair in enumerate(PAIRS):
        rng, truth = np.random.default_rng(1000 + number), _distances(pair)
        found = [_measured(pair, rng) for _ in range(sets)]
        for place, (name, value) in enumerate(truth.items()):
            each = [one[place] for one in found]
            cell = row([(one.low - 1e-9, one.high + 1e-9) for one in each], value)
            lines.setdefault(name, []).append(cell if pair.apart else f"{cell}; {_wolf([one.p for one in each])}")
    table(f"Distances of one feature, {sets} pairs of samples", [pair.name for pair in PAIRS], lines)
    rng, few, moved = np.random.default_rng(1010), max(sets // 4, 10), {}
    heads = ((40, 40), (200, 200), (2000, 500))
    for floor in (0.0, 0.1):
        for n, m in heads:
            names = [str(i) for i in range(BINS)]
            said = [
                any(
                    each.verdict == "moved"
                    for each in feature_drift(rng.normal(size=(BINS, n)), rng.normal(size=(BINS, m)), names, floor=floor)
                )
                for _ in range(few)
            ]
            moved.setdefault(f"effect of at least {floor:g}", []).append(f"{100 * np.mean(said):.1f} %")
    table(f"Any of ten equal features called moved, {few} pairs of samples", [f"{n} and {m}" for n, m in heads], moved)


COLUMNS, WIDTH = 5, 2.0


def _vectors(pair: Pair, rng: np.random.Generator, size: int) -> tuple[Floats, Floats, np.ndarray | None]:
    """Normal vectors, all columns `apart`; in clusters of `size` they share two fifths of their variance."""
    units = np.arange(pair.n + pair.m) // size
    common = rng.normal(size=(units[-1] + 1, COLUMNS))[units] if size > 1 else 0.0
    points = (0.4**0.5 * common if size > 1 else 0.0) + (0.6 if size > 1 else 1.0) ** 0.5 * rng.normal(size=(units.size, COLUMNS))
    points[pair.n :] += pair.apart
    return points[: pair.n], points[pair.n :], units if size > 1 else None


def _discrepancy(apart: float) -> float:
    """MMD² of two standard normals whose means differ by `apart` in every column, under the kernel of WIDTH."""
    spread = WIDTH**2 + 2
    return 2 * (WIDTH**2 / spread) ** (COLUMNS / 2) * (1 - float(np.exp(-COLUMNS * apart**2 / (2 * spread))))


def samples(sets: int) -> None:
    """Whole vectors. The classifier's AUC of unequal samples depends on how many it learns from, so its interval is held to equal ones."""
    few = max(sets // 5, 10)
    lines: dict[str, list[str]] = {"classifier AUC": [], "MMD²": []}
    heads = [(Pair(60, 60, 0.0), 1), (Pair(300, 150, 0.0), 1), (Pair(300, 150, 0.0), 5), (Pair(60, 60, 0.3), 1), (Pair(300, 150, 0.3), 1)]
    for number, (pair, size) in enumerate(heads):
        rng, told, apart = np.random.default_rng(1100 + number), [], []
        for _ in range(few):
            ours, theirs, units = _vectors(pair, rng, size)
            if not pair.apart:
                told.append(classifier_test(ours, theirs, clusters=units, permutations=100).auc)
            if size == 1:
                apart.append(mmd(ours, theirs, bandwidth=WIDTH, permutations=199))
        of_told = f"{row([(each.low, each.high) for each in told], 0.5)}; {_wolf([each.p for each in told])}" if told else "–"
        of_apart = row([(each.low, each.high) for each in apart], _discrepancy(pair.apart)) if apart else "–"
        lines["classifier AUC"].append(of_told)
        lines["MMD²"].append(of_apart if pair.apart or not apart else f"{of_apart}; {_wolf([each.p for each in apart])}")
    names = [pair.name + (f", clusters of {size}" if size > 1 else "") for pair, size in heads]
    table(f"Whole vectors of {COLUMNS} columns, {few} pairs of samples", names, lines)


def _alike(rng: np.random.Generator, days: int) -> Floats:
    """Days that resemble the day before (correlation one half)."""
    noise, out = rng.normal(0, 0.75**0.5, days), np.zeros(days)
    out[0] = rng.normal()
    for day in range(1, days):
        out[day] = 0.5 * out[day - 1] + noise[day]
    return out


DAYS: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "independent normal days": lambda rng, days: rng.normal(size=days),
    "long tails (t with 5 degrees)": lambda rng, days: rng.standard_t(5, days) / (5 / 3) ** 0.5,
    "skewed days (χ² with 9 degrees)": lambda rng, days: (rng.chisquare(9, days) - 9) / 18**0.5,
    "each day like the one before (.5)": _alike,
}


def charts(sets: int) -> None:
    """Alerts in 90 quiet days of a chart that was designed for one; of four charts together; by what its quiet time knew."""
    lines: dict[str, list[str]] = {}
    known = ("known", 30, 60, 200)
    for number, (name, days) in enumerate(DAYS.items()):
        for kind in ("cusum", "ewma"):
            rng = np.random.default_rng(1200 + number)
            for quiet in known:
                counts = [_alerts(kind, days, quiet, rng) for _ in range(sets)]
                error = float(np.std(counts, ddof=1)) / sets**0.5
                lines.setdefault(f"{kind}, {name}", []).append(f"{np.mean(counts):.2f} ± {1.96 * error:.2f}")
    for kind in ("cusum", "ewma"):
        rng, chart = np.random.default_rng(1250), design(kind, 0, 1, charts=4)
        four = [sum(len(replay(chart, rng.normal(size=90))[0]) for _ in range(4)) for _ in range(sets)]
        lines[f"{kind}, four charts of normal days together"] = [
            f"{np.mean(four):.2f} ± {1.96 * float(np.std(four, ddof=1)) / sets**0.5:.2f}",
            *["–"] * 3,
        ]
    heads = ["centre and deviation known", *(f"from {quiet} quiet days" for quiet in known[1:])]
    table(f"Alerts in 90 quiet days of a chart designed for one, {sets} times 90 days (mean ± 1.96 standard errors)", heads, lines)


def _alerts(kind: str, days: Callable[[np.random.Generator, int], Floats], quiet: int | str, rng: np.random.Generator) -> int:
    before = 0 if isinstance(quiet, str) else quiet
    seen = days(rng, before + 90)
    chart: Chart = design("cusum" if kind == "cusum" else "ewma", *(quiet_time(seen[:before]) if before else (0.0, 1.0)))
    return len(replay(chart, seen[before:])[0])


def refusals(sets: int) -> None:
    """Of new pictures from the same source the share that is refused, on average over detectors, beside the promise."""
    few, lines = max(sets // 2, 10), dict[str, list[str]]()
    promises = (0.01, 0.02, 0.05, 0.1)
    for number, (n, size, tails) in enumerate([(60, 1, 0), (200, 1, 0), (1000, 1, 0), (200, 1, 3), (1000, 10, 0), (1000, 50, 0)]):
        rng = np.random.default_rng(1300 + number)
        drawn = [_strange(n, size, tails, rng) for _ in range(few)]
        name = f"{n} pictures" + (f" in clusters of {size}" if size > 1 else "") + (f", long tails (t with {tails})" if tails else "")
        for promise in promises:
            shares = [fit(ours, refuse=promise, clusters=units).refuses(new).mean() for ours, new, units in drawn]
            error = 1.96 * float(np.std(shares, ddof=1)) / few**0.5
            lines.setdefault(name, []).append(f"{100 * np.mean(shares):.2f} ± {100 * error:.2f} %")
    table(f"Wrongly refused, mean of {few} detectors (± 1.96 standard errors)", [f"promised {promise:.0%}" for promise in promises], lines)


def _strange(n: int, size: int, tails: int, rng: np.random.Generator) -> tuple[Floats, Floats, np.ndarray | None]:
    """Vectors to fit on and 100 new ones, each of a cluster of its own."""

    def noise(rows: int) -> Floats:
        return np.asarray(rng.standard_t(tails, (rows, 9)) if tails else rng.normal(size=(rows, 9)))

    if size == 1:
        return noise(n), noise(100), None
    units = np.arange(n) // size
    mixed = [0.4**0.5 * common + 0.6**0.5 * noise(len(common)) for common in (noise(units[-1] + 1)[units], noise(100))]
    return mixed[0], mixed[1], units
