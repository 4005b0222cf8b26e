"""A worn set: published widths, the two Ladders, Thresholdout's budget, and the gap on fresh cases."""

import numpy as np
import pytest

from evaluation.engine.arrays import BadInput
from evaluation.engine.wear import Ladder, Thresholdout, ask, climb, fresh_gap, widening


@pytest.mark.parametrize(("looks", "factor"), [(1, 1.0), (10, 1.43), (50, 1.68), (100, 1.78)])
def test_intervals_widen_with_looks(looks: int, factor: float) -> None:
    assert float(widening(looks)) == pytest.approx(factor, abs=0.005)


def test_a_set_that_was_not_looked_at_is_refused() -> None:
    with pytest.raises(BadInput, match="from 1"):
        widening([1, 0])


class LadderTests:
    def test_only_a_clear_improvement_is_published_and_rounded(self) -> None:
        ladder, first = climb(Ladder(), np.repeat([1.0, 0.0], [812, 188]), step=0.01)
        assert first == pytest.approx(0.81)
        ladder, second = climb(ladder, np.repeat([1.0, 0.0], [819, 181]), step=0.01)
        assert second == pytest.approx(0.81)
        _, third = climb(ladder, np.repeat([1.0, 0.0], [833, 167]), step=0.01)
        assert third == pytest.approx(0.83)

    def test_without_a_step_the_standard_error_of_the_difference_decides(self) -> None:
        best = np.repeat([1.0, 0.0], [80, 20])
        ladder, _ = climb(Ladder(), best)
        one_more = best.copy()
        one_more[80] = 1.0  # difference .01, standard error .01
        assert climb(ladder, one_more, best)[1] == pytest.approx(0.80)
        many_more = best.copy()
        many_more[80:90] = 1.0
        assert climb(ladder, many_more, best)[1] == pytest.approx(0.90)

    def test_guessing_at_random_gains_nothing(self) -> None:
        """The attack of the paper: keep what seems to help. A plain leaderboard rises far above chance; the Ladder does not."""
        rng = np.random.default_rng(0)
        truth, n = rng.integers(0, 2, 1000), 1000
        kept, plain, ladder, best, shown = [], 0.0, Ladder(), None, 0.0
        for _ in range(300):
            guess = rng.integers(0, 2, n)
            scores = (guess == truth).astype(float)
            ladder, shown = climb(ladder, scores, best)
            if best is None or (ladder.best == shown and scores.mean() == shown):
                best = scores
            if scores.mean() > 0.5:
                kept.append(guess)
            plain = max(plain, float((np.mean(kept, axis=0).round() == truth).mean()) if kept else 0.0)
        assert plain > 0.6
        assert shown < 0.57

    def test_bad_input_is_named(self) -> None:
        with pytest.raises(BadInput, match="0\\.\\.1"):
            climb(Ladder(), [1.5], step=0.1)
        with pytest.raises(BadInput, match="100 cases"):
            climb(Ladder(best=0.5), np.ones(100))


class ThresholdoutTests:
    def test_agreement_costs_nothing_and_disagreement_costs_one(self) -> None:
        rng = np.random.default_rng(1)
        state = Thresholdout.start(threshold=0.04, sigma=0.001, budget=2, rng=rng)
        state, answer = ask(state, 0.9, 0.905, rng)
        assert (answer.source, answer.value, state.budget) == ("open", 0.9, 2)
        for left in (1, 0):
            state, answer = ask(state, 0.95, 0.70, rng)
            assert (answer.source, state.budget) == ("sealed", left)
            assert answer.value == pytest.approx(0.70, abs=0.02)
        assert ask(state, 0.95, 0.70, rng)[1].source == "spent"
        with pytest.raises(BadInput, match="positive"):
            Thresholdout.start(threshold=0.0, sigma=1.0, budget=1, rng=rng)


