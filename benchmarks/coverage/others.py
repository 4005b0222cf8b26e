"""Several classes, several labels, numbers and boxes: intervals of one model and of the difference of two.

The truth is known, or taken from a very large set.
"""

from collections.abc import Sequence

import numpy as np
from scipy import integrate, stats

from benchmarks.coverage.worlds import SEED, Floats, row, table
from evaluation.engine.data import Task, arm
from evaluation.engine.detection.data import Detection, Objects, Predictions, Scene, objects, predictions, scene
from evaluation.engine.detection.report import detection_report
from evaluation.engine.entries import Entry
from evaluation.engine.multilabel import answers, multilabel_report
from evaluation.engine.regression import regression_report
from evaluation.engine.report import comparison_of, report
from evaluation.engine.strata import Grouping

CLASS_SHARES = np.array([0.6, 0.35, 0.05])
LABEL_SHARES = np.array([0.5, 0.2, 0.05])


def sets_of(sets: int, n: int) -> Grouping:
    return Grouping([f"set={i}" for i in range(sets)], np.repeat(np.arange(sets), n))


def _cells(entries: Sequence[Entry], truth: dict[str, float], other: dict[str, float]) -> dict[str, str]:
    """By metric the coverage of the level, and of the difference to the second model."""
    out = {}
    for metric, value in truth.items():
        found = [entry for entry in entries if entry["metric"] == metric and entry["stratum"] != "all"]
        gaps = [entry["difference"] or {"low": None, "high": None} for entry in found]
        level = row([(entry["low"], entry["high"]) for entry in found], value)
        out[metric] = f"{level}; difference {row([(gap['low'], gap['high']) for gap in gaps], value - other[metric])}"
    return out


def _print(title: str, heads: list[str], columns: list[dict[str, str]]) -> None:
    table(title, heads, {metric: [column[metric] for column in columns] for metric in columns[0]})


def _class_truth(separation: float) -> dict[str, float]:
    """Each class's score is normal, that of the true class higher by `separation`; the highest is the answer."""
    right = float(integrate.quad(lambda x: stats.norm.pdf(x - separation) * stats.norm.cdf(x) ** 2, -9, 9 + separation)[0])
    joint = CLASS_SHARES[:, None] * np.where(np.eye(3, dtype=np.bool_), right, (1 - right) / 2)
    f1 = 2 * np.diag(joint) / (joint.sum(axis=0) + joint.sum(axis=1))
    auc = float(stats.norm.cdf(separation / 2**0.5))
    names = {"accuracy": right, "macro_f1": float(f1.mean()), "weighted_f1": float(f1 @ CLASS_SHARES), "macro_roc_auc": auc}
    return names | {
        "sensitivity[rare]": right,
        "ppv[rare]": float(joint[2, 2] / joint[:, 2].sum()),
        "f1[rare]": float(f1[2]),
        "roc_auc[rare]": auc,
    }


def classes(sets: int) -> None:
    """Three classes, of which one has 5 % of the cases."""
    task, columns, sizes = Task(("common", "second", "rare"), None), [], (100, 400)
    for number, n in enumerate(sizes):
        rng = np.random.default_rng(300 + number)
        truth = rng.choice(3, sets * n, p=CLASS_SHARES)
        noise = rng.normal(size=(sets * n, 3))
        arms = []
        for separation in (2.0, 1.6):
            scores = 0.6**0.5 * noise + 0.4**0.5 * rng.normal(size=noise.shape) + separation * np.eye(3)[truth]
            arms.append(arm(task, sets * n, scores.argmax(axis=1), scores))
        wanted = _class_truth(2.0)
        made = report(comparison_of(task, truth, arms[:1], arms[1:]), [sets_of(sets, n)], seed=SEED, only=list(wanted))
        columns.append(_cells(made["metrics"], wanted, _class_truth(1.6)))
    _print("Three classes (60, 35 and 5 %)", [f"n {n}" for n in sizes], columns)


def label_truth(sensitivity: float, specificity: float) -> dict[str, float]:
    tp, fp = LABEL_SHARES * sensitivity, (1 - LABEL_SHARES) * (1 - specificity)
    fn = LABEL_SHARES - tp
    return {"micro_f1": float(2 * tp.sum() / (2 * tp + fp + fn).sum()), "macro_f1": float((2 * tp / (2 * tp + fp + fn)).mean())}


