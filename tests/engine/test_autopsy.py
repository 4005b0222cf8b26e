"""Faults that are put in are found and undone in figures; honest models, good and bad, are left in peace."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from evaluation.engine.arrays import BadInput
from evaluation.engine.autopsy.gain import Diagnosis
from evaluation.engine.autopsy.outputs import output_autopsy, wrong_column
from evaluation.engine.data import Task, arm
from tests.engine.build import BINARY, scores

TEN = Task(tuple("abcdefghij"))


def reader(n: int = 600, seed: int = 0, skill: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Truth and probabilities (n, 10) of a fair model of ten classes."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 10, n)
    return truth, scores(rng, truth, 10, skill=skill)


def alarm(n: int = 3000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Truth at 5 % prevalence and a good score."""
    rng = np.random.default_rng(seed)
    truth = (rng.random(n) < 0.05).astype(int)
    return truth, special.expit(rng.normal(0, 1, n) + 2.5 * truth - 4)


def found(task: Task, truth: np.ndarray, labels: np.ndarray, given: np.ndarray | None = None, **options: np.ndarray) -> list[Diagnosis]:
    return output_autopsy(task, truth, arm(task, truth.size, labels, given), **options)


def named(task: Task, truth: np.ndarray, labels: np.ndarray, given: np.ndarray | None = None, **options: np.ndarray) -> set[str]:
    return {each.hypothesis for each in found(task, truth, labels, given, **options)}


def first(task: Task, truth: np.ndarray, labels: np.ndarray, given: np.ndarray | None = None, **options: np.ndarray) -> Diagnosis:
    return found(task, truth, labels, given, **options)[0]


def test_a_good_model_has_nothing_to_explain() -> None:
    truth, given = reader()
    assert found(TEN, truth, given.argmax(axis=1), given) == []
    truth, score = alarm()
    assert found(BINARY, truth, (score >= 0.5).astype(int), score) == []


@pytest.mark.parametrize("swap", [[1, 0, *range(2, 10)], [3, 1, 4, 0, 5, 9, 2, 6, 8, 7], list(range(9, -1, -1))])
def test_classes_in_another_order(swap: list[int]) -> None:
    truth, given = reader()
    honest = given.argmax(axis=1)
    found = first(TEN, truth, np.argsort(swap)[honest])
    assert found.hypothesis == "class_permutation"
    assert found.restored == (honest == truth).mean()
    assert found.low < found.restored < found.high
    moved = [f"{a}→{b}" for a, b in enumerate(np.argsort(swap)) if a != b]
    assert found.numbers["mapping"] == " ".join(moved)
    assert found.numbers["newly_right"] > found.numbers["newly_wrong"]


def test_a_confusion_that_is_proven_but_small_is_no_fault() -> None:
    truth = np.arange(20_000) % 10
    labels = truth.copy()
    swapped = np.random.default_rng(0).random(20_000) < 0.53  # of two classes a little more than half are taken for each other
    labels[swapped & (truth < 2)] = 1 - truth[swapped & (truth < 2)]
    assert (labels == truth)[truth < 2].mean() < 0.48
    assert found(TEN, truth, labels) == []


@pytest.mark.parametrize(("offset", "wraps"), [(1, 0), (-1, 0), (1, 1), (-1, 1)])
def test_class_ids_off_by_one_are_named_before_a_permutation(offset: int, wraps: int) -> None:
    truth, given = reader()
    honest = given.argmax(axis=1)
    served = honest + offset
    served = served % 10 if wraps else np.where((served < 0) | (served > 9), -1, served)
    found = first(TEN, truth, served)
    assert (found.hypothesis, found.numbers["add"]) == ("off_by_one", -offset)
    assert abs(found.restored - (honest == truth).mean()) < 0.11  # without wrapping, one class in ten is lost for good


