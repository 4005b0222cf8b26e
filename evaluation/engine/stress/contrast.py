"""Contrastive evaluation: what must not change an answer, what must change it, and by how much.

A pair is an original and an edited case. Invariance: the answer stays the same. Direction: a score rises or falls by at least so much.
Sources: Ribeiro et al. 2020 (behavioural tests), Gardner et al. 2020 (contrast sets), Kusner et al. 2017 (counterfactual pairs).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from evaluation.engine.arrays import BadInput, Bools, Ints, floats
from evaluation.engine.data import MISSING
from evaluation.engine.entries import Entry
from evaluation.engine.strata import Grouping
from evaluation.engine.stress.paired import hits_of, share_entries

Answers = tuple[ArrayLike, ArrayLike]
ROUNDING = 1e-12  # 0.7 - 0.6 falls short of 0.1 by the rounding of binary fractions


@dataclass(frozen=True)
class Expectation:
    """What an edit should do to an answer.

    `same` and `different` are about labels (class codes, -1 where missing), `rises` and `falls` about scores (NaN where missing), which move
    by at least `at_least` >= 0. A missing answer breaks every expectation.
    """

    kind: Literal["same", "different", "rises", "falls"]
    at_least: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.at_least) and self.at_least >= 0):
            raise BadInput(f"a score rises or falls by at least a number from 0, not {self.at_least}; the direction is in the kind")
        if self.at_least and self.kind in {"same", "different"}:
            raise BadInput(f"an expectation of kind {self.kind!r} is about labels and knows no amount")

    @property
    def metric(self) -> str:
        """The name of the share of broken pairs: for invariance it is the flip rate."""
        return "flip_rate" if self.kind == "same" else "violation_rate"

    def broken(self, before: ArrayLike, after: ArrayLike) -> Bools:
        """Per pair (any shape). Raises BadInput for unequal shapes, labels that are not integers, and infinite scores, naming the pair."""
        old, new = np.asarray(before), np.asarray(after)
        if old.shape != new.shape:
            raise BadInput(f"there are answers of shape {old.shape} before and {new.shape} after the edit")
        if self.kind in {"same", "different"}:
            if old.dtype.kind not in "iu" or new.dtype.kind not in "iu":
                raise BadInput("labels are integer class codes, -1 where the answer is missing")
            kept = (old == new) == (self.kind == "same")
            return np.asarray(~kept | (old == MISSING) | (new == MISSING))
        old, new = floats(old), floats(new)
        wrong = np.argwhere(np.isinf(old) | np.isinf(new))
        if wrong.size:
            raise BadInput(f"pair {wrong[0][-1]}: the score is infinite")
        moved = new - old if self.kind == "rises" else old - new
        return ~(moved >= self.at_least - ROUNDING)  # NaN moves nowhere


def pairs_of(keys: Sequence[str], edited: ArrayLike) -> tuple[list[str], Ints, Ints]:
    """Pair keys in order of appearance, and the rows of originals and of edited cases.

    `keys` (rows,): "" where a row belongs to no pair; `edited` (rows,) booleans. Raises BadInput, naming key and row, unless each key has exactly
    one original and one edited case.
    """
    flags = hits_of(edited, (len(keys),), "edited")
    found: dict[str, dict[bool, int]] = {}
    for row, (key, flag) in enumerate(zip(keys, flags.tolist(), strict=True)):
        if key and found.setdefault(key, {}).setdefault(flag, row) != row:
            raise BadInput(
                f"row {row}: pair {key!r} has a second {'edited' if flag else 'original'} case (the first is row {found[key][flag]})"
            )
    for key, sides in found.items():
        if len(sides) < 2:
            row, flag = next((row, flag) for flag, row in sides.items())
            raise BadInput(f"row {row}: pair {key!r} has no {'original' if flag else 'edited'} case; complete the pair or clear its key")
    rows = np.array([[sides[False], sides[True]] for sides in found.values()], dtype=np.int64).reshape(-1, 2)
    return list(found), rows[:, 0], rows[:, 1]


def contrast_entry(
    expectation: Expectation,
    name: str,
    candidate: Answers,
    baseline: Answers | None = None,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
) -> Entry:
    """The share of pairs that break the expectation, in the shape of a report's entry; lower is better.

    `candidate` and `baseline`: answers before and after the edit, each (pairs,) or (runs, pairs) with replicate 0 first. Adds `violations`
    (the candidate's replicate 0) and, with a baseline, `newly_violated`: pair numbers in ascending order. `name` becomes the stratum.
    """
    ours = np.atleast_2d(expectation.broken(*candidate))
    theirs = None if baseline is None else np.atleast_2d(expectation.broken(*baseline))
    pairs = ours.shape[1]
    if theirs is not None and theirs.shape[1] != pairs:
        raise BadInput(f"the candidate answered {pairs} pairs and the baseline {theirs.shape[1]}; they are compared pair by pair")
    entry = share_entries(expectation.metric, ours, theirs, Grouping([name], np.zeros(pairs, dtype=np.int64)), clusters, level)[0]
    entry["expectation"] = {"kind": expectation.kind, "at_least": expectation.at_least}
    entry["violations"] = np.flatnonzero(ours[0]).tolist()
    entry["newly_violated"] = None if theirs is None else np.flatnonzero(ours[0] & ~theirs[0]).tolist()
    return entry


def consistency_entry(
    name: str, candidate: Answers, baseline: Answers | None = None, clusters: ArrayLike | None = None, level: float = 0.95
) -> Entry:
    """The share of counterfactual pairs of which both members are answered rightly; higher is better.

    `candidate` and `baseline`: whether the original and the edited case are right, each (pairs,) booleans; a missing answer is false.
    """
    pairs = np.asarray(candidate[0]).size
    sides = [
        None if side is None else hits_of(side[0], (pairs,), "original") & hits_of(side[1], (pairs,), "edited")
        for side in (candidate, baseline)
    ]
    ours, theirs = (None if side is None else side[None] for side in sides)
    assert ours is not None  # the candidate is always given
    return share_entries("pair_consistency", ours, theirs, Grouping([name], np.zeros(pairs, dtype=np.int64)), clusters, level)[0]
