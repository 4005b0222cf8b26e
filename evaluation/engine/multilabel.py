"""Multi-label classification: any number of labels a case. Each label is a binary question; averages are over labels or over cases.

`exact_match`, `example_f1` and `hamming_loss` are means over cases, `micro_f1` and `macro_f1` functions of such means (macro over the labels that have
positives). Per label the binary report answers, with all its metrics as `sensitivity[label]`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from evaluation.engine.arrays import BadInput, Bools, Floats, booleans, floats, ratio
from evaluation.engine.data import MISSING, Arm, Task, arm, cluster_codes, replicates_of
from evaluation.engine.entries import Entry
from evaluation.engine.estimates import Settings
from evaluation.engine.means import BlockMeans, Numbers, Statistic
from evaluation.engine.report import comparison_of, report
from evaluation.engine.strata import Strata, each_block, names_of, with_all

EXACT, EXAMPLE_F1, HAMMING = range(3)
LEAVE_OUT = ("accuracy", "balanced_accuracy")  # of a label's binary question: the Hamming loss and the label's sensitivity say it better


@dataclass(frozen=True, eq=False)
class Answers:
    """One replicate: `labels` (n, L) true where the model gives the label, `scores` (n, L) or None, `missing` (n,)."""

    labels: Bools
    scores: Floats | None
    missing: Bools


def answers(labels: ArrayLike, scores: ArrayLike | None = None, missing: ArrayLike | None = None) -> Answers:
    """Check one replicate's shapes. Scores of missing cases may be NaN. Raises BadInput that names the first offending row."""
    said = booleans(labels, "a label")
    absent = np.zeros(len(said), dtype=np.bool_) if missing is None else booleans(missing, "missing")
    if said.ndim != 2 or absent.shape != said.shape[:1]:
        raise BadInput(f"labels have shape {said.shape} and missing {absent.shape}: one row for each case, one column for each label")
    wrong = np.flatnonzero(absent & said.any(axis=1))
    if wrong.size:
        raise BadInput(f"row {wrong[0]}: a missing prediction has no labels")
    if scores is None:
        return Answers(said, None, absent)
    values = floats(scores)
    if values.shape != said.shape:
        raise BadInput(f"scores have shape {values.shape}, labels {said.shape}")
    wrong = np.flatnonzero(~np.isfinite(values).all(axis=1) & ~absent)
    if wrong.size:
        raise BadInput(f"row {wrong[0]}: the score is not finite")
    return Answers(said, values, absent)


def _micro(size: int, means: Floats) -> Floats:
    tp, fp, fn = (means[..., i * size : (i + 1) * size].sum(axis=-1) for i in range(3))
    return ratio(2 * tp, 2 * tp + fp + fn)


def _macro(size: int, means: Floats) -> Floats:
    tp, fp, fn = (means[..., i * size : (i + 1) * size] for i in range(3))
    each, usable = ratio(2 * tp, 2 * tp + fp + fn), tp + fn > 1e-12
    return ratio(np.where(usable, np.nan_to_num(each), 0.0).sum(axis=-1), usable.sum(axis=-1))


def _statistics(size: int) -> tuple[Statistic, ...]:
    counts = tuple(range(3, 3 + 3 * size))
    share = partial(Statistic, low=0.0, high=1.0)
    return (
        share(id="exact_match", columns=(EXACT,), higher_is_better=True),
        share(id="example_f1", columns=(EXAMPLE_F1,), higher_is_better=True),
        share(id="hamming_loss", columns=(HAMMING,)),
        share(
            id="micro_f1",
            columns=counts,
            function=partial(_micro, size),
            higher_is_better=True,
            undefined="no label is true or given",
        ),
        share(
            id="macro_f1",
            columns=counts,
            function=partial(_macro, size),
            higher_is_better=True,
            undefined="no label has a positive case",
        ),
    )


def _numbers(truth: Bools, said: Answers) -> Floats:
    """The cases' numbers (3 + 3L, n). A missing prediction gives no label: every true label is a false negative, and it matches no case exactly."""
    hit, false, lost = truth & said.labels, ~truth & said.labels, truth & ~said.labels
    both = 2 * hit.sum(axis=1) + false.sum(axis=1) + lost.sum(axis=1)
    example = np.where(both > 0, 2 * hit.sum(axis=1) / np.maximum(both, 1), 1.0)
    wrong = (false | lost).mean(axis=1)
    exact = (wrong == 0) & ~said.missing
    means = np.stack([exact, np.where(said.missing, 0.0, example), np.where(said.missing, 1.0, wrong)])
    return np.concatenate([means, hit.T, false.T, lost.T]).astype(np.float64)


