"""Resamples of counts: drawn unit by unit where types are small, they are the multinomial and the binomial that they replace."""

import numpy as np
import pytest

from evaluation.engine.resample import FEW_UNITS, Sample
from evaluation.engine.seeds import generator


@pytest.mark.parametrize("repeats", [[1, 2, 5, 1, 8], [1, 1, 40, 60], [FEW_UNITS + 1]])
def test_draws_have_the_mean_and_the_spread_of_the_multinomial_and_swaps_of_coins(repeats: list[int]) -> None:
    types, units, draws = len(repeats), sum(repeats), 4000
    tables = np.zeros((types, 2, 4, types))
    tables[np.arange(types), 0, 0, np.arange(types)] = 1  # each type is seen in a margin of its own, of the first arm alone
    sample = Sample(tables, np.array(repeats), b"seed", generator, draws)
    counts, swaps = sample.drawn[0].support, sample.swapped[1].support
    share = np.array(repeats) / units
    assert counts.shape == (draws, types)
    assert np.all(counts.sum(axis=1) == units)
    for found, mean, variance in ((counts, units * share, units * share * (1 - share)), (swaps, units * share / 2, units * share / 4)):
        np.testing.assert_allclose(found.mean(axis=0), mean, atol=5 * (variance.max() / draws) ** 0.5)
        np.testing.assert_allclose(found.var(axis=0), variance, rtol=0.15, atol=1e-12)
