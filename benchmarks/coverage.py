"""How often the intervals hold what they promise, and how often verdicts are wrong: simulated sets with known truth, judged by the engine itself.

    OMP_NUM_THREADS=1 python -m benchmarks.coverage [--sets 2000] [--only intervals|differences|recipes|verdicts]

Every simulated set is one stratum of one big comparison, so that a single report gives all intervals. Scores are normal with a known separation; cases of a
cluster share a part of theirs (`icc`). Prints Markdown tables: the share of intervals that hold the truth (nominal 95 %), and beside it how many lie
below and above it. Seeded; 2,000 sets leave ± 1 point.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, special, stats

from evaluation.engine.data import Comparison, Task, arm
from evaluation.engine.gates import Check, Result, judge
from evaluation.engine.gather import gather
from evaluation.engine.replicates import recipe
from evaluation.engine.report import Entry, comparison_of, report
from evaluation.engine.simulate import Scenario, population, simulate
from evaluation.engine.strata import Grouping

TASK = Task(("negative", "positive"), 1)
SEED = b"coverage"
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class World:
    """What cases are drawn from: `n` in a set, the share of positives, the separation of their scores (d'), clusters of `size` cases."""

    n: int
    prevalence: float = 0.3
    separation: float = 2.0
    size: int = 1
    icc: float = 0.0
    sharpness: float = 1.3  # logits are so many times too steep: something for the calibration error to see

    @property
    def name(self) -> str:
        grouped = f", clusters of {self.size}, icc {self.icc:g}" if self.size > 1 else ""
        return f"n {self.n}, {self.prevalence:.0%} positive, AUC {self.auc:.3f}{grouped}"

    @property
    def auc(self) -> float:
        return float(stats.norm.cdf(self.separation / 2**0.5))

    def probability(self, latent: Floats) -> Floats:
        """The model's answer: its posterior, made too steep. One half of it is the operating threshold."""
        return special.expit(self.sharpness * (special.logit(self.prevalence) + self.separation * latent - self.separation**2 / 2))

    @property
    def cut(self) -> float:
        """The latent value at the threshold."""
        return self.separation / 2 - float(special.logit(self.prevalence)) / self.separation

    def truth(self) -> dict[str, float]:
        """What each metric is in the population."""
        share, cut, d = self.prevalence, self.cut, self.separation
        sens, spec = float(stats.norm.sf(cut - d)), float(stats.norm.cdf(cut))
        tp, fp, fn, tn = share * sens, (1 - share) * (1 - spec), share * (1 - sens), (1 - share) * spec
        cross = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
        return {
            "accuracy": tp + tn,
            "balanced_accuracy": (sens + spec) / 2,
            "sensitivity": sens,
            "specificity": spec,
            "ppv": tp / (tp + fp),
            "npv": tn / (tn + fn),
            "f1": 2 * tp / (2 * tp + fp + fn),
            "mcc": (tp * tn - fp * fn) / cross**0.5,
            "roc_auc": self.auc,
            "average_precision": self._mean(lambda x: share * stats.norm.sf(x - d) / self._called(x), positive=1),
            "brier": self._over_truth(lambda p, y: (p - y) ** 2),
            "log_loss": self._over_truth(lambda p, y: -np.log(np.clip(np.where(y, p, 1 - p), 1e-15, 1))),
        }

    def _called(self, x: float) -> float:
        return float(self.prevalence * stats.norm.sf(x - self.separation) + (1 - self.prevalence) * stats.norm.sf(x))

    def _mean(self, value: Callable[[float], float], *, positive: int) -> float:
        centre = self.separation * positive
        return float(integrate.quad(lambda x: value(x) * stats.norm.pdf(x - centre), centre - 9, centre + 9, limit=200)[0])

    def _over_truth(self, loss: Callable[[Floats, int], Floats]) -> float:
        parts = [(self.prevalence, 1), (1 - self.prevalence, 0)]
        return sum(share * self._mean(lambda x, y=y: float(loss(self.probability(np.array(x)), y)), positive=y) for share, y in parts)  # type: ignore[misc]


def drawn(
    world: World, sets: int, rng: np.random.Generator, *, second: float | None = None, shared: float = 0.6
) -> tuple[Comparison, Grouping]:
    """`sets` sets as strata of one comparison; with `second` a baseline of that separation whose latent scores correlate by `shared`."""
    rows = sets * world.n
    group = np.arange(rows) // world.size
    truth = (rng.random(rows) < world.prevalence).astype(np.int64)
    common = world.icc**0.5 * rng.normal(size=group[-1] + 1)[group] + (1 - world.icc) ** 0.5 * rng.normal(size=rows)
    arms = []
    for separation in [world.separation] if second is None else [world.separation, second]:
        own = World(n=world.n, prevalence=world.prevalence, separation=separation, sharpness=world.sharpness)
        noise = common if second is None else shared**0.5 * common + (1 - shared) ** 0.5 * rng.normal(size=rows)
        scores = own.probability(noise + separation * truth)
        arms.append(arm(TASK, rows, (scores >= 0.5).astype(np.int64), scores))
    found = comparison_of(TASK, truth, arms[:1], arms[1:], group if world.size > 1 else None)
    return found, Grouping([f"set={i}" for i in range(sets)], np.repeat(np.arange(sets), world.n))


def entries(found: Comparison, sets: Grouping) -> dict[str, list[Entry]]:
    """The report's entries by metric, without those of "all"."""
    out: dict[str, list[Entry]] = {}
    for entry in report(found, [sets], seed=SEED)["metrics"]:
        if entry["stratum"] != "all":
            out.setdefault(entry["metric"], []).append(entry)
    return out


def row(bounds: list[tuple[float | None, float | None]], truth: float) -> str:
    """`coverage (below / above)` in percent of the sets where there is an interval, and how often there is none."""
    known = np.array([pair for pair in bounds if None not in pair], dtype=np.float64)
    if not known.size:
        return "none"
    below, above = float((known[:, 1] < truth).mean()), float((known[:, 0] > truth).mean())
    missing = 1 - len(known) / len(bounds)
    return f"{100 * (1 - below - above):.1f} ({100 * below:.1f} / {100 * above:.1f})" + (
        f", none in {100 * missing:.0f} %" if missing > 0.005 else ""
    )


WORLDS = [
    World(n=20, prevalence=0.5, separation=2.5),
    World(n=50),
    World(n=200),
    World(n=200, prevalence=0.05),
    World(n=200, separation=4.0),
    World(n=240, size=12, icc=0.4),
    World(n=600, size=10, icc=0.4),
]


def table(title: str, head: list[str], lines: dict[str, list[str]]) -> None:
    print(f"\n### {title}\n\n| | {' | '.join(head)} |\n|---|{'---|' * len(head)}")
    for name, cells in lines.items():
        print(f"| {name} | {' | '.join(cells)} |")


def intervals(sets: int) -> None:
    """One model: do the intervals hold the population's value?"""
    lines: dict[str, list[str]] = {}
    for number, world in enumerate(WORLDS):
        found = entries(*drawn(world, sets, np.random.default_rng(number)))
        for metric, truth in world.truth().items():
            cell = row([(e["low"], e["high"]) for e in found[metric]], truth) if metric in found else "not computed"
            lines.setdefault(metric, []).append(cell)
    table("Intervals of one number: coverage in percent (interval below / above the truth)", [world.name for world in WORLDS], lines)


def differences(sets: int) -> None:
    """Two models on the same cases: do the intervals hold the true difference, and how often is p ≤ .05 where there is none?"""
    lines: dict[str, list[str]] = {}
    chosen = [(WORLDS[1], 1.6), (WORLDS[2], 1.6), (WORLDS[3], 1.6), (WORLDS[5], 1.6)]
    for number, (world, second) in enumerate(chosen):
        other = World(n=world.n, prevalence=world.prevalence, separation=second).truth()
        apart = entries(*drawn(world, sets, np.random.default_rng(100 + number), second=second))
        equal = entries(*drawn(world, sets, np.random.default_rng(200 + number), second=world.separation))
        for metric, truth in world.truth().items():
            if metric not in apart:
                continue
            gaps = [e["difference"] for e in apart[metric]]
            cell = row([(None, None) if gap is None else (gap["low"], gap["high"]) for gap in gaps], truth - other[metric])
            p = [e["difference"]["p"] for e in equal[metric] if e["difference"] and e["difference"]["p"] is not None]
            lines.setdefault(metric, []).append(f"{cell}; p ≤ .05: {100 * np.mean(np.array(p) <= 0.05):.1f} %")
    table("Differences on the same cases: coverage, and how often equal models have p ≤ .05", [world.name for world, _ in chosen], lines)


def recipes(sets: int) -> None:
    """Two equal recipes: coverage of the difference 0 by the interval over runs and cases, and by one that ignores the runs."""
    rng, n, ability, wobble = np.random.default_rng(5), 500, 1.2, 0.06
    lines: dict[str, list[str]] = {"runs and cases": [], "cases only": []}
    for runs in (3, 5, 10):
        held = np.zeros((sets, 2), dtype=np.bool_)
        for number in range(sets):
            ease = rng.normal(ability, 1, n)
            arms = [ease + rng.normal(0, wobble, (runs, 1)) + rng.normal(0, 0.6, (runs, n)) > 0 for _ in range(2)]
            found = recipe(arms[0], arms[1])
            low, high = found.interval()
            change = arms[0].mean(axis=0) - arms[1].mean(axis=0)
            half = 1.96 * change.std(ddof=1) / n**0.5
            held[number] = low <= 0 <= high, abs(change.mean()) <= half
        for name, share in zip(lines, held.mean(axis=0), strict=True):
            lines[name].append(f"{100 * share:.1f}")
    table(f"Two equal recipes, {n} cases: coverage of no difference", ["3 runs", "5 runs", "10 runs"], lines)


def verdicts(sets: int) -> None:
    """How often a check is wrong: by the policy simulator for accuracy, by simulated sets for floors on accuracy and AUC."""
    lines = {}
    margin = Check(name="overall", kind="no_regression", margin=0.03)
    for n in (300, 3000):
        found = simulate([(margin, ["all"])], population([], n), _scenarios(), flip_rate=0.06, seed=SEED, draws=sets)
        for one in found:
            lines[f"no_regression, margin 3 points, {one.scenario.name}, n {n}"] = _shares(one.passed.value, one.failed.value)
    of = population([Grouping([f"s={i}" for i in range(20)], np.arange(2000) % 20)], 2000)
    names = [f"s={i}" for i in range(20)]
    pass_all = (Check(name="floor", kind="floor", floor=0.01), ["all"])
    guard = Check(name="guard", kind="no_proven_loss", role="guard")
    each = [(Check(name=name, kind="no_proven_loss", role="guard"), [name]) for name in names]
    for label, policy in (("one family (Holm)", [(guard, names)]), ("each alone", each)):
        (one,) = simulate([pass_all, *policy], of, [Scenario(name="equal")], flip_rate=0.06, seed=SEED, draws=sets)
        lines[f"no_proven_loss over 20 strata of 100, {label}, equal"] = _shares(one.passed.value, one.failed.value)
    for name, metric, world in _floors():
        comparison, strata = drawn(world, sets, np.random.default_rng(9))
        check = Check(name="floor", kind="floor", floor=world.truth()[metric])
        results = [judge(check, [item]).result for item in gather(comparison, metric, [strata], seed=SEED, resamples=2000)]
        lines[f"floor at the true value, {metric}, {name}"] = _shares(*(results.count(r) / sets for r in (Result.PASS, Result.FAIL)))
    table("Verdicts: percent of sets that pass and fail (alpha .05)", ["passed", "failed", "not enough"], lines)


def _scenarios() -> list[Scenario]:
    return [Scenario(name="equal"), Scenario(name="on the margin", loss=0.03), Scenario(name="10 points worse", loss=0.10)]


def _shares(passed: float, failed: float) -> list[str]:
    return [f"{100 * share:.1f}" for share in (passed, failed, 1 - passed - failed)]


def _floors() -> Iterator[tuple[str, str, World]]:
    for world in (World(n=50), World(n=200), World(n=600, size=10, icc=0.4), World(n=600, separation=4.0, size=10, icc=0.4)):
        yield world.name, "accuracy", world
    for world in (World(n=200, prevalence=0.3), World(n=600, prevalence=0.3)):
        yield world.name, "roc_auc", world


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", type=int, default=2000)
    parser.add_argument("--only", choices=["intervals", "differences", "recipes", "verdicts"])
    given = parser.parse_args()
    for part in (intervals, differences, recipes, verdicts):
        if given.only in {None, part.__name__}:
            start = time.process_time()
            part(given.sets)
            print(f"\n{given.sets} sets each, {time.process_time() - start:.0f} CPU s")


if __name__ == "__main__":
    main()