def multilabel_report(
    names: Sequence[str],
    truth: ArrayLike,
    candidate: Sequence[Answers],
    baseline: Sequence[Answers] = (),
    strata: Strata = (),
    *,
    seed: bytes,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
    resamples: int = 2000,
) -> Entry:
    """Entries as in `report.report` ("all" first): averages, then every label's. `truth` (n, L) is true where a label holds. `flips` counts cases by exact match.

    A case with no label and none given has example F1 1. Raises BadInput for shapes that do not fit and like `blocks`.
    """
    true = booleans(truth, "a true label")
    if true.ndim != 2 or true.shape[1] != len(names) or len(set(names)) < len(names):
        raise BadInput(f"the truth has shape {true.shape}, but there are {len(names)} labels with different names")
    replicates_of(candidate, baseline, Answers)
    for side, arms in (("candidate", candidate), ("baseline", baseline)):
        for number, each in enumerate(arms):
            if each.labels.shape != true.shape:
                raise BadInput(f"{side} replicate {number} has labels of shape {each.labels.shape}, the truth {true.shape}")
    cases, size = true.shape
    sides = [[_numbers(true, each) for each in arms] for arms in (candidate, baseline)]
    none = np.zeros(cases, dtype=np.bool_)  # missing predictions count as wrong in every metric here, so none is undefined for them
    numbers = Numbers(sides[0], sides[1], [none] * len(sides[0]), [none] * len(sides[1]))
    settings = Settings(seed=seed, level=level, resamples=resamples)
    wanted, codes = with_all(strata, cases), cluster_codes(clusters, cases)
    averages: dict[str, list[Entry]] = {}
    for block in each_block(wanted, cases, codes):
        averages |= BlockMeans(numbers, block, _statistics(size), settings).entries()
    labels = [_label_report(name, i, true, candidate, baseline, strata, clusters, settings) for i, name in enumerate(names)]
    matches = _matches(true, candidate, baseline, strata, clusters, settings)
    by_stratum = {name: list(entries) for name, entries in averages.items()}
    for found in labels:
        for entry in found["metrics"]:
            by_stratum[entry["stratum"]].append(entry)
    return {
        "metrics": [entry for name in names_of(wanted) for entry in by_stratum[name]],
        "flips": matches["flips"],
        "sanity": [finding for found in labels for finding in found["sanity"]],
    }


def _label_report(
    name: str,
    index: int,
    truth: Bools,
    candidate: Sequence[Answers],
    baseline: Sequence[Answers],
    strata: Strata,
    clusters: ArrayLike | None,
    settings: Settings,
) -> Entry:
    """The binary report of one label, its metrics named after it."""
    task = Task((f"not {name}", name), 1)
    ours, theirs = ([_arm(task, each, index) for each in arms] for arms in (candidate, baseline))
    found = report(comparison_of(task, truth[:, index].astype(np.int64), ours, theirs, clusters), strata, **vars(settings))
    kept = [entry for entry in found["metrics"] if entry["metric"] not in LEAVE_OUT]
    return found | {"metrics": [entry | {"metric": f"{entry['metric']}[{name}]"} for entry in kept]}


def _arm(task: Task, said: Answers, index: int) -> Arm:
    codes = np.where(said.missing, MISSING, said.labels[:, index].astype(np.int64))
    return arm(task, codes.size, codes, None if said.scores is None else said.scores[:, index])


def _matches(
    truth: Bools, candidate: Sequence[Answers], baseline: Sequence[Answers], strata: Strata, clusters: ArrayLike | None, settings: Settings
) -> Entry:
    """A report in which a case is right when all its labels are: its flips are the cases' flips."""
    task = Task(("wrong", "right"), 1)
    sides = [
        [arm(task, len(truth), ((truth == each.labels).all(axis=1) & ~each.missing).astype(np.int64)) for each in arms]
        for arms in (candidate, baseline)
    ]
    return report(comparison_of(task, np.ones(len(truth), dtype=np.int64), sides[0][:1], sides[1][:1], clusters), strata, **vars(settings))
