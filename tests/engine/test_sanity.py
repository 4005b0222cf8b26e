"""Scores that are not what they claim to be."""

import numpy as np
import pytest

from evaluation.engine.sanity import Finding, granularity, label_findings, score_findings


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
