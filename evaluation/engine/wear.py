"""A test set wears out by being looked at: what each look costs, ways to look that cost less, and the direct measurement on fresh cases.

Sources: Bonferroni for k looks chosen beforehand; Blum & Hardt 2015 (Ladder, with and without a step); Dwork et al. 2015 (Thresholdout). States
are small and plain, so that a worker can keep them as JSON; random numbers come from a Generator that is given.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from evaluation.engine.arrays import BadInput, Floats, Ints, booleans, floats, tally
from evaluation.engine.data import cluster_codes
from evaluation.engine.intervals import open_share, ratio_variance, t_quantile


def widening(looks: ArrayLike, level: float = 0.95) -> Floats:
    """Factor by which an interval widens so that `looks` of them, chosen beforehand, hold together: 1.43 for 10, 1.78 for 100.

    Looks that depend on earlier answers need more; no factor is right for them, which is what Ladder and fresh cases are for.
    """
    looks = floats(looks)
    if not np.all(looks >= 1):
        raise BadInput("a set that was not looked at has no widening; looks count from 1")
    tail = (1 - open_share("the level", level)) / 2
    return np.asarray(special.ndtri(1 - tail / looks) / special.ndtri(1 - tail))


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """What has been published so far: the best value (higher is better), and each published model's case scores where no step is given."""

    best: float | None = None


def climb(ladder: Ladder, scores: ArrayLike, best_scores: ArrayLike | None = None, *, step: float | None = None) -> tuple[Ladder, float]:
    """Publish a mean only if it beats the best by enough; else repeat the best. Returns (new state, the published value).

    `scores` (n,) in [0, 1] are a model's per-case scores. With `step` eta: it must beat the best by eta, and is rounded to a multiple of it. Without: by
    the standard error of the paired difference from `best_scores` (n,), the best model's scores, and is rounded to 1/n.
    """
    values = _scores(scores)
    if step is not None and not step > 0:
        raise BadInput(f"a step lies above 0, not at {step}")
    mean, unit = float(values.mean()), step or 1 / values.size
    margin = step or 0.0
    if step is None and ladder.best is not None:
        if best_scores is None or floats(best_scores).shape != values.shape:
            raise BadInput(f"without a step the best model's scores are needed, one for each of the {values.size} cases")
        difference = values - _scores(best_scores)
        margin = float(difference.std(ddof=1) / values.size**0.5) if values.size > 1 else 1.0
    if ladder.best is not None and not mean > ladder.best + margin:
        return ladder, ladder.best
    published = round(mean / unit) * unit
    return Ladder(best=published), published


def _scores(scores: ArrayLike) -> Floats:
    values = floats(scores)
    if values.size == 0 or not np.all((values >= 0) & (values <= 1)):
        raise BadInput("scores lie in 0..1, and there is at least one")
    return values


