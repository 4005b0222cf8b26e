"""Metrics of scores against scikit-learn, on random and awkward data: ties, few cases, weights, several classes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import special
from sklearn import metrics as sk

from evaluation.engine import Stratum, arm, comparison_of, values
from evaluation.engine.auc import auc_of, partial_auc_of
from evaluation.engine.data import Comparison, Task
from evaluation.engine.precision import drawn_precision, precision_of
from evaluation.engine.probabilities import losses, places
from evaluation.engine.ranked import Ranked, RankMetric
from evaluation.engine.ranking import rank
from evaluation.engine.report import report
from evaluation.engine.strata import Grouping, blocks
from tests.engine.build import BINARY, DIGITS, comparison, scores


def draw(seed: int, n: int, decimals: int | None) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.4
    s = rng.normal(0, 1, n) + positive
    return positive, s if decimals is None else np.round(s, decimals)


PEERS = {
    auc_of: sk.roc_auc_score,
    precision_of: sk.average_precision_score,
    partial_auc_of: lambda y, s, **more: sk.roc_auc_score(y, s, max_fpr=0.1, **more),
}


@given(st.integers(0, 10_000), st.integers(2, 70), st.sampled_from([None, 0, 1]), st.booleans())
def test_rank_metrics_equal_sklearn_in_every_stratum(seed: int, n: int, decimals: int | None, packed: bool) -> None:
    positive, s = draw(seed, n, decimals)
    codes = np.random.default_rng(seed).integers(-1, 4, n)
    strata = [Grouping(list("abcd"), codes), Stratum("all", np.ones(n, dtype=bool))]
    found = blocks(strata, n) if packed else [block for each in strata for block in blocks([each], n)]
    for block in found:
        ranked = Ranked(rank(s), positive, block)
        for make, peer in PEERS.items():
            made = make(ranked)
            for place, value in enumerate(made.value):
                rows = block.rows[block.codes == place]
                if 0 < positive[rows].sum() < rows.size:
                    assert value == pytest.approx(peer(positive[rows], s[rows]), abs=1e-12), (make, block.names[place])
                else:
                    assert np.isnan(value)


def derivative(peer: object, y: NDArray[np.bool_], s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of a weighted metric by each case's weight, less the mean of its class."""
    out = np.empty(y.size)
    for i in range(y.size):
        more, less = np.ones(y.size), np.ones(y.size)
        more[i], less[i] = 1 + 1e-6, 1 - 1e-6
        out[i] = (peer(y, s, sample_weight=more) - peer(y, s, sample_weight=less)) / 2e-6  # type: ignore[operator]
    for side in (True, False):
        out[y == side] -= out[y == side].mean()
    return out


@pytest.mark.parametrize("make", PEERS)
@pytest.mark.parametrize(("n", "decimals"), [(37, None), (37, 1), (23, 0)])
def test_influences_are_the_derivative_by_a_cases_weight(make: object, n: int, decimals: int | None) -> None:
    positive, s = draw(5, n, decimals)
    assert 0.1 * (~positive).sum() % 1  # else the curve's end stands on a case, where there is no derivative
    block = blocks([Stratum("all", np.ones(n, dtype=bool))], n)[0]
    made: RankMetric = make(Ranked(rank(s), positive, block))  # type: ignore[operator]
    np.testing.assert_allclose(made.influence.raw, derivative(PEERS[make], positive, s), atol=1e-7)  # type: ignore[index]


@given(st.integers(0, 10_000), st.integers(1, 40), st.sampled_from([None, 0]))
def test_drawn_average_precision_equals_sklearn_on_repeated_cases(seed: int, n: int, decimals: int | None) -> None:
    positive, s = draw(seed, n, decimals)
    weights = np.random.default_rng(seed).integers(0, 4, (n, 5)).astype(np.uint8)
    found = drawn_precision(s, positive, weights)
    for number, column in enumerate(weights.T):
        y, repeated = np.repeat(positive, column), np.repeat(s, column)
        if y.any() and not y.all():
            assert found[number] == pytest.approx(sk.average_precision_score(y, repeated), abs=1e-12)
        else:
            assert np.isnan(found[number])


@pytest.mark.parametrize("seed", range(3))
def test_losses_equal_sklearn(seed: int) -> None:
    found = comparison(DIGITS, 150, seed)
    chance = found.candidate[0].scores
    assert chance is not None
    truth = found.truth.astype(int)
    all_of = values(found, [Stratum("all", np.ones(150, dtype=bool))], ["log_loss", "brier", "log_loss[b]", "brier[b]"])["all"]
    assert all_of[0] == pytest.approx(sk.log_loss(truth, chance, labels=range(4)), abs=1e-12)
    assert all_of[1] == pytest.approx(((chance - np.eye(4)[truth]) ** 2).sum(axis=1).mean(), abs=1e-12)
    assert all_of[2] == pytest.approx(sk.log_loss(truth == 1, chance[:, 1]), abs=1e-12)
    assert all_of[3] == pytest.approx(sk.brier_score_loss(truth == 1, chance[:, 1]), abs=1e-12)