@pytest.mark.parametrize("rows", [-2, -1, 1, 3])
@pytest.mark.parametrize("start", [0, 200])
def test_answers_of_the_neighbour(rows: int, start: int) -> None:
    truth, given = reader()
    honest = given.argmax(axis=1)
    source = np.arange(600) - rows
    served = np.where((np.arange(600) >= start) & (source >= start) & (source < 600), honest[np.clip(source, 0, 599)], honest)
    found = first(TEN, truth, served)
    assert (found.hypothesis, found.numbers["rows"]) == ("rows_shifted", rows)
    assert abs(found.numbers["from_row"] - start) <= 5
    assert abs(found.restored - (honest == truth).mean()) < 0.02


def test_an_inverted_score_of_an_alarm() -> None:
    truth, score = alarm()
    found = first(BINARY, truth, (score >= 0.5).astype(int), 1 - score)
    assert (found.hypothesis, found.metric) == ("inverted_score", "roc_auc")
    assert found.value == pytest.approx(1 - found.restored)
    assert found.low > 0.9
    columns = np.stack([score, 1 - score], axis=1)
    assert first(BINARY, truth, (score >= 0.5).astype(int), columns).hypothesis == "inverted_score"
    both = named(BINARY, truth, (1 - score >= 0.9).astype(int), 1 - score)
    assert both == {"inverted_score", "class_permutation"}


def test_labels_cut_on_the_wrong_side_of_a_good_score() -> None:
    truth, score = alarm()
    found = first(BINARY, truth, (score < 0.1).astype(int), score)
    assert found.hypothesis == "threshold_at_wrong_class"
    assert (found.value, found.restored) == (
        pytest.approx(((score < 0.1) == truth).mean()),
        pytest.approx(((score >= 0.1) == truth).mean()),
    )
    assert found.numbers["auc"] > 0.9


def test_distances_read_as_similarities() -> None:
    truth, given = reader()
    served = 1 - given
    assert first(TEN, truth, served.argmax(axis=1), served).hypothesis == "inverted_score"


def test_columns_in_another_order_than_the_labels() -> None:
    truth, given = reader()
    found = first(TEN, truth, np.random.default_rng(0).integers(0, 10, truth.size), given[:, ::-1])
    assert found.hypothesis == "columns_permuted"
    assert found.restored == (given.argmax(axis=1) == truth).mean()


def test_right_ranks_under_wrong_labels() -> None:
    truth, given = reader()
    served = special.softmax(np.log(given) / 50 + np.eye(10)[7], axis=1)  # the signal is scaled away, one class's offset stays
    found = first(TEN, truth, served.argmax(axis=1), served)
    assert (found.hypothesis, found.numbers["labels_used"]) == ("scores_offset", 1)
    assert (found.restored > 0.6, found.value < 0.2) == (True, True)
    assert found.numbers["macro_auc"] > 0.9


def test_rounding_gives_the_range_of_the_auc() -> None:
    truth, score = alarm()
    found = first(BINARY, truth, (score >= 0.5).astype(int), np.round(score))
    assert (found.hypothesis, found.restored, found.numbers["distinct"]) == ("rounded_scores", None, 2)
    assert found.low < 0.94 < found.high


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("logits", lambda p: np.log(p) + 3.0),
        ("log_probabilities", np.log),
        ("percent", lambda p: 100 * p),
        ("double_softmax", lambda p: special.softmax(p, axis=1)),
    ],
)
def test_probabilities_in_another_form(name: str, form: object) -> None:
    truth, given = reader()
    served = form(given)
    found = first(TEN, truth, served.argmax(axis=1), served)
    right = -np.log(given[np.arange(600), truth]).mean()
    assert (found.hypothesis, found.metric, found.restored) == (name, "log_loss", pytest.approx(right, rel=1e-6))
    assert found.low < right < found.high
    assert (found.value is None) == (name != "double_softmax")


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("logits", special.logit),
        ("percent", lambda p: 100 * p),
        ("double_sigmoid", special.expit),
        ("double_softmax", lambda p: special.expit(2 * p - 1)),
    ],
)
def test_one_column_in_another_form(name: str, form: object) -> None:
    truth, score = alarm()
    served = form(score)
    each = first(BINARY, truth, (served >= np.quantile(served, 0.95)).astype(int), served)
    right = -np.log(np.where(truth == 1, score, 1 - score)).mean()
    assert (each.hypothesis, each.restored) == (name, pytest.approx(right, rel=1e-6))


