"""Hypotheses about stored answers, tried without asking the model again."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize

from evaluation.engine.arrays import BadInput, Bools, Floats, Ints, booleans, ratio
from evaluation.engine.autopsy.gain import ALPHA, Bench, Diagnosis, explained
from evaluation.engine.autopsy.probabilities import misread
from evaluation.engine.data import MISSING, Arm, Task, cluster_codes, label_codes
from evaluation.engine.sanity import score_findings

LEAST = 40  # fewer cases prove nothing at this level
FURTHEST = 3  # rows by which answers may have slipped
TRIED = 16
COLLAPSE = 0.3  # honest models may favour some classes; only a gain in mean recall of this size is called a fault
LABELS = (
    "off_by_one",
    "threshold_at_wrong_class",
    "inverted_score",
    "rows_shifted",
    "class_permutation",
    "columns_permuted",
    "scores_offset",
)


def output_autopsy(
    task: Task, truth: ArrayLike, arm: Arm, *, clusters: ArrayLike | None = None, seed: bytes = b"autopsy"
) -> list[Diagnosis]:
    """Which faults would explain these answers, the best explanation of wrong labels first; empty for honest models, good or bad.

    `truth` (n,) class codes in the order of the answers. Honest models raise a diagnosis in at most 1 % of autopsies (Bonferroni over the
    hypotheses; whatever is fitted is fitted on one half of the clusters and judged on the other). A set that is made up of one model's
    own failures can look like a permutation to that very model: ask on cases that were not chosen by it. Raises BadInput on bad arrays;
    nothing is said below 40 cases.
    """
    codes, labels = label_codes(truth, task, arm.labels.size).astype(np.int64), arm.labels.astype(np.int64)
    bench = Bench(codes, len(task.classes), cluster_codes(clusters, codes.size), ALPHA / TRIED)
    if bench.n < LEAST:
        return []
    half = bench.halves(seed)
    found = _off_by_one(bench, labels) + _rows_shifted(bench, labels)
    swapped = _permutation(bench, labels, half, "class_permutation")
    answered = labels != MISSING
    if arm.scores is None or answered.sum() < LEAST:
        return explained(found + swapped, LABELS)
    units = None if clusters is None else cluster_codes(np.asarray(clusters)[answered], int(answered.sum()))
    some = Bench(codes[answered], bench.classes, units, bench.alpha)
    scores = arm.scores[answered]
    if task.binary:
        column = scores if scores.ndim == 1 else scores[:, task.positive]
        found += _binary(some, column, some.truth == task.positive, swapped)
    else:
        found += swapped + _ranks(some, scores, labels[answered], half[answered])
    return explained(found, LABELS) + _rounded(task, codes, arm, answered) + misread(task, some, scores)


def _off_by_one(bench: Bench, labels: Ints) -> list[Diagnosis]:
    """Class ids counted from 1 where the truth counts from 0, or the reverse; with and without wrapping round."""
    if bench.classes < 3:
        return []
    found = []
    for offset in (1, -1):
        for wraps in (False, True):
            moved = (labels + offset) % bench.classes if wraps else labels + offset
            read = np.where((labels == MISSING) | (moved < 0) | (moved >= bench.classes), MISSING, moved)
            found += bench.judge("off_by_one", labels, read, {"add": offset, "wraps": int(wraps)})
    return explained(found, LABELS)[:1]


def _rows_shifted(bench: Bench, labels: Ints) -> list[Diagnosis]:
    """Answers joined by position although a row was lost or added: from some row on, each case has its neighbour's answer."""
    right, found, n = labels == bench.truth, [], bench.n
    for rows in (*range(-FURTHEST, 0), *range(1, FURTHEST + 1)):
        neighbour = np.arange(n) + rows
        inside = (neighbour >= 0) & (neighbour < n)
        shifted = np.where(inside, labels[np.where(inside, neighbour, 0)], MISSING)
        gain = np.cumsum(((shifted == bench.truth).astype(np.int64) - right)[::-1])[::-1]
        start = int(gain.argmax())
        read = np.where(np.arange(n) >= start, shifted, labels)
        found += bench.judge("rows_shifted", labels, read, {"rows": rows, "from_row": start}, tried=2 * FURTHEST * n)
    return explained(found, LABELS)[:1]


def _permutation(bench: Bench, labels: Ints, half: Bools, name: str) -> list[Diagnosis]:
    """Class names in another order. The assignment is fitted on one half and judged on the other, both ways round."""
    read = np.full(bench.n, MISSING)
    for judged in (half, ~half):
        meaning = np.append(np.argsort(_assignment(bench, labels, ~judged)), MISSING)  # the last one serves missing labels
        read[judged] = meaning[labels[judged]]
    called = _assignment(bench, labels, np.ones(bench.n, dtype=np.bool_))
    moved = np.flatnonzero(called != np.arange(bench.classes))
    if not moved.size:
        return []
    mapping = " ".join(f"{truth}→{called[truth]}" for truth in moved[:20])
    return bench.judge(name, labels, read, {"classes_moved": int(moved.size), "mapping": mapping}, touched=int(moved.size))


