"""An interval that the coverage study found too narrow says so."""

import numpy as np
import pytest

from evaluation.engine.caution import caution, mean_caution
from evaluation.engine.data import Task, arm
from evaluation.engine.entries import Entry
from evaluation.engine.regression import regression_report
from evaluation.engine.report import comparison_of, report

TASK = Task(("no", "yes"), 1)


def entries(positives: int, cases: int = 200, groups: int | None = None, wrong: int = 40) -> dict[str, Entry]:
    rng = np.random.default_rng(3)
    truth = (np.arange(cases) < positives).astype(np.int64)
    scores = np.clip(0.3 + 0.4 * truth + 0.15 * rng.normal(size=cases), 0.01, 0.99)
    labels = truth.copy()
    labels[-wrong:] = 1 - labels[-wrong:]
    clusters = None if groups is None else np.arange(cases) % groups
    made = report(comparison_of(TASK, truth, [arm(TASK, cases, labels, scores)], clusters=clusters), [], seed=b"caution", resamples=100)
    return {entry["metric"]: entry for entry in made["metrics"]}


def test_few_positives_are_said_where_they_make_an_interval_narrow_and_only_there() -> None:
    found = entries(8)
    assert {name for name in found if found[name]["caution"] == "few_positives"} == {"average_precision", "partial_roc_auc"}
    assert found["sensitivity"]["caution"] is None, "Wilson holds with eight cases too"
    assert found["mcc"]["caution"] is None, "what is joined of Wilson's holds with eight cases too"
    assert found["roc_auc"]["caution"] is None, "the score interval holds with eight cases too"


def test_negatives_count_as_well() -> None:
    assert entries(192)["average_precision"]["caution"] == entries(192)["partial_roc_auc"]["caution"] == "few_positives"


def test_a_bootstrapped_mcc_with_few_cases_of_a_class() -> None:
    assert entries(8, groups=100)["mcc"]["caution"] == "few_positives"
    assert entries(30, groups=100)["mcc"]["caution"] is None
    task, truth = Task(("a", "b", "c")), np.repeat([0, 1, 2], [100, 90, 10])
    made = report(comparison_of(task, truth, [arm(task, 200, (truth + (np.arange(200) % 5 == 0)) % 3)]), [], seed=b"caution", resamples=100)
    said = {entry["metric"]: entry["caution"] for entry in made["metrics"]}
    assert (said["mcc"], said["mcc[c]"], said["balanced_accuracy"]) == ("few_positives", None, None)


def test_a_bootstrapped_mean_of_shares_with_hardly_a_wrong_answer() -> None:
    assert entries(100, groups=100, wrong=3)["balanced_accuracy"]["caution"] == "few_errors"
    assert entries(100, wrong=3)["balanced_accuracy"]["caution"] is None


def test_enough_cases_need_no_caution() -> None:
    found = entries(100)
    assert {name for name in found if found[name]["caution"]} == {"ece", "ece_debiased"}


def test_few_clusters() -> None:
    few, many = entries(100, groups=20), entries(100, groups=40)
    assert (few["f1"]["caution"], few["roc_auc"]["caution"], few["accuracy"]["caution"]) == ("few_clusters", "few_clusters", None)
    assert (many["f1"]["caution"], many["roc_auc"]["caution"]) == (None, None)


def test_a_loss_with_hardly_a_wrong_answer() -> None:
    assert entries(100, wrong=3)["brier"]["caution"] == "few_errors"


def test_without_an_interval_there_is_nothing_to_be_careful_about() -> None:
    assert entries(0)["average_precision"]["caution"] is None


@pytest.mark.parametrize(("clusters", "said"), [(29, "few_clusters"), (30, None), (None, None)])
def test_the_limit_of_clusters(clusters: int | None, said: str | None) -> None:
    assert caution("f1", smallest=200, errors=100, clusters=clusters) == said
    assert mean_caution("mae", cases=200, clusters=clusters) == said


@pytest.mark.parametrize(("cases", "said"), [(49, "few_cases"), (50, None)])
def test_numbers_with_few_cases(cases: int, said: str | None) -> None:
    truth = np.linspace(0, 1, cases)
    made = regression_report(truth, [truth + np.sin(np.arange(cases))], seed=b"caution", resamples=100)
    assert {entry["caution"] for entry in made["metrics"] if entry["metric"] in {"mae", "bias"}} == {said}
    assert {entry["caution"] for entry in made["metrics"] if entry["metric"] in {"rmse", "r2"}} == {"few_cases"}
