"""COCO figures: equal to pycocotools on awkward data, stratum by stratum, and under weights equal to physically repeated images."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.engine.detection.accumulate import Layout, Membership, area_of
from evaluation.engine.detection.data import Detection, objects, predictions, scene
from evaluation.engine.detection.matching import match
from evaluation.engine.detection.metrics import COCO, ROW
from evaluation.engine.detection.tables import AREAS, MOST, THRESHOLDS, matched, of_block
from evaluation.engine.detection.weigh import Curves
from evaluation.engine.strata import Grouping, Stratum, blocks
from tests.engine.detection.coco_oracle import evaluated, per_class
from tests.engine.detection.scenes import Shape, detection, everywhere, picked, values

SHAPES = {
    "plain": Shape(),
    "no ties": Shape(ties=None, crowd=0),
    "all tied": Shape(ties=1, crowd=0.3),
    "no detections": Shape(detections=0),
    "no objects": Shape(objects=0),
    "one image": Shape(images=1, classes=1, objects=9, detections=30),
    "beyond the limit": Shape(images=2, classes=1, objects=30, detections=400),
    "classes without objects": Shape(images=40, classes=25, objects=12, detections=60),
    "small": Shape(largest=36, objects=80, detections=200),
    "crowds only": Shape(crowd=1.0),
}


def _summary(found: Detection, images: np.ndarray | None = None) -> np.ndarray:
    run = evaluated(found.scene.size, len(found.scene.classes), found.truth, found.candidate[0], images)
    order = [*range(6), 6, 7, 8]  # AP, AP50, AP75, S, M, L, AR1, AR10, AR100
    return np.where(run.stats[order] < 0, np.nan, run.stats[order])


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("seed", range(2))
def test_equals_pycocotools(name: str, seed: int) -> None:
    found = detection(SHAPES[name], seed)
    np.testing.assert_allclose(values(found).values[0, : len(COCO), -2], _summary(found), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", SHAPES)
def test_every_class_threshold_area_and_limit_equals_pycocotools(name: str) -> None:
    found = detection(SHAPES[name], 9)
    run = evaluated(found.scene.size, len(found.scene.classes), found.truth, found.candidate[0])
    matches = match(found.truth, found.candidate[0], THRESHOLDS, AREAS, MOST[-1])
    everything = Membership.of(np.arange(found.scene.size), np.zeros(found.scene.size, dtype=int), 1, found.scene.size)
    for area in range(len(AREAS)):
        ours = area_of(Layout.of(found.truth, matches, everything, len(found.scene.classes)), area, MOST)
        np.testing.assert_allclose(ours.precision[0, :, 0], per_class(run, area), rtol=0, atol=1e-12)
        recall = run.eval["recall"][:, :, area].transpose(2, 0, 1)
        np.testing.assert_allclose(ours.recall[:, 0, :, 0], np.where(recall < 0, np.nan, recall), rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(2))
def test_strata_equal_a_run_on_their_images_alone(seed: int) -> None:
    found = detection(Shape(images=30, objects=90, detections=240), seed)
    rng = np.random.default_rng(seed)
    site, view = rng.integers(-1, 4, 30), rng.integers(0, 3, 30)
    strata = [
        Stratum("all", np.ones(30, dtype=bool)),
        Grouping([f"site={i}" for i in range(5)], site),  # site=4 is empty
        Grouping([f"view={i}" for i in range(3)], view),
        Stratum("few", np.arange(3)),
    ]
    members = [np.arange(30), *(np.flatnonzero(site == i) for i in range(5)), *(np.flatnonzero(view == i) for i in range(3)), np.arange(3)]
    arm = matched(found, found.candidate[0])
    together = {}
    for block in blocks(strata, 30):
        found_here = of_block(arm, block)
        together |= dict(zip(block.names, found_here.values, strict=True))
    names = ["all", *(f"site={i}" for i in range(5)), *(f"view={i}" for i in range(3)), "few"]
    assert set(together) == set(names)
    for name, images in zip(names, members, strict=True):
        alone = picked(found, images)
        np.testing.assert_array_equal(together[name], values(alone).values[0])
        if images.size:
            np.testing.assert_allclose(together[name][: len(COCO), -2], _summary(found, images), rtol=0, atol=1e-12)


def _without_ties_inside_an_image(found: Detection) -> Detection:
    """Images tie with each other still; ties inside one are counted copy by copy when it is repeated, which no weight can express."""
    guess = found.candidate[0]
    order = np.argsort(-guess.scores, kind="stable")
    turn = order[np.argsort((guess.image * 3 + guess.label)[order], kind="stable")]
    place = np.zeros(order.size)
    starts = np.flatnonzero(np.diff((guess.image * 3 + guess.label)[turn], prepend=-1))
    place[turn] = np.arange(order.size) - np.repeat(starts, np.diff(np.append(starts, order.size)))
    return replace(found, candidate=[replace(guess, scores=guess.scores - place / 1000)])


@settings(max_examples=12)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 11), min_size=1, max_size=20))
def test_weights_are_bit_for_bit_repeated_images(seed: int, drawn: list[int]) -> None:
    found = _without_ties_inside_an_image(detection(Shape(), seed))
    arm = matched(found, found.candidate[0])
    everything = Membership.of(np.arange(12), np.zeros(12, dtype=int), 1, 12)
    weights = np.bincount(drawn, minlength=12).astype(float)[None]
    copies = picked(found, np.sort(np.array(drawn)))
    repeated = matched(copies, copies.candidate[0])
    size = repeated.images
    physically = Membership.of(np.arange(size), np.zeros(size, dtype=int), 1, size)
    for area, plain in enumerate(repeated.areas(physically)):
        weighed = Curves(arm.layout(everything), area, MOST if area == 0 else ()).values(weights)
        np.testing.assert_array_equal(weighed.precision, plain.precision)
        np.testing.assert_array_equal(weighed.recall, plain.recall)
        np.testing.assert_array_equal(weighed.objects, plain.objects)
    np.testing.assert_array_equal(arm.froc(everything).points(weights), repeated.froc(physically).points())


@pytest.mark.parametrize("seed", range(2))
def test_repeated_images_equal_pycocotools_too(seed: int) -> None:
    found = picked(detection(Shape(), seed), np.sort(np.random.default_rng(seed).integers(0, 12, 20)))
    np.testing.assert_allclose(values(found).values[0, : len(COCO), -2], _summary(found), rtol=0, atol=1e-12)


@settings(max_examples=12)
@given(st.integers(0, 10_000))
def test_names_of_images_and_classes_do_not_matter(seed: int) -> None:
    shape = Shape(images=6, objects=20, detections=40)
    found = detection(shape, seed)
    truth, guess = found.truth, found.candidate[0]
    for images, classes in (([f"img-{i}" for i in range(6)], ["x", "y", "z"]), (range(6), range(3)), (range(100, 94, -1), [7, "7", 0])):
        where = scene(images, classes)
        names, kinds = list(images), list(classes)
        again = objects(where, [names[i] for i in truth.image], [kinds[k] for k in truth.label], truth.boxes, crowd=truth.crowd)
        said = predictions(where, [names[i] for i in guess.image], [kinds[k] for k in guess.label], guess.boxes, guess.scores)
        np.testing.assert_array_equal(values(Detection(where, again, [said])).values, values(found).values)


@settings(max_examples=12)
@given(st.integers(0, 10_000))
def test_order_of_rows_images_and_classes_does_not_matter_without_ties(seed: int) -> None:
    found = detection(Shape(ties=None), seed)
    rng = np.random.default_rng(seed)
    images, classes = rng.permutation(12), rng.permutation(3)
    rows, said = rng.permutation(found.truth.image.size), rng.permutation(found.candidate[0].image.size)
    truth, guess = found.truth, found.candidate[0]
    turned = Detection(
        found.scene,
        replace(
            truth,
            image=images[truth.image[rows]],
            label=classes[truth.label[rows]],
            boxes=truth.boxes[rows],
            areas=truth.areas[rows],
            crowd=truth.crowd[rows],
            ignore=truth.ignore[rows],
        ),
        [
            replace(
                guess,
                image=images[guess.image[said]],
                label=classes[guess.label[said]],
                boxes=guess.boxes[said],
                scores=guess.scores[said],
            )
        ],
    )
    before, after = values(found).values[0], values(turned).values[0]
    np.testing.assert_allclose(after[:, classes], before[:, :3], rtol=0, atol=1e-12)
    np.testing.assert_allclose(after[:, -2:], before[:, -2:], rtol=0, atol=1e-12)


@settings(max_examples=12)
@given(st.integers(0, 10_000))
def test_only_the_order_of_scores_matters_to_coco_and_froc(seed: int) -> None:
    found = detection(Shape(), seed)
    guess = found.candidate[0]
    stretched = replace(guess, scores=np.expm1(3 * guess.scores) - 7)
    rows = [*range(len(COCO)), ROW["froc"]]
    np.testing.assert_array_equal(values(found).values[0, rows], values(found, stretched).values[0, rows])


@settings(max_examples=12)
@given(st.integers(0, 10_000))
def test_a_class_does_not_feel_the_others(seed: int) -> None:
    found = detection(Shape(), seed)
    guess = found.candidate[0]
    kept = guess.label == 1
    alone = replace(guess, image=guess.image[kept], label=guess.label[kept], boxes=guess.boxes[kept], scores=guess.scores[kept])
    np.testing.assert_array_equal(values(found).values[0, :, 1], values(found, alone).values[0, :, 1])


def test_perfect_detections_are_perfect_and_none_are_zero() -> None:
    found = detection(Shape(crowd=0, objects=30))
    truth = found.truth
    nothing = np.zeros(found.scene.size, dtype=bool)
    perfect = replace(found.candidate[0], image=truth.image, label=truth.label, boxes=truth.boxes, scores=np.linspace(0.6, 0.9, 30))
    assert values(found, perfect).values[0, ROW["coco_ap"], -2] == pytest.approx(1, abs=1e-12)
    silent = replace(perfect, image=truth.image[:0], label=truth.label[:0], boxes=truth.boxes[:0], scores=np.zeros(0), missing=nothing)
    point = values(found, silent).values[0, :, -2]
    assert point[ROW["coco_ap"]] == point[ROW["recall"]] == point[ROW["froc"]] == point[ROW["fp_per_image"]] == 0
    assert np.isnan(point[ROW["precision"]])


def test_an_ignored_object_absorbs_one_detection_and_counts_for_nothing() -> None:
    where = scene(["a"], ["x"])
    truth = objects(where, ["a", "a"], ["x", "x"], [[0, 0, 10, 10], [50, 50, 10, 10]], ignore=[False, True])
    said = predictions(where, ["a"] * 3, ["x"] * 3, [[0, 0, 10, 10], [50, 50, 10, 10], [50, 50, 10, 10]], [0.9, 0.8, 0.7])
    point = values(Detection(where, truth, [said])).values[0, :, -2]
    assert point[ROW["recall"]] == 1
    assert point[ROW["precision"]] == 0.5  # the second one on the ignored object is a false positive
    assert point[ROW["fp_per_image"]] == 1


def test_classes_with_few_objects_are_left_out_of_what_gates() -> None:
    where = scene(range(12), ["often", "rare"])
    truth = objects(where, [*range(12), 0], ["often"] * 12 + ["rare"], [[0, 0, 10, 10]] * 12 + [[40, 40, 10, 10]])
    said = predictions(where, range(12), ["often"] * 12, [[0, 0, 10, 10]] * 12, [0.9] * 12)
    found = everywhere(matched(Detection(where, truth, [said]), said))
    assert found.values[0, ROW["coco_ap"], -2:] == pytest.approx([0.5, 1.0])
    assert found.gating[0, ROW["coco_ap"]].tolist() == [True, False]
