"""What a hypothesis must show to be named: the answers read its way are right more often, by a margin, and beyond chance."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evaluation.engine.arrays import Bools, Floats, Ints, ratio, tally
from evaluation.engine.auc import auc_interval
from evaluation.engine.compare import design_effect, tango_bound
from evaluation.engine.intervals import normal_quantile, wilson
from evaluation.engine.plain_auc import plain_auc
from evaluation.engine.seeds import half_of

ALPHA = 0.01  # false alarms of a whole autopsy on an honest model, at most
MARGIN = 0.1  # a fault of the interface costs more than this of the mean recall of the classes it touches

Numbers = dict[str, float | int | str | None]


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """One hypothesis that explains the figures.

    `metric` is `value` as the answers stand (None: undefined) and would be `restored` without the fault, with its 95 % interval. `restored`
    is None where the fault destroyed what is needed to say it; `low` and `high` then bound it. `n` cases; `numbers` hold the evidence.
    """

    hypothesis: str
    metric: str
    value: float | None
    restored: float | None
    low: float | None
    high: float | None
    n: int
    numbers: Numbers = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Bench:
    """The cases hypotheses are tried on: `truth` (n,) codes in 0..classes-1, `clusters` (n,) dense codes or None, alpha of one hypothesis."""

    truth: Ints
    classes: int
    clusters: Ints | None
    alpha: float

    @property
    def n(self) -> int:
        return self.truth.size

    def halves(self, seed: bytes) -> Bools:
        """A random half of the clusters (n,): what is fitted on one half is judged on the other."""
        return half_of(np.arange(self.n) if self.clusters is None else self.clusters, seed)

    def judge(
        self, hypothesis: str, before: Ints, after: Ints, numbers: Numbers, *, tried: int = 1, touched: int = 0, margin: float = MARGIN
    ) -> list[Diagnosis]:
        """The diagnosis if the labels `after` (n,) are right more often than `before`, else nothing; -1 is never right.

        Proven at alpha / `tried`: a gain in accuracy (Tango), and a gain in mean recall beyond chance, which a model that says one thing too
        often does not have under any reading. The latter is at least `margin` over the `touched` classes (0: all), and so is what is left
        when `before` was worse than chance. `after` may not have been chosen by looking at the truth of the same cases.
        """
        was, now = before == self.truth, after == self.truth
        lost, gained = int((was & ~now).sum()), int((now & ~was).sum())
        if gained <= lost:
            return []
        effect, alpha = self._effect(was, now, lost, gained), self.alpha / tried
        if not all(self._beyond(start, after, effect, alpha, margin, touched) for start in (before, np.full(self.n, -1))):
            return []
        least = float(tango_bound(lost / effect, gained / effect, self.n / effect, alpha)[0])
        if least <= 0:
            return []
        share = float(now.mean())
        low, high = wilson(share * self.n / effect, self.n / effect)
        evidence = {"newly_right": gained, "newly_wrong": lost, "gain_at_least": least, **numbers}
        return [
            Diagnosis(
                hypothesis=hypothesis,
                metric="accuracy",
                value=float(was.mean()),
                restored=share,
                low=float(low),
                high=float(high),
                n=self.n,
                numbers=evidence,
            )
        ]

    def _effect(self, was: Bools, now: Bools, lost: int, gained: int) -> float:
        if self.clusters is None:
            return 1.0
        return float(design_effect(tally(self.clusters, now.astype(np.float64) - was), tally(self.clusters), lost, gained))

    def _beyond(self, before: Ints, after: Ints, effect: float, alpha: float, margin: float, touched: int) -> bool:
        """Is the gain in mean recall beyond chance, over the classes present, proven and at least the margin?

        Answers that are one of the classes present, divided by the number of those, are the chance level: answers that do not depend on the
        truth stay at it, whatever they are renamed to. One case that gained and one that lost are added to each class, so that the variance
        is never 0.
        """
        n = tally(self.truth, size=self.classes)
        present = int((n > 0).sum())
        usual = np.append(np.where(n > 0, 1 / present, 0.0), 0.0)  # the last one serves -1
        change = (after == self.truth) - usual[after] - (before == self.truth) + usual[before]
        mean = np.nan_to_num(ratio(tally(self.truth, change, self.classes), n))
        squares = tally(self.truth, change**2, self.classes) + 2 - (n * mean) ** 2 / (n + 2)
        spread = float(np.where(n > 0, squares / (n + 2) ** 2, 0.0).sum()) / present**2
        gain = float(mean.sum()) / present
        return gain >= margin * (touched or present) / present and gain > normal_quantile(1 - 2 * alpha) * (effect * spread) ** 0.5

    def auc(self, scores: Floats, positive: Bools, level: float = 0.95) -> tuple[float, float, float]:
        """AUC with its interval; NaN without both classes."""
        value, variance, smaller = plain_auc(scores, positive, self.clusters)
        low, high, _ = auc_interval(value, variance, smaller, level)
        return float(value[0]), float(low[0]), float(high[0])

    def macro_auc(self, scores: Floats) -> float | None:
        """Mean AUC of the classes that have positives and negatives; None where there is none. Shows whether the ranks survived a fault."""
        values = [self.auc(scores[:, k], self.truth == k)[0] for k in range(self.classes)]
        defined = [value for value in values if np.isfinite(value)]
        return float(np.mean(defined)) if defined else None


def explained(found: list[Diagnosis], order: tuple[str, ...]) -> list[Diagnosis]:
    """Best explanation first: by what is restored, in hundredths; among equals the simpler hypothesis, which stands earlier in `order`."""
    return sorted(found, key=lambda each: (-round(each.restored or 0.0, 2), order.index(each.hypothesis)))


def softmax(logits: Floats) -> NDArray[np.float64]:
    """Row-wise softmax (n, K)."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
