"""Whole vectors, and production without labels."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import rbf_kernel

from evaluation.engine.arrays import BadInput
from evaluation.engine.drift.labelshift import estimated_accuracy, label_shift
from evaluation.engine.drift.twosample import classifier_test, mmd


def normal(seed: int, n: int = 150, m: int = 120, d: int = 6, *, shift: float = 0.0, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    theirs = rng.normal(0, 1, (m, d))
    theirs[:, 0] = theirs[:, 0] * scale + shift
    return rng.normal(0, 1, (n, d)), theirs


def test_equal_samples_are_not_told_apart() -> None:
    found = [classifier_test(*normal(seed), permutations=60).auc for seed in range(150)]
    assert abs(np.mean([each.value for each in found]) - 0.5) < 0.01
    assert np.mean([each.low <= 0.5 <= each.high for each in found]) > 0.91
    assert np.mean([each.p <= 0.05 for each in found]) < 0.1


def test_a_moved_mean_and_a_wider_spread_are_seen_and_named() -> None:
    moved = classifier_test(*normal(0, 400, 400, shift=1.5), names=list("abcdef"))
    assert moved.auc.low > 0.75
    assert next(iter(moved.weights)) == "a"
    assert sum(moved.weights.values()) == pytest.approx(1)
    wider = classifier_test(*normal(0, 400, 400, scale=3.0), names=list("abcdef"))
    assert (wider.auc.low > 0.6, next(iter(wider.weights))) == (True, "a")


def test_the_true_auc_of_two_normals_is_covered() -> None:
    truth = 0.5 * (1 + math.erf(1 / 2))
    found = [classifier_test(*normal(seed, 300, 300, d=1, shift=1.0), permutations=40).auc for seed in range(60)]
    assert np.mean([each.low <= truth <= each.high for each in found]) > 0.88


def test_samples_of_different_worlds_and_clusters() -> None:
    ours, theirs = normal(0, shift=100.0)
    apart = classifier_test(ours, theirs).auc
    assert (apart.value, apart.method, apart.p < 1e-9) == (1, "clopper-pearson", True)
    rng = np.random.default_rng(4)
    patients = rng.normal(0, 2, (40, 3))
    clusters = np.repeat(np.arange(40), 10)
    points = patients[clusters] + 0.1 * rng.normal(0, 1, (400, 3))
    alone, together = classifier_test(points[:200], points[200:]).auc, classifier_test(points[:200], points[200:], clusters=clusters).auc
    assert alone.low > 0.5  # ten pictures of a patient recognise each other
    assert together.high - together.low > 1.5 * (alone.high - alone.low)
    assert together.low <= 0.5


def naive_mmd(x: np.ndarray, y: np.ndarray, width: float) -> float:
    """The definition, pair by pair, with scikit-learn's kernel."""
    xx, yy, xy = (rbf_kernel(a, b, gamma=1 / (2 * width**2)) for a, b in ((x, x), (y, y), (x, y)))
    n, m = len(x), len(y)
    return (xx.sum() - n) / (n * (n - 1)) + (yy.sum() - m) / (m * (m - 1)) - 2 * xy.mean()


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(4, 40), st.integers(4, 40), st.floats(0.3, 3))
def test_mmd_equals_its_definition(seed: int, n: int, m: int, width: float) -> None:
    x, y = normal(seed, n, m, shift=0.7)
    found = mmd(x, y, bandwidth=width, permutations=19)
    assert found.value == pytest.approx(naive_mmd(x, y, width), abs=1e-9)
    assert mmd(y, x, bandwidth=width, permutations=19).value == pytest.approx(found.value, abs=1e-9)
    assert mmd(x + 3, y + 3, bandwidth=width, permutations=19).value == pytest.approx(found.value, abs=1e-9)


def test_mmd_of_two_normals_has_its_known_value() -> None:
    """One dimension, bandwidth 1, means 1 apart: 2/sqrt(3) (1 - exp(-1/6))."""
    truth = 2 / 3**0.5 * (1 - np.exp(-1 / 6))
    found = [mmd(*normal(seed, 200, 150, d=1, shift=1.0), bandwidth=1.0, permutations=20) for seed in range(40)]
    assert np.mean([each.value for each in found]) == pytest.approx(truth, abs=0.02)
    assert np.mean([each.low <= truth <= each.high for each in found]) > 0.85
    blocks = mmd(*normal(1, 4000, 3000, d=1, shift=1.0), bandwidth=1.0, exact=500)
    assert (blocks.method.startswith("blocks"), blocks.low <= truth <= blocks.high, blocks.p < 1e-6) == (True, True, True)


def test_mmd_rejects_equal_samples_rarely() -> None:
    found = [mmd(*normal(seed, 30, 40), permutations=99) for seed in range(80)]
    assert np.mean([each.p <= 0.05 for each in found]) < 0.13
    assert np.mean([each.low <= 0 <= each.high for each in found]) > 0.91
    assert np.mean([mmd(*normal(seed, 120, 100, d=2), exact=50).p <= 0.05 for seed in range(80)]) < 0.13


@given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 200), st.integers(1, 200), st.integers(0, 300), st.integers(1, 300))
def test_two_classes_give_the_estimate_of_rogan_and_gladen(tn: int, fp: int, fn: int, tp: int, no: int, yes: int) -> None:
    sensitivity, specificity = tp / (tp + fn), tn / (tn + fp)
    found = label_shift([[tn, fp], [fn, tp]], [no, yes], draws=50)
    if found.reason is None:
        prevalence = (yes / (no + yes) + specificity - 1) / (sensitivity + specificity - 1)
        assert found.shares[1] == pytest.approx(min(max(prevalence, 0), 1), abs=1e-9)
        assert (found.outside == ()) == (-1e-12 <= prevalence <= 1 + 1e-12) or abs(prevalence) < 1e-9 or abs(prevalence - 1) < 1e-9
    else:
        assert "too much" in found.reason