class FreshGapTests:
    @staticmethod
    def _scores(gain_old: float, seed: int, n: int = 3000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The candidate is truly 3 points better than the anchor, fresh cases are 10 points harder, and old cases gave it `gain_old` more."""
        rng = np.random.default_rng(seed)
        fresh = rng.random(n) < 0.4
        ease = np.where(fresh, 0.75, 0.85)
        return (rng.random(n) < ease + 0.03 + np.where(fresh, 0, gain_old)).astype(float), (rng.random(n) < ease).astype(float), fresh

    def test_harder_cases_alone_do_not_look_like_wear(self) -> None:
        flagged = sum(fresh_gap(*self._scores(0.0, seed)).worn for seed in range(60))
        assert flagged <= 5  # 2.5 % wanted

    def test_wear_is_seen_with_an_interval(self) -> None:
        found = fresh_gap(*self._scores(0.1, 1))
        assert found.worn
        assert found.value == pytest.approx(-0.1, abs=0.06)
        assert found.low < found.value < found.high < 0
        assert (found.n_fresh + found.n_old, found.method) == (3000, "student on cluster sums")

    def test_copies_add_nothing(self) -> None:
        new, old, fresh = self._scores(0.02, 3)
        once = fresh_gap(new, old, fresh)
        copied = fresh_gap(*(np.repeat(x, 3) for x in (new, old, fresh)), clusters=np.repeat(np.arange(3000), 3))
        assert (copied.low, copied.high) == pytest.approx((once.low, once.high), abs=1e-12)

    def test_a_few_fresh_clusters_rarely_call_a_sound_set_worn(self) -> None:
        """Three fresh clusters of ten cases whose ease differs: a percentile bootstrap called 12 % of such sets worn."""
        rng = np.random.default_rng(1)
        cluster = np.repeat(np.arange(63), 10)
        worn = 0
        for _ in range(300):
            ease = 0.8 + np.repeat(rng.uniform(-0.15, 0.15, 63), 10)
            old = rng.random(630) < ease
            new = np.where(rng.random(630) < 0.7, old, rng.random(630) < ease)
            worn += fresh_gap(new, old, cluster < 3, clusters=cluster).worn
        assert worn <= 15

    def test_models_that_differ_alike_everywhere_have_no_interval(self) -> None:
        found = fresh_gap([1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], [False, False, True, True])
        assert (found.value, found.low, found.high, found.worn) == (-1.0, None, None, False)
        assert found.undefined is not None

    def test_what_cannot_be_said_is_none_with_a_reason(self) -> None:
        found = fresh_gap([1.0, 0.0, 1.0], [1.0, 1.0, 0.0], [True, False, False])
        assert (found.value, found.undefined, found.worn) == (None, "fewer than two clusters are fresh", False)
        with pytest.raises(BadInput, match="row 1"):
            fresh_gap([1.0, np.nan], [1.0, 1.0], [True, False])
        with pytest.raises(BadInput, match="one length"):
            fresh_gap([1.0], [1.0, 1.0], [True, False])
        with pytest.raises(BadInput, match="row 1: fresh"):
            fresh_gap([1.0, 1.0], [1.0, 1.0], [True, np.nan])


@pytest.mark.parametrize("mean", [np.nan, np.inf])
def test_a_question_without_a_mean_costs_no_budget(mean: float) -> None:
    rng = np.random.default_rng(1)
    state = Thresholdout.start(threshold=0.1, sigma=0.1, budget=1, rng=rng)
    with pytest.raises(BadInput, match="finite means"):
        ask(state, 0.5, mean, rng)


def test_ladder_refuses_steps_and_scores_that_are_none() -> None:
    with pytest.raises(BadInput, match="step"):
        climb(Ladder(), [1.0], step=0.0)
    with pytest.raises(BadInput, match=r"0\.\.1"):
        climb(Ladder(best=0.5), [1.0, 1.0], [1.0, np.nan])
    with pytest.raises(BadInput, match="looks"):
        widening(np.nan)
