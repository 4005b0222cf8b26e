"""A check judged on many hypothetical outcomes at once, with the rules and the arithmetic of `gates`.

Used where verdicts are asked for what could happen rather than for what did: the policy simulator draws outcomes, fragility alters a few
labels. The metric is accuracy, a paired proportion: only the numbers of newly wrong and newly right cases and of right ones enter.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from evaluation.engine.arrays import BadInput, Floats, ratio
from evaluation.engine.compare import mcnemar_loss, tango, tango_p_below
from evaluation.engine.gates import (
    Check,
    CheckResult,
    Decision,
    StratumVerdict,
    family,
    floor,
    no_proven_loss,
    no_regression,
    refuse_percent,
    too_few,
)
from evaluation.engine.intervals import exact_lower, exact_upper, t_quantile
from evaluation.engine.multiplicity import holm

JUDGED = ("no_regression", "no_proven_loss", "floor")


@dataclass(frozen=True, kw_only=True)
class Tallies:
    """What happened in each stratum, many times: counts (outcomes, strata), except for what every outcome shares (strata,).

    `lost` and `gained` are newly wrong and newly right, `right` the candidate's right cases, `n` all of them. With clusters (`clusters`
    holds their number, infinity where every case stands alone) `effect` is the design effect of the difference, `share_effect` that of the
    candidate's own share, `loss_p` the sign-flip test's p (NaN: McNemar's mid-P answers).
    """

    names: tuple[str, ...]
    n: Floats
    minimum: Floats
    clusters: Floats
    lost: Floats
    gained: Floats
    right: Floats
    effect: Floats
    share_effect: Floats
    loss_p: Floats

    def of(self, strata: Sequence[str]) -> "Tallies":
        """Only these strata. Raises BadInput for one that is not there."""
        unknown = [name for name in strata if name not in self.names]
        if unknown:
            raise BadInput(f"stratum {unknown[0]!r} is not among the {len(self.names)} strata of this set")
        at = [self.names.index(name) for name in strata]
        shared = {name: getattr(self, name)[at] for name in ("n", "minimum", "clusters")}
        counts = {name: getattr(self, name)[:, at] for name in ("lost", "gained", "right", "effect", "share_effect", "loss_p")}
        return Tallies(names=tuple(strata), **shared, **counts)


def alone(names: Sequence[str], n: Floats, *, lost: Floats, gained: Floats, right: Floats, minimum: Floats | None = None) -> Tallies:
    """Tallies of sets in which every case stands alone: `n` and `minimum` (strata,), the counts (outcomes, strata)."""
    ones = np.ones_like(lost)
    return Tallies(
        names=tuple(names),
        n=n,
        minimum=np.zeros_like(n) if minimum is None else minimum,
        clusters=np.full(n.shape, np.inf),
        lost=lost,
        gained=gained,
        right=right,
        effect=ones,
        share_effect=ones,
        loss_p=np.full(lost.shape, np.nan),
    )


def judge_tallies(check: Check, tallies: Tallies) -> list[CheckResult]:
    """The verdict of `check` over all strata of `tallies`, for each outcome. Equal to `gates.judge` on the same counts."""
    if check.kind not in JUDGED:
        raise BadInput(f"a check of kind {check.kind!r} is not judged on strata; one of {', '.join(JUDGED)} is")
    refuse_percent(check, 0.0, 1.0)
    least = np.where(check.min_n, check.min_n, tallies.minimum)
    few = [
        too_few(check, int(n), None if np.isinf(clusters) else int(clusters), int(minimum)) if n else "no_cases"
        for n, clusters, minimum in zip(tallies.n, tallies.clusters, least, strict=True)
    ]
    rule = {"no_regression": _regression, "no_proven_loss": _loss, "floor": _floors}[check.kind]
    return [family(check, [_verdict(tallies, *each) for each in enumerate(row)], ()) for row in rule(check, tallies, few)]


def _verdict(tallies: Tallies, stratum: int, decision: Decision) -> StratumVerdict:
    clusters = tallies.clusters[stratum]
    return StratumVerdict(
        stratum=tallies.names[stratum],
        result=decision[0],
        reason=decision[1],
        n=int(tallies.n[stratum]),
        clusters=None if np.isinf(clusters) else int(clusters),
    )


Rows = list[list[Decision]]


def _regression(check: Check, tallies: Tallies, few: list[str | None]) -> Rows:
    shrunk = (tallies.lost / tallies.effect, tallies.gained / tallies.effect, tallies.n / tallies.effect)
    degrees = tallies.clusters - 1
    low, _ = tango(*shrunk, quantile=np.broadcast_to(t_quantile(1 - 2 * check.alpha, degrees), tallies.lost.shape))
    p = tango_p_below(*shrunk, -check.margin)
    grouped = np.isfinite(degrees)
    p = np.where(grouped, special.stdtr(np.where(grouped, np.maximum(degrees, 1), 1), special.ndtri(p)), p)
    adjusted = _holm(np.where([reason is None for reason in few], p, np.nan))
    return [
        [no_regression(check, bound, each, reason) for bound, each, reason in zip(bounds, ps, few, strict=True)]
        for bounds, ps in zip(low.tolist(), adjusted.tolist(), strict=True)
    ]


def _loss(check: Check, tallies: Tallies, few: list[str | None]) -> Rows:
    p = np.where(np.isnan(tallies.loss_p), mcnemar_loss(tallies.lost, tallies.gained), tallies.loss_p)
    p, estimate = np.where(tallies.n > 0, p, np.nan), ratio(tallies.gained - tallies.lost, tallies.n)
    return [
        [no_proven_loss(check, value, each, reason) for value, each, reason in zip(values, ps, few, strict=True)]
        for values, ps in zip(estimate.tolist(), _holm(p).tolist(), strict=True)
    ]


def _floors(check: Check, tallies: Tallies, few: list[str | None]) -> Rows:
    k, n = tallies.right / tallies.share_effect, tallies.n / tallies.share_effect
    low, high = exact_lower(k, n, check.alpha), exact_upper(k, n, check.alpha)
    return [
        [floor(check, bottom, top, reason) for bottom, top, reason in zip(lows, highs, few, strict=True)]
        for lows, highs in zip(low.tolist(), high.tolist(), strict=True)
    ]


def _holm(p: Floats) -> Floats:
    return np.stack([holm(row) for row in p]) if len(p) else p