def test_shares_and_accuracy_in_production_are_recovered() -> None:
    rng = np.random.default_rng(6)
    recall = np.array([[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.1, 0.2, 0.7]])
    home, away = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6])
    hit, accurate = np.zeros(3), 0
    for seed in range(100):
        table = np.stack([rng.multinomial(round(1500 * share), row) for share, row in zip(home, recall, strict=True)])
        found = label_shift(table, rng.multinomial(800, away @ recall), draws=300, seed=str(seed).encode())
        hit += (found.low <= away) & (away <= found.high)
        accurate += found.accuracy_low <= away @ np.diag(recall) <= found.accuracy_high
    assert (hit >= 88).all()
    assert accurate >= 88
    assert found.test.p < 1e-6
    np.testing.assert_allclose(found.weights, found.shares / (table.sum(axis=1) / table.sum()))


def test_no_estimate_where_nothing_can_be_solved() -> None:
    assert "class 1 has no case" in label_shift([[5, 1], [0, 0]], [3, 3]).reason
    assert "too much" in label_shift([[50, 50], [50, 50]], [3, 3]).reason
    below = label_shift([[90, 10], [10, 90]], [99, 1])
    assert (below.outside, below.shares[1]) == ((1,), 0)
    with pytest.raises(BadInput, match="same two or more classes"):
        label_shift([[1, 2], [3, 4]], [1, 2, 3])


def calibrated(rng: np.random.Generator, n: int, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    confidence = rng.uniform(low, high, n)
    return confidence, rng.random(n) < confidence


def test_calibrated_confidence_estimates_accuracy() -> None:
    rng = np.random.default_rng(8)
    covered, given = 0, 0
    for _ in range(150):
        confidence, right = calibrated(rng, 4000, 0.5, 1.0)
        away, hits = calibrated(rng, 500, 0.4, 0.8)
        found = estimated_accuracy(confidence, right, away)
        if found.value is not None:
            given += 1
            covered += found.low <= hits.mean() <= found.high
    assert given >= 130
    assert covered / given > 0.92


def patients(rng: np.random.Generator, groups: int, size: int, shared: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Honest confidence, and right or wrong by luck that the cases of a patient have in common with probability `shared`."""
    unit = np.repeat(np.arange(groups), size)
    confidence = np.repeat(rng.uniform(0.6, 0.9, groups), size)
    luck = np.where(rng.random(unit.size) < shared, rng.random(groups)[unit], rng.random(unit.size))
    return confidence, luck < confidence, unit


def test_cases_of_one_patient_are_right_together() -> None:
    rng = np.random.default_rng(10)
    covered, plain, given = 0, 0, 0
    for _ in range(100):
        (confidence, right, home), (away, hits, unit) = patients(rng, 3000, 5, 0.8), patients(rng, 40, 20, 0.8)
        found = estimated_accuracy(confidence, right, away, clusters=home, production_clusters=unit)
        alone = estimated_accuracy(confidence, right, away, margin=1.0)
        if found.value is not None:
            given += 1
            covered += found.low <= hits.mean() <= found.high
        if alone.value is not None:
            plain += alone.low <= hits.mean() <= alone.high
    assert given >= 90
    assert covered / given > 0.9
    assert plain < 60, "without clusters the interval is far too narrow, or honest confidence is taken for dishonest"


def test_clusters_of_one_change_nothing_and_copies_add_nothing() -> None:
    rng = np.random.default_rng(11)
    confidence, right = calibrated(rng, 3000, 0.5, 1.0)
    plain = estimated_accuracy(confidence, right, confidence[:50])
    alone = estimated_accuracy(confidence, right, confidence[:50], clusters=np.arange(3000), production_clusters=None)
    assert alone == plain
    twice = estimated_accuracy(np.repeat(confidence, 2), np.repeat(right, 2), confidence[:50], clusters=np.repeat(np.arange(3000), 2))
    assert (twice.low, twice.high) == pytest.approx((plain.low, plain.high), abs=2e-4)
    with pytest.raises(BadInput, match="cannot be estimated"):
        estimated_accuracy(confidence, right, confidence[:50], production_clusters=np.arange(50) // 2)


def test_dishonest_confidence_is_refused_with_the_reason() -> None:
    rng = np.random.default_rng(9)
    confidence, _ = calibrated(rng, 4000, 0.5, 1.0)
    over = estimated_accuracy(confidence, rng.random(4000) < confidence - 0.1, confidence)
    assert (over.value, over.low) == (None, None)
    assert over.gap == pytest.approx(0.1, abs=0.02)
    assert "within 0.03 of 0" in over.reason
    tilted = estimated_accuracy(confidence, rng.random(4000) < 0.75, confidence)  # right on average, wrong everywhere else
    assert tilted.value is None
    assert "around confidence" in tilted.reason
    few = estimated_accuracy(*calibrated(rng, 50, 0.5, 1), confidence)
    assert "lies between" in few.reason
    with pytest.raises(BadInput, match="production, row 1"):
        estimated_accuracy([0.5], [True], [0.5, 1.5])


def test_vectors_that_cannot_be_compared_are_refused() -> None:
    ours, theirs = normal(0)
    with pytest.raises(BadInput, match="same columns"):
        classifier_test(ours, theirs[:, :2])
    with pytest.raises(BadInput, match="production, row 3: not finite"):
        mmd(ours, np.where(np.arange(len(theirs))[:, None] == 3, np.nan, theirs))
    with pytest.raises(BadInput, match="too few clusters"):
        classifier_test(ours, theirs, clusters=np.arange(270) // 90)
