"""pycocotools on our arrays: the independent implementation that COCO figures are compared with."""

import contextlib
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from evaluation.engine.detection.data import Objects, Predictions


def _coco(images: int, classes: int, rows: list[dict[str, Any]]) -> Any:
    found = COCO()
    found.dataset = {
        "info": {},
        "images": [{"id": i + 1} for i in range(images)],
        "categories": [{"id": k + 1, "name": str(k)} for k in range(classes)],
        "annotations": [{"id": i + 1, "iscrowd": 0, **row} for i, row in enumerate(rows)],
    }
    found.createIndex()
    return found


def evaluated(images: int, classes: int, truth: Objects, predicted: Predictions, chosen: NDArray[np.int64] | None = None) -> Any:
    """The COCOeval after `accumulate` and `summarize`, over the `chosen` images."""
    gt = [
        {"image_id": int(i) + 1, "category_id": int(k) + 1, "bbox": box.tolist(), "area": float(area), "iscrowd": int(crowd)}
        for i, k, box, area, crowd in zip(truth.image, truth.label, truth.boxes, truth.areas, truth.crowd, strict=True)
    ]
    dt = [
        {"image_id": int(i) + 1, "category_id": int(k) + 1, "bbox": box.tolist(), "area": float(box[2] * box[3]), "score": float(score)}
        for i, k, box, score in zip(predicted.image, predicted.label, predicted.boxes, predicted.scores, strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        run = COCOeval(_coco(images, classes, gt), _coco(images, classes, dt), "bbox")
        if chosen is not None:
            run.params.imgIds = [int(i) + 1 for i in chosen]
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run


def per_class(run: Any, area: int) -> NDArray[np.float64]:
    """AP (thresholds, classes) of one area range; NaN where pycocotools says -1."""
    values = run.eval["precision"][:, :, :, area, 2]
    return np.where((values > -1).any(axis=1), values.mean(axis=1), np.nan)
