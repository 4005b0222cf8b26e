"""Every metric of the registry against scikit-learn, and what a missing prediction does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from evaluation.engine.arrays import BadInput
from evaluation.engine.data import Task, arm, label_codes
from evaluation.engine.metrics import metric_of, registry
from evaluation.engine.tables import Table, confusion
from tests.engine.build import BINARY, DIGITS

cases = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


def table(truth: list[int], labels: list[int], classes: int) -> Table:
    t, p = np.array(truth), np.array(labels)
    return Table.of(confusion(np.zeros(t.size, int), 1, t, p, classes))


def value(task: Task, metric: str, truth: list[int], labels: list[int]) -> float:
    return float(metric_of(task, metric).value(table(truth, labels, len(task.classes)))[0])


@given(cases)
def test_multiclass_equals_sklearn(pairs: list[tuple[int, int]]) -> None:
    truth, labels = [t for t, _ in pairs], [p for _, p in pairs]
    supported = sorted(set(truth))
    assert value(DIGITS, "accuracy", truth, labels) == pytest.approx(sk.accuracy_score(truth, labels), abs=1e-12)
    assert value(DIGITS, "micro_f1", truth, labels) == pytest.approx(sk.f1_score(truth, labels, average="micro"), abs=1e-12)
    recalls = sk.recall_score(truth, labels, labels=supported, average=None)
    assert value(DIGITS, "balanced_accuracy", truth, labels) == pytest.approx(np.mean(recalls), abs=1e-12)
    f1 = sk.f1_score(truth, labels, labels=supported, average=None)
    assert value(DIGITS, "macro_f1", truth, labels) == pytest.approx(np.mean(f1), abs=1e-12)
    assert value(DIGITS, "weighted_f1", truth, labels) == pytest.approx(sk.f1_score(truth, labels, average="weighted"), abs=1e-12)
    mcc = value(DIGITS, "mcc", truth, labels)
    if not np.isnan(mcc):
        assert mcc == pytest.approx(sk.matthews_corrcoef(truth, labels), abs=1e-12)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=60))
def test_binary_equals_sklearn_wherever_it_is_defined(pairs: list[tuple[int, int]]) -> None:
    truth, labels = [t for t, _ in pairs], [p for _, p in pairs]
    expected = {
        "sensitivity": sk.recall_score(truth, labels, zero_division=np.nan),
        "specificity": sk.recall_score(truth, labels, pos_label=0, zero_division=np.nan),
        "ppv": sk.precision_score(truth, labels, zero_division=np.nan),
        "npv": sk.precision_score(truth, labels, pos_label=0, zero_division=np.nan),
        "f1": sk.f1_score(truth, labels, zero_division=np.nan),
    }
    expected |= {"false_positive_rate": 1 - expected["specificity"], "false_negative_rate": 1 - expected["sensitivity"]}
    for name, want in expected.items():
        assert value(BINARY, name, truth, labels) == pytest.approx(want, abs=1e-12, nan_ok=True), name


def test_the_registry_uses_the_report_names() -> None:
    binary, digits = [m.id for m in registry(BINARY)], [m.id for m in registry(DIGITS)]
    assert {"accuracy", "balanced_accuracy", "sensitivity", "specificity", "ppv", "npv", "f1", "mcc", "roc_auc"} <= set(binary)
    assert {"false_positive_rate", "false_negative_rate"} <= set(binary)
    assert {"sensitivity[a]", "f1[d]", "roc_auc[b]", "macro_f1", "micro_f1", "weighted_f1", "macro_roc_auc"} <= set(digits)
    assert len(set(digits)) == len(digits)
    with pytest.raises(BadInput, match="there is no metric 'recall'"):
        metric_of(BINARY, "recall")


def test_rows_and_tables_say_the_same() -> None:
    rng = np.random.default_rng(0)
    truth, labels = rng.integers(0, 4, 200), rng.integers(-1, 4, 200)
    counted = Table.of(confusion(np.zeros(200, int), 1, truth, labels, 4))
    for metric in registry(DIGITS):
        if metric.kind == "share":
            hit, denominator = metric.rows(truth, labels)
            top, bottom = metric.parts(counted)
            assert (hit.sum(), denominator.sum()) == (top[0], bottom[0]), metric.id
            assert not np.any(hit & ~denominator)


def test_a_missing_prediction_is_wrong_everywhere_and_never_dropped() -> None:
    truth, labels = [1, 1, 1, 0, 0], [1, 1, -1, 0, -1]
    assert value(BINARY, "accuracy", truth, labels) == 0.6
    assert value(BINARY, "sensitivity", truth, labels) == pytest.approx(2 / 3)
    assert value(BINARY, "specificity", truth, labels) == 0.5
    assert value(BINARY, "ppv", truth, labels) == pytest.approx(2 / 3)
    for metric in registry(BINARY):
        if metric.kind != "score":
            full = value(BINARY, metric.id, truth, [1, 1, 1, 0, 0])
            part = value(BINARY, metric.id, truth, labels)
            assert part < full if metric.higher_is_better else part > full, metric.id


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0, 1, 2], None, "row 2: 2 is not the code"),
        ([0, 1], None, "shape"),
        ([0.5, 1, 0], None, "row 0: the label is a whole number"),
        ([0, 1, None], None, "row 2: the label is a whole number"),
        (["normal", "nodul", -1], None, "row 1: 'nodul' is none of the classes normal, nodule"),
        ([0, 1, 0], [0.1, np.inf, 0.2], "row 1: the score is not finite"),
        ([0, 1, 0], [[0.1, 0.2, 0.3]] * 3, "scores have shape"),
    ],
)
def test_bad_input_names_the_row(labels: list[float], scores: list[float] | None, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        arm(BINARY, 3, np.array(labels), scores)


def test_the_truth_has_no_missing_labels() -> None:
    with pytest.raises(BadInput, match="row 0: -1"):
        label_codes(np.array([-1, 0]), BINARY, 2)
