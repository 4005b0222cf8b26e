"""Images, objects and predicted boxes, checked once at the door: nothing is dropped, clipped or matched by position further in.

Boxes are (x, y, width, height) in pixels of the upright image, origin at its top left corner. Images and classes are named by any hashable
ids (integers from 0, strings); inside they are indices, so what they are called never changes a figure.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.engine.arrays import BadInput, Bools, Floats, Ints, booleans, floats
from evaluation.engine.data import cluster_codes, replicates_of

Words = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Scene:
    """The images of one frozen version in case order and the classes of the project.

    `clusters` (images,) are dense codes or None where every image is its own; `sizes` (images, 2) are width and height, where known.
    """

    images: tuple[Hashable, ...]
    classes: tuple[Hashable, ...]
    clusters: Ints | None = None
    sizes: Floats | None = None

    @property
    def size(self) -> int:
        return len(self.images)

    @property
    def units(self) -> Ints:
        """The cluster of each image (images,)."""
        return np.arange(self.size) if self.clusters is None else self.clusters


@dataclass(frozen=True, eq=False)
class Objects:
    """The truth: `image`, `label` (m,) indices, `boxes` (m, 4), `areas` (m,) in square pixels.

    A `crowd` region is never counted, may absorb any number of detections, and overlaps by intersection over the detection's own area; an
    `ignore`d object is never counted and absorbs one.
    """

    image: Ints
    label: Ints
    boxes: Floats
    areas: Floats
    crowd: Bools
    ignore: Bools

    @property
    def counted(self) -> Bools:
        return ~(self.crowd | self.ignore)

    @property
    def table(self) -> tuple[Ints, Floats]:
        """Image (m,) and numbers (m, 8) of each row."""
        return self.image, np.column_stack([self.label, self.boxes, self.areas, self.crowd, self.ignore])


@dataclass(frozen=True, eq=False)
class Predictions:
    """One replicate: `image`, `label`, `scores` (d,), `boxes` (d, 4); per image whether its prediction is `missing` or was `invalid`.

    An image without a prediction has no boxes: its objects are missed, and it is counted and listed.
    """

    image: Ints
    label: Ints
    boxes: Floats
    scores: Floats
    missing: Bools
    invalid: Bools

    @property
    def table(self) -> tuple[Ints, Floats]:
        """Image (d,) and numbers (d, 6) of each row; of the scores only their order."""
        return self.image, np.column_stack([self.label, np.unique(self.scores, return_inverse=True)[1], self.boxes])


@dataclass(frozen=True, kw_only=True)
class Operating:
    """The registered operating point. A detection counts from `score` on; it finds an object at an overlap (IoU) of at least `iou`.

    `froc_images` says on which images false positives of the FROC are counted: all, or those without an object (of the class).
    """

    iou: float = 0.5
    score: float = 0.5
    froc_images: Literal["all", "negative"] = "all"

    def __post_init__(self) -> None:
        if not (0 < self.iou <= 1 and np.isfinite(self.score)):
            raise BadInput("an operating point has an IoU above 0 and at most 1, and a finite score")


@dataclass(frozen=True, eq=False)
class Detection:
    """A candidate's replicates, and optionally a baseline's, on the same images of one frozen version."""

    scene: Scene
    truth: Objects
    candidate: Sequence[Predictions]
    baseline: Sequence[Predictions] = ()
    operating: Operating = Operating()

    def __post_init__(self) -> None:
        replicates_of(self.candidate, self.baseline, Predictions)

    @property
    def artefacts(self) -> tuple[Predictions, ...]:
        """Replicate 0 of the candidate and, where there is one, of the baseline."""
        return (self.candidate[0], *self.baseline[:1])

    @cached_property
    def contents(self) -> tuple[Words, Words]:
        """What each image (images,) holds, as 64-bit words: truth and the artefacts' boxes, and besides those of the other replicates.

        Equal for equal images, whatever they are called and wherever they stand.
        """
        first = [self.truth.table, *(each.table for each in self.artefacts)]
        others = [each.table for each in (*self.candidate[1:], *self.baseline[1:])]
        return _words(first, self.scene.size), _words([*first, *others], self.scene.size)


def _words(tables: Sequence[tuple[Ints, Floats]], images: int) -> Words:
    """A word for each image from the rows (image, numbers) of several tables; the order of an image's rows does not count."""
    digests = [sha256() for _ in range(images)]
    for image, rows in tables:
        order = np.lexsort([*rows.T[::-1], image])
        starts = np.searchsorted(image[order], np.arange(images + 1))
        ordered = np.ascontiguousarray(rows[order] + 0.0)  # no -0
        for number, digest in enumerate(digests):
            part = ordered[starts[number] : starts[number + 1]]
            digest.update(len(part).to_bytes(8, "little") + part.tobytes())
    return np.array([int.from_bytes(digest.digest()[:8], "little") for digest in digests], dtype=np.uint64)


def scene(
    images: Iterable[Hashable], classes: Iterable[Hashable], *, clusters: ArrayLike | None = None, sizes: ArrayLike | None = None
) -> Scene:
    """Check images and classes. Raises BadInput for repeated ids, no class, clusters or sizes that do not fit."""
    names, kinds = tuple(images), tuple(classes)
    for what, ids in (("image", names), ("class", kinds)):
        again = _repeated(ids)
        if again is not None:
            raise BadInput(f"row {again[1]}: {what} {ids[again[1]]!r} is already that of row {again[0]}")
    if not kinds:
        raise BadInput("a detection has at least one class")
    extent = None if sizes is None else floats(sizes)
    if extent is not None and extent.shape != (len(names), 2):
        raise BadInput(f"sizes have shape {extent.shape}, but there are {len(names)} images with width and height")
    if extent is not None:
        _refuse(np.any(~np.isfinite(extent) | (extent <= 0), axis=1), "width and height of an image must be finite and above 0")
    return Scene(names, kinds, cluster_codes(clusters, len(names)), extent)


