"""MCC of one class and mean sensitivity from Wilson intervals of shares: a published case, laws of symmetry, and what they hold with ten positives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.engine.data import Task
from evaluation.engine.from_shares import METHOD, UNKNOWN, cautious, from_shares, made_of_shares
from evaluation.engine.intervals import wilson
from evaluation.engine.metrics import metric_of, registry
from evaluation.engine.report import comparison_of, report
from evaluation.engine.tables import Table
from tests.engine.build import BINARY, SEED, predict

MCC, BALANCED = metric_of(BINARY, "mcc"), metric_of(BINARY, "balanced_accuracy")
COUNTS = st.tuples(*[st.integers(0, 30)] * 4)


def table(tp: int, fn: int, fp: int, tn: int) -> Table:
    return Table.of(np.array([[tn, fp, 0], [fn, tp, 0]]))


def test_balanced_accuracy_is_the_published_square_and_add() -> None:
    """Newcombe 1998, Stat Med 17:873, method 10: 56/70 - 48/80 lies in .0524 to .3339. With these as sensitivity and false positive rate it is 2 b - 1."""
    low, high = from_shares(BALANCED, table(56, 14, 48, 32), 0.95)
    assert (2 * float(low) - 1, 2 * float(high) - 1) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_a_mean_over_classes_counts_those_that_have_cases() -> None:
    of_three = metric_of(Task(("a", "b", "c")), "macro_sensitivity")
    low, high = from_shares(of_three, Table.of(np.array([[8, 2, 0, 0], [1, 4, 0, 0], [0, 0, 0, 0]])), 0.95)
    ends = [wilson(8, 10), wilson(4, 5)]
    assert float(low) == pytest.approx(0.8 - np.hypot(*(0.8 - float(end[0]) for end in ends)) / 2)
    assert float(high) == pytest.approx(0.8 + np.hypot(*(float(end[1]) - 0.8 for end in ends)) / 2)


@given(COUNTS)
def test_mcc_sees_neither_the_names_of_classes_nor_their_order(counts: tuple[int, int, int, int]) -> None:
    tp, fn, fp, tn = counts
    own, swapped, turned = (from_shares(MCC, each, 0.95) for each in (table(*counts), table(tn, fp, fn, tp), table(fn, tp, tn, fp)))
    np.testing.assert_allclose(own, swapped, atol=1e-12)
    np.testing.assert_allclose(own, (-turned[1], -turned[0]), atol=1e-12)
    value = float(table(*counts).mcc[1])
    assert np.isnan(value) == np.isnan(own).all()
    assert np.isnan(value) or own[0] <= value <= own[1]


def test_mcc_of_ten_positives_of_which_two_are_found() -> None:
    """Sensitivity .21 and specificity .98, 10 of 200 positive: a bootstrap held 78 % of such sets."""
    rng, sets = np.random.default_rng(1), 4000
    positives = rng.binomial(200, 0.05, sets)
    tp, fp = rng.binomial(positives, 0.21), rng.binomial(200 - positives, 0.02)
    found = Table.of(np.moveaxis(np.array([[200 - positives - fp, fp, 0 * fp], [positives - tp, tp, 0 * tp]]), -1, 0))
    called = 0.05 * 0.21 + 0.95 * 0.02
    truth = (0.21 - 0.02) * (0.05 * 0.95 / (called * (1 - called))) ** 0.5
    low, high = from_shares(MCC, found, 0.95)
    known = ~np.isnan(low)
    assert known.mean() > 0.9
    assert 0.94 < ((low <= truth) & (truth <= high))[known].mean() < 0.985


def test_where_it_is_used() -> None:
    names = {metric.id for metric in registry(Task(("a", "b", "c"))) if made_of_shares(metric)}
    assert names == {"balanced_accuracy", "macro_sensitivity", "mcc[a]", "mcc[b]", "mcc[c]"}
    truth = np.random.default_rng(0).integers(0, 2, 60)
    for clusters, methods in ((None, {METHOD}), (np.arange(60) // 2, {"bca"})):
        made = report(comparison_of(BINARY, truth, [predict(BINARY, truth, 1)], [], clusters), [], seed=SEED, resamples=200)
        assert {entry["method"] for entry in made["metrics"] if entry["metric"] in {"mcc", "balanced_accuracy"}} == methods


def test_what_few_cases_say_of_a_correlation() -> None:
    assert cautious(0.8, 2 * UNKNOWN) == pytest.approx(0.4)
    assert (cautious(0.8, UNKNOWN), cautious(0.8, 1)) == (0, 0)
    assert cautious(-0.8, 5) == -0.8, "models that differ where they can are not brought closer"
