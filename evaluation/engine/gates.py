"""Three-valued verdicts of policy checks: pass, fail, not enough evidence (and error, not run).

A check judges one metric over a family of strata. Passing is an intersection–union test: every stratum at its own one-sided alpha, no
correction. Failing is "some stratum regressed": Holm over the family. Results are codes and numbers; the sentences are written, and
translated, by whoever shows them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypedDict, Unpack

import numpy as np

from evaluation.engine.arrays import BadInput
from evaluation.engine.evidence import AucLevel, Difference, Level
from evaluation.engine.multiplicity import holm
from evaluation.engine.sanity import Finding


class Result(StrEnum):
    PASS = "pass"  # noqa: S105 - a verdict, not a secret
    FAIL = "fail"
    NOT_ENOUGH = "not_enough_evidence"
    ERROR = "error"
    NOT_RUN = "not_run"
    WAIVED = "waived"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check of a policy. `margin`, `eps`, `floor` are fractions; `alpha` is one-sided; `if_too_few` is block, accept or inform."""

    name: str
    kind: str
    role: str = "gating"
    alpha: float = 0.05
    margin: float = 0.0
    eps: float = 0.0
    floor: float = 0.0
    min_n: int = 0
    min_clusters: int = 20
    if_too_few: str = "block"

    def __post_init__(self) -> None:
        if not 0 < self.alpha <= 0.5:
            raise BadInput(f"check {self.name!r}: alpha lies between 0 and 0.5, and {self.alpha} does not; 5 percent are 0.05")
        if not (0 <= self.margin < np.inf and 0 <= self.eps < np.inf and np.isfinite(self.floor)):
            raise BadInput(
                f"check {self.name!r}: margin and eps are sizes, not below 0, and the floor is finite; not {self.margin}, {self.eps} and {self.floor}"
            )


@dataclass(frozen=True, kw_only=True)
class StratumEvidence:
    """One stratum's numbers for one check, of replicate 0 on both sides, oriented so that larger is better.

    `n` counts the cases that the metric is about; `clusters` is None where every case stands alone. `undefined` says why there is no
    number; `invalid` counts non-finite answers of a served model, which make the stratum an error. `min_n` is the stratum's own minimum
    where the check has none. `limits` are the least and the largest value of the metric itself, not turned round: of a share unless stated, infinite for a
    metric in units of its own.
    """

    stratum: str
    n: int
    clusters: int | None = None
    difference: Difference | None = None
    level: Level | None = None
    undefined: str | None = None
    invalid: int = 0
    min_n: int = 0
    limits: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class StratumVerdict:
    """The result in one stratum. `reason` is a code: proven_loss, margin_exceeded, below_floor, too_few_cases, too_few_clusters,
    too_few_per_class, undefined, invalid_answers, bound_inside_margin ..; `inside_margin` marks a loss that is proven but smaller than
    the margin."""

    stratum: str
    result: Result
    reason: str
    n: int
    clusters: int | None
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    n_needed: int | None = None
    n_needed_upper: int | None = None
    min_n: int | None = None
    detectable_loss: float | None = None
    inside_margin: bool = False


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """The verdict of one check. `n` and `n_needed` are those of the stratum that decided it."""

    name: str
    kind: str
    role: str
    result: Result
    strata: tuple[StratumVerdict, ...]
    accepted: tuple[str, ...] = ()
    decided_by: str | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def deciding(self) -> StratumVerdict | None:
        return next((verdict for verdict in self.strata if verdict.stratum == self.decided_by), None)

    @property
    def n(self) -> int | None:
        return self.deciding.n if self.deciding else None

    @property
    def n_needed(self) -> int | None:
        return self.deciding.n_needed if self.deciding else None


class Numbers(TypedDict, total=False):
    """The numeric fields of a `StratumVerdict` that a rule may fill."""

    estimate: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    n_needed: int | None
    n_needed_upper: int | None
    detectable_loss: float | None
    inside_margin: bool


def judge(check: Check, evidence: Sequence[StratumEvidence], *, accepted: Collection[str] = ()) -> CheckResult:
    """Judge a family: `no_regression`, `no_proven_loss` or `floor`. `accepted` names the strata that a person accepted although too few.

    Raises BadInput for another kind.
    """
    rules = {"no_regression": _no_regression, "no_proven_loss": _no_proven_loss, "floor": _floor}
    if check.kind not in rules:
        raise BadInput(f"a check of kind {check.kind!r} is not judged on strata; one of {', '.join(rules)} is")
    for item in evidence:
        refuse_percent(check, *item.limits)
    p = np.array([_p(check, item) for item in evidence], dtype=np.float64)
    adjusted = holm(p)
    verdicts = [_refused(check, item) or rules[check.kind](check, item, p[i], adjusted[i]) for i, item in enumerate(evidence)]
    return family(check, verdicts, accepted)


