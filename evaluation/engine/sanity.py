"""Is the output of a model what it claims to be? Findings about scores and labels, each with a code, its numbers and a severity.

Codes: `non_finite`, `out_of_range`, `constant_output`, `rounded_scores`, `tied_scores`, `saturated_scores`, `constant_label`. An `error`
makes a gating sanity check fail; a `warn` is shown. No sentence is written here: they are made, and translated, where they are shown.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from evaluation.engine.arrays import Bools, Codes, Floats
from evaluation.engine.auc import auc_by_stratum
from evaluation.engine.ranked import Ranking, rank
from evaluation.engine.strata import Block

Severity = Literal["error", "warn"]
FLOAT32 = 6e-8  # half a unit in the last place of a float32 near 1: scores may have been stored so
TIES_THAT_MATTER = 0.01  # share of tied positive-negative pairs; the AUC is then uncertain by half of it


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One finding. `numbers` hold only JSON values; `class` is named in them where a finding concerns one score column."""

    code: str
    severity: Severity
    numbers: dict[str, float | int | str | None] = field(default_factory=dict)


def score_findings(
    scores: Floats,
    truth: Codes,
    classes: Sequence[str],
    *,
    positive: int | None,
    answered: Bools,
    ranking: Callable[[int], Ranking] | None = None,
) -> list[Finding]:
    """Findings about one replicate's scores.

    `scores` (n, K), or (n,) for the positive class; `truth` (n,) class codes; `answered` (n,) is False where the prediction is missing; its
    scores are ignored. `ranking` gives a class's scores already sorted. Non-finite scores end the search.
    """
    columns = scores[:, None] if scores.ndim == 1 else scores
    if scores.ndim == 2 and positive is not None:
        columns, scores = scores[:, [positive]], scores[:, positive]
    rows = np.flatnonzero(answered)
    values = columns if rows.size == len(columns) else columns[rows]
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size:
        return [
            Finding(
                code="non_finite", severity="error", numbers={"rows": int(bad.size), "first_row": int(rows[bad[0]]), "of": int(rows.size)}
            )
        ]
    if values.size == 0:
        return []
    found = _range(values)
    for column in range(values.shape[1]):
        chosen = positive if values.shape[1] == 1 and positive is not None else column
        ranked = ranking(chosen) if ranking is not None and rows.size == len(columns) else rank(values[:, column])
        found += _column(values[:, column], truth[rows] == chosen, classes[chosen], ranked)
    return found


def label_findings(labels: Codes, truth: Codes, classes: Sequence[str]) -> list[Finding]:
    """One label for every case although the truth has several (20 cases or more)."""
    answered = labels[labels >= 0]
    if answered.size < 20 or answered.min() != answered.max() or np.unique(truth).size < 2:
        return []
    return [Finding(code="constant_label", severity="error", numbers={"class": classes[int(answered[0])], "n": int(answered.size)})]


def _range(values: Floats) -> list[Finding]:
    low, high = float(values.min()), float(values.max())
    outside = int(((values < 0) | (values > 1)).sum())
    if not outside:
        return []
    return [Finding(code="out_of_range", severity="warn", numbers={"values": outside, "lowest": low, "highest": high})]


def _column(values: Floats, positive: Bools, name: str, ranking: Ranking) -> list[Finding]:
    n = values.size
    distinct = ranking.distinct
    if distinct == 1 and n > 1:
        return [Finding(code="constant_output", severity="error", numbers={"class": name, "n": n, "value": float(values[0])})]
    whole = Block(("all",), np.arange(n), np.zeros(n, dtype=np.int64), n, None)
    auc = auc_by_stratum(ranking, positive, whole)
    defined = bool(np.isfinite(auc.value[0]))
    tied = float(auc.tied_pairs[0]) if defined else None
    numbers: dict[str, float | int | str | None] = {"class": name, "n": n, "distinct": distinct, "tied_pairs": tied}
    if defined and tied is not None:
        value = float(auc.value[0])
        numbers |= {"auc": value, "auc_low": max(value - tied / 2, 0.0), "auc_high": min(value + tied / 2, 1.0)}
    grave = tied is not None and tied >= TIES_THAT_MATTER
    found = []
    grid = granularity(values)
    if grid is not None:
        found.append(
            Finding(code="rounded_scores", severity="error" if grave or grid == "0" else "warn", numbers={"grid": grid, **numbers})
        )
    elif grave:
        found.append(Finding(code="tied_scores", severity="warn", numbers=numbers))
    zero, one = float((values == 0).mean()), float((values == 1).mean())
    if zero + one >= 0.1 and grid != "0":
        found.append(
            Finding(code="saturated_scores", severity="warn", numbers={"class": name, "n": n, "share_zero": zero, "share_one": one})
        )
    return found


def granularity(values: Floats) -> str | None:
    """The coarsest grid on which all scores lie: decimals "0" to "6", "1/255", or None. Fewer than 10 scores say nothing.

    "2" is the grid of hundredths. A float32 copy of a rounded score still counts as rounded.
    """
    if values.size < 10:
        return None
    for grid, steps in (("0", 1), ("1", 10), ("2", 100), ("1/255", 255), ("3", 1e3), ("4", 1e4), ("5", 1e5), ("6", 1e6)):
        if _on_grid(values[:500], steps) and _on_grid(values, steps):
            return grid
    return None


def _on_grid(values: Floats, steps: float) -> bool:
    scaled = values * steps
    return bool(np.all(np.abs(scaled - np.round(scaled)) <= np.maximum(1.0, np.abs(scaled)) * FLOAT32 * 2 + 1e-9))
