"""Point values alone: any metrics, one replicate, every stratum, in one pass over sorted scores for each grouping."""

from collections.abc import Sequence

import numpy as np

from evaluation.engine.arrays import Floats
from evaluation.engine.data import Comparison
from evaluation.engine.metrics import metric_of, registry
from evaluation.engine.recipes import Recipes
from evaluation.engine.strata import Strata, each_block, names_of, with_all


def values(comparison: Comparison, strata: Strata = (), metrics: Sequence[str] | None = None) -> dict[str, Floats]:
    """By stratum the values (metrics,) of the candidate's replicate 0; NaN where undefined.

    "all" is put first if it is not among the strata. `metrics` are ids of the registry (all by default, in its order). Raises BadInput for an unknown
    metric.
    """
    wanted = registry(comparison.task) if metrics is None else [metric_of(comparison.task, name) for name in metrics]
    alone = Comparison(comparison.task, comparison.truth, comparison.candidate[:1], (), None)
    found: dict[str, Floats] = {}
    placed = with_all(strata, alone.cases)
    for block in each_block(placed, alone.cases):
        recipes = Recipes(alone, block)
        columns = np.stack([recipes.values(metric, False)[0] for metric in wanted], axis=1)
        found |= dict(zip(block.names, columns, strict=True))
    return {name: found[name] for name in names_of(placed)}
