"""How fast the engine is beside a plain scikit-learn loop: one run, one thread, CPU seconds, ratios printed.

    OMP_NUM_THREADS=1 python -m benchmarks.engine [cases]

1. Point values of 8 metrics in 188 strata (nine attributes and "all") of a binary task, checked equal before they are timed.
2. The whole report: 11 metrics with intervals, paired tests and DeLong against a baseline, 2,000 resamples where resampling is needed.
3. Cost against the number of cases, and peak memory.
scikit-learn is timed on every stratum of the largest grouping and of "all", and scaled by rows: its cost is linear in the rows it is given.
"""

import resource
import sys
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from evaluation.engine.data import Comparison, Task, arm
from evaluation.engine.points import values
from evaluation.engine.report import comparison_of, report
from evaluation.engine.strata import Grouping, Stratum

TASK = Task(("negative", "positive"), 1)
NAMES = ["accuracy", "balanced_accuracy", "sensitivity", "specificity", "ppv", "f1", "mcc", "roc_auc"]
VALUES = [50, 40, 30, 20, 15, 12, 10, 6, 4]


def evaluation(cases: int) -> tuple[Comparison, list[Grouping]]:
    rng = np.random.default_rng(0)
    truth = (rng.random(cases) < 0.3).astype(np.int64)
    shared = rng.normal(0, 1, cases) + 2 * truth - 1
    arms = []
    for _ in range(2):
        scores = 1 / (1 + np.exp(-(shared + rng.normal(0, 0.7, cases))))
        arms.append(arm(TASK, cases, (scores >= 0.5).astype(np.int64), scores))
    groupings = [Grouping([f"a{i}={v}" for v in range(k)], rng.integers(0, k, cases)) for i, k in enumerate(VALUES)]
    return comparison_of(TASK, truth, arms[:1], arms[1:]), groupings


def ours(found: Comparison, strata: list[Grouping]) -> dict[str, NDArray[np.float64]]:
    """Values (8,) of every stratum, from fresh predictions: sorting is part of the cost."""
    candidate = arm(TASK, found.cases, found.candidate[0].labels, found.candidate[0].scores)
    everyone = Stratum("all", np.ones(found.cases, dtype=np.bool_))
    return values(comparison_of(TASK, found.truth, [candidate]), [everyone, *strata], NAMES)


def theirs(truth: NDArray[np.int64], labels: NDArray[np.int64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array(
        [
            sk.accuracy_score(truth, labels),
            sk.balanced_accuracy_score(truth, labels),
            sk.recall_score(truth, labels),
            sk.recall_score(truth, labels, pos_label=0),
            sk.precision_score(truth, labels),
            sk.f1_score(truth, labels),
            sk.matthews_corrcoef(truth, labels),
            sk.roc_auc_score(truth, scores),
        ]
    )


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def sklearn_seconds(found: Comparison, strata: list[Grouping], values: dict[str, NDArray[np.float64]]) -> float:
    """CPU seconds of the loop over all strata; every value it gives is compared with ours."""
    candidate = found.candidate[0]
    assert candidate.scores is not None
    codes = np.asarray(strata[0].codes)
    picks = {"all": np.arange(found.cases)} | {name: np.flatnonzero(codes == i) for i, name in enumerate(strata[0].names)}
    spent = {}
    for name, pick in picks.items():
        start = time.process_time()
        want = theirs(found.truth[pick], candidate.labels[pick], candidate.scores[pick])
        spent[name] = time.process_time() - start
        np.testing.assert_allclose(values[name], want, atol=1e-12)
    return spent["all"] + (sum(spent.values()) - spent["all"]) * len(strata)


def main(cases: int) -> None:
    found, strata = evaluation(cases)
    count = 1 + sum(VALUES)
    print(f"{cases:,} cases, {count} strata, 8 metrics, CPU seconds")
    values = ours(found, strata)
    point = min(seconds(lambda: ours(found, strata)) for _ in range(3))
    loop = sklearn_seconds(found, strata, values)
    print(f"  point values   engine {point:8.3f}   scikit-learn loop {loop:8.2f}   ratio {loop / point:6.1f}   equal to 1e-12")
    print("the whole report: 11 metrics with intervals, baseline, paired tests, 2,000 resamples")
    for size in (cases // 100, cases // 10, cases):
        found, strata = evaluation(size)
        spent = seconds(lambda found=found, strata=strata: report(found, strata, seed=b"benchmark"))  # type: ignore[misc]
        share = loop * size / cases / spent
        print(f"  {size:>10,} cases {spent:8.2f} s   {spent / size * 1e6:8.2f} µs a case   {share:6.1f} × the speed of the loop's values")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


if __name__ == "__main__":
    main(int(float(sys.argv[1])) if len(sys.argv) > 1 else 1_000_000)
