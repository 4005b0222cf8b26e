"""Scores that are not what they claim to be."""

import numpy as np
import pytest

from evaluation.engine.arrays import BadInput
from evaluation.engine.sanity import Finding, answer_findings, canary_findings, granularity, label_findings, score_findings


def alarm(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A one-class alarm at 5 % prevalence: truth and sharp scores."""
    rng = np.random.default_rng(seed)
    truth = (rng.random(3000) < 0.05).astype(int)
    return truth, 1 / (1 + np.exp(-(rng.normal(0, 1, 3000) + 2.5 * truth - 4)))


def findings(scores: np.ndarray, truth: np.ndarray, answered: np.ndarray | None = None) -> dict[str, Finding]:
    given = np.ones(truth.size, dtype=bool) if answered is None else answered
    return {f.code: f for f in score_findings(scores, truth, ("no", "yes"), positive=1, answered=given)}


def test_sharp_scores_have_no_finding() -> None:
    truth, scores = alarm()
    assert findings(scores, truth) == {}
    assert findings(np.stack([1 - scores, scores], axis=1), truth) == {}


def test_scores_rounded_to_integers_are_an_error_with_the_range_of_the_auc() -> None:
    truth, scores = alarm()
    found = findings(np.round(scores), truth)["rounded_scores"]
    assert found.severity == "error"
    assert (found.numbers["grid"], found.numbers["distinct"]) == ("0", 2)
    assert found.numbers["auc_low"] < 0.6 < found.numbers["auc_high"]


@pytest.mark.parametrize("decimals", range(7))
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_granularity_is_recognised(decimals: int, dtype: type) -> None:
    _, scores = alarm()
    assert granularity(np.round(scores, decimals).astype(dtype).astype(float)) == str(decimals)


def test_pixels_and_unrounded_scores() -> None:
    _, scores = alarm()
    assert granularity(np.round(scores * 255) / 255) == "1/255"
    assert granularity(scores) is None
    assert granularity(scores.astype(np.float32).astype(float)) is None
    assert granularity(np.array([0.5] * 9)) is None


def test_fine_rounding_without_ties_is_only_a_warning() -> None:
    truth, scores = alarm()
    assert findings(np.round(scores, 5), truth)["rounded_scores"].severity == "warn"


def test_non_finite_scores_end_the_search_and_name_the_row() -> None:
    truth, scores = alarm()
    scores[[7, 9]] = np.nan, np.inf
    found = findings(scores, truth)
    assert list(found) == ["non_finite"]
    assert (found["non_finite"].severity, found["non_finite"].numbers["first_row"], found["non_finite"].numbers["rows"]) == ("error", 7, 2)


def test_scores_of_missing_predictions_are_ignored() -> None:
    truth, scores = alarm()
    answered = np.ones(truth.size, dtype=bool)
    answered[7], scores[7] = False, np.nan
    assert findings(scores, truth, answered) == {}
    assert findings(scores, truth, np.zeros(truth.size, dtype=bool)) == {}


def test_constant_out_of_range_and_saturated() -> None:
    truth, scores = alarm()
    assert findings(np.full(truth.size, 0.3), truth)["constant_output"].severity == "error"
    assert findings(scores * 10 - 3, truth)["out_of_range"].severity == "warn"
    assert findings(np.clip(scores * 1.5 - 0.2, 0, 1), truth)["saturated_scores"].numbers["share_zero"] > 0.5


def test_one_label_for_everything() -> None:
    truth = np.arange(40) % 2
    assert label_findings(np.ones(40, dtype=int), truth, ("no", "yes"))[0].numbers["class"] == "yes"
    assert label_findings(truth, truth, ("no", "yes")) == []
    assert label_findings(np.ones(5, dtype=int), truth[:5], ("no", "yes")) == []


def test_ties_between_positives_and_negatives_make_rounding_grave() -> None:
    truth, scores = alarm()
    one = findings(np.round(scores, 1), truth)["rounded_scores"]
    assert (one.severity, one.numbers["grid"]) == ("error", "1")
    thirds = findings(np.floor(scores * 7.3) / 7.3, truth)
    assert thirds["tied_scores"].severity == "warn"
    assert "rounded_scores" not in thirds


def softmax(n: int, classes: int = 4, seed: int = 0) -> np.ndarray:
    raw = np.random.default_rng(seed).normal(0, 2, (n, classes))
    return np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)


def test_rows_that_do_not_sum_to_one() -> None:
    names, truth, answered = tuple("abcd"), np.arange(200) % 4, np.ones(200, dtype=bool)

    def codes(scores: np.ndarray) -> dict[str, Finding]:
        return {f.code: f for f in score_findings(scores, truth, names, positive=None, answered=answered)}

    assert codes(softmax(200)) == {}
    assert codes(softmax(200).astype(np.float16).astype(float)).keys() <= {"tied_scores"}
    assert "sums_off" not in codes(np.round(softmax(200), 1))  # rounding explains it
    wrong = softmax(200)
    wrong[[3, 9]] *= 0.9
    numbers = codes(wrong)["sums_off"].numbers
    assert (numbers["rows"], numbers["first_row"], round(float(numbers["largest_gap"]), 6)) == (2, 3, 0.1)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_answers_that_were_cached(dtype: type) -> None:
    scores = softmax(500).astype(dtype).astype(float)
    assert answer_findings(scores) == []
    served = scores.copy()
    served[100:110] = served[99]
    found = {f.code: f for f in answer_findings(served)}
    assert found.keys() == {"cached_answers", "answers_in_a_row"}
    assert found["cached_answers"].severity == "error"
    assert (found["cached_answers"].numbers["rows"], found["answers_in_a_row"].numbers["rows"]) == (11, 11)
    assert (found["cached_answers"].numbers["first_row"], found["answers_in_a_row"].numbers["first_row"]) == (99, 99)
    one_pair = scores.copy()
    one_pair[7] = one_pair[300]
    assert [(f.code, f.severity) for f in answer_findings(one_pair)] == [("cached_answers", "warn")]


def test_equal_inputs_may_be_answered_equally() -> None:
    scores, inputs = softmax(500), np.arange(500)
    scores[100:110], inputs[100:110] = scores[99], 99
    assert answer_findings(scores, inputs) == []


def test_models_with_few_answers_share_them_rightly() -> None:
    truth = np.sort(np.random.default_rng(3).integers(0, 4, 400))
    tree = softmax(4, seed=9)[truth]  # the four leaves of a tree, cases sorted by class
    assert answer_findings(tree, truth=truth) == []
    assert answer_findings(np.round(softmax(400), 1)) == []
    saturated = np.eye(4)[np.random.default_rng(4).integers(0, 4, 400)]
    assert answer_findings(saturated) == []
    assert answer_findings(np.random.default_rng(5).random(20_000).astype(np.float32).astype(float)) == []  # chance collisions


def test_a_server_that_is_stuck_for_a_while_shows_even_with_few_answers() -> None:
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 4, 400)
    tree = softmax(4, seed=9)[truth]
    tree[200:230] = tree[199]
    found = answer_findings(tree, truth=truth)
    assert [(f.code, f.severity, f.numbers["first_row"]) for f in found] == [("answers_in_a_row", "warn", 199)]


def test_a_canary_that_answers_differently() -> None:
    same = np.tile(softmax(1), (4, 1))
    assert canary_findings(same) == []
    assert canary_findings(same[:1]) == []
    moved = same.copy()
    moved[2, 0] += 0.01
    assert [(f.code, f.severity) for f in canary_findings(moved)] == [("canary_changed", "warn")]
    assert canary_findings(moved, tolerance=0.02) == []
    turned = same[:, ::-1].copy()
    turned[3] = same[0]
    assert [(f.code, f.severity, f.numbers["labels"]) for f in canary_findings(turned)] == [("canary_changed", "error", 2)]
    assert canary_findings([0.4, 0.4], ["yes", "no"])[0].severity == "error"
    assert canary_findings([0.4, np.nan])[0].code == "non_finite"


def test_answers_of_another_shape_are_refused() -> None:
    with pytest.raises(BadInput, match="one entry for each row"):
        answer_findings(softmax(20), inputs=np.arange(19))
