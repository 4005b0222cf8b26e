"""Several runs of a recipe: do intervals in which runs and cases are random hold the recipe's value? Replicate 0's own interval stands beside them.

Runs differ by a skill of their own in every set (`wobble`), and by what they make of each case.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from benchmarks.coverage.runs_of_others import SHARED, boxes_over_runs, cell, gaps, labels_over_runs, nodes, numbers_over_runs
from benchmarks.coverage.worlds import SEED, TASK, Floats, World, table
from evaluation.engine.data import Arm, Comparison, arm
from evaluation.engine.over_runs import Runs, joined
from evaluation.engine.report import comparison_of, report
from evaluation.engine.strata import Grouping

METRICS = ("accuracy", "sensitivity", "f1", "mcc", "roc_auc", "average_precision")
WORSE = 0.4  # by so much the baseline separates the classes less
LEAST = 0.05


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Runs in a world, whose separation has the standard deviation `wobble`."""

    world: World
    runs: int
    wobble: float

    @property
    def name(self) -> str:
        return f"{self.runs} runs, sd of d' {self.wobble:g}; {self.world.name}"

    def truth(self, less: float) -> dict[str, float]:
        """Means over runs (Gauss–Hermite) of what each metric is in the population."""
        each = [(weight, self._at(np.array(self.world.separation - less + self.wobble * place)).truth()) for place, weight in nodes(7)]
        return {name: float(sum(weight * one[name] for weight, one in each)) for name in METRICS}

    def _at(self, separation: Floats) -> World:
        return replace(self.world, separation=np.maximum(separation, LEAST))

    def drawn(self, sets: int, rng: np.random.Generator) -> tuple[Comparison, Grouping]:
        """`sets` sets as strata of one comparison, as many runs on either side."""
        world, rows, own = self.world, sets * self.world.n, np.repeat(np.arange(sets), self.world.n)
        group = np.arange(rows) // world.size
        truth = (rng.random(rows) < world.prevalence).astype(np.int64)
        common = world.icc**0.5 * rng.normal(size=group[-1] + 1)[group] + (1 - world.icc) ** 0.5 * rng.normal(size=rows)

        def run(separation: float) -> Arm:
            model = self._at((separation + self.wobble * rng.normal(size=sets))[own])
            scores = model.probability(SHARED**0.5 * common + (1 - SHARED) ** 0.5 * rng.normal(size=rows) + model.separation * truth)
            return arm(TASK, rows, (scores >= 0.5).astype(np.int64), scores)

        sides = [[run(world.separation - less) for _ in range(self.runs)] for less in (0.0, WORSE)]
        found = comparison_of(TASK, truth, *sides, group if world.size > 1 else None)
        return found, Grouping([f"set={i}" for i in range(sets)], own)


RECIPES = [
    Recipe(world=World(n=130, prevalence=0.1, separation=4.0), runs=3, wobble=0.2),
    Recipe(world=World(n=130, prevalence=0.1, separation=4.0), runs=5, wobble=0.2),
    Recipe(world=World(n=200, prevalence=0.05), runs=5, wobble=0.2),
    Recipe(world=World(n=200), runs=5, wobble=0.0),
    Recipe(world=World(n=200), runs=3, wobble=0.4),
    Recipe(world=World(n=600), runs=5, wobble=0.4),
    Recipe(world=World(n=240, size=12, icc=0.4), runs=5, wobble=0.2),
]


def over_runs(sets: int) -> None:
    """Two recipes as good and as bad as their runs: the level, and the difference."""
    levels: dict[str, list[str]] = {}
    changes: dict[str, list[str]] = {}
    for number, recipe in enumerate(RECIPES):
        comparison, strata = recipe.drawn(sets, np.random.default_rng(700 + number))
        made = report(comparison, [strata], seed=SEED, only=METRICS, resamples=500)["metrics"]
        own, other = recipe.truth(0.0), recipe.truth(WORSE)
        for name in METRICS:
            found = [entry for entry in made if entry["metric"] == name and entry["stratum"] != "all"]
            levels.setdefault(name, []).append(cell(found, own[name]))
            changes.setdefault(name, []).append(cell(list(gaps(found)), own[name] - other[name]))
    heads = [recipe.name for recipe in RECIPES]
    table("Several runs, the recipe's value: coverage, width beside replicate 0's, and coverage of replicate 0's interval", heads, levels)
    table("Several runs, the difference of two recipes: the same", heads, changes)
    numbers_over_runs(sets)
    labels_over_runs(max(sets // 2, 10))
    boxes_over_runs(max(sets // 5, 10))


def joining(sets: int) -> None:
    """The rule alone, on normal numbers: cases of standard error 1, runs whose mean has a standard error of 0 to 10 times that."""
    lines: dict[str, list[str]] = {}
    counts = (2, 3, 5, 10)
    for ratio in (0.0, 0.5, 1.0, 2.0, 10.0):
        for runs in counts:
            rng = np.random.default_rng(950)
            value = rng.normal(size=5 * sets) + ratio * runs**0.5 * rng.normal(size=(runs, 5 * sets))
            half, none = stats.norm.isf(0.025), np.zeros(5 * sets)
            own = Runs(value=value, low=value - half, high=value + half, cases=none, residual=none)
            found = joined(own, [own], own.mean, 0.95)
            width = float(np.mean(found.high - found.low)) / (2 * half * (1 + ratio**2) ** 0.5)
            held = float(np.mean((found.low <= 0) & (found.high >= 0)))
            lines.setdefault(f"runs {ratio:g} × cases", []).append(f"{100 * held:.1f}, × {width:.2f}")
    heads = [f"{runs} runs" for runs in counts]
    table(f"Joining cases and runs, {5 * sets} sets: coverage, and width beside that of known variances", heads, lines)