def _assignment(bench: Bench, labels: Ints, chosen: Bools) -> Ints:
    """The label that each class goes by (K,): the one-to-one assignment with the highest mean recall (Hungarian), its own where nothing speaks."""
    width = bench.classes
    rows = chosen & (labels != MISSING)
    counts = np.bincount(bench.truth[rows] * width + labels[rows], minlength=width * width).reshape(width, width)
    recall = np.nan_to_num(ratio(counts, counts.sum(axis=1, keepdims=True)))
    return np.asarray(optimize.linear_sum_assignment(recall + 1e-6 * np.eye(width), maximize=True)[1], dtype=np.int64)


def _binary(bench: Bench, column: Floats, positive: Bools, swapped: list[Diagnosis]) -> list[Diagnosis]:
    """A score that falls where it should rise; or a good score whose labels were cut on the wrong side."""
    value, low, high = bench.auc(column, positive, 1 - 2 * bench.alpha)
    if high < 0.5:
        shown_low, shown_high = bench.auc(column, positive)[1:]
        numbers = {"auc_at_most": high, "positives": int(positive.sum()), "negatives": int((~positive).sum())}
        inverted = Diagnosis(
            hypothesis="inverted_score",
            metric="roc_auc",
            value=value,
            restored=1 - value,
            low=1 - shown_high,
            high=1 - shown_low,
            n=bench.n,
            numbers={**numbers},
        )
        return [inverted, *swapped]
    if swapped and low > 0.5:
        return [replace(swapped[0], hypothesis="threshold_at_wrong_class", numbers=swapped[0].numbers | {"auc": value})]
    return swapped


def _ranks(bench: Bench, scores: Floats, labels: Ints, half: Bools) -> list[Diagnosis]:
    """Score columns against labels: distances read as similarities, columns in another order, and ranks that are right under wrong labels."""
    top = scores.argmax(axis=1)
    found = bench.judge("inverted_score", labels, scores.argmin(axis=1), {})
    if (top != labels).mean() > 0.01:
        found += _permutation(bench, top, half, "columns_permuted")
    level = np.log(np.maximum(scores, 1e-15)) if scores.min(initial=0.0) >= 0 else scores
    read = np.full(bench.n, MISSING)
    for judged in (half, ~half):
        if judged.all() or not judged.any():
            return found
        read[judged] = (level[judged] - level[~judged].mean(axis=0)).argmax(axis=1)
    offset = bench.judge("scores_offset", labels, read, {"labels_used": int(np.unique(labels).size)}, margin=COLLAPSE)
    return found + [replace(each, numbers=each.numbers | {"macro_auc": bench.macro_auc(scores)}) for each in offset]


def _rounded(task: Task, truth: Ints, arm: Arm, answered: Bools) -> list[Diagnosis]:
    """Rounding cannot be undone; the ties it made bound what the AUC was."""
    assert arm.scores is not None  # the caller has looked
    found = score_findings(arm.scores, truth, task.classes, positive=task.positive, answered=answered)
    return [
        Diagnosis(
            hypothesis="rounded_scores",
            metric="roc_auc" if task.binary else f"roc_auc[{item.numbers['class']}]",
            restored=None,
            n=int(answered.sum()),
            value=_number(item.numbers.get("auc")),
            low=_number(item.numbers.get("auc_low")),
            high=_number(item.numbers.get("auc_high")),
            numbers={name: item.numbers[name] for name in ("grid", "distinct", "tied_pairs")},
        )
        for item in found
        if item.code == "rounded_scores" and item.severity == "error"
    ]


def _number(value: float | str | None) -> float | None:
    return None if value is None else float(value)


def wrong_column(
    scores: ArrayLike, positive: ArrayLike, used: int, *, clusters: ArrayLike | None = None, seed: bytes = b"autopsy"
) -> list[Diagnosis]:
    """Does another column rank this class better than the one in `used`?

    `scores` (n, K) finite, `positive` (n,) boolean. The other column is chosen on one half of the clusters and judged on the other; it is
    named if the lower bound of its AUC there is above the upper bound of the used one's, and by more than 0.1.
    """
    values, mask = np.asarray(scores, dtype=np.float64), booleans(positive, "positive")
    if values.ndim != 2 or mask.shape != (len(values),) or not 0 <= used < values.shape[1]:
        raise BadInput(f"scores have shape {values.shape}, positive {mask.shape}, and column {used} was used")
    bench = Bench(mask.astype(np.int64), 2, cluster_codes(clusters, mask.size), ALPHA)
    half = bench.halves(seed)
    sides = [Bench(bench.truth[side], 2, None if bench.clusters is None else bench.clusters[side], ALPHA) for side in (half, ~half)]
    aucs = np.array([sides[0].auc(values[half, k], mask[half])[0] for k in range(values.shape[1])])
    if np.isnan(aucs).any() or aucs.argmax() == used:
        return []
    best = int(aucs.argmax())
    ours, theirs = (sides[1].auc(values[~half, k], mask[~half], 1 - 2 * ALPHA) for k in (used, best))
    if not theirs[1] > ours[2] + 0.1:
        return []
    low, high = sides[1].auc(values[~half, best], mask[~half])[1:]
    return [
        Diagnosis(
            hypothesis="wrong_column",
            metric="roc_auc",
            value=ours[0],
            restored=theirs[0],
            low=low,
            high=high,
            n=int((~half).sum()),
            numbers={"used": used, "column": best, "positives": int(mask[~half].sum())},
        )
    ]
