"""Classification metrics beside torchmetrics: equal values in every stratum, and CPU seconds of both in one run, one thread.

    make check-oracles    (or: .make/oracles/bin/python -m benchmarks.oracles_classification [cases])

torchmetrics is timed on every stratum of the largest grouping and of all cases, and scaled by rows.
"""

import sys
import time
import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional import classification as tm

from evaluation.engine import Grouping, Stratum, Task, arm, comparison_of, values

TASK = Task(("negative", "positive"), 1)
NAMES = ["accuracy", "balanced_accuracy", "sensitivity", "specificity", "ppv", "f1", "mcc", "roc_auc"]
MORE = ["average_precision", "ece"]
VALUES = [50, 40, 30, 20, 15, 12, 10, 6, 4]


def theirs(truth: NDArray[np.int64], labels: NDArray[np.int64], scores: NDArray[np.float64]) -> list[float]:
    said, true, chance = torch.from_numpy(labels), torch.from_numpy(truth), torch.from_numpy(scores)
    found = [
        tm.binary_accuracy(said, true),
        (tm.binary_recall(said, true) + tm.binary_specificity(said, true)) / 2,
        tm.binary_recall(said, true),
        tm.binary_specificity(said, true),
        tm.binary_precision(said, true),
        tm.binary_f1_score(said, true),
        tm.binary_matthews_corrcoef(said, true),
        tm.binary_auroc(chance, true),
    ]
    return [float(value) for value in found]


def more(truth: NDArray[np.int64], scores: NDArray[np.float64]) -> list[float]:
    chance, true = torch.from_numpy(scores), torch.from_numpy(truth)
    return [float(tm.binary_average_precision(chance, true)), float(tm.binary_calibration_error(chance, true, n_bins=15, norm="l1"))]


def main(cases: int) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    truth = (rng.random(cases) < 0.3).astype(np.int64)
    scores = 1 / (1 + np.exp(-(rng.normal(0, 1.2, cases) + 2 * truth - 1)))
    labels = (scores >= 0.5).astype(np.int64)
    groups = [Grouping([f"a{i}={v}" for v in range(k)], rng.integers(0, k, cases)) for i, k in enumerate(VALUES)]
    strata = [Stratum("all", np.ones(cases, dtype=np.bool_)), *groups]

    def ours(names: list[str]) -> dict[str, NDArray[np.float64]]:
        return values(comparison_of(TASK, truth, [arm(TASK, cases, labels, scores)]), strata, names)

    made, spent = ours([*NAMES, *MORE]), []
    for _ in range(3):
        start = time.process_time()
        ours(NAMES)
        spent.append(time.process_time() - start)
    codes = np.asarray(groups[0].codes)
    picks = {"all": np.arange(cases)} | {name: np.flatnonzero(codes == i) for i, name in enumerate(groups[0].names)}
    seconds = {}
    for name, pick in picks.items():
        start = time.process_time()
        peer = theirs(truth[pick], labels[pick], scores[pick])
        seconds[name] = time.process_time() - start
        np.testing.assert_allclose(made[name], peer + more(truth[pick], scores[pick]), atol=2e-6)  # torchmetrics works in single precision
    loop = seconds["all"] + (sum(seconds.values()) - seconds["all"]) * len(groups)
    print(f"{cases:,} cases, {1 + sum(VALUES)} strata, {len(NAMES)} metrics: values equal to single precision, also {' and '.join(MORE)}")
    print(f"  engine {min(spent):.3f} s   torchmetrics {loop:.2f} s   ratio {loop / min(spent):.0f}")


if __name__ == "__main__":
    main(int(float(sys.argv[1])) if len(sys.argv) > 1 else 1_000_000)
