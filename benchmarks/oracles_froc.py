"""FROC beside MONAI's: equal sensitivities at every rate on random and awkward scores, and in every stratum of detected boxes.

    make check-oracles    (or: .make/oracles/bin/python -m benchmarks.oracles_froc [trials])

Whether a box finds an object is decided by the engine (MONAI looks for points in masks); what is compared is the curve and its mean.
"""

import sys

import numpy as np
from monai.metrics import compute_froc_curve_data, compute_froc_score
from numpy.typing import NDArray

from evaluation.engine.detection.data import Detection, objects, predictions, scene
from evaluation.engine.detection.froc import RATES, froc_points
from evaluation.engine.detection.metrics import ROW
from evaluation.engine.detection.tables import matched, of_block
from evaluation.engine.strata import Grouping, blocks

Floats = NDArray[np.float64]
CLOSE = 1e-9


def theirs(wrong: Floats, right: Floats, objects: int, images: int) -> tuple[Floats, float]:
    """Sensitivity at each rate, and the mean. MONAI leaves out the lowest score, which in its own data is the 0 of a missed object: one is added."""
    along, up = compute_froc_curve_data(wrong, np.append(right, 0.0), objects, images)
    each = np.array([compute_froc_score(along, up, (rate,)) for rate in RATES])
    return each, float(compute_froc_score(along, up, RATES))


def scores(rng: np.random.Generator) -> tuple[Floats, Floats, int, int]:
    """Scores of false positives and of found objects, objects, images: of all sizes, none included, often with ties."""
    images, found, missed = int(rng.integers(1, 30)), int(rng.integers(0, 20)), int(rng.integers(0, 5))
    wrong = rng.random(int(rng.integers(0, 12 * images) * rng.integers(0, 2)))
    right = np.sqrt(rng.random(found))
    digits = int(rng.choice([1, 2, 15]))
    return *(np.maximum(np.round(each, digits), 0.05) for each in (wrong, right)), max(found + missed, 1), images


def plain(trials: int) -> float:
    rng, worst = np.random.default_rng(0), 0.0
    none, one = np.zeros(0), np.ones(1)
    awkward = [
        (none, none, 3, 2),
        (none, one, 1, 1),
        (one, none, 1, 1),
        (np.full(9, 0.5), np.full(4, 0.5), 4, 1),
        (np.ones(800), one, 5, 100),
    ]
    for wrong, right, count, images in [*awkward, *(scores(rng) for _ in range(trials))]:
        ours, (want, mean) = froc_points(wrong, right, count, images), theirs(wrong, right, count, images)
        worst = max(worst, float(np.abs(ours - want).max()), abs(float(ours.mean()) - mean))
    return worst


def boxes(trials: int) -> float:
    """The report's FROC in strata of images, from boxes of which some find an object."""
    rng, worst = np.random.default_rng(1), 0.0
    for _ in range(trials):
        images = scene(range(20), ["lesion"])
        of = rng.integers(0, 20, 30)
        corners = np.column_stack([np.arange(30) * 50.0, rng.integers(0, 40, 30), np.full((30, 2), 20.0)])
        near = rng.choice(30, 22, replace=False)
        said = np.concatenate(
            [corners[near] + rng.integers(0, 12, (22, 1)), np.column_stack([rng.random((60, 2)) * 2000, np.full((60, 2), 15.0)])]
        )
        where = np.concatenate([of[near], rng.integers(0, 20, 60)])
        found = Detection(
            images,
            objects(images, of, ["lesion"] * 30, corners),
            [predictions(images, where, ["lesion"] * 82, said, np.maximum(np.round(rng.random(82), 2), 0.01))],
        )
        arm = matched(found, found.candidate[0])
        stratum = rng.integers(0, 3, 20)
        (block,) = blocks([Grouping(list("abc"), stratum)], 20)
        for place, value in enumerate(of_block(arm, block).values[:, ROW["froc"], -1]):
            inside, held = stratum[arm.single.image] == place, stratum[arm.truth.image] == place
            wrong = arm.single.scores[inside & (arm.single.hit[0] == 0)]
            right = arm.single.finder[held & ~np.isnan(arm.single.finder)]
            if held.any():
                worst = max(worst, abs(float(value) - theirs(wrong, right, int(held.sum()), int((stratum == place).sum()))[1]))
    return worst


def main(trials: int) -> None:
    for name, worst in (("scores", plain(trials)), ("boxes", boxes(max(trials // 20, 1)))):
        print(f"FROC of {name}: largest difference from MONAI {worst:.1e}")
        assert worst <= CLOSE, f"FROC of {name} differs from MONAI's by {worst}"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
