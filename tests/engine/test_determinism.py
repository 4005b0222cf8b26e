"""The same input again, and the endpoint against what was signed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evaluation.engine.arrays import BadInput
from evaluation.engine.determinism import determinism
from evaluation.engine.integration import compare_answers
from evaluation.engine.intervals import wilson
from tests.engine.build import scores


def answers(n: int = 200, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return scores(rng, rng.integers(0, 4, n), 4, skill=2)


def test_equal_answers_pass_and_still_bound_the_rate() -> None:
    given = answers()
    found = determinism({"first": given, "again": given, "shuffled": given, "batch of 1": given})
    assert (found.passed, found.flips, found.largest, found.answers) == (True, 0, 0, 4)
    assert found.flip_rate_at_most == pytest.approx(float(wilson(0, 200)[1]))
    assert found.flip_rate_at_most > 0.01


def test_flips_and_the_largest_change_are_named() -> None:
    given = answers()
    batch, again = given.copy(), given + 1e-9
    batch[7] = batch[7][::-1]
    again[11, 0] += 0.3
    found = determinism({"first": given, "again": again, "batch of 4": batch})
    assert (found.passed, 7 in found.rows) == (False, True)
    assert {each.name: each.flips for each in found.repeats} == {"again": int(again[11].argmax() != given[11].argmax()), "batch of 4": 1}
    assert found.repeats[0].largest_row == 11
    assert found.repeats[0].largest == pytest.approx(0.3, abs=1e-8)
    assert found.flips == sum(each.flips for each in found.repeats)


def test_rounds_that_differ_from_each_other_but_not_from_the_first_by_much() -> None:
    given = np.full((5, 1), 0.5)
    found = determinism({"first": given, "up": given + 0.2, "down": given - 0.2}, threshold=0.4)
    assert (found.flips, found.largest, [each.flips for each in found.repeats]) == (5, pytest.approx(0.4), [0, 5])


def test_rounds_that_prove_nothing_are_refused() -> None:
    given = answers()
    with pytest.raises(BadInput, match="at least 3"):
        determinism({"first": given, "again": given})
    with pytest.raises(BadInput, match="shuffled has answers of shape"):
        determinism({"first": given, "again": given, "shuffled": given[:5]})
    with pytest.raises(BadInput, match="again, row 3: the answer is not finite"):
        determinism({"first": given, "again": np.where(np.arange(200)[:, None] == 3, np.nan, given), "third": given})
    with pytest.raises(BadInput, match="by a threshold"):
        determinism(dict.fromkeys("abc", given[:, 0]))
    with pytest.raises(BadInput, match="no cases"):
        determinism(dict.fromkeys("abc", np.empty((0, 3))))


def test_the_endpoint_that_was_signed_passes() -> None:
    reference = answers()
    found = compare_answers(reference, reference + 5e-5, truth=reference.argmax(axis=1))
    assert (found.passed, found.flips, found.beyond, found.rank_correlation, found.accuracy) == (True, 0, 0, pytest.approx(1), 1)


@pytest.mark.parametrize(("precision", "passes"), [("float32", False), ("float16", True), ("int8", True)])
def test_the_tolerance_follows_the_precision(precision: str, passes: bool) -> None:
    reference = answers()
    served = reference.copy()
    served[4] += 0.005
    found = compare_answers(reference, served, precision=precision)
    assert (found.passed, found.largest_row, found.largest) == (passes, 4, pytest.approx(0.005))
    assert found.failures == (() if passes else ("scores",))


def test_missing_answers_are_flips_and_wrong() -> None:
    reference = answers()
    served, missing = reference.copy(), np.arange(200) < 3
    served[:3] = np.nan
    found = compare_answers(reference, served, missing=missing, truth=reference.argmax(axis=1))
    assert (found.missing, found.flips, found.rows, found.accuracy) == (3, 3, (0, 1, 2), 197 / 200)
    assert found.failures == ("flips", "metric")
    assert compare_answers(reference, served, missing=missing, allowed_flips=3).passed
    nothing = compare_answers(reference, np.full((200, 4), np.nan), missing=np.ones(200, dtype=bool))
    assert (nothing.flips, nothing.largest, nothing.rank_correlation) == (200, None, None)
    with pytest.raises(BadInput, match="served, row 0: the answer is not finite"):
        compare_answers(reference, served)


@given(st.integers(2, 40), st.integers(0, 10**6))
def test_rank_correlation_equals_scipy(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ours, theirs = rng.integers(0, 5, n).astype(float), rng.integers(0, 5, n).astype(float)
    found = compare_answers(ours, theirs, threshold=2).rank_correlation
    if np.ptp(ours) and np.ptp(theirs):
        assert found == pytest.approx(stats.spearmanr(ours, theirs).statistic, abs=1e-12)
    else:
        assert found is None


def test_answers_of_other_cases_are_refused() -> None:
    reference = answers()
    with pytest.raises(BadInput, match="of the same cases"):
        compare_answers(reference, reference[:10])
