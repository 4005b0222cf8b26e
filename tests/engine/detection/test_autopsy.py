"""Every usual mistake in writing boxes is named, with what the metric would be without it; a sound file is left alone."""

from dataclasses import replace

import numpy as np
import pytest

from evaluation.engine.detection.autopsy import autopsy
from evaluation.engine.detection.data import Objects, Predictions, Scene, objects, predictions, scene
from evaluation.engine.detection.sanity import findings

SIZES = np.random.default_rng(1).integers(300, 900, (60, 2)).astype(float)


def _sound(seed: int = 0) -> tuple[Scene, Objects, Predictions]:
    """Three objects of different classes an image; three of four are found well."""
    rng = np.random.default_rng(seed)
    where = scene(range(60), ["a", "b", "c", "d"], sizes=SIZES)
    image = np.repeat(np.arange(60), 3)
    extent = SIZES[image]
    size = extent * rng.uniform(0.1, 0.4, (180, 2))
    boxes = np.concatenate([rng.uniform(0, 1, (180, 2)) * (extent - size), size], axis=1)
    label = rng.integers(0, 4, 180)
    truth = objects(where, image, [where.classes[k] for k in label], boxes)
    found = np.flatnonzero(rng.random(180) < 0.75)
    near = boxes[found] + rng.normal(0, 0.03, (found.size, 4)) * np.tile(size[found], 2)
    said = predictions(where, image[found], [where.classes[k] for k in label[found]], near, rng.uniform(0.3, 1, found.size))
    return where, truth, said


def _corners(b: np.ndarray) -> np.ndarray:
    return np.stack([b[:, 0], b[:, 1], b[:, 0] + b[:, 2], b[:, 1] + b[:, 3]], axis=1)


def _centres(b: np.ndarray) -> np.ndarray:
    return np.stack([b[:, 0] + b[:, 2] / 2, b[:, 1] + b[:, 3] / 2, b[:, 2], b[:, 3]], axis=1)


WHERE, TRUTH, SAID = _sound()
EXTENT = np.tile(SIZES[SAID.image], 2)
WRITTEN = {
    "xyxy": _corners(SAID.boxes),
    "cxcywh": _centres(SAID.boxes),
    "swapped": SAID.boxes[:, [1, 0, 3, 2]],
    "yxyx": _corners(SAID.boxes)[:, [1, 0, 3, 2]],
    "normalised_xywh": SAID.boxes / EXTENT,
    "normalised_xyxy": _corners(SAID.boxes) / EXTENT,
    "normalised_cxcywh": _centres(SAID.boxes) / EXTENT,
    "resized_xywh": SAID.boxes / EXTENT * 640,
    "resized_xyxy": _corners(SAID.boxes) / EXTENT * 512,
    "scaled_xywh": SAID.boxes * 0.5,
    "scaled_xyxy": _corners(SAID.boxes) * 2,
}


@pytest.mark.parametrize("name", WRITTEN)
def test_boxes_written_in_another_way(name: str) -> None:
    (found,) = autopsy(WHERE, TRUTH, replace(SAID, boxes=WRITTEN[name]))
    assert (found.code, found.severity, found.numbers["hypothesis"]) == ("box_convention", "error", name)
    assert found.numbers["metric"] == "coco_ap50"
    assert found.numbers["value"] < 0.2
    assert found.numbers["without_fault"] > 0.6
    assert found.numbers["boxes"] == SAID.image.size


@pytest.mark.parametrize("seed", range(5))
def test_a_sound_file_is_left_alone(seed: int) -> None:
    assert autopsy(*_sound(seed)) == []


def test_a_bad_detector_is_not_explained_away() -> None:
    rng = np.random.default_rng(0)
    noise = np.concatenate([rng.uniform(0, 300, (SAID.image.size, 2)), rng.uniform(20, 200, (SAID.image.size, 2))], axis=1)
    assert autopsy(WHERE, TRUTH, replace(SAID, boxes=noise)) == []


def test_classes_off_by_one() -> None:
    kept = SAID.label < 3
    shifted = Predictions(SAID.image[kept], SAID.label[kept] + 1, SAID.boxes[kept], SAID.scores[kept], SAID.missing, SAID.invalid)
    (found,) = autopsy(WHERE, TRUTH, shifted)
    assert (found.code, found.numbers["hypothesis"]) == ("class_names", "off_by_minus_one")
    assert found.numbers["without_fault"] > 0.5 > found.numbers["value"]
    assert found.numbers["share_right_class"] == 0


def test_classes_exchanged() -> None:
    (found,) = autopsy(WHERE, TRUTH, replace(SAID, label=np.array([2, 1, 0, 3])[SAID.label]))
    assert (found.code, found.numbers["hypothesis"], found.numbers["exchanged"]) == ("class_names", "permutation", "a is c, c is a")


def test_two_mistakes_at_once_are_told_apart() -> None:
    boxes, classes = autopsy(WHERE, TRUTH, replace(SAID, boxes=WRITTEN["xyxy"], label=np.array([2, 1, 0, 3])[SAID.label]))
    assert (boxes.numbers["hypothesis"], classes.numbers["hypothesis"]) == ("xyxy", "permutation")
    assert classes.numbers["without_fault"] > 0.6


def test_large_sets_are_tried_on_some_images_and_reported_on_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluation.engine.detection.autopsy.LOOKED_AT", 20)
    wrong = replace(SAID, boxes=WRITTEN["cxcywh"])
    (found,) = autopsy(WHERE, TRUTH, wrong)
    assert (found.numbers["hypothesis"], found.numbers["boxes"]) == ("cxcywh", SAID.image.size)


def _codes(predicted: Predictions) -> dict[str, str]:
    return {found.code: found.severity for found in findings(WHERE, TRUTH, predicted)}


def test_what_boxes_and_scores_give_away() -> None:
    assert _codes(SAID) == {}
    assert _codes(replace(SAID, scores=np.ones_like(SAID.scores))) == {"constant_output": "error"}
    assert _codes(replace(SAID, scores=np.round(SAID.scores, 1))) == {"rounded_scores": "warn"}
    assert _codes(replace(SAID, scores=SAID.scores * 100)) == {"out_of_range": "warn"}
    assert _codes(replace(SAID, boxes=np.add(SAID.boxes, [SIZES.max(), 0, 0, 0]))) == {"outside_image": "warn"}
    assert _codes(replace(SAID, label=np.minimum(SAID.label, 2)))["never_predicted"] == "warn"
    cached = predictions(WHERE, range(60), ["a"] * 60, [[5, 5, 20, 20]] * 60, [0.71] * 30 + [0.72] * 30)
    assert _codes(cached)["same_answer"] == "error"
    many = predictions(WHERE, [0] * 130, ["a"] * 130, [[5, 5, 20, 20]] * 130, np.linspace(0.1, 0.93, 130))
    assert _codes(many)["beyond_the_limit"] == "warn"
