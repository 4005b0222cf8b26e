"""Scores that are probabilities: whether they are, what each case costs (Brier, log loss), and how far they are from what happens (bins).

A score is taken as a probability only if it can be one: within 0..1 and, over several classes, adding up to 1. Otherwise the metrics here
are undefined, with the reason; nothing is clipped or rescaled.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from evaluation.engine.arrays import BadInput, Bools, Codes, Floats, Ints, floats, ratio, tally
from evaluation.engine.data import MISSING, Arm, Task
from evaluation.engine.strata import Block

SUM_TOLERANCE = 0.01  # rounding to two decimals is no reason to refuse a softmax
CLIP = 1e-15
BINS = 15


def fault(arm: Arm, task: Task, index: int | None) -> str | None:
    """Why the scores (of one class, or of all) are no probabilities; None where they are. Missing predictions are not looked at."""
    if arm.scores is None:
        return "no scores were given"
    answered = arm.labels != MISSING
    scores = arm.scores if index is None or arm.scores.ndim == 1 else arm.scores[:, index]
    low, high = (scores.min(), scores.max()) if scores.size else (0.0, 0.0)
    if not (low >= 0 and high <= 1):  # NaN of a missing prediction comes here too
        inside = (scores >= 0) & (scores <= 1)
        outside = int((~(inside if scores.ndim == 1 else inside.all(axis=1)) & answered).sum())
        if outside:
            return f"the scores are no probabilities: those of {outside} case{'s lie' if outside > 1 else ' lie'} outside 0 to 1"
    if scores.ndim == 2:
        off = int(((np.abs(scores.sum(axis=1) - 1) > SUM_TOLERANCE) & answered).sum())
        if off:
            return f"the scores are no probabilities: those of {off} case{'s do' if off > 1 else ' does'} not add up to 1"
    return None


def chance_of(arm: Arm, task: Task, index: int | None) -> Floats:
    """The probability (n,) of a class; with None the highest of each case (its confidence)."""
    assert arm.scores is not None  # `fault` has looked
    if index is None:
        return np.asarray(arm.scores.max(axis=1))
    if arm.scores.ndim == 2:
        return np.asarray(arm.scores[:, index])
    return arm.scores if index == task.positive else 1 - arm.scores


def came_true(arm: Arm, truth: Codes, index: int | None) -> Bools:
    """Per case whether the class was the truth; with None whether the class with the highest score (the first of equals) was."""
    assert arm.scores is not None  # `fault` has looked
    return np.asarray(truth == (arm.scores.argmax(axis=1) if index is None else index))


def losses(name: str, arm: Arm, task: Task, truth: Codes, index: int | None) -> Floats:
    """What each case costs (n,): `brier` the squared error (over all classes their sum, 0..2), `log_loss` -ln of the truth's probability.

    Probabilities are clipped to 1e-15 from 0 and 1 in the log loss only. NaN where the prediction is missing.
    """
    assert arm.scores is not None  # `fault` has looked
    if index is None:
        chosen = np.take_along_axis(arm.scores, truth[:, None].astype(np.int64), axis=1)[:, 0]
        if name == "brier":
            return np.asarray(np.einsum("ij,ij->i", arm.scores, arm.scores) - 2 * chosen + 1)
        return np.asarray(-np.log(np.clip(chosen, CLIP, 1 - CLIP)))
    chance, happened = chance_of(arm, task, index), came_true(arm, truth, index)
    if name == "brier":
        return np.asarray((chance - happened) ** 2)
    return np.asarray(-np.log(np.clip(np.where(happened, chance, 1 - chance), CLIP, 1 - CLIP)))


def places(arm: Arm, truth: Codes) -> Ints:
    """Place (n,) of the true class in the order of scores, 0 for the highest; among equals the classes' order decides."""
    assert arm.scores is not None  # the caller has looked
    own = np.take_along_axis(arm.scores, truth[:, None].astype(np.int64), axis=1)
    earlier = np.arange(arm.scores.shape[1]) < truth[:, None]
    return np.asarray(((arm.scores > own) | (earlier & (arm.scores == own))).sum(axis=1))


