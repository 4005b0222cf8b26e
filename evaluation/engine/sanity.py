"""Is the output of a model what it claims to be? Findings about scores and labels, each with a code, its numbers and a severity.

Codes: `non_finite`, `out_of_range`, `sums_off`, `constant_output`, `rounded_scores`, `tied_scores`, `saturated_scores`, `constant_label`,
`cached_answers`, `answers_in_a_row`, `canary_changed`. An `error` makes a gating sanity check fail; a `warn` is shown. No sentence is
written here: they are made, and translated, where they are shown.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.engine.arrays import BadInput, Bools, Codes, Floats, Ints, floats, integers, ratio, tally
from evaluation.engine.auc import auc_by_stratum
from evaluation.engine.ranking import Ranking, rank
from evaluation.engine.strata import Block

Severity = Literal["error", "warn"]
FLOAT32 = 6e-8  # half a unit in the last place of a float32 near 1: scores may have been stored so
TIES_THAT_MATTER = 0.01  # share of tied positive-negative pairs; the AUC is then uncertain by half of it
GRIDS = {"0": 1.0, "1": 10.0, "2": 100.0, "1/255": 255.0, "3": 1e3, "4": 1e4, "5": 1e5, "6": 1e6}  # steps per unit, coarse before fine
SUM_SLACK = 1e-3  # a row of a half-precision softmax sums to 1 within this
FEW = 50_000  # more single scores than this collide in float32 by chance
UNLIKELY = 1e-6


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
    columns = whole = scores[:, None] if scores.ndim == 1 else scores
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
    found = _range(values) or _sums(whole[rows])
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


def _sums(values: Floats) -> list[Finding]:
    """Rows (n, K >= 2) that do not add up to 1, beyond what rounding explains."""
    if values.shape[1] < 2:
        return []
    grid = granularity(values.ravel())
    slack = SUM_SLACK + (values.shape[1] / 2 / GRIDS[grid] if grid else 0.0)
    gap = np.abs(values.sum(axis=1) - 1)
    rows = np.flatnonzero(gap > slack)
    if not rows.size:
        return []
    numbers = {"rows": int(rows.size), "of": len(values), "first_row": int(rows[0]), "largest_gap": float(gap.max())}
    return [Finding(code="sums_off", severity="warn", numbers={**numbers})]


def answer_findings(answers: ArrayLike, inputs: ArrayLike | None = None, truth: ArrayLike | None = None) -> list[Finding]:
    """Was each input looked at? `cached_answers`: different inputs share an answer. `answers_in_a_row`: a run too long to be chance.

    `answers` (n,) or (n, K) finite scores in the order in which they were asked; `inputs` (n,) names or digests, where equal inputs may be
    answered equally (None: all differ); `truth` (n,) class codes, so that cases sorted by class are not taken for a stuck server. Models
    with few distinct answers (trees, rounded scores) share them rightly and have no `cached_answers`. Raises BadInput on shapes.
    """
    values = floats(answers)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or any(given is not None and np.shape(given) != (len(values),) for given in (inputs, truth)):
        raise BadInput(f"answers have shape {values.shape}; inputs and truth have one entry for each row")
    labels = np.zeros(len(values), dtype=np.int64) if truth is None else integers(truth, "the truth")
    if inputs is not None:
        first = np.sort(np.unique(np.asarray(inputs), return_index=True)[1])
        values, labels = values[first], labels[first]
    if len(values) < 10:
        return []
    _, answer, counts = np.unique(_signatures(values), return_inverse=True, return_counts=True)
    return _shared(values, answer, counts) + _in_a_row(answer, labels)


def _signatures(values: Floats) -> NDArray[np.uint64]:
    """A 64-bit signature of each row (n, K): equal rows have equal ones. Bits are mixed first (splitmix64): scores share their low ones."""
    bits = np.ascontiguousarray(values + 0.0).view(np.uint64)  # + 0.0 makes a negative zero a zero
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        bits = (bits ^ (bits >> np.uint64(shift))) * np.uint64(factor)
    weights = np.random.Generator(np.random.PCG64(values.shape[1])).integers(1, 2**63, size=values.shape[1], dtype=np.uint64)
    return np.asarray(((bits ^ (bits >> np.uint64(31))) * (2 * weights + 1)).sum(axis=1, dtype=np.uint64))


def _shared(values: Floats, answer: Ints, counts: Ints) -> list[Finding]:
    n, single = len(values), values.shape[1] < 3
    sharp = ~np.isin(values, (0.0, 1.0)).all(axis=1)
    repeated = sharp & (counts[answer] > 1)
    fine = (counts == 1).sum() >= 0.9 * counts.size and granularity(values.ravel()) is None
    many = repeated.sum() >= max(5, 0.01 * n)
    if not fine or not repeated.any() or (single and (not many or n > FEW)):
        return []
    numbers = {"rows": int(repeated.sum()), "of": n, "distinct": int(counts.size), "first_row": int(np.flatnonzero(repeated)[0])}
    return [Finding(code="cached_answers", severity="error" if many else "warn", numbers={**numbers})]


def _in_a_row(answer: Ints, truth: Ints) -> list[Finding]:
    """The longest run, if n times the product of the answer's shares among the cases of each truth in it says that chance does not do this."""
    n = answer.size
    starts = np.flatnonzero(np.diff(answer, prepend=-1))
    lengths = np.diff(starts, append=n)
    longest = int(lengths.argmax())
    first, length = int(starts[longest]), int(lengths[longest])
    shares = ratio(tally(truth[answer == answer[first]], size=int(truth.max()) + 1), tally(truth))
    if n * shares[truth[first + 1 : first + length]].prod() > UNLIKELY:
        return []
    return [Finding(code="answers_in_a_row", severity="warn", numbers={"rows": length, "of": n, "first_row": first})]


def canary_findings(answers: ArrayLike, labels: ArrayLike | None = None, *, tolerance: float = 1e-4) -> list[Finding]:
    """Has the same input been answered differently? `answers` (m,) or (m, K) scores of one input, `labels` (m,) (None: argmax, where K > 1).

    An error where the label changed, a warning where only a score moved by more than `tolerance`. Fewer than two answers say nothing.
    """
    values = floats(answers)
    values = values[:, None] if values.ndim == 1 else values
    if len(values) < 2:
        return []
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size:
        return [Finding(code="non_finite", severity="error", numbers={"rows": int(bad.size), "first_row": int(bad[0]), "of": len(values)})]
    moved = float(np.ptp(values, axis=0).max())
    said = np.asarray(labels) if labels is not None else values.argmax(axis=1)
    kinds = int(np.unique(said).size)
    if kinds == 1 and moved <= tolerance:
        return []
    severity: Severity = "error" if kinds > 1 else "warn"
    return [Finding(code="canary_changed", severity=severity, numbers={"answers": len(values), "labels": kinds, "largest_change": moved})]


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
    for grid, steps in GRIDS.items():
        if _on_grid(values[:500], steps) and _on_grid(values, steps):
            return grid
    return None


def _on_grid(values: Floats, steps: float) -> bool:
    scaled = values * steps
    return bool(np.all(np.abs(scaled - np.round(scaled)) <= np.maximum(1.0, np.abs(scaled)) * FLOAT32 * 2 + 1e-9))
