"""Several runs for numbers, labels and boxes: the recipe's value and the difference of two recipes, and the cells that all tables over runs are made of.

A run's skill is drawn for every set. Of a case's luck all runs share a part.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import special

from benchmarks.coverage.others import LABEL_SHARES, found_boxes, label_truth, sets_of, two_objects
from benchmarks.coverage.worlds import SEED, Floats, row, table
from evaluation.engine.detection.data import Detection, Objects, Predictions, Scene, scene
from evaluation.engine.detection.report import detection_report
from evaluation.engine.entries import Entry
from evaluation.engine.multilabel import Answers, answers, multilabel_report
from evaluation.engine.regression import regression_report

SHARED = 0.6  # of the noise of a case, what all runs have in common
Truths = dict[str, tuple[float, float]]  # by metric the recipe's value and that of the recipe it is compared with


def nodes(count: int) -> list[tuple[float, float]]:
    """Places and weights for means over a standard normal (Gauss–Hermite)."""
    places, weights = np.polynomial.hermite_e.hermegauss(count)
    return list(zip(places.tolist(), (weights / weights.sum()).tolist(), strict=True))


def gaps(found: Sequence[Entry]) -> Iterator[Entry]:
    """The differences as if they were entries; those that are not there are left out."""
    for entry in found:
        if entry["difference"] is not None and entry["artefact"]["difference"] is not None:
            yield entry["difference"] | {"artefact": entry["artefact"]["difference"]}


def cell(found: Sequence[Entry], truth: float) -> str:
    """`coverage (below / above), × width; replicate 0: coverage`."""
    ends = [(entry["low"], entry["high"]) for entry in found]
    alone = [(entry["artefact"]["low"], entry["artefact"]["high"]) for entry in found]
    both = np.array([[*a, *b] for a, b in zip(ends, alone, strict=True) if None not in (*a, *b)], dtype=np.float64)
    if not both.size:
        return "none"
    width = np.mean(both[:, 1] - both[:, 0]) / np.mean(both[:, 3] - both[:, 2])
    return f"{row(ends, truth)}, × {width:.2f}; replicate 0: {row(alone, truth).partition(' ')[0]}"


def _add(lines: dict[str, list[str]], entries: Sequence[Entry], truths: Truths) -> None:
    """A column: levels of all metrics, and their differences."""
    for name, (own, other) in truths.items():
        found = [entry for entry in entries if entry["metric"] == name and entry["stratum"] != "all"]
        lines.setdefault(name, []).append(cell(found, own))
        lines.setdefault(f"{name}, difference", []).append(cell(list(gaps(found)), own - other))


def _number_truth(scale: float, wobble: float) -> dict[str, float]:
    """Means over runs whose errors (Laplace) have the scale `scale` (1 + `wobble` z)."""
    square = scale**2 * (1 + wobble**2)
    return {"mae": scale, "bias": 0.0, "rmse": 2**0.5 * scale, "r2": 1 - 2 * square, "p90_absolute_error": scale * float(np.log(10))}


def numbers_over_runs(sets: int) -> None:
    """Regression with errors of long tails; a run's errors are larger or smaller by 3 or 15 %. In the last column clusters of 10 share a quarter of their luck."""
    lines: dict[str, list[str]] = {}
    heads = [(3, 100, 0.03, 1), (5, 100, 0.03, 1), (3, 100, 0.15, 1), (5, 400, 0.15, 1), (5, 600, 0.03, 10)]
    for number, (runs, n, wobble, size) in enumerate(heads):
        ours, theirs = _number_truth(0.4, wobble), _number_truth(0.5, wobble)
        rng = np.random.default_rng(800 + number)
        cases, group, own = sets * n, np.arange(sets * n) // size, np.repeat(np.arange(sets), n)
        truth, shared = rng.normal(size=cases), rng.laplace(size=cases)
        if size > 1:
            shared = np.where(rng.random(cases) < 0.5, rng.laplace(size=group[-1] + 1)[group], shared)

        moved = [[scale * (1 + wobble * rng.normal(size=sets))[own] for _ in range(runs)] for scale in (0.4, 0.5)]
        sides = [[truth + scale * np.where(rng.random(cases) < 0.5, shared, rng.laplace(size=cases)) for scale in side] for side in moved]
        clusters = group if size > 1 else None
        made = regression_report(truth, *sides, [sets_of(sets, n)], seed=SEED, resamples=500, clusters=clusters)["metrics"]
        _add(lines, made, {name: (ours[name], theirs[name]) for name in ours})
    names = [f"{runs} runs, sd {wobble:.0%}, n {n}" + (f", clusters of {size}" if size > 1 else "") for runs, n, wobble, size in heads]
    table(f"Several runs, numbers, {sets} sets", names, lines)