def test_log_loss_is_clipped_at_1e_15_and_the_brier_score_is_not() -> None:
    truth = np.array([1, 0])
    certain = arm(BINARY, 2, [0, 1], [0.0, 1.0])
    np.testing.assert_allclose(losses("log_loss", certain, BINARY, truth, 1), -np.log(1e-15), rtol=1e-3)
    np.testing.assert_array_equal(losses("brier", certain, BINARY, truth, 1), [1, 1])


@pytest.mark.parametrize("decimals", [None, 1])
def test_top_k_equals_sklearn_and_breaks_ties_by_class_order(decimals: int | None) -> None:
    rng = np.random.default_rng(2)
    six = Task(tuple("abcdef"))
    truth = rng.integers(0, 6, 300)
    chance = scores(rng, truth, 6, decimals=decimals)
    one = arm(six, 300, chance.argmax(axis=1), chance)
    made = values(comparison_of(six, truth, [one]), [Stratum("all", np.ones(300, dtype=bool))], ["top_2_accuracy", "top_5_accuracy"])["all"]
    for k, value in zip((2, 5), made, strict=True):
        order = np.argsort(-chance, axis=1, kind="stable")[:, :k]
        assert value == pytest.approx((order == truth[:, None]).any(axis=1).mean(), abs=1e-12)
        if decimals is None:
            assert value == pytest.approx(sk.top_k_accuracy_score(truth, chance, k=k), abs=1e-12)
    assert (places(one, truth) == 0).mean() == pytest.approx((chance.argmax(axis=1) == truth).mean())


class NoProbabilityTests:
    def reasons(self, task: Task, chance: NDArray[np.float64], *, missing: int = 0) -> dict[str, str | None]:
        from evaluation.engine import report

        truth = np.arange(len(chance)) % len(task.classes)
        labels = np.zeros(len(chance), dtype=int)
        labels[:missing] = -1
        made = report(comparison_of(task, truth, [arm(task, len(chance), labels, chance)]), [], seed=b"x", resamples=50)
        return {entry["metric"]: entry["undefined"] for entry in made["metrics"]}

    def test_logits_have_ranks_but_no_losses(self) -> None:
        said = self.reasons(BINARY, np.linspace(-3, 3, 30))
        assert said["brier"] == "the scores are no probabilities: those of 25 cases lie outside 0 to 1"
        assert said["ece"] == said["log_loss"] == said["brier"]
        assert said["roc_auc"] is said["average_precision"] is None

    def test_scores_that_do_not_add_up(self) -> None:
        chance = np.full((12, 4), 0.25)
        chance[3] = 0.4
        said = self.reasons(DIGITS, chance)
        assert said["brier"] == "the scores are no probabilities: those of 1 case does not add up to 1"

    def test_a_missing_prediction_leaves_none(self) -> None:
        chance = np.full(10, 0.5)
        chance[0] = np.nan
        said = self.reasons(BINARY, chance, missing=1)
        assert {said[name] for name in ("brier", "log_loss", "ece", "ece_debiased", "average_precision", "partial_roc_auc")} == {
            "1 prediction missing"
        }


def two_models(seed: int, positives: int, others: int, *, per_cluster: int = 1) -> Comparison:
    """Of equal quality; positives stand in clusters of `per_cluster`, other cases alone."""
    rng = np.random.default_rng(seed)
    truth = np.repeat([1, 0], [positives, others])
    clusters = np.r_[np.arange(positives) // per_cluster, positives + np.arange(others)]
    shared = rng.normal(0, 1, truth.size) + 2 * truth
    arms = [arm(BINARY, truth.size, truth, special.expit(shared + rng.normal(0, 0.7, truth.size))) for _ in range(2)]
    return comparison_of(BINARY, truth, arms[:1], arms[1:], clusters=clusters)


def precision_gap(found: Comparison) -> dict[str, Any]:
    made = report(found, [], seed=b"few", only=["average_precision"])["metrics"]
    (entry,) = (entry for entry in made if entry["metric"] == "average_precision")
    return dict(entry["difference"])


@pytest.mark.parametrize(
    ("positives", "others", "per_cluster"), [(40, 160, 10), (120, 4, 1), (3, 60, 1)], ids=["four patients", "four others", "three cases"]
)
def test_draws_of_four_units_prove_no_difference_of_average_precision(positives: int, others: int, per_cluster: int) -> None:
    for seed in range(12):
        gap = precision_gap(two_models(seed, positives, others, per_cluster=per_cluster))
        assert (gap["method"], gap["p"]) == ("tango on the class", 1.0)
        assert gap["low"] < 0 < gap["high"]


@pytest.mark.parametrize(("positives", "others", "per_cluster"), [(30, 100, 5), (60, 8, 1), (6, 60, 1), (200, 200, 1)])
def test_a_difference_of_average_precision_is_significant_where_its_interval_excludes_0(
    positives: int, others: int, per_cluster: int
) -> None:
    for seed in range(25):
        gap = precision_gap(two_models(seed, positives, others, per_cluster=per_cluster))
        assert gap["method"] == "bootstrap percentile, expanded"
        assert (gap["p"] <= 0.05) == (gap["low"] > 0 or gap["high"] < 0) or gap["p"] == pytest.approx(0.05, abs=0.004)
