"""The registry of detection metrics: what each is called, its place in a table of values, its range, and why it may be undefined."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.engine.arrays import BadInput

COCO = ("coco_ap", "coco_ap50", "coco_ap75", "coco_ap_small", "coco_ap_medium", "coco_ap_large", "coco_ar1", "coco_ar10", "coco_ar100")
AREA_OF = np.array([0, 0, 0, 1, 2, 3, 0, 0, 0])  # which range a COCO metric is about
NAMES = (*COCO, "precision", "recall", "f1", "fp_per_image", "froc")
ROW = {name: row for row, name in enumerate(NAMES)}


@dataclass(frozen=True)
class Metric:
    """One entry of the registry. `id` as in a report (`recall[nodule]`), `name` without the class, `index` the class, None for all."""

    id: str
    name: str
    index: int | None = None

    @property
    def row(self) -> int:
        return ROW[self.name]

    @property
    def coco(self) -> bool:
        return self.name in COCO

    @property
    def higher_is_better(self) -> bool:
        return self.name != "fp_per_image"

    @property
    def high(self) -> float:
        """Upper end of its range; the lower one is 0."""
        return np.inf if self.name == "fp_per_image" else 1.0

    def reason(self, classes: Sequence[Hashable]) -> str:
        """Why it is undefined in a stratum that has images."""
        of = "" if self.index is None else f" of {classes[self.index]}"
        size = {"coco_ap_small": "small ", "coco_ap_medium": "medium ", "coco_ap_large": "large "}.get(self.name, "")
        if self.name == "precision":
            return f"no detection{of} at the operating score"
        if self.name == "f1":
            return f"no object{of} and no detection at the operating score"
        return f"no {size}object{of}" + (", or no image to count false positives on" if self.name == "froc" else "")


def registry(classes: Sequence[Hashable]) -> list[Metric]:
    """Every metric in report order: over all classes, then per class."""
    overall = [Metric(name, name) for name in NAMES]
    return overall + [Metric(f"{name}[{kind}]", name, index) for index, kind in enumerate(classes) for name in NAMES]


def metric_of(classes: Sequence[Hashable], metric_id: str) -> Metric:
    """The registry's entry of that id. Raises BadInput that lists the ids there are."""
    found = {metric.id: metric for metric in registry(classes)}
    if metric_id not in found:
        raise BadInput(f"there is no metric {metric_id!r} here; there are {', '.join(found)}")
    return found[metric_id]