@dataclass(frozen=True, kw_only=True)
class Thresholdout:
    """`threshold` and `sigma` as fractions of the metric, `budget` answers left from the sealed part, `noise` the threshold's present shift."""

    threshold: float
    sigma: float
    budget: int
    noise: float

    @classmethod
    def start(cls, *, threshold: float, sigma: float, budget: int, rng: np.random.Generator) -> "Thresholdout":
        if not (threshold > 0 and sigma > 0 and budget >= 1):
            raise BadInput("threshold, sigma and budget are positive")
        return cls(threshold=threshold, sigma=sigma, budget=budget, noise=float(rng.laplace(0, 2 * sigma)))


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is published: `value` (None when the budget is spent) from the open or the sealed part."""

    value: float | None
    source: Literal["open", "sealed", "spent"]


def ask(state: Thresholdout, open_mean: float, sealed_mean: float, rng: np.random.Generator) -> tuple[Thresholdout, Answer]:
    """One question: the open part answers while both agree within the noisy threshold; else the sealed part, with noise, and the budget shrinks.

    Raises BadInput for a mean that is not finite: it would be taken for a disagreement.
    """
    if not np.isfinite([open_mean, sealed_mean]).all():
        raise BadInput("a question is about two finite means; nothing was answered and the budget is what it was")
    if state.budget < 1:
        return state, Answer(value=None, source="spent")
    if abs(sealed_mean - open_mean) <= state.threshold + state.noise + float(rng.laplace(0, 4 * state.sigma)):
        return state, Answer(value=open_mean, source="open")
    value = sealed_mean + float(rng.laplace(0, state.sigma))
    spent = replace(state, budget=state.budget - 1, noise=float(rng.laplace(0, 2 * state.sigma)))
    return spent, Answer(value=value, source="sealed")


@dataclass(frozen=True, kw_only=True)
class FreshGap:
    """How much the candidate gained on old cases over fresh ones, beyond what an old frozen model shows: negative and `worn` = worn out.

    `value` = (candidate fresh - candidate old) - (anchor fresh - anchor old) with its interval; None with a reason where a side has fewer than two
    clusters; without an interval, and never `worn`, where nothing varies.
    """

    value: float | None
    low: float | None
    high: float | None
    method: str | None
    n_fresh: int
    n_old: int
    clusters_fresh: int
    clusters_old: int
    worn: bool
    undefined: str | None = None


def fresh_gap(
    candidate: ArrayLike,
    anchor: ArrayLike,
    fresh: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
) -> FreshGap:
    """What the tuned model gained on old cases over fresh ones, beyond what an old model shows.

    `candidate` and `anchor` (n,) are per-case scores of the model that was tuned with the set and of an old one that was not; `fresh` (n,)
    marks cases that arrived after the last look. Student's interval on cluster sums with Satterthwaite's degrees of freedom: fresh clusters
    are few, and a percentile bootstrap of three of them calls too many sound sets worn. Raises BadInput for shapes
    that do not fit and scores that are not finite.
    """
    new, old = floats(candidate), floats(anchor)
    is_fresh = booleans(fresh, "fresh")
    codes = cluster_codes(clusters, new.size)
    group = np.arange(new.size) if codes is None else codes
    if not (new.shape == old.shape == is_fresh.shape == group.shape and new.ndim == 1):
        raise BadInput(f"candidate, anchor, fresh and clusters are arrays of one length; the candidate has {new.size} cases")
    if not (np.isfinite(new).all() and np.isfinite(old).all()):
        raise BadInput(f"row {int(np.flatnonzero(~(np.isfinite(new) & np.isfinite(old)))[0])}: the score is not finite")
    sides = [_cluster_sums((new - old)[part], group[part]) for part in (is_fresh, ~is_fresh)]
    gap = FreshGap(
        value=None,
        low=None,
        high=None,
        method=None,
        n_fresh=int(is_fresh.sum()),
        n_old=int((~is_fresh).sum()),
        clusters_fresh=sides[0][0].size,
        clusters_old=sides[1][0].size,
        worn=False,
    )
    if min(sums.size for sums, _ in sides) < 2:
        return replace(gap, undefined=f"fewer than two clusters are {'fresh' if sides[0][0].size < 2 else 'old'}")
    means = [float(sums.sum() / sizes.sum()) for sums, sizes in sides]
    value = means[0] - means[1]
    variances = np.array([float(ratio_variance(*side)) for side in sides])
    total = float(variances.sum())
    if not total > 0:
        return replace(gap, value=value, undefined="no interval: the models differ alike on all clusters")
    degrees = total**2 / sum(variance**2 / (sums.size - 1) for variance, (sums, _) in zip(variances.tolist(), sides, strict=True))
    half = float(t_quantile(level, degrees)) * total**0.5
    return replace(gap, value=value, low=value - half, high=value + half, method="student on cluster sums", worn=value + half < 0)


def _cluster_sums(values: Floats, group: NDArray[np.generic]) -> tuple[Floats, Floats]:
    keys, codes = np.unique(group, return_inverse=True)
    unit: Ints = codes.astype(np.int64)
    return tally(unit, values, keys.size), tally(unit, None, keys.size)
