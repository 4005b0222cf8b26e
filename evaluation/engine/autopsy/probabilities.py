"""Scores that are probabilities in another form: percentages, log probabilities, logits, a softmax applied twice. The metric is the log loss."""

import numpy as np
from scipy import special

from evaluation.engine.arrays import Floats, tally
from evaluation.engine.autopsy.gain import Bench, Diagnosis, softmax
from evaluation.engine.data import Task
from evaluation.engine.intervals import t_quantile
from evaluation.engine.probabilities import CLIP
from evaluation.engine.sanity import SUM_SLACK


def misread(task: Task, bench: Bench, scores: Floats) -> list[Diagnosis]:
    """The form in which these scores (n,) or (n, K) are probabilities, if they are not as they stand; at most one."""
    single = scores.ndim == 1
    table = _pair(scores, task.positive) if single else scores
    if scores.size and ((scores < 0) | (scores > 1)).any(axis=None):
        name, read = _outside(task, scores)
        return _better_than_shares(bench, name, read)
    once = _undo_sigmoid(scores, task.positive) if single else None
    if once is not None:
        return _better(bench, "double_sigmoid", table, once)
    undone = _undo_softmax(table)
    return [] if undone is None else _better(bench, "double_softmax", table, undone)


def _outside(task: Task, scores: Floats) -> tuple[str, Floats]:
    if scores.ndim == 1:
        percent = scores.min() >= 0 and scores.max() <= 100
        return ("percent" if percent else "logits"), _pair(scores / 100 if percent else special.expit(scores), task.positive)
    if scores.min() >= 0 and np.abs(scores.sum(axis=1) - 100).max() <= 1:
        return "percent", scores / scores.sum(axis=1, keepdims=True)
    if scores.max() <= 0 and np.abs(np.exp(scores).sum(axis=1) - 1).max() <= SUM_SLACK:
        return "log_probabilities", np.exp(scores)
    return "logits", softmax(scores)


def _pair(column: Floats, positive: int | None) -> Floats:
    """Both columns (n, 2) in class order from the positive one's."""
    pair = np.stack([1 - column, column], axis=1)
    return pair if positive == 1 else pair[:, ::-1]


def _undo_sigmoid(column: Floats, positive: int | None) -> Floats | None:
    """A sigmoid of a probability lies in 0.5..0.731; None unless every score does."""
    if column.size == 0 or column.min() < 0.5 - SUM_SLACK or column.max() > special.expit(1.0) + SUM_SLACK:
        return None
    return _pair(np.clip(special.logit(column), 0, 1), positive)


def _undo_softmax(table: Floats) -> Floats | None:
    """q with softmax(q) = p and sum q = 1: q = log p + (1 - sum log p) / K. None unless every row gives probabilities."""
    if table.size == 0 or table.min() <= 0 or np.abs(table.sum(axis=1) - 1).max() > SUM_SLACK:
        return None
    logs = np.log(table)
    undone = logs + (1 - logs.sum(axis=1, keepdims=True)) / table.shape[1]
    return np.clip(undone, 0, 1) if undone.min() >= -SUM_SLACK and undone.max() <= 1 + SUM_SLACK else None


def _loss(bench: Bench, table: Floats) -> Floats:
    """Log loss of each case (n,)."""
    return -np.log(np.clip(table[np.arange(bench.n), bench.truth], CLIP, None))


def _mean(bench: Bench, values: Floats, level: float) -> tuple[float, float, float]:
    """Mean with the t interval on cluster sums."""
    mean = float(values.mean())
    sums = values - mean if bench.clusters is None else tally(bench.clusters, values - mean)
    groups = sums.size
    half = float(t_quantile(level, groups - 1)) * (groups / max(groups - 1, 1) * float((sums**2).sum())) ** 0.5 / bench.n
    return mean, mean - half, mean + half


def _better(bench: Bench, name: str, given: Floats, read: Floats) -> list[Diagnosis]:
    before, after = _loss(bench, given), _loss(bench, read)
    gain, least, _ = _mean(bench, before - after, 1 - 2 * bench.alpha)
    return _named(bench, name, float(before.mean()), after, gain) if least > 0 else []


def _better_than_shares(bench: Bench, name: str, read: Floats) -> list[Diagnosis]:
    """The scores as given have no log loss. Read so, they must be proven better than always answering with the shares of the classes."""
    shares = (tally(bench.truth, size=bench.classes) + 0.5) / (bench.n + bench.classes / 2)
    after = _loss(bench, read)
    gain, least, _ = _mean(bench, -np.log(shares[bench.truth]) - after, 1 - 2 * bench.alpha)
    return _named(bench, name, None, after, gain) if least > 0 else []


def _named(bench: Bench, name: str, value: float | None, after: Floats, gain: float) -> list[Diagnosis]:
    restored, low, high = _mean(bench, after, 0.95)
    numbers: dict[str, float | int | str | None] = {"gain": gain}
    return [Diagnosis(hypothesis=name, metric="log_loss", value=value, restored=restored, low=low, high=high, n=bench.n, numbers=numbers)]
