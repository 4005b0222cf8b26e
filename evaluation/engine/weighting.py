"""The shares of a report weighed back to everything that arrived: each case counts one over the chance with which it was kept.

Of replicate 0 of the candidate, which is what a release signs. It says nothing about arrivals of a kind that the set holds none of.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from evaluation.engine.arrays import BadInput, Codes, Floats, Ints, floats
from evaluation.engine.data import Comparison
from evaluation.engine.entries import Entry
from evaluation.engine.metrics import Metric, metric_of
from evaluation.engine.production import WeightedMean, hajek
from evaluation.engine.strata import Strata, layers, names_of, with_all

SHARES = ("accuracy", "sensitivity", "specificity", "ppv", "npv")
METHOD = "hajek, wilson"
DOMINANT = 0.5  # of the weight: beyond it the figure is the answer to one case


def weighted_entries(comparison: Comparison, strata: Strata, chances: ArrayLike, *, level: float = 0.95) -> list[Entry]:
    """An entry for each share in each stratum, in the order of a report: "all" first. Of several classes only accuracy.

    `chances` (n,): the probability with which each case was kept, NaN where it is not known. A stratum that holds an unknown one, or in which one case
    or cluster carries more than half of the weight, has no value and says why. Raises BadInput for a chance that is none.
    """
    wanted, known = with_all(strata, comparison.cases), floats(chances)
    if known.shape != (comparison.cases,):
        raise BadInput(f"chances have shape {known.shape}, but there are {comparison.cases} cases")
    metrics = [metric_of(comparison.task, name) for name in (SHARES if comparison.task.binary else SHARES[:1])]
    members = {name: rows for layer in layers(wanted, comparison.cases) for name, rows in _members(*layer)}
    return [_entry(comparison, metric, name, members[name], known, level) for name in names_of(wanted) for metric in metrics]


def _members(names: Sequence[str], codes: Codes) -> list[tuple[str, Ints]]:
    """Each stratum of a layer with the cases that it holds, ascending."""
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(names) + 1))
    return [(name, order[starts[at] : starts[at + 1]]) for at, name in enumerate(names)]


def _entry(comparison: Comparison, metric: Metric, stratum: str, rows: Ints, chances: Floats, level: float) -> Entry:
    hit, counts = metric.rows(comparison.truth[rows], comparison.candidate[0].labels[rows])
    chosen = rows[counts]
    found = hajek(hit[counts], chances[chosen], None if comparison.clusters is None else comparison.clusters[chosen], level=level)
    why = metric.reason(comparison.task) if rows.size and not chosen.size else found.undefined or _dominated(found)
    return {
        "metric": metric.id,
        "stratum": stratum,
        "value": None if why else found.value,
        "low": None if why else found.low,
        "high": None if why else found.high,
        "level": level,
        "method": None if why else METHOD,
        "n": int(rows.size),
        "denominator": found.n,
        "n_effective": found.n_effective,
        "clusters": found.clusters,
        "undefined": why,
    }


def _dominated(found: WeightedMean) -> str | None:
    if found.largest is None or found.largest <= DOMINANT:
        return None
    return f"one {'cluster' if found.clusters < found.n else 'case'} carries {found.largest:.0%} of the weight"