def objects(
    scene: Scene,
    images: ArrayLike,
    labels: ArrayLike,
    boxes: ArrayLike,
    *,
    areas: ArrayLike | None = None,
    crowd: ArrayLike | None = None,
    ignore: ArrayLike | None = None,
    ids: ArrayLike | None = None,
) -> Objects:
    """Check the truth, one row an object. Raises BadInput that names the first offending row.

    `images` and `labels` hold ids of the scene; `areas` default to width × height and place an object among small, medium and large; `ids`
    are only checked for repetition.
    """
    image, label, corners = _rows(scene, images, labels, boxes)
    rows = image.size
    if ids is not None:
        given = _listed(ids, rows, "ids")
        again = _repeated(given)
        if again is not None:
            raise BadInput(f"row {again[1]}: id {given[again[1]]!r} is already that of row {again[0]}")
    size = corners[:, 2] * corners[:, 3] if areas is None else _column(areas, rows, "areas")
    _refuse(~(np.isfinite(size) & (size >= 0)), "the area must be finite and not negative")
    return Objects(image, label, corners, size, _flags(crowd, rows, "crowd"), _flags(ignore, rows, "ignore"))


def predictions(
    scene: Scene,
    images: ArrayLike,
    labels: ArrayLike,
    boxes: ArrayLike,
    scores: ArrayLike,
    *,
    missing: Iterable[Hashable] = (),
    invalid: Iterable[Hashable] = (),
) -> Predictions:
    """Check one replicate's boxes. Raises BadInput that names the first offending row.

    `missing`: images for which no prediction was given; `invalid`: images that a served model answered with something that is no prediction.
    Neither may have boxes. An image with an empty prediction is in neither list.
    """
    image, label, corners = _rows(scene, images, labels, boxes)
    values = _column(scores, image.size, "scores")
    _refuse(~np.isfinite(values), "the score is not finite")
    marks = []
    for what, named in (("missing", missing), ("invalid", invalid)):
        mark = np.zeros(scene.size, dtype=np.bool_)
        mark[_indices(list(named), scene.images, f"{what} image")] = True
        odd = np.flatnonzero(mark[image])
        if odd.size:
            raise BadInput(f"row {odd[0]}: image {scene.images[image[odd[0]]]!r} has boxes, but is listed as {what}")
        marks.append(mark)
    return Predictions(image, label, corners, values, marks[0], marks[1])


def _rows(scene: Scene, images: ArrayLike, labels: ArrayLike, boxes: ArrayLike) -> tuple[Ints, Ints, Floats]:
    corners = floats(boxes)
    if corners.size == 0:
        corners = corners.reshape(0, 4)
    if corners.ndim != 2 or corners.shape[1] != 4:
        raise BadInput(f"boxes have shape {corners.shape}, but a row is x, y, width, height")
    rows = len(corners)
    image = _indices(_listed(images, rows, "images"), scene.images, "image")
    label = _indices(_listed(labels, rows, "labels"), scene.classes, "class")
    _refuse(np.any(~np.isfinite(corners), axis=1), "the box is not finite")
    _refuse(np.any(corners[:, 2:] <= 0, axis=1), "width and height of a box must be above 0")
    with np.errstate(over="ignore"):
        area = corners[:, 2] * corners[:, 3]
        far = np.any(~np.isfinite(corners[:, :2] + corners[:, 2:]), axis=1)
        _refuse(far | ~np.isfinite(area) | (area <= 0), "the box is too large or too small to have an area")
    return image, label, corners


def _listed(values: ArrayLike, rows: int, what: str) -> list[Any]:
    found = values if isinstance(values, list) else np.asarray(values).tolist()
    if not isinstance(found, list) or len(found) != rows:
        raise BadInput(f"{what} have {len(found) if isinstance(found, list) else 'no'} rows, but there are {rows} boxes")
    return found


def _column(values: ArrayLike, rows: int, what: str) -> Floats:
    column = floats(values)
    if column.shape != (rows,):
        raise BadInput(f"{what} have shape {column.shape}, but there are {rows} boxes")
    return column


def _flags(values: ArrayLike | None, rows: int, what: str) -> Bools:
    if values is None:
        return np.zeros(rows, dtype=np.bool_)
    column = booleans(values, what)
    if column.shape != (rows,):
        raise BadInput(f"{what} has shape {column.shape}, but there are {rows} boxes")
    return column.astype(np.bool_)  # [] of no boxes is of floats


def _indices(ids: Sequence[Hashable], known: Sequence[Hashable], what: str) -> Ints:
    place = {name: index for index, name in enumerate(known)}
    found = np.array([place.get(each, -1) for each in ids], dtype=np.int64)
    unknown = np.flatnonzero(found < 0)
    if unknown.size:
        raise BadInput(f"row {unknown[0]}: {what} {ids[unknown[0]]!r} is not among the {len(known)} known ones")
    return found


def _repeated(ids: Sequence[Hashable]) -> tuple[int, int] | None:
    """Rows of the first id that is given twice."""
    seen: dict[Hashable, int] = {}
    for row, each in enumerate(ids):
        if seen.setdefault(each, row) != row:
            return seen[each], row
    return None


def _refuse(wrong: NDArray[np.bool_] | np.bool_, why: str) -> None:
    rows = np.flatnonzero(wrong)
    if rows.size:
        raise BadInput(f"row {rows[0]}: {why}")
