"""Contrast pairs: what counts as broken, and that the share's interval and the paired difference are those of independent implementations."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from evaluation.engine.arrays import BadInput
from evaluation.engine.compare import mcnemar as engine_mcnemar
from evaluation.engine.stress.contrast import Expectation, consistency_entry, contrast_entry, pairs_of

SAME = Expectation("same")


class BrokenTests:
    def test_labels(self) -> None:
        before, after = np.array([0, 0, 1, -1, 1, -1]), np.array([0, 1, 1, 0, -1, -1])
        assert SAME.broken(before, after).tolist() == [False, True, False, True, True, True]
        assert Expectation("different").broken(before, after).tolist() == [True, False, True, True, True, True]

    def test_scores(self) -> None:
        before, after = np.array([0.2, 0.6, 0.5, np.nan, 0.9]), np.array([0.3, 0.7, 0.5, 0.4, 0.2])
        assert Expectation("rises", 0.1).broken(before, after).tolist() == [False, False, True, True, True]
        assert Expectation("rises").broken(before, after).tolist() == [False, False, False, True, True]
        assert Expectation("falls", 0.1).broken(before, after).tolist() == [True, True, True, True, False]

    @given(st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), min_size=1, max_size=20), st.integers(0, 5))
    def test_falling_is_rising_backwards(self, pairs: list[tuple[int, int]], amount: int) -> None:
        before, after = np.array(pairs).T / 10
        rises, falls = (Expectation(kind, amount / 10) for kind in ("rises", "falls"))
        assert (rises.broken(before, after) == falls.broken(after, before)).all()

    @pytest.mark.parametrize(
        ("kind", "amount", "before", "after", "sentence"),
        [
            ("same", 0.1, [0], [1], "knows no amount"),
            ("rises", -0.1, [0], [1], "at least a number from 0"),
            ("rises", float("nan"), [0], [1], "at least a number from 0"),
            ("same", 0, [0.0], [1.0], "integer class codes"),
            ("same", 0, [0, 1], [1], "shape"),
            ("falls", 0, [0.1, 0.2], [0.1, np.inf], "pair 1: the score is infinite"),
        ],
    )
    def test_bad_input(self, kind: Any, amount: float, before: list[float], after: list[float], sentence: str) -> None:
        with pytest.raises(BadInput, match=sentence):
            Expectation(kind, amount).broken(before, after)


class PairTests:
    def test_pairs_by_key_in_order_of_appearance(self) -> None:
        keys, before, after = pairs_of(["b", "", "a", "b", "a"], [True, False, False, False, True])
        assert (keys, before.tolist(), after.tolist()) == (["b", "a"], [3, 2], [0, 4])

    def test_no_pairs(self) -> None:
        assert pairs_of(["", ""], [True, False])[1].size == 0

    @pytest.mark.parametrize(
        ("keys", "edited", "sentence"),
        [
            (["a", "a"], [True, True], "row 1: pair 'a' has a second edited case .the first is row 0"),
            (["b", "b", "a"], [False, True, True], "row 2: pair 'a' has no original case"),
            (["a", "a"], [0, 1], "true or false"),
            (["a", "a"], [True], "shape"),
        ],
    )
    def test_incomplete_and_crowded_pairs(self, keys: list[str], edited: list[Any], sentence: str) -> None:
        with pytest.raises(BadInput, match=sentence):
            pairs_of(keys, edited)


class EntryTests:
    @given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
    def test_flip_rate_and_difference_are_those_of_statsmodels(self, flips: list[tuple[bool, bool]]) -> None:
        ours, theirs = np.array(flips).T
        zeros = np.zeros(ours.size, dtype=int)
        entry = contrast_entry(SAME, "greeting", (zeros, ours.astype(int)), (zeros, theirs.astype(int)))
        low, high = proportion_confint(ours.sum(), ours.size, method="wilson")
        assert (entry["metric"], entry["stratum"], entry["n"]) == ("flip_rate", "greeting", ours.size)
        assert (entry["value"], entry["low"], entry["high"]) == pytest.approx((ours.mean(), low, high), abs=1e-9)
        assert entry["baseline"]["value"] == pytest.approx(theirs.mean())
        assert entry["difference"]["value"] == pytest.approx(ours.mean() - theirs.mean())
        only = int((theirs & ~ours).sum()), int((ours & ~theirs).sum())
        assert entry["difference"]["p"] == pytest.approx(float(engine_mcnemar(*only)[0]), abs=1e-12)
        exact = mcnemar([[0, only[0]], [only[1], 0]], exact=True).pvalue
        assert entry["difference"]["p"] <= exact + 1e-12
        assert entry["violations"] == np.flatnonzero(ours).tolist()
        assert entry["newly_violated"] == np.flatnonzero(ours & ~theirs).tolist()

    def test_copies_in_clusters_do_not_narrow_the_interval(self) -> None:
        rng = np.random.default_rng(0)
        flips, zeros = rng.integers(0, 2, 60), np.zeros(60, dtype=int)
        once = contrast_entry(SAME, "x", (zeros, flips))
        copied = contrast_entry(SAME, "x", (np.tile(zeros, 3), np.tile(flips, 3)), clusters=np.tile(np.arange(60), 3))
        assert copied["clusters"] == 60
        assert copied["high"] - copied["low"] >= once["high"] - once["low"]

    def test_several_runs_and_an_entry_without_baseline(self) -> None:
        runs = np.random.default_rng(1).integers(0, 2, (3, 80))
        entry = contrast_entry(SAME, "x", (np.zeros_like(runs), runs))
        assert entry["replicates"] == runs.mean(axis=1).tolist()
        assert entry["value"] == pytest.approx(runs.mean())
        assert entry["artefact"]["value"] == runs[0].mean()
        assert entry["violations"] == np.flatnonzero(runs[0]).tolist()
        assert (entry["baseline"], entry["difference"], entry["newly_violated"]) == (None, None, None)

    def test_no_pair_is_undefined(self) -> None:
        nothing = np.zeros(0, dtype=int)
        entry = contrast_entry(SAME, "x", (nothing, nothing), (nothing, nothing))
        assert (entry["value"], entry["undefined"], entry["difference"], entry["violations"]) == (None, "no cases", None, [])

    def test_consistency_needs_both(self) -> None:
        right = np.array([True, True, False, False]), np.array([True, False, True, False])
        entry = consistency_entry("x", right, (right[0], right[0]))
        assert (entry["metric"], entry["value"], entry["baseline"]["value"]) == ("pair_consistency", 0.25, 0.5)
        with pytest.raises(BadInput, match="edited: the shape is"):
            consistency_entry("x", (right[0], right[1][:3]))

    def test_other_pairs_are_not_compared(self) -> None:
        with pytest.raises(BadInput, match="3 pairs and the baseline 2"):
            contrast_entry(SAME, "x", ([0, 0, 0], [0, 0, 0]), ([0, 0], [0, 0]))
