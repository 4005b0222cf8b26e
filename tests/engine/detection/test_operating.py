"""The operating point and FROC beside a plain loop over boxes, written from the rule alone."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.engine.arrays import BadInput
from evaluation.engine.detection.data import Detection, Operating, objects, predictions, scene
from evaluation.engine.detection.froc import RATES, froc_points
from evaluation.engine.detection.metrics import ROW
from tests.engine.detection.scenes import Shape, detection, picked, values

HIT, WRONG, NOTHING = 1, 0, -1


def _iou(one: np.ndarray, other: np.ndarray, crowd: bool) -> float:
    left, top = np.maximum(one[:2], other[:2])
    right, bottom = np.minimum(one[:2] + one[2:], other[:2] + other[2:])
    both = max(right - left, 0) * max(bottom - top, 0)
    return both / (one[2] * one[3] if crowd else one[2] * one[3] + other[2] * other[3] - both)


def _outcomes(found: Detection, iou: float) -> list[tuple[float, int, int, int]]:
    """(score, image, class, outcome) of every detection."""
    truth, guess, out = found.truth, found.candidate[0], []
    for image in range(found.scene.size):
        for label in range(len(found.scene.classes)):
            here = [g for g in range(truth.image.size) if truth.image[g] == image and truth.label[g] == label]
            free = set(here)
            mine = [d for d in range(guess.image.size) if guess.image[d] == image and guess.label[d] == label]
            for d in sorted(mine, key=lambda d: -guess.scores[d]):
                fits = [(not truth.crowd[g], _iou(guess.boxes[d], truth.boxes[g], truth.crowd[g]), g) for g in free]
                best = max((fit for fit in fits if fit[1] >= iou), default=None)
                if best is not None and best[0]:
                    free.discard(best[2])
                out.append((guess.scores[d], image, label, WRONG if best is None else HIT if best[0] else NOTHING))
    return out


@settings(max_examples=8)
@given(st.integers(0, 10_000), st.sampled_from([0.1, 0.5, 0.75]), st.sampled_from(["all", "negative"]))
def test_equals_a_plain_loop(seed: int, iou: float, images: str) -> None:
    found = detection(Shape(objects=25, detections=60), seed, operating=Operating(iou=iou, score=0.5, froc_images=images))
    counted = found.truth.counted
    point = values(found)
    outcomes = _outcomes(found, iou)
    for column, label in enumerate([0, 1, 2, None]):
        mine = [each for each in outcomes if label in {None, each[2]}]
        of = counted & ((found.truth.label == label) | (label is None))
        sure = [outcome for score, _, _, outcome in mine if score >= 0.5]
        hits, wrong, count = sure.count(HIT), sure.count(WRONG), int(of.sum())
        assert point.tallies[0, :, column].tolist() == [hits, wrong, count]
        row = point.values[0, :, column]
        assert row[ROW["fp_per_image"]] == wrong / 12
        for name, top, bottom in (("precision", hits, hits + wrong), ("recall", hits, count), ("f1", 2 * hits, hits + wrong + count)):
            assert row[ROW[name]] == top / bottom if bottom else np.isnan(row[ROW[name]])
        clean = set(range(12)) - set(found.truth.image[of].tolist()) if images == "negative" else set(range(12))
        scores = [[s for s, i, _, outcome in mine if outcome == which and (which == HIT or i in clean)] for which in (WRONG, HIT)]
        np.testing.assert_allclose(point.froc[0, column], froc_points(*scores, count, len(clean)), rtol=0, atol=1e-12)


@given(
    st.lists(st.integers(1, 9), max_size=12), st.lists(st.integers(1, 9), max_size=8), st.integers(1, 6), st.sampled_from([(0.3, 2), RATES])
)
def test_froc_equals_interpolation_over_all_thresholds(wrong: list[int], hits: list[int], images: int, rates: tuple[float, ...]) -> None:
    objects = len(hits) + 1
    levels = sorted({*wrong, *hits}, reverse=True)
    along = [0.0, *(sum(w >= level for w in wrong) / images for level in levels)]
    up = [0.0, *(sum(h >= level for h in hits) / objects for level in levels)]
    np.testing.assert_allclose(froc_points(wrong, hits, objects, images, rates), np.interp(rates, along, up), rtol=0, atol=1e-12)


def test_froc_needs_objects_and_images() -> None:
    assert np.isnan(froc_points([0.5], [], 0, 3)).all()
    assert np.isnan(froc_points([], [0.5], 3, 0)).all()
    assert froc_points([], [], 3, 2).tolist() == [0.0] * 7


def test_false_positives_on_negative_images_only() -> None:
    where = scene(["ill", "well", "well too"], ["x"])
    truth = objects(where, ["ill"], ["x"], [[0, 0, 10, 10]])
    said = predictions(where, ["ill", "ill", "well"], ["x"] * 3, [[0, 0, 10, 10], [50, 50, 5, 5], [5, 5, 5, 5]], [0.4, 0.9, 0.6])
    everywhere = Detection(where, truth, [said], operating=Operating(score=0.3))
    negative = replace(everywhere, operating=Operating(score=0.3, froc_images="negative"))
    np.testing.assert_allclose(values(everywhere).froc[0, 0], [0, 0, 0, 1, 1, 1, 1])  # two of them come first: 2/3 per image
    np.testing.assert_allclose(values(negative).froc[0, 0], [0, 0, 1, 1, 1, 1, 1])  # one on two images: 1/2 per image
    assert values(negative).values[0, ROW["fp_per_image"], 0] == 2 / 3  # the operating point counts them on every image


@given(st.integers(0, 10_000))
@settings(max_examples=12)
def test_copies_of_the_data_change_no_rate(seed: int) -> None:
    found = detection(Shape(), seed)
    twice = picked(found, np.repeat(np.arange(12), 2))
    rows = [ROW[name] for name in ("precision", "recall", "f1", "fp_per_image", "froc", "coco_ar100")]
    np.testing.assert_allclose(values(twice).values[0, rows, :-1], values(found).values[0, rows, :-1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("wrong", [{"iou": 0.0}, {"iou": 1.5}, {"score": float("nan")}])
def test_an_operating_point_is_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="IoU above 0"):
        Operating(**wrong)


@pytest.mark.parametrize(("order", "recall"), [([0, 1], 1.0), ([1, 0], 0.5)])
def test_of_equal_overlaps_the_last_object_is_taken(order: list[int], recall: float) -> None:
    where = scene(["a"], ["x"])
    boxes = np.array([[0, 0, 10, 10], [4, 0, 10, 10]])
    said = predictions(where, ["a", "a"], ["x", "x"], [[2, 0, 10, 10], [0, 0, 10, 10]], [0.9, 0.8])  # the first overlaps both alike
    found = Detection(where, objects(where, ["a", "a"], ["x", "x"], boxes[order]), [said])
    assert values(found).values[0, ROW["recall"], -1] == recall


def test_equal_boxes_overlap_entirely_whatever_rounding_says() -> None:
    where = scene(range(200), ["x"])
    boxes = np.random.default_rng(0).uniform(0.1, 9, (200, 4))
    said = predictions(where, range(200), ["x"] * 200, boxes, [0.9] * 200)
    found = Detection(where, objects(where, range(200), ["x"] * 200, boxes), [said], operating=Operating(iou=1.0))
    assert values(found).values[0, ROW["recall"], -1] == 1
