"""Several runs of a recipe: do intervals in which runs and cases are random hold the recipe's value? Replicate 0's own interval stands beside them.

Runs differ by a skill of their own in every set (`wobble`), and by what they make of each case.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from benchmarks.coverage.others import found_boxes, sets_of, two_objects
from benchmarks.coverage.worlds import SEED, TASK, Floats, World, row, table
from evaluation.engine.data import Arm, Comparison, arm
from evaluation.engine.detection.data import Detection, scene
from evaluation.engine.detection.report import detection_report
from evaluation.engine.entries import Entry
from evaluation.engine.over_runs import Runs, joined
from evaluation.engine.regression import regression_report
from evaluation.engine.report import comparison_of, report
from evaluation.engine.strata import Grouping

METRICS = ("accuracy", "sensitivity", "f1", "mcc", "roc_auc", "average_precision")
WORSE = 0.4  # by so much the baseline separates the classes less
SHARED = 0.6  # of the noise of a case, what all runs have in common
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
        places, weights = np.polynomial.hermite_e.hermegauss(7)
        each = [self._at(np.array(self.world.separation - less + self.wobble * place)).truth() for place in places]
        return {name: float(sum(w * one[name] for w, one in zip(weights / weights.sum(), each, strict=True))) for name in METRICS}

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
            levels.setdefault(name, []).append(_cell(found, own[name]))
            changes.setdefault(name, []).append(_cell(list(_gaps(found)), own[name] - other[name]))
    heads = [recipe.name for recipe in RECIPES]
    table("Several runs, the recipe's value: coverage, width beside replicate 0's, and coverage of replicate 0's interval", heads, levels)
    table("Several runs, the difference of two recipes: the same", heads, changes)
    _numbers(sets)
    _boxes(max(sets // 10, 10))


def _gaps(found: Sequence[Entry]) -> Iterator[Entry]:
    """The differences as if they were entries; those that are not there are left out."""
    for entry in found:
        if entry["difference"] is not None and entry["artefact"]["difference"] is not None:
            yield entry["difference"] | {"artefact": entry["artefact"]["difference"]}


def _cell(found: Sequence[Entry], truth: float) -> str:
    """`coverage (below / above), × width; replicate 0: coverage`."""
    ends = [(entry["low"], entry["high"]) for entry in found]
    alone = [(entry["artefact"]["low"], entry["artefact"]["high"]) for entry in found]
    both = np.array([[*a, *b] for a, b in zip(ends, alone, strict=True) if None not in (*a, *b)], dtype=np.float64)
    width = np.mean(both[:, 1] - both[:, 0]) / np.mean(both[:, 3] - both[:, 2])
    return f"{row(ends, truth)}, × {width:.2f}; replicate 0: {row(alone, truth).partition(' ')[0]}"


def _numbers(sets: int) -> None:
    """Regression with errors of long tails; a run's errors are larger or smaller by 15 %."""
    lines: dict[str, list[str]] = {}
    heads = [(runs, n) for runs in (3, 5) for n in (100, 400)]
    for number, (runs, n) in enumerate(heads):
        rng = np.random.default_rng(800 + number)
        truth, shared, own = rng.normal(size=sets * n), rng.laplace(size=sets * n), np.repeat(np.arange(sets), n)

        def run(scale: float, rng: np.random.Generator = rng, truth: Floats = truth, shared: Floats = shared, own: Floats = own) -> Floats:
            mixed = np.where(rng.random(truth.size) < 0.5, shared, rng.laplace(size=truth.size))
            return np.asarray(truth + (scale * (1 + 0.15 * rng.normal(size=own[-1] + 1)))[own] * mixed)

        sides = [[run(scale) for _ in range(runs)] for scale in (0.4, 0.5)]
        made = regression_report(truth, *sides, [sets_of(sets, n)], seed=SEED, resamples=500)["metrics"]
        for name, factor in (("mae", 1.0), ("rmse", 2**0.5)):
            found = [entry for entry in made if entry["metric"] == name and entry["stratum"] != "all"]
            lines.setdefault(name, []).append(_cell(found, 0.4 * factor))
            lines.setdefault(f"{name}, difference", []).append(_cell(list(_gaps(found)), -0.1 * factor))
    table("Several runs, numbers", [f"{runs} runs, n {n}" for runs, n in heads], lines)


def _boxes(sets: int) -> None:
    """Two objects in every image; a run's recall differs by 3 points."""
    lines: dict[str, list[str]] = {}
    heads = [(3, 30), (5, 60)]
    for number, (runs, n) in enumerate(heads):
        rng, images = np.random.default_rng(900 + number), scene(range(sets * n), ["spot"])
        truth, boxes = two_objects(images)
        common, own = rng.normal(size=len(boxes)), np.repeat(np.arange(sets), 2 * n)
        sides = []
        for recall, false in ((0.84, 0.3), (0.52, 0.4)):  # normal quantiles of .8 and .7
            skill = recall + 0.1 * rng.normal(size=(runs, sets))
            luck = [SHARED**0.5 * common + (1 - SHARED) ** 0.5 * rng.normal(size=len(boxes)) for _ in range(runs)]
            sides.append([found_boxes(images, boxes, luck[k], skill[k][own], false, rng) for k in range(runs)])
        made = detection_report(Detection(images, truth, *sides), [sets_of(sets, n)], seed=SEED, resamples=500)["metrics"]
        found = [entry for entry in made if entry["metric"] == "recall" and entry["stratum"] != "all"]
        values = stats.norm.cdf(np.array([0.84, 0.52]) / (1 + 0.1**2) ** 0.5).tolist()  # means over runs
        lines.setdefault("recall", []).append(_cell(found, values[0]))
        lines.setdefault("recall, difference", []).append(_cell(list(_gaps(found)), values[0] - values[1]))
    table(f"Several runs, boxes, {sets} sets", [f"{runs} runs, {n} images" for runs, n in heads], lines)


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
