"""Answers under stress: intervals of accuracies, of what stress costs, of the mean over severities, of relative robustness; and false flags of seeds that part."""

import numpy as np
from scipy import stats

from benchmarks.coverage.worlds import row, table
from evaluation.engine.entries import Entry
from evaluation.engine.stress.contrast import Expectation, contrast_entry
from evaluation.engine.stress.evaluate import Outcomes, stress_report
from evaluation.engine.stress.plan import Plan

PLAN = Plan(("gaussian_blur", "jpeg"), (1, 3, 5))
EASE = np.array([1.6, 1.5, 1.2, 0.8, 1.55, 1.4, 1.1])  # normal quantiles of the accuracy on clean inputs and under each step
ALIKE = 0.7  # of a case's luck, what it keeps from step to step
Bounds = list[tuple[float | None, float | None]]


def _outcomes(n: int, size: int, runs: int, less: float, rng: np.random.Generator, case: np.ndarray) -> Outcomes:
    own = rng.normal(size=(runs, EASE.size, n))
    right = ALIKE**0.5 * case + (1 - ALIKE) ** 0.5 * own < (EASE - less)[:, None]
    return Outcomes(right[:, 0], right[:, 1:])


def _luck(n: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Of each case; in clusters of `size` half of it is the cluster's."""
    if size == 1:
        return rng.normal(size=n)
    return np.asarray(0.5**0.5 * rng.normal(size=n // size + 1)[np.arange(n) // size] + 0.5**0.5 * rng.normal(size=n))


def _bounds(entry: Entry | None) -> tuple[float | None, float | None]:
    return (None, None) if entry is None else (entry["low"], entry["high"])


def stress(sets: int) -> None:
    """Two models and two perturbations of three severities; cases keep most of their luck from step to step."""
    few, less = max(sets // 4, 10), 0.15
    ours, theirs = stats.norm.cdf(EASE), stats.norm.cdf(EASE - less)
    truth = {
        "accuracy under a step": float(ours[3]),
        "stressed − clean": float(ours[3] - ours[0]),
        "difference of two models under a step": float(ours[3] - theirs[3]),
        "mean over severities": float(ours[1:4].mean()),
        "difference of means over severities": float(ours[1:4].mean() - theirs[1:4].mean()),
        "mean over the suite": float(ours[1:].mean()),
        "relative robustness": float(ours[1:].mean() / ours[0]),
    }
    lines: dict[str, list[str]] = {}
    heads = [(50, 1), (200, 1), (240, 12), (600, 10)]
    for number, (n, size) in enumerate(heads):
        rng, found = np.random.default_rng(1400 + number), {name: Bounds() for name in truth}
        for _ in range(few):
            case = _luck(n, size, rng)
            sides = [_outcomes(n, size, 1, worse, rng, case) for worse in (0.0, less)]
            made = stress_report(PLAN, *sides, clusters=np.arange(n) // size if size > 1 else None)
            step, mean, suite = made["metrics"][2], made["perturbations"][0], made["suite"]
            entries = [step, step["from_clean"], step["difference"], mean, mean["difference"], suite, suite["relative_robustness"]]
            for bounds, entry in zip(found.values(), entries, strict=True):
                bounds.append(_bounds(entry))
        for name, value in truth.items():
            lines.setdefault(name, []).append(row(found[name], value))
    table(f"Answers under stress, {few} sets", [f"n {n}" + (f", clusters of {size}" if size > 1 else "") for n, size in heads], lines)
    _contrast(sets)
    _flags(max(sets // 4, 10))


def _contrast(sets: int) -> None:
    """Pairs whose edit must not change the answer: the share of broken ones, and the difference of two models."""
    lines: dict[str, list[str]] = {"flip rate": [], "flip rate, difference": []}
    heads = ((40, 0.05), (200, 0.05), (200, 0.3))
    for number, (n, share) in enumerate(heads):
        rng, levels, changes = np.random.default_rng(1450 + number), Bounds(), Bounds()
        for _ in range(sets):
            luck, before = rng.random(n), rng.integers(0, 2, n)
            again = np.where(rng.random(n) < 0.5, luck, rng.random(n))
            after = [np.where(each < rate, 1 - before, before) for each, rate in ((luck, share), (again, 2 * share))]
            entry = contrast_entry(Expectation("same"), "pairs", (before, after[0]), (before, after[1]))
            levels.append(_bounds(entry))
            changes.append(_bounds(entry["difference"]))
        lines["flip rate"].append(row(levels, share))
        lines["flip rate, difference"].append(row(changes, -share))
    table(f"Contrast pairs, {sets} sets", [f"{n} pairs, {share:.0%} broken" for n, share in heads], lines)


def _flags(sets: int) -> None:
    """Runs that part no further under stress than at home, and runs that do: how often "underspecified" is said."""
    lines: dict[str, list[str]] = {}
    heads = ((3, 200), (5, 200), (10, 200), (5, 2000))
    for name, wobble in (("equal", (0.1, 0.1)), ("no run differs", (0.0, 0.0)), ("five times as far apart", (0.1, 0.5))):
        for number, (runs, n) in enumerate(heads):
            rng, flagged = np.random.default_rng(1480 + number), 0
            for _ in range(sets):
                moved = np.array(wobble)[None, [0, 1], None] * rng.normal(size=(runs, 2, 1))
                luck = ALIKE**0.5 * rng.normal(size=n) + (1 - ALIKE) ** 0.5 * rng.normal(size=(runs, 2, n))
                right = luck < np.array([1.2, 1.2])[None, :, None] + moved
                one = Plan(("gaussian_blur",), (3,))
                made = stress_report(one, Outcomes(right[:, 0], right[:, 1:]))
                flagged += made["metrics"][0]["underspecification"]["flagged"]
            lines.setdefault(name, []).append(f"{100 * flagged / sets:.1f} %")
    table(f"Runs called underspecified, {sets} recipes", [f"{runs} runs, n {n}" for runs, n in heads], lines)
