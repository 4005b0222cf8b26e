"""Random but seeded evaluations for the engine's tests: no database, no files."""

import numpy as np
from numpy.typing import NDArray

from evaluation.engine.data import Arm, Comparison, Task, arm
from evaluation.engine.report import comparison_of
from evaluation.engine.strata import Block, Grouping, Stratum, blocks

BINARY = Task(("normal", "nodule"), 1)
DIGITS = Task(("a", "b", "c", "d"))
SEED = b"tests"


def whole(n: int, clusters: NDArray[np.int64] | None = None) -> Block:
    """The block that holds the stratum "all"."""
    return blocks([Stratum("all", np.ones(n, dtype=bool))], n, clusters)[0]


def scores(
    rng: np.random.Generator, truth: NDArray[np.int64], classes: int, *, skill: float = 1.0, decimals: int | None = None
) -> NDArray[np.float64]:
    """Softmax scores (n, K) that know the truth a little."""
    raw = rng.normal(0, 1, (truth.size, classes)) + skill * np.eye(classes)[truth]
    soft = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    return soft if decimals is None else np.round(soft, decimals)


def predict(task: Task, truth: NDArray[np.int64], seed: int, *, skill: float = 1.0, missing: int = 0, decimals: int | None = None) -> Arm:
    """One replicate; the first `missing` predictions are absent."""
    values = scores(np.random.default_rng(seed), truth, len(task.classes), skill=skill, decimals=decimals)
    labels = values.argmax(axis=1)
    labels[:missing] = -1
    return arm(task, truth.size, labels, values)


def comparison(
    task: Task = DIGITS, n: int = 300, seed: int = 0, *, runs: int = 1, baseline_runs: int = 1, clusters: bool = False, missing: int = 0
) -> Comparison:
    """A candidate slightly better than its baseline, on the same cases."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, len(task.classes), n)
    ours = [predict(task, truth, 100 + seed + run, skill=1.6, missing=missing) for run in range(runs)]
    theirs = [predict(task, truth, 900 + seed + run, skill=1.4) for run in range(baseline_runs)]
    return comparison_of(task, truth, ours, theirs, rng.integers(0, max(n // 3, 1), n) if clusters else None)


def sites(n: int, seed: int = 0) -> Grouping:
    return Grouping(["site=x", "site=y", "site=z"], np.random.default_rng(7000 + seed).integers(-1, 3, n))