def _label_truths(skill: float, doubt: float, wobble: float) -> dict[str, float]:
    """Means over runs; sensitivity and specificity are the normal shares of `skill` and `doubt`, each moved by `wobble` z."""
    out: dict[str, float] = {}
    for place, weight in nodes(9):
        sensitivity, specificity = (float(special.ndtr(x + wobble * place)) for x in (skill, doubt))
        right = LABEL_SHARES * sensitivity + (1 - LABEL_SHARES) * specificity
        found = label_truth(sensitivity, specificity) | {"exact_match": float(right.prod()), "hamming_loss": float(1 - right.mean())}
        out = {name: out.get(name, 0.0) + weight * value for name, value in found.items()}
    return out


def labels_over_runs(sets: int) -> None:
    """Three labels that hold for 50, 20 and 5 % of the cases; a run finds more or fewer of them."""
    lines: dict[str, list[str]] = {}
    heads, points = [(3, 100, 0.05), (5, 100, 0.05), (5, 400, 0.15)], ((0.84, 1.64), (0.52, 1.48))
    for number, (runs, n, wobble) in enumerate(heads):
        ours, theirs = (_label_truths(*point, wobble) for point in points)
        rng, own = np.random.default_rng(850 + number), np.repeat(np.arange(sets), n)
        truth = rng.random((sets * n, 3)) < LABEL_SHARES
        common = rng.normal(size=truth.shape)

        sides: list[list[Answers]] = [[], []]
        for side, point in zip(sides, points, strict=True):
            for _ in range(runs):
                luck = SHARED**0.5 * common + (1 - SHARED) ** 0.5 * rng.normal(size=common.shape)
                moved = wobble * rng.normal(size=sets)[own][:, None]
                side.append(answers(np.where(truth, luck < point[0] + moved, luck < point[1] + moved) ^ ~truth))
        made = multilabel_report(("a", "b", "c"), truth, *sides, [sets_of(sets, n)], seed=SEED, resamples=500)["metrics"]
        _add(lines, made, {name: (ours[name], theirs[name]) for name in ours})
    table(f"Several runs, labels, {sets} sets", [f"{runs} runs, sd of d' {wobble:g}, n {n}" for runs, n, wobble in heads], lines)


BOXES = ((0.84, 0.3), (0.52, 0.4))  # normal quantile of the recall, false boxes an image
BOX_WOBBLE = 0.1
BOX_METRICS = ("recall", "precision", "fp_per_image", "f1", "froc", "coco_ap")


def _given(images: Scene, boxes: Floats, common: Floats, skill: Floats | float, false: float, rng: np.random.Generator) -> Predictions:
    luck = SHARED**0.5 * common + (1 - SHARED) ** 0.5 * rng.normal(size=len(boxes))
    return found_boxes(images, boxes, luck, skill, false, rng)


def _box_truths() -> Truths:
    """Means over runs of what each metric is on 10,000 images."""
    rng, images = np.random.default_rng(899), scene(range(10_000), ["spot"])
    truth, boxes = two_objects(images)
    out: dict[str, list[float]] = {name: [0.0, 0.0] for name in BOX_METRICS}
    for place, weight in nodes(5):
        sides = [[_given(images, boxes, rng.normal(size=len(boxes)), skill + BOX_WOBBLE * place, false, rng)] for skill, false in BOXES]
        for entry in detection_report(Detection(images, truth, *sides), [], seed=SEED, resamples=2)["metrics"]:
            if entry["metric"] in out:
                out[entry["metric"]][0] += weight * entry["value"]
                out[entry["metric"]][1] += weight * entry["baseline"]["value"]
    return {name: (own, other) for name, (own, other) in out.items()}


def _box_sides(images: Scene, boxes: Floats, own: Floats, runs: int, rng: np.random.Generator) -> list[list[Predictions]]:
    common, sets = rng.normal(size=len(boxes)), int(own[-1]) + 1
    return [
        [_given(images, boxes, common, (skill + BOX_WOBBLE * rng.normal(size=sets))[own], false, rng) for _ in range(runs)]
        for skill, false in BOXES
    ]


def boxes_over_runs(sets: int) -> None:
    """Two objects in every image; a run's recall differs by 3 points. The truth is the mean over runs on 10,000 images."""
    lines: dict[str, list[str]] = {}
    heads, truths = [(3, 30), (5, 60)], _box_truths()
    for number, (runs, n) in enumerate(heads):
        rng, images = np.random.default_rng(900 + number), scene(range(sets * n), ["spot"])
        truth: Objects
        truth, boxes = two_objects(images)
        sides = _box_sides(images, boxes, np.repeat(np.arange(sets), 2 * n), runs, rng)
        made = detection_report(Detection(images, truth, *sides), [sets_of(sets, n)], seed=SEED, resamples=500)["metrics"]
        _add(lines, made, truths)
    table(f"Several runs, boxes, {sets} sets", [f"{runs} runs, {n} images" for runs, n in heads], lines)
