"""How fast the engine is beside a plain scikit-learn loop: one run, one thread, CPU seconds, ratios printed.

    OMP_NUM_THREADS=1 python -m benchmarks.engine [cases] [largest]

1. Point values of 8 metrics in 188 strata (nine attributes and "all") of a binary task, checked equal before they are timed.
2. The same 8 metrics with closed-form and multinomial intervals.
3. Intervals of those that need resampling, beside resampling with scikit-learn (timed on a few resamples and scaled).
4. The whole report, one model and two, against the number of cases; extra memory of the first.
5. The first call in a fresh process.
scikit-learn is timed on every stratum of the largest grouping and of "all", and scaled by rows: its cost is linear in the rows it is given.
"""

import ast
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from evaluation.engine.data import Comparison, Task, arm
from evaluation.engine.points import values
from evaluation.engine.report import comparison_of, report
from evaluation.engine.strata import Grouping, Stratum

TASK = Task(("negative", "positive"), 1)
NAMES = ["accuracy", "balanced_accuracy", "sensitivity", "specificity", "ppv", "f1", "mcc", "roc_auc"]
RESAMPLED = ["balanced_accuracy", "f1", "mcc"]
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


def resampled_seconds(found: Comparison, strata: list[Grouping], draws: int = 2) -> float:
    """CPU seconds that one scikit-learn resample of the metrics that need it takes over all strata."""
    candidate, rng = found.candidate[0], np.random.default_rng(1)
    assert candidate.scores is not None
    start = time.process_time()
    for _ in range(draws):
        pick = rng.integers(0, found.cases, found.cases)
        truth, labels, scores = found.truth[pick], candidate.labels[pick], candidate.scores[pick]
        sk.f1_score(truth, labels), sk.matthews_corrcoef(truth, labels), sk.balanced_accuracy_score(truth, labels)
        sk.average_precision_score(truth, scores)
    return (time.process_time() - start) / draws * (1 + len(strata))


def fresh_call() -> float:
    """CPU seconds of a process that imports the engine and makes a small report."""
    code = (
        "import numpy as np; from evaluation.engine import *; t = Task(('a', 'b'), 1); y = np.arange(200) % 2;"
        "report(comparison_of(t, y, [arm(t, 200, y, y * 0.5)]), [], seed=b'x'); import resource as r; print(r.getrusage(r.RUSAGE_SELF)[0:2])"
    )
    user, system = ast.literal_eval(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    return float(user + system)


def extra_memory(found: Comparison, strata: list[Grouping]) -> tuple[float, float]:
    """(bytes of the input arrays, most bytes held beyond them while a report of one model is made)."""
    candidate = found.candidate[0]
    assert candidate.scores is not None
    # as a caller gives them: int64 truth, labels and codes, float64 scores
    given = 8 * found.cases * 2 + candidate.scores.nbytes + sum(np.asarray(g.codes).nbytes for g in strata)
    tracemalloc.start()
    report(comparison_of(TASK, found.truth, [arm(TASK, found.cases, candidate.labels, candidate.scores)]), strata, seed=b"benchmark")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return float(given), float(most)


def main(cases: int, largest: int) -> None:
    found, strata = evaluation(cases)
    count = 1 + sum(VALUES)
    print(f"{cases:,} cases, {count} strata, 8 metrics, CPU seconds")
    made = ours(found, strata)
    point = min(seconds(lambda: ours(found, strata)) for _ in range(5))
    loop = sklearn_seconds(found, strata, made)
    print(f"  point values     engine {point:8.3f}   scikit-learn loop {loop:8.2f}   ratio {loop / point:8.1f}   equal to 1e-12")
    alone = comparison_of(TASK, found.truth, found.candidate)
    closed = min(seconds(lambda: report(alone, strata, seed=b"benchmark", only=NAMES)) for _ in range(3))
    print(f"  with intervals   engine {closed:8.3f}   of which resampled (2,000 draws): balanced_accuracy, f1, mcc")
    drawn = [*RESAMPLED, "average_precision"]
    bootstrap = min(seconds(lambda: report(alone, strata, seed=b"benchmark", resamples=1000, only=drawn)) for _ in range(3))
    peer = 1000 * resampled_seconds(found, strata)
    print(
        f"  1,000 resamples  engine {bootstrap:8.3f}   scikit-learn (scaled) {peer:8.0f}   ratio {peer / bootstrap:8.0f}   {', '.join(drawn)}"
    )
    print("the whole report: every metric with intervals; then with a baseline and paired tests")
    sizes = [size for size in (10_000, 100_000, 1_000_000, 10_000_000) if size <= largest]
    for size in sizes:
        found, strata = evaluation(size)
        alone = comparison_of(TASK, found.truth, found.candidate)
        one, two = (seconds(partial(report, each, strata, seed=b"benchmark")) for each in (alone, found))
        print(
            f"  {size:>10,} cases   one model {one:7.2f} s {one / size * 1e6:7.2f} µs a case   two {two:7.2f} s {two / size * 1e6:7.2f} µs a case"
        )
    found, strata = evaluation(cases)
    given, most = extra_memory(found, strata)
    print(f"memory of a report of one model: inputs {given / 1e6:,.0f} MB, at most {most / 1e6:,.0f} MB more ({most / given:.2f} times)")
    print(f"first call in a fresh process: {fresh_call():.2f} s CPU")


if __name__ == "__main__":
    given = [int(float(number)) for number in sys.argv[1:]]
    main(given[0] if given else 1_000_000, given[1] if len(given) > 1 else 1_000_000)
