"""Intervals and differences of detection metrics: draws equal physically drawn sets, and the laws every interval keeps."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.engine.compare import tango
from evaluation.engine.detection import sampling, weigh
from evaluation.engine.detection.data import Detection, Predictions, objects, predictions, scene
from evaluation.engine.detection.figures import gaps, levels, object_flips
from evaluation.engine.detection.metrics import NAMES, ROW
from evaluation.engine.detection.sampling import Sample
from evaluation.engine.detection.tables import LEAST_OBJECTS, matched
from evaluation.engine.intervals import wilson
from evaluation.engine.seeds import generator
from tests.engine.detection.scenes import SEED, Shape, detection, picked, values

PLAIN = Shape(ties=None)


def sample_of(found: Detection, resamples: int = 60) -> Sample:
    arms = [matched(found, predicted) for predicted in found.artefacts]
    return Sample(found, arms, np.arange(found.scene.size), seed=SEED, resamples=resamples)


@pytest.mark.parametrize("clusters", [0, 5])
def test_a_draw_is_a_physically_drawn_set_for_both_models(clusters: int) -> None:
    found = detection(PLAIN, 1, baselines=1, clusters=clusters)
    sample = sample_of(found, 4)
    rng = generator(SEED)
    for draw in range(4):
        units = rng.integers(sample.units, size=sample.units)
        images = np.sort(np.concatenate([np.flatnonzero(sample.unit == unit) for unit in units]))
        copies = picked(found, images)
        for side, predicted in enumerate(copies.artefacts):
            np.testing.assert_array_equal(sample.drawn[side][draw, :, :-1], values(copies, predicted).values[0, :, :-1])


def test_an_exchange_is_a_physical_exchange() -> None:
    found = detection(PLAIN, 2, baselines=1, clusters=6)
    sample = sample_of(found, 3)
    rng = generator(SEED + b"swap")
    for draw in range(3):
        turned = (rng.random(sample.units) < 0.5)[sample.unit]

        def mixed(inside: Predictions, outside: Predictions, turned: np.ndarray = turned) -> Predictions:
            parts = [(inside, turned[inside.image]), (outside, ~turned[outside.image])]
            image, label, boxes, scores = (
                np.concatenate([getattr(each, name)[kept] for each, kept in parts]) for name in ("image", "label", "boxes", "scores")
            )
            return replace(inside, image=image, label=label, boxes=boxes, scores=scores)

        new, old = found.artefacts
        expected = values(found, mixed(old, new)).values[0] - values(found, mixed(new, old)).values[0]
        np.testing.assert_allclose(sample.swapped[draw], expected, rtol=0, atol=1e-12)


def test_the_size_of_chunks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = detection(PLAIN, 3, baselines=1)
    before = sample_of(found, 30)
    drawn, swapped = before.drawn, before.swapped
    monkeypatch.setattr(sampling, "chunks", lambda draws, size: weigh.chunks(draws, size, most=7 * size))
    after = sample_of(found, 30)
    np.testing.assert_array_equal(drawn, after.drawn)
    np.testing.assert_array_equal(swapped, after.swapped)


@pytest.mark.parametrize("name", NAMES)
def test_draws_of_one_metric_are_those_of_all(name: str) -> None:
    found = detection(PLAIN, 3, baselines=1)
    arms = [matched(found, predicted) for predicted in found.artefacts]
    alone = Sample(found, arms, np.arange(12), seed=SEED, resamples=5, names=[name])
    every = sample_of(found, 5)
    for ours, theirs in ((alone.drawn[0], every.drawn[0]), (alone.swapped, every.swapped)):
        np.testing.assert_array_equal(ours[:, ROW[name]], theirs[:, ROW[name]])


@settings(max_examples=6)
@given(st.integers(0, 10_000), st.sampled_from([0, 4]))
def test_intervals_hold_their_value_and_have_width(seed: int, clusters: int) -> None:
    sample = sample_of(detection(Shape(), seed, baselines=1, clusters=clusters))
    for side in (0, 1):
        value, found = sample.observed[side], levels(sample, side, 0.95)
        defined = ~np.isnan(value)
        shares = defined & (np.arange(len(NAMES)) != ROW["fp_per_image"])[:, None]
        assert np.all(found.high[shares] > found.low[shares])
        assert np.all((found.low[shares] >= 0) & (found.high[shares] <= 1))
        scored = [ROW[name] for name in ("recall", "precision", "fp_per_image", "coco_ap")]
        for row in scored:
            known = defined[row] & ~np.isnan(found.low[row])
            assert np.all((found.low[row] <= value[row] + 1e-12) & (value[row] <= found.high[row] + 1e-12), where=known)
    found = gaps(sample, object_flips(sample), 0.95)
    there = ~np.isnan(found.bounds.low)
    assert np.all(found.bounds.high[there] > found.bounds.low[there])
    assert np.all((found.p[~np.isnan(found.p)] > 0) & (found.p[~np.isnan(found.p)] <= 1))


def test_equal_models_differ_by_nothing_and_prove_nothing() -> None:
    found = detection(Shape(crowd=0), 4)
    sample = sample_of(replace(found, baseline=found.candidate))
    difference = gaps(sample, object_flips(sample), 0.95)
    defined = ~np.isnan(difference.value)
    assert np.all(difference.value[defined] == 0)
    assert np.all(difference.p[defined] == 1)
    assert np.all((difference.bounds.low < 0)[defined] & (difference.bounds.high > 0)[defined])
    assert difference.bounds.high[ROW["fp_per_image"], -1] == 3 / 12
    assert difference.bounds.method[ROW["coco_ap"], -1] == "tango on flips"


def test_one_object_an_image_is_plain_wilson_and_tango() -> None:
    where = scene(range(30), ["x"])
    truth = objects(where, range(30), ["x"] * 30, [[0, 0, 10, 10]] * 30)

    def finds(count: int, first: int = 0) -> Predictions:
        return predictions(where, range(first, first + count), ["x"] * count, [[0, 0, 10, 10]] * count, [0.9] * count)

    sample = sample_of(Detection(where, truth, [finds(20)], [finds(15, 10)]))
    found = levels(sample, 0, 0.95)
    assert (found.low[ROW["recall"], -1], found.high[ROW["recall"], -1]) == pytest.approx([float(end) for end in wilson(20, 30)])
    assert found.method[ROW["recall"], -1] == "wilson"
    assert (found.low[ROW["fp_per_image"], -1], found.high[ROW["fp_per_image"], -1]) == (0, 3 / 30)
    flips = object_flips(sample)
    assert (flips.lost[-1], flips.gained[-1], flips.n[-1]) == (5, 10, 30)
    difference = gaps(sample, flips, 0.95)
    ends = (difference.bounds.low[ROW["recall"], -1], difference.bounds.high[ROW["recall"], -1])
    assert ends == pytest.approx([float(end) for end in tango(5, 10, 30)])


def test_objects_of_one_cluster_are_not_independent() -> None:
    where = scene(range(40), ["x"], clusters=np.arange(40) // 8)
    truth = objects(where, range(40), ["x"] * 40, [[0, 0, 10, 10]] * 40)
    said = predictions(where, range(24), ["x"] * 24, [[0, 0, 10, 10]] * 24, [0.9] * 24)  # three patients right, two wrong
    sample = sample_of(Detection(where, truth, [said]))
    found = levels(sample, 0, 0.95)
    low, high = wilson(24, 40)
    assert found.high[ROW["recall"], -1] - found.low[ROW["recall"], -1] > 2 * float(high - low)
    assert found.method[ROW["recall"], -1] == "wilson, effective n of clusters"


def test_a_better_model_is_seen() -> None:
    rng = np.random.default_rng(0)
    where = scene(range(120), ["x"])
    truth = objects(where, range(120), ["x"] * 120, [[0, 0, 10, 10]] * 120)

    def finds(share: float) -> Predictions:
        images = np.flatnonzero(rng.random(120) < share)
        return predictions(where, images, ["x"] * images.size, [[0, 0, 10, 10]] * images.size, rng.random(images.size) * 0.4 + 0.55)

    sample = sample_of(Detection(where, truth, [finds(0.9)], [finds(0.6)]), 300)
    found = gaps(sample, object_flips(sample), 0.95)
    for name in ("coco_ap", "coco_ar100", "recall", "f1", "froc"):
        assert found.bounds.low[ROW[name], -1] > 0.1
        assert found.p[ROW[name], -1] < 0.01


def test_what_gates_is_fixed_by_the_observed_objects() -> None:
    sample = sample_of(detection(Shape(classes=8, objects=60, crowd=0), 5, baselines=1))
    enough = sample.tallies[0][:, 2, :-1].sum(axis=0) >= LEAST_OBJECTS
    assert enough.any()
    assert not enough.all()
    np.testing.assert_array_equal(sample.gating[ROW["coco_ap"]], enough)
    row = sample.observed[0][ROW["coco_ap"]]
    assert row[-1] == pytest.approx(row[:-2][enough].mean(), abs=1e-12)
