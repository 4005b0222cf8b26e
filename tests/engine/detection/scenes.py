"""Random but seeded detections for the engine's tests, awkward on purpose: ties, crowds, empty images, classes without objects."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.engine.detection.data import Detection, Objects, Operating, Predictions, Scene, objects, predictions, scene
from evaluation.engine.detection.tables import Matched, Points, matched, of_block
from evaluation.engine.strata import Stratum, blocks

Ints, Floats = NDArray[np.int64], NDArray[np.float64]
SEED = b"tests"


@dataclass(frozen=True)
class Shape:
    """How many of what, and how awkward: `ties` in scores, share of `crowd` regions."""

    images: int = 12
    classes: int = 3
    objects: int = 40
    detections: int = 90
    ties: int | None = 8
    crowd: float = 0.1
    largest: int = 150


def boxes(rng: np.random.Generator, count: int, largest: int) -> Floats:
    return np.concatenate([rng.integers(0, 200, (count, 2)), rng.integers(2, largest, (count, 2))], axis=1).astype(np.float64)


def truth_of(rng: np.random.Generator, where: Scene, shape: Shape) -> Objects:
    count = shape.objects
    image, label = rng.integers(0, shape.images, count), rng.integers(0, shape.classes, count)
    return objects(
        where,
        [where.images[i] for i in image],
        [where.classes[k] for k in label],
        boxes(rng, count, shape.largest),
        crowd=rng.random(count) < shape.crowd,
    )


def guesses(rng: np.random.Generator, where: Scene, truth: Objects, shape: Shape, skill: float = 0.6) -> Predictions:
    """Detections of which a share `skill` lie near an object."""
    count = shape.detections
    image, label, found = rng.integers(0, shape.images, count), rng.integers(0, shape.classes, count), boxes(rng, count, shape.largest)
    scores = rng.random(count)
    if truth.image.size and count:
        near = np.flatnonzero(rng.random(count) < skill)
        of = rng.integers(0, truth.image.size, near.size)
        image[near], label[near] = truth.image[of], truth.label[of]
        found[near] = truth.boxes[of]
        found[near] += rng.integers(-4, 5, (near.size, 4)) * rng.integers(0, 3, (near.size, 1))
        found[:, 2:] = np.maximum(found[:, 2:], 1)
        scores[near] = np.sqrt(scores[near])
    if shape.ties:
        scores = np.round(scores * shape.ties) / shape.ties
    return predictions(where, [where.images[i] for i in image], [where.classes[k] for k in label], found, scores)


def detection(
    shape: Shape = Shape(), seed: int = 0, *, runs: int = 1, baselines: int = 0, clusters: int = 0, operating: Operating | None = None
) -> Detection:
    rng = np.random.default_rng(seed)
    unit = rng.integers(0, clusters, shape.images) if clusters else None
    where = scene(range(shape.images), [f"c{k}" for k in range(shape.classes)], clusters=unit)
    truth = truth_of(rng, where, shape)
    ours = [guesses(rng, where, truth, shape, 0.7) for _ in range(runs)]
    return Detection(where, truth, ours, [guesses(rng, where, truth, shape, 0.6) for _ in range(baselines)], operating or Operating())


def values(found: Detection, predicted: Predictions | None = None) -> Points:
    """Every metric over all images."""
    arm = matched(found, found.candidate[0] if predicted is None else predicted)
    return everywhere(arm)


def everywhere(arm: Matched) -> Points:
    return of_block(arm, blocks([Stratum("all", np.ones(arm.images, dtype=bool))], arm.images)[0])


def picked(found: Detection, images: Ints) -> Detection:
    """The same on some images, which may be repeated: physically, as a new set of images in the order given."""
    where = scene(range(images.size), found.scene.classes)
    rows = [np.flatnonzero(found.truth.image == i) for i in images]
    truth = found.truth
    row, image = np.concatenate(rows) if rows else np.zeros(0, int), np.repeat(np.arange(images.size), [r.size for r in rows])
    some = Objects(image, truth.label[row], truth.boxes[row], truth.areas[row], truth.crowd[row], truth.ignore[row])

    def of(predicted: Predictions) -> Predictions:
        rows = [np.flatnonzero(predicted.image == i) for i in images]
        row, image = np.concatenate(rows) if rows else np.zeros(0, int), np.repeat(np.arange(images.size), [r.size for r in rows])
        marks = (predicted.missing[images], predicted.invalid[images])
        return Predictions(image, predicted.label[row], predicted.boxes[row], predicted.scores[row], *marks)

    return Detection(where, some, [of(p) for p in found.candidate], [of(p) for p in found.baseline], found.operating)