def test_the_score_of_the_wrong_column() -> None:
    truth, given = reader(2000)
    assert wrong_column(given, truth == 8, 8) == []
    found = wrong_column(given, truth == 8, 3)[0]
    assert (found.hypothesis, found.numbers["column"]) == ("wrong_column", 8)
    assert (found.value < 0.6, 0.9 < found.low < found.restored) == (True, True)
    with pytest.raises(BadInput, match="column 10 was used"):
        wrong_column(given, truth == 8, 10)
    assert wrong_column(given, np.zeros(2000, dtype=bool), 3) == []


@settings(max_examples=15)
@given(st.permutations(range(10)), st.sampled_from(["none", "permuted", "inverted", "offset"]))
def test_the_names_of_the_classes_do_not_matter(names: list[int], fault: str) -> None:
    truth, scores = reader(400)
    served = {"none": scores, "permuted": scores[:, [1, 0, 3, 2, *range(4, 10)]], "inverted": 1 - scores, "offset": scores**0.02}[fault]
    served = served / served.sum(axis=1, keepdims=True) * (1 + 0.4 * (np.arange(10) == 2) * (fault == "offset"))
    renamed, back = np.array(names), np.argsort(names)
    ours = found(TEN, truth, served.argmax(axis=1), served)
    theirs = found(TEN, renamed[truth], renamed[served.argmax(axis=1)], served[:, back])

    def said(diagnoses: list[Diagnosis]) -> dict[str, float | None]:
        return {each.hypothesis: each.restored for each in diagnoses if each.hypothesis != "off_by_one"}

    assert said(ours) == pytest.approx(said(theirs))
    assert (said(ours) == {}) == (fault == "none")


def honest(rng: np.random.Generator) -> set[str]:
    """The autopsy of a model without fault: any skill, any bias towards some classes, any shares of classes, alone or in clusters."""
    classes, n = int(rng.integers(2, 11)), int(rng.integers(60, 400))
    shares = rng.dirichlet(np.full(classes, rng.choice([0.5, 5.0])))
    clusters = rng.integers(0, n // 4, n) if rng.random() < 0.3 else np.arange(n)
    truth = rng.choice(classes, n, p=shares)
    raw = (
        rng.normal(0, 1, (n, classes))
        + rng.choice([0, 0, 0.5, 2]) * np.eye(classes)[truth]
        + rng.choice([0, 1, 3]) * rng.normal(0, 1, classes)
    )
    raw += 1.5 * rng.normal(0, 1, (n, classes))[clusters]
    given = special.softmax(raw, axis=1)
    if classes == 2:
        return named(BINARY, truth, given.argmax(axis=1), given[:, 1], clusters=clusters)
    return named(Task(tuple(str(k) for k in range(classes))), truth, given.argmax(axis=1), given, clusters=clusters)


def test_honest_models_are_accused_in_at_most_one_percent() -> None:
    rng = np.random.default_rng(20)
    accused = [names for names in (honest(rng) for _ in range(200)) if names]
    assert len(accused) <= 2, accused


def test_missing_answers_and_few_cases() -> None:
    truth, given = reader()
    labels = given.argmax(axis=1)
    labels[:50], given[:50] = -1, np.nan
    assert found(TEN, truth, labels, given) == []
    assert first(TEN, truth, np.where(labels < 0, -1, 9 - labels), given[:, ::-1]).hypothesis == "class_permutation"
    assert found(TEN, truth[50:89], 9 - labels[50:89]) == []
    assert found(TEN, truth, np.full(600, -1), np.full((600, 10), np.nan)) == []
    with pytest.raises(BadInput, match=r"row 0: 1\d is not"):
        found(TEN, truth + 10, labels, given)