def refuse_percent(check: Check, low: float, high: float) -> None:
    """A metric between `low` and `high` differs by `high` - `low` at most: of a share a margin of 5 would always pass. Infinite limits allow anything."""
    for name, value, most in (("margin", check.margin, high - low), ("eps", check.eps, high - low), ("floor", check.floor, high)):
        if value > most:
            raise BadInput(
                f"check {check.name!r}: a {name} of {value:g} is beyond a metric that lies between {low:g} and {high:g}; "
                f"{value:g} percent are {value / 100:g}"
            )


def _p(check: Check, item: StratumEvidence) -> float:
    """Raw p of the failing claim; NaN where the stratum takes no part in the family."""
    if item.difference is None or _unusable(item):
        return float("nan")
    if check.kind == "no_proven_loss":
        return item.difference.p_loss()
    if check.kind == "no_regression" and not _too_few(check, item):
        return item.difference.p_below(-check.margin)
    return float("nan")


def _unusable(item: StratumEvidence) -> bool:
    return item.undefined is not None or item.invalid > 0 or item.n == 0


def _minimum(check: Check, item: StratumEvidence) -> int:
    return check.min_n or item.min_n


def _too_few(check: Check, item: StratumEvidence) -> str | None:
    return too_few(check, item.n, item.clusters, _minimum(check, item))


def too_few(check: Check, n: int, clusters: int | None, minimum: int) -> str | None:
    """The code of what is too little in a stratum, or None. `clusters` is None where every case stands alone."""
    if n < minimum:
        return "too_few_cases"
    return "too_few_clusters" if clusters is not None and clusters < check.min_clusters else None


def _refused(check: Check, item: StratumEvidence) -> StratumVerdict | None:
    """A verdict that needs no arithmetic: invalid answers, or nothing to compute with."""
    if item.invalid:
        return _verdict(check, item, Result.ERROR, "invalid_answers")
    wanted = item.level if check.kind == "floor" else item.difference
    if item.undefined is not None or wanted is None or item.n == 0:
        return _verdict(check, item, Result.NOT_ENOUGH, "undefined" if item.n else "no_cases")
    return None


def _verdict(check: Check, item: StratumEvidence, result: Result, reason: str, **numbers: Unpack[Numbers]) -> StratumVerdict:
    minimum = _minimum(check, item)
    unmet = minimum if item.n < minimum else None
    if unmet is not None:
        numbers["n_needed"] = max(numbers.get("n_needed") or 0, unmet)
    return StratumVerdict(stratum=item.stratum, result=result, reason=reason, n=item.n, clusters=item.clusters, min_n=unmet, **numbers)


def _compared(check: Check, item: StratumEvidence, p: float, adjusted: float) -> tuple[Difference, Numbers]:
    difference = item.difference
    assert difference is not None  # _refused has answered otherwise
    low, high = difference.bounds(check.alpha)
    tested = not np.isnan(p)
    return difference, {
        "estimate": difference.estimate,
        "low": low,
        "high": high,
        "p": float(p) if tested else None,
        "p_holm": float(adjusted) if tested else None,
        "detectable_loss": difference.detectable(check.alpha),
    }


def _no_regression(check: Check, item: StratumEvidence, p: float, adjusted: float) -> StratumVerdict:
    """Not worse than the margin: pass on the lower bound, fail on the Holm-adjusted p of H0 d >= -margin, never on the estimate."""
    difference, numbers = _compared(check, item, p, adjusted)
    low, high = numbers.get("low"), numbers.get("high")
    assert low is not None  # _compared has filled both
    assert high is not None
    numbers["inside_margin"] = high < 0 and low > -check.margin
    if low <= -check.margin:
        numbers["n_needed"], numbers["n_needed_upper"] = difference.needed(check.margin, check.alpha)
    return _verdict(check, item, *no_regression(check, low, adjusted, _too_few(check, item)), **numbers)


def _no_proven_loss(check: Check, item: StratumEvidence, p: float, adjusted: float) -> StratumVerdict:
    """A guard.

    Fails on a proven loss of practical size, else it stands. A proven loss counts below the minimum n too: the test is exact at any
    n.
    """
    _, numbers = _compared(check, item, p, adjusted)
    estimate = numbers.get("estimate")
    assert estimate is not None  # _compared has filled it
    return _verdict(check, item, *no_proven_loss(check, estimate, adjusted, _too_few(check, item)), **numbers)


def _floor(check: Check, item: StratumEvidence, _p: float, _adjusted: float) -> StratumVerdict:
    """Pass when the lower bound reaches the floor, fail when the upper bound lies below it."""
    level = item.level
    assert level is not None  # _refused has answered otherwise
    low, high = level.bounds(check.alpha)
    numbers: Numbers = {"estimate": level.estimate, "low": low, "high": high}
    numbers["n_needed"] = level.needed(check.floor, check.alpha) if low < check.floor <= high else None
    few = _too_few(check, item)
    if few is None and isinstance(level, AucLevel) and level.smaller_class < AucLevel.LEAST_PER_CLASS:
        few = "too_few_per_class"
    return _verdict(check, item, *floor(check, low, high, few), **numbers)