def labels(sets: int) -> None:
    """Three labels that hold for 50, 20 and 5 % of the cases."""
    columns, sizes, points = [], (100, 400), ((0.8, 0.95), (0.7, 0.93))
    for number, n in enumerate(sizes):
        rng = np.random.default_rng(400 + number)
        truth = rng.random((sets * n, 3)) < LABEL_SHARES
        luck = rng.random(truth.shape)  # common to both models
        given = [answers(np.where(truth, luck < sensitivity, luck > specificity)) for sensitivity, specificity in points]
        made = multilabel_report(("a", "b", "c"), truth, given[:1], given[1:], [sets_of(sets, n)], seed=SEED, resamples=1000)
        columns.append(_cells(made["metrics"], label_truth(*points[0]), label_truth(*points[1])))
    _print("Three labels (50, 20 and 5 %)", [f"n {n}" for n in sizes], columns)


def _number_truth(scale: float) -> dict[str, float]:
    return {"mae": scale, "rmse": 2**0.5 * scale, "r2": 1 - 2 * scale**2, "p90_absolute_error": scale * float(np.log(10))}


def numbers(sets: int) -> None:
    """Regression with errors of long tails (Laplace)."""
    columns, sizes = [], (30, 100, 400)
    for number, n in enumerate(sizes):
        rng = np.random.default_rng(500 + number)
        truth, shared = rng.normal(size=sets * n), rng.laplace(size=sets * n)
        own = np.where(rng.random(sets * n) < 0.5, shared, rng.laplace(size=sets * n))
        made = regression_report(truth, [truth + 0.4 * shared], [truth + 0.5 * own], [sets_of(sets, n)], seed=SEED)
        columns.append(_cells(made["metrics"], _number_truth(0.4), _number_truth(0.5)))
    _print("Numbers (errors with long tails)", [f"n {n}" for n in sizes], columns)


def two_objects(images: Scene) -> tuple[Objects, Floats]:
    """Two objects in every image."""
    places = np.array([[10.0, 10, 20, 20], [60, 60, 20, 20]])
    boxes = np.tile(places, (images.size, 1))
    return objects(images, np.repeat(np.arange(images.size), 2), ["spot"] * len(boxes), boxes), boxes


def found_boxes(images: Scene, boxes: Floats, luck: Floats, recall: Floats | float, false: float, rng: np.random.Generator) -> Predictions:
    """Boxes that lie a few pixels off, and false ones elsewhere with lower scores; all scores count at the operating point."""
    image = np.repeat(np.arange(images.size), 2)
    hit = luck < recall
    moved = boxes + np.stack([rng.normal(0, 1.2, len(boxes)), *np.zeros((3, len(boxes)))], axis=1)
    wrong = np.repeat(np.arange(images.size), rng.poisson(false, images.size))
    elsewhere = np.stack([rng.uniform(200, 900, wrong.size), rng.uniform(200, 900, wrong.size), *np.full((2, wrong.size), 20.0)], axis=1)
    where = np.concatenate([image[hit], wrong])
    scores = np.concatenate([rng.uniform(0.55, 1, int(hit.sum())), rng.uniform(0.5, 0.85, wrong.size)])
    return predictions(images, where, ["spot"] * where.size, np.concatenate([moved[hit], elsewhere]), scores)


def _boxes(count: int, seed: int) -> Detection:
    rng = np.random.default_rng(seed)
    images = scene(range(count), ["spot"])
    truth, boxes = two_objects(images)
    luck = rng.random(len(boxes))
    ours = found_boxes(images, boxes, luck, 0.8, 0.3, rng)
    return Detection(images, truth, [ours], [found_boxes(images, boxes, luck, 0.7, 0.4, rng)])


def detection(sets: int) -> None:
    """Small sets of images with two objects each; a tenth of the sets. The truth is a set of 20,000 images."""
    names, sizes, sets = ("recall", "precision", "fp_per_image", "f1", "froc", "coco_ap"), (30, 100), max(sets // 10, 10)
    whole = {entry["metric"]: entry for entry in detection_report(_boxes(20_000, 600), [], seed=SEED, resamples=2)["metrics"]}
    truth, other = ({name: float(side(whole[name])) for name in names} for side in (lambda e: e["value"], lambda e: e["baseline"]["value"]))
    columns = []
    for number, n in enumerate(sizes):
        made = detection_report(_boxes(sets * n, 601 + number), [sets_of(sets, n)], seed=SEED, resamples=500)
        columns.append(_cells(made["metrics"], truth, other))
    _print(f"Boxes, {sets} sets", [f"{n} images" for n in sizes], columns)
