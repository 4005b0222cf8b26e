"""How many wrong labels would flip a verdict, and on which cases: those are looked at again first.

A label is changed in the way that moves the verdict most: to the answer of the model that the change favours. Strata keep their members. The
number is the smallest one where one stratum decides and every case stands alone; else it is one that was found, and fewer may do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.engine.arrays import BadInput, Bools, Floats, Ints, floats, integers, tally
from evaluation.engine.compare import design_effect, sign_flip
from evaluation.engine.data import MISSING, cluster_codes
from evaluation.engine.gates import Check, CheckResult, Result
from evaluation.engine.intervals import clustered_share
from evaluation.engine.strata import Disjoint, Strata, layers, with_all
from evaluation.engine.tallies import Tallies, judge_tallies

MOST = 50


@dataclass(frozen=True, kw_only=True)
class Fragility:
    """`changes` labels flip the verdict from `result` to `becomes`; None where `tried` of them do not.

    `cases` are rows, in the order in which they were changed, `labels` the class codes that they would have to have (-1: any other class).
    """

    result: Result
    becomes: Result | None
    changes: int | None
    cases: tuple[int, ...]
    labels: tuple[int, ...]
    minimal: bool
    tried: int


@dataclass(frozen=True)
class Moves:
    """Per case (n,): what changing its label adds to newly wrong, newly right and right, and the label; `gain` says how much it moves the verdict."""

    lost: Ints
    gained: Ints
    right: Ints
    label: Ints
    gain: Ints


def fragility(
    check: Check,
    strata: Strata,
    truth: ArrayLike,
    candidate: ArrayLike,
    baseline: ArrayLike | None = None,
    *,
    judged: Sequence[str] = ("all",),
    clusters: ArrayLike | None = None,
    suspicion: ArrayLike | None = None,
    most: int = MOST,
) -> Fragility:
    """Of a check on accuracy over the strata named `judged`.

    `truth`, `candidate`, `baseline` (n,) are class codes, -1 a missing answer; a `floor` needs no baseline. Among cases that move the verdict
    equally those with more `suspicion` (n,) are taken first. Raises BadInput for shapes that do not fit.
    """
    labels = [integers(values, "the label") for values in (truth, candidate, candidate if baseline is None else baseline)]
    n = labels[0].size
    doubt = np.zeros(n) if suspicion is None else floats(suspicion)
    if any(values.shape != (n,) for values in (*labels, doubt)):
        raise BadInput(f"truth, answers and suspicion are arrays of one length; the truth has {n} cases")
    if baseline is None and check.kind != "floor":
        raise BadInput(f"a check of kind {check.kind!r} compares with a baseline, and none is given")
    state = _State(labels, layers(with_all(strata, n), n), cluster_codes(clusters, n), judged)
    now = judge_tallies(check, state.base)[0]
    found: Fragility | None = None
    for favour in (True, False):
        if now.result in {Result.FAIL, Result.NOT_ENOUGH} if favour else now.result in {Result.PASS, Result.NOT_ENOUGH}:
            moves = _moves(labels, check.kind, favour=favour)
            orders = list(_orders(state, now, moves, doubt, most, favour=favour))
            for order in orders:
                tried = _along(check, state, now, moves, order)
                if found is None or (tried.changes or most + 1) < (found.changes or most + 1):
                    found = tried
    return found or Fragility(result=now.result, becomes=None, changes=None, cases=(), labels=(), minimal=False, tried=0)


def _moves(labels: Sequence[Ints], kind: str, *, favour: bool) -> Moves:
    truth, new, old = labels
    right, was = new == truth, old == truth
    if kind == "floor":
        label = np.where(favour, new, MISSING)
        possible = ~right & (new != MISSING) if favour else right
        step = np.where(possible, 1 if favour else -1, 0)
        return Moves(np.zeros_like(step), np.zeros_like(step), step, label, np.abs(step))
    label = new if favour else old
    swapped = (was & ~right if favour else right & ~was) & (label != MISSING)
    parted = ~right & ~was & (new != old) & (label != MISSING)
    some, both = (swapped | parted).astype(np.int64), swapped.astype(np.int64)
    lost, gained = (-both, some) if favour else (some, -both)
    return Moves(lost, gained, some if favour else -both, label, some + both)


def _orders(state: "_State", now: CheckResult, moves: Moves, doubt: Floats, most: int, *, favour: bool) -> Iterator[list[int]]:
    """Sequences of cases to try: within each stratum that could tip the verdict, and for several failing strata through all of them."""
    wanted = {Result.FAIL} if now.result == Result.FAIL else {Result.NOT_ENOUGH} if favour else {Result.PASS, Result.NOT_ENOUGH}
    strata = [verdict.stratum for verdict in now.strata if verdict.result in wanted]
    order = np.lexsort((np.arange(doubt.size), -doubt, -moves.gain))
    order = order[moves.gain[order] > 0]
    parts = [order[state.inside(name)[order]][:most].tolist() for name in strata]
    if favour and len(parts) > 1:
        merged = [part[turn] for turn in range(most) for part in parts if turn < len(part)]
        yield list(dict.fromkeys(merged))[:most]
        return
    yield from parts


def _along(check: Check, state: "_State", now: CheckResult, moves: Moves, order: list[int]) -> Fragility:
    """The first verdict that differs while the labels of `order` are changed one after the other; then those that were not needed are left out."""

    def first(cases: list[int]) -> tuple[int, Result] | None:
        results = [each.result for each in judge_tallies(check, state.along(cases, moves))]
        return next(((at, result) for at, result in enumerate(results) if result != now.result), None)

    hit, chosen = first(order), order
    if hit is None:
        return Fragility(result=now.result, becomes=None, changes=None, cases=(), labels=(), minimal=False, tried=len(order))
    chosen = order[: hit[0]]
    for case in list(chosen):
        spared = [each for each in chosen if each != case]
        again = first(spared)
        if again is not None:
            chosen, hit = spared[: again[0]], again
    alone = not np.isfinite(state.base.clusters).any()
    single = now.result == Result.PASS or sum(verdict.result == now.result for verdict in now.strata) == 1
    picked = tuple(moves.label[chosen].tolist())
    return Fragility(
        result=now.result,
        becomes=hit[1],
        changes=len(chosen),
        cases=tuple(chosen),
        labels=picked,
        minimal=alone and single,
        tried=len(order),
    )


class _State:
    """The outcome as it is, and as it would be along a sequence of changed labels."""

    def __init__(self, labels: Sequence[Ints], found: list[Disjoint], clusters: Ints | None, judged: Sequence[str]) -> None:
        self.where = {name: (code, at) for names, code in found for at, name in enumerate(names)}
        unknown = [name for name in judged if name not in self.where]
        if unknown:
            raise BadInput(f"stratum {unknown[0]!r} is not among the {len(self.where)} strata of this set")
        truth, new, old = labels
        self.judged, self.clusters = tuple(judged), clusters
        self.now = np.stack([(old == truth) & (new != truth), (new == truth) & (old != truth), new == truth]).astype(np.int64)
        self.base = self._tallies(np.zeros((3, 0), dtype=np.int64), [])

    def inside(self, stratum: str) -> Bools:
        code, at = self.where[stratum]
        return np.asarray(code == at)

    def along(self, order: list[int], moves: Moves) -> Tallies:
        """One outcome for 0, 1, 2 … changed labels of `order`."""
        return self._tallies(np.stack([moves.lost[order], moves.gained[order], moves.right[order]]), order)

    def _tallies(self, steps: Ints, order: list[int]) -> Tallies:
        """`steps` (3, cases of `order`): what each change adds to newly wrong, newly right and right."""
        size = len(order) + 1
        shape = (size, len(self.judged))
        counts, clusters = np.zeros((3, *shape)), np.full(len(self.judged), np.inf)
        effect, share_effect, loss_p = np.ones(shape), np.ones(shape), np.full(shape, np.nan)
        n = np.zeros(len(self.judged))
        for column, name in enumerate(self.judged):
            inside = self.inside(name)
            n[column] = inside.sum()
            start = self.now[:, inside].sum(axis=1)
            path = np.zeros((3, size), dtype=np.int64)
            path[:, 1:] = np.cumsum(steps * inside[order], axis=1)
            counts[:, :, column] = start[:, None] + path
            if self.clusters is not None and n[column]:
                clusters[column] = self._clustered(inside, steps, order, (effect[:, column], share_effect[:, column], loss_p[:, column]))
        return Tallies(
            names=self.judged,
            n=n,
            minimum=np.zeros_like(n),
            clusters=clusters,
            lost=counts[0],
            gained=counts[1],
            right=counts[2],
            effect=effect,
            share_effect=share_effect,
            loss_p=loss_p,
        )

    def _clustered(self, inside: Bools, steps: Ints, order: list[int], out: tuple[Floats, Floats, Floats]) -> float:
        """Fill design effects and sign-flip p of one stratum along the changes; returns its clusters, infinity where every case stands alone."""
        assert self.clusters is not None  # the caller has looked
        group = np.unique(self.clusters, return_inverse=True)[1]
        sizes = tally(group[inside], None, int(group.max()) + 1)
        if sizes.max() <= 1:
            return float("inf")
        sums = np.stack([tally(group[inside], row[inside], sizes.size) for row in self.now])
        here = np.flatnonzero(sizes)
        for step in range(len(order) + 1):
            if step and inside[order[step - 1]]:
                sums[:, group[order[step - 1]]] += steps[:, step - 1]
            elif step:
                for column in out:
                    column[step] = column[step - 1]
                continue
            lost, gained, right = sums[:, here]
            out[0][step] = design_effect(gained - lost, sizes[here], float(lost.sum()), float(gained.sum()))
            found = clustered_share(right, sizes[here], np.zeros(here.size, dtype=np.int64), 1)
            out[1][step] = float(found.n[0] / found.n_effective[0])
            out[2][step] = sign_flip((gained - lost).astype(np.int64))[1]
        return float(here.size)