Decision = tuple[Result, str]


def no_regression(check: Check, low: float, adjusted: float, few: str | None) -> Decision:
    """The rule on one stratum's lower bound and Holm-adjusted p of H0 d >= -margin; `few` says why there are too few cases, or None."""
    if few:
        return Result.NOT_ENOUGH, few
    if low > -check.margin:
        return Result.PASS, "bound_inside_margin"
    return (Result.FAIL, "margin_exceeded") if adjusted <= check.alpha else (Result.NOT_ENOUGH, "bound_beyond_margin")


def no_proven_loss(check: Check, estimate: float, adjusted: float, few: str | None) -> Decision:
    """The rule on one stratum's estimate and Holm-adjusted p of H0 d >= 0."""
    if adjusted <= check.alpha and estimate <= -check.eps + 1e-12:
        return Result.FAIL, "proven_loss"
    if few:
        return Result.NOT_ENOUGH, few
    return Result.PASS, "small_loss" if adjusted <= check.alpha else "no_loss_proven"


def floor(check: Check, low: float, high: float, few: str | None) -> Decision:
    """The rule on one stratum's one-sided bounds."""
    if few:
        return Result.NOT_ENOUGH, few
    if low >= check.floor:
        return Result.PASS, "bound_above_floor"
    return (Result.FAIL, "below_floor") if high < check.floor else (Result.NOT_ENOUGH, "floor_inside_interval")


def family(check: Check, verdicts: Sequence[StratumVerdict], accepted: Collection[str]) -> CheckResult:
    """Error, then fail, then what is missing.

    Accepted strata count as passed and are named; with `inform` strata with too few cases are only told.
    """
    taken = tuple(v.stratum for v in verdicts if v.result == Result.NOT_ENOUGH and v.stratum in accepted and check.if_too_few == "accept")
    missing = [v for v in verdicts if v.result == Result.NOT_ENOUGH and v.stratum not in taken and check.if_too_few != "inform"]
    passed = [v for v in verdicts if v.result == Result.PASS]
    result, decided = Result.NOT_ENOUGH, _hardest(missing)
    for wanted in (Result.ERROR, Result.FAIL):
        hit = [v for v in verdicts if v.result == wanted]
        if hit and result == Result.NOT_ENOUGH:
            result, decided = wanted, _worst(hit)
    stands = check.kind == "no_proven_loss" and bool(passed)  # a guard that stands claims only that no loss is proven
    if result == Result.NOT_ENOUGH and (stands or (not missing and (passed or taken))):
        result, decided = Result.PASS, _worst(passed)
    if not verdicts:
        result = Result.NOT_RUN
    name = decided.stratum if decided else None
    return CheckResult(
        name=check.name, kind=check.kind, role=check.role, result=result, strata=tuple(verdicts), accepted=taken, decided_by=name
    )


def _worst(verdicts: Sequence[StratumVerdict]) -> StratumVerdict | None:
    return min(
        verdicts, key=lambda v: (v.p_holm if v.p_holm is not None else 2.0, v.low if v.low is not None else 2.0, v.stratum), default=None
    )


def _hardest(verdicts: Sequence[StratumVerdict]) -> StratumVerdict | None:
    """The stratum that needs the most cases; one that nothing can reach comes first."""
    return max(verdicts, key=lambda v: (v.n_needed is None, v.n_needed or 0, v.stratum), default=None)


def coverage(check: Check, *, expected: int, answered: int, least: float = 1.0) -> CheckResult:
    """Every case answered (or the share `least` of them): deterministic."""
    share = answered / expected if expected else 0.0
    result = Result.NOT_ENOUGH if not expected else Result.PASS if share >= least else Result.FAIL
    verdict = StratumVerdict(stratum="all", result=result, reason="coverage", n=answered, clusters=None, estimate=share, n_needed=expected)
    return CheckResult(name=check.name, kind=check.kind, role=check.role, result=result, strata=(verdict,), decided_by="all")


def sane(check: Check, findings: Sequence[Finding]) -> CheckResult:
    """Score sanity: non-finite scores are an error, any other finding of severity error fails the check, warnings are carried along."""
    codes = {finding.code for finding in findings if finding.severity == "error"}
    result = Result.ERROR if "non_finite" in codes else Result.FAIL if codes else Result.PASS
    return CheckResult(name=check.name, kind=check.kind, role=check.role, result=result, strata=(), findings=tuple(findings))


def overall(checks: Sequence[tuple[str, Result]]) -> Result:
    """Verdict of (role, result) pairs. `watch` never decides; a release without a gating check is not enough evidence, never a pass."""
    deciding = [result for role, result in checks if role in {"gating", "guard"}]
    gating = [result for role, result in checks if role == "gating"]
    if Result.ERROR in deciding:
        return Result.ERROR
    if Result.FAIL in deciding:
        return Result.FAIL
    if gating and all(result in {Result.PASS, Result.WAIVED} for result in gating):
        return Result.PASS
    return Result.NOT_ENOUGH