@dataclass(frozen=True)
class Bins:
    """Sums over bins, each (..., bins): cases, their scores, how many came true."""

    n: Floats
    score: Floats
    happened: Floats

    @property
    def gaps(self) -> Floats:
        """Mean score less rate, NaN in an empty bin."""
        return ratio(self.score - self.happened, self.n)

    def error(self, norm: str = "l1") -> Floats:
        """Expected calibration error (...): mean distance of score and rate weighted by cases; `l2` root of the mean square; `max`."""
        total = self.n.sum(axis=-1)
        if norm == "l1":
            return ratio(np.abs(self.score - self.happened).sum(axis=-1), total)
        gaps = np.abs(np.nan_to_num(self.gaps))
        if norm == "max":
            return np.where(total > 0, gaps.max(axis=-1), np.nan)
        return np.sqrt(ratio((self.n * gaps**2).sum(axis=-1), total))

    def debiased(self, effect: Floats | float = 1.0) -> Floats:
        """The l1 error less the bias that chance alone gives it (Kumar, Liang & Ma 2019), at least 0.

        Each bin's gap is taken as normal around what was seen; the mean of its absolute value exceeds the gap by a known amount. `effect`
        (..., bins) is by how much clusters inflate the variance of each bin's rate.
        """
        rate = np.nan_to_num(ratio(self.happened, self.n))
        spread = np.sqrt(np.maximum(np.nan_to_num(ratio(effect * rate * (1 - rate), self.n)), 0))
        gap = np.abs(np.nan_to_num(self.gaps))
        z = np.nan_to_num(ratio(gap, spread))
        folded = spread * np.sqrt(2 / np.pi) * np.exp(-(z**2) / 2) + gap * special.erf(z / np.sqrt(2))
        bias = np.where(spread > 0, folded - gap, 0.0)
        return np.maximum(self.error() - ratio((self.n * bias).sum(axis=-1), self.n.sum(axis=-1)), 0.0)

    def by_chance(self, effect: Floats | float, quantile: float) -> Bools:
        """Whether (...) a calibrated model would have such an l1 error: it is at most its mean + `quantile` * its standard deviation then."""
        rate = np.nan_to_num(ratio(self.happened, self.n))
        spread = np.sqrt(np.maximum(self.n * effect * rate * (1 - rate), 0))  # of the sum over a bin
        mean, variance = np.sqrt(2 / np.pi) * spread.sum(axis=-1), (1 - 2 / np.pi) * (spread**2).sum(axis=-1)
        return np.asarray(np.abs(self.score - self.happened).sum(axis=-1) <= mean + quantile * np.sqrt(variance))


def probabilities(chance: ArrayLike, bins: int = BINS) -> Floats:
    """A column (n,) of probabilities that are to be dealt into `bins`. Raises BadInput that names the first row which is none."""
    values = floats(chance)
    if values.ndim != 1 or bins < 1:
        raise BadInput(f"probabilities of shape {values.shape} in {bins} bins: there is one for each case, and at least one bin")
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        row = np.flatnonzero(~((values >= 0) & (values <= 1)))[0]
        raise BadInput(f"row {row}: {values[row]} is not a probability")
    return values


def equal_width(chance: ArrayLike, bins: int = BINS) -> Codes:
    """Bin (n,) of each probability: [0, 1/bins), …, the last one closed."""
    chance = probabilities(chance, bins)
    return np.asarray(np.minimum((chance * bins).astype(np.min_scalar_type(bins)), bins - 1))


def bins_of(chance: Floats, happened: Bools, bin_of: Codes, block: Block, bins: int = BINS) -> Bins:
    """Sums (strata, bins) of values given per row of the block."""
    cell = block.codes.astype(np.int64) * bins + bin_of
    n, score, true = (tally(cell, weights, block.size * bins).reshape(-1, bins) for weights in (None, chance, happened))
    return Bins(n, score, true)


def bin_effects(bins: Bins, happened: Bools, bin_of: Codes, block: Block) -> Floats | float:
    """By how much the block's clusters inflate the variance of each bin's rate (strata, bins); 1 where every case stands alone."""
    if block.units is None:
        return 1.0
    size = bins.n.shape[-1]
    rate = np.nan_to_num(ratio(bins.happened, bins.n))
    off = happened - rate.ravel()[block.codes.astype(np.int64) * size + bin_of]
    sums = tally(block.units.unit * size + bin_of, off, block.units.count * size).reshape(-1, size)
    squares = np.stack([tally(block.units.stratum, column**2, block.size) for column in sums.T], axis=-1)
    return np.where(rate * (1 - rate) > 0, ratio(squares, bins.n * rate * (1 - rate)), 1.0)
