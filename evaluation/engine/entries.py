"""One entry of a report: a metric in a stratum, with its interval, the baseline beside it and the difference. The same shape for every task."""

from collections.abc import Sequence
from typing import Any

from evaluation.engine.estimates import Estimate, Gap

Entry = dict[str, Any]


def entry_of(
    metric: str,
    stratum: str,
    sides: Sequence[Estimate],
    gap: Gap | None,
    *,
    level: float,
    n: int,
    clusters: int,
    n_positive: int | None = None,
    caution: str | None = None,
    replicates: Sequence[float | None] = (),
) -> Entry:
    """Plain JSON values. `sides`: the candidate's estimate, and where there is one the baseline's; `n` cases in `clusters` of the stratum.

    `replicates`: the candidate's value of every run. `over_runs.OverRuns.enter` puts the figures over several of them in the artefact's place.
    """
    ours = sides[0]
    return {
        "metric": metric,
        "stratum": stratum,
        "value": ours.value,
        "low": ours.low,
        "high": ours.high,
        "level": level,
        "method": ours.method,
        "n": n,
        "n_positive": n_positive,
        "denominator": ours.n,
        "clusters": clusters,
        "baseline": {"value": sides[1].value, "low": sides[1].low, "high": sides[1].high, "n": n} if len(sides) > 1 else None,
        "difference": None if gap is None else dict(vars(gap)),
        "undefined": ours.undefined,
        "caution": None if ours.low is None else caution,
        "replicates": list(replicates),
    }
