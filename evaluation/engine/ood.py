"""Inputs that are not inputs: a detector fitted on pictures of the domain, with a chosen rate of false refusals; and how good refusals are.

A score of strangeness is fitted on one half of the domain's clusters and its threshold on the other (split conformal prediction, Vovk,
Gammerman & Shafer 2005): of new pictures that come from where the second half came from, at most the chosen share is refused on average,
whatever the score and its distribution. Pictures from elsewhere, such as a new writer's, have no such promise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.engine.arrays import BadInput, Bools, Floats, Ints, booleans, floats
from evaluation.engine.data import cluster_codes
from evaluation.engine.intervals import clustered_share, wilson
from evaluation.engine.seeds import half_of
from evaluation.engine.strata import Strata, each_block

STATISTICS = ("mean", "deviation", "entropy", "edges", "dark", "bright", "border", "saturation", "aspect")
GREYS = 256
KEPT = 0.95  # share of the variance that the principal components keep
RIDGE = 1e-3  # of the mean variance, so that a constant statistic does not divide by 0


def image_statistics(image: NDArray[Any], peak: float = 255.0) -> Floats:
    """The nine STATISTICS of one picture (H, W) or (H, W, C), C of 1, 3 or 4 (alpha is ignored), with values from 0 to `peak`.

    `mean`, `deviation` and `edges` (mean absolute step to the right and down) as shares of `peak`; `entropy` in bits of 256 greys; `dark`
    and `bright` shares of exactly 0 and `peak`; `border` the mean of the outermost pixels; `saturation` the mean of (largest - smallest
    channel) / largest; `aspect` the logarithm of width over height. Raises BadInput on other shapes and on values that are not finite.
    """
    pixels = floats(image)
    if not peak > 0:
        raise BadInput(f"the largest value of a picture lies above 0, not at {peak}")
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[2] not in {1, 3, 4} or pixels.size == 0:
        raise BadInput(f"a picture is (H, W) or (H, W, C) with 1, 3 or 4 channels, not {np.shape(image)}")
    if not np.isfinite(pixels).all():
        raise BadInput("the picture holds values that are not finite")
    colours = pixels[..., :3] / peak
    grey = colours.mean(axis=2)
    counts = np.bincount(np.clip(grey * (GREYS - 1), 0, GREYS - 1).round().astype(np.int64).ravel(), minlength=GREYS)
    shares = counts[counts > 0] / grey.size
    steps = [np.abs(np.diff(grey, axis=axis)) for axis in (0, 1)]
    inner = grey[1:-1, 1:-1]
    ring = grey.size - inner.size
    largest = colours.max(axis=2)
    return np.array(
        [
            grey.mean(),
            grey.std(),
            -(shares * np.log2(shares)).sum(),
            sum(step.sum() for step in steps) / max(sum(step.size for step in steps), 1),
            (grey <= 0).mean(),
            (grey >= 1).mean(),
            (grey.sum() - inner.sum()) / ring,
            ((largest - colours.min(axis=2)) / np.where(largest > 0, largest, 1.0)).mean(),
            np.log(grey.shape[1] / grey.shape[0]),
        ]
    )


@dataclass(frozen=True, eq=False)
class Detector:
    """A fitted detector; arrays only, so that it can be stored.

    `centre` and `inverse` give the distance of statistics or embeddings; `mean` and `axes` (pixels, components) the reconstruction, None
    without pixels. `scale` (2, parts) standardises both logarithms. A picture is refused above `threshold`; `refuse` is the promised rate.
    """

    centre: Floats
    inverse: Floats
    mean: Floats | None
    axes: Floats | None
    scale: Floats
    calibration: Floats
    refuse: float

    @property
    def threshold(self) -> float:
        """The smallest score that still is not refused; infinite where the second half is too small for so small a rate."""
        n = self.calibration.size
        place = int(np.ceil((n + 1) * (1 - self.refuse) - 1e-9))
        return float(self.calibration[place - 1]) if place <= n else float("inf")

    def parts(self, vectors: ArrayLike, pixels: ArrayLike | None = None) -> Floats:
        """How strange (n, 1 or 2) each picture is by its vector and, if fitted so, by its pixels; standardised logarithms of distances."""
        return np.asarray((self._raw(_table(vectors, "vectors"), pixels) - self.scale[0]) / self.scale[1])

    def strangeness(self, vectors: ArrayLike, pixels: ArrayLike | None = None) -> Floats:
        """The larger part (n,)."""
        return np.asarray(self.parts(vectors, pixels).max(axis=1))

    def p_values(self, vectors: ArrayLike, pixels: ArrayLike | None = None) -> Floats:
        """Conformal p (n,): (1 + pictures of the second half at least as strange) / (1 + all of them)."""
        scores = self.strangeness(vectors, pixels)
        return np.asarray(
            (1 + self.calibration.size - np.searchsorted(self.calibration, scores, side="left")) / (1 + self.calibration.size)
        )

    def refuses(self, vectors: ArrayLike, pixels: ArrayLike | None = None) -> Bools:
        """Which pictures (n,) are out of the domain."""
        return np.asarray(self.strangeness(vectors, pixels) > self.threshold)

    def _raw(self, vectors: Floats, pixels: ArrayLike | None) -> Floats:
        centred = vectors - self.centre
        distances = [np.einsum("ij,jk,ik->i", centred, self.inverse, centred)]
        if self.mean is not None and self.axes is not None:
            if pixels is None:
                raise BadInput("this detector was fitted with pixels; it needs them")
            rest = _flat(pixels) - self.mean
            if rest.shape[1] != self.axes.shape[0] or len(rest) != len(vectors):
                raise BadInput(
                    f"pixels have shape {np.shape(pixels)}; there are {len(vectors)} vectors and {self.axes.shape[0]} values a picture"
                )
            distances.append(((rest - rest @ self.axes @ self.axes.T) ** 2).mean(axis=1))
        return np.log(np.stack(distances, axis=1) + 1e-12)


def fit(
    vectors: ArrayLike, pixels: ArrayLike | None = None, *, refuse: float, clusters: ArrayLike | None = None, seed: bytes = b"ood"
) -> Detector:
    """Fit on pictures of the domain: `vectors` (n, d) statistics or embeddings, `pixels` (n, ...) all of one size or None.

    `refuse` in (0, 1) is the promised rate of false refusals. `clusters` (n,) name units that stay in one half. Raises BadInput below 20
    rows and on values that are not finite.
    """
    table = _table(vectors, "vectors")
    if not 0 < refuse < 1:
        raise BadInput(f"the rate of false refusals lies between 0 and 1, not at {refuse}")
    if len(table) < 20:
        raise BadInput(f"{len(table)} pictures are too few to fit a detector; 20 are the least, a few hundred are sensible")
    unit = cluster_codes(clusters, len(table))
    unit = np.arange(len(table)) if unit is None else unit
    first = half_of(unit, seed)
    if first.all() or not first.any():
        raise BadInput("all pictures are of one cluster; the threshold needs others than the fit")
    flat = None if pixels is None else _flat(pixels)
    if flat is not None and len(flat) != len(table):
        raise BadInput(f"there are {len(table)} vectors but {len(flat)} pictures")
    centre = table[first].mean(axis=0)
    covariance = np.cov(table[first], rowvar=False, bias=True).reshape(table.shape[1], table.shape[1])
    spread = np.sqrt(np.maximum(np.diagonal(covariance), RIDGE * np.maximum(centre**2, 1e-6)))
    correlation = covariance / np.outer(spread, spread) + RIDGE * np.eye(len(spread))
    inverse = np.linalg.inv(correlation) / np.outer(spread, spread)
    mean, axes = (None, None) if flat is None else _components(flat[first])
    parts = 1 if flat is None else 2
    plain = Detector(centre, inverse, mean, axes, np.stack([np.zeros(parts), np.ones(parts)]), np.empty(0), refuse)
    raw = plain.parts(table, flat)
    scale = np.stack([raw[first].mean(axis=0), np.maximum(raw[first].std(axis=0), 1e-6)])
    calibration = np.sort(((raw[~first] - scale[0]) / scale[1]).max(axis=1))
    return Detector(centre, inverse, mean, axes, scale, calibration, refuse)


def _components(flat: Floats) -> tuple[Floats, Floats]:
    """Mean and the principal axes (pixels, components) that keep KEPT of the variance."""
    mean = flat.mean(axis=0)
    _, lengths, axes = np.linalg.svd(flat - mean, full_matrices=False)
    share = np.cumsum(lengths**2) / max(float((lengths**2).sum()), 1e-12)
    return mean, np.asarray(axes[: int(np.searchsorted(share, KEPT)) + 1].T)


def _table(values: ArrayLike, name: str) -> Floats:
    table = floats(values)
    if table.ndim != 2:
        raise BadInput(f"{name} are a table (pictures, values), not of shape {table.shape}")
    bad = np.flatnonzero(~np.isfinite(table).all(axis=1))
    if bad.size:
        raise BadInput(f"{name}, row {bad[0]}: not finite")
    return table


def _flat(pixels: ArrayLike) -> Floats:
    array = floats(pixels)
    return _table(array.reshape(len(array), -1), "pixels")


@dataclass(frozen=True, kw_only=True)
class Share:
    """`k` of `n` with a 95 % interval; `value` and bounds are None where n is 0. `clusters` < n: Wilson with an effective n."""

    name: str
    k: int
    n: int
    clusters: int
    value: float | None
    low: float | None
    high: float | None


def refused_shares(refused: ArrayLike, strata: Strata, clusters: ArrayLike | None = None) -> list[Share]:
    """The refused share of every stratum. `refused` (n,) boolean."""
    mask = _mask(refused, "refused")
    units = cluster_codes(clusters, mask.size)
    return [
        _share(name, mask[block.rows[at]], None if units is None else units[block.rows[at]])
        for block in each_block(strata, mask.size, units)
        for name, at in zip(block.names, block.members(), strict=True)
    ]


@dataclass(frozen=True, kw_only=True)
class Refusals:
    """`right`: of pictures out of the domain, those refused. `missed`: the others. `wrong`: of pictures in it, those refused.

    `precision`: of the refused, those out of the domain.
    """

    right: Share
    missed: Share
    wrong: Share
    precision: Share


def refusal_figures(refused: ArrayLike, outside: ArrayLike, clusters: ArrayLike | None = None) -> Refusals:
    """Judge refusals: `refused` and `outside` (n,) boolean, the latter the truth."""
    said, truth = _mask(refused, "refused"), _mask(outside, "outside")
    if said.shape != truth.shape:
        raise BadInput(f"refused has {said.size} entries, outside has {truth.size}")
    units = cluster_codes(clusters, said.size)

    def share(name: str, hits: Bools, of: Bools) -> Share:
        return _share(name, hits[of], None if units is None else units[of])

    return Refusals(
        right=share("right", said, truth),
        missed=share("missed", ~said, truth),
        wrong=share("wrong", said, ~truth),
        precision=share("precision", truth, said),
    )


def _mask(values: ArrayLike, name: str) -> Bools:
    mask = booleans(values, name)
    if mask.ndim != 1:
        raise BadInput(f"{name} is a row of booleans, not of shape {mask.shape}")
    return mask


def _share(name: str, hits: Bools, units: Ints | None) -> Share:
    k, n = int(hits.sum()), hits.size
    if n == 0:
        return Share(name=name, k=0, n=0, clusters=0, value=None, low=None, high=None)
    kinds, unit = np.unique(np.arange(n) if units is None else units, return_inverse=True)
    if kinds.size == n:
        low, high = wilson(k, n)
    else:
        found = clustered_share(np.bincount(unit, hits), np.bincount(unit), np.zeros(kinds.size, dtype=np.int64), 1)
        low, high = (bound[0] for bound in found.wilson())
    return Share(name=name, k=k, n=n, clusters=kinds.size, value=k / n, low=float(low), high=float(high))


def statistics_of(images: Sequence[NDArray[Any]] | NDArray[Any], peak: float = 255.0) -> Floats:
    """`image_statistics` of each picture: (n, 9). Raises BadInput that names the picture."""
    rows = []
    for index, image in enumerate(images):
        try:
            rows.append(image_statistics(np.asarray(image), peak))
        except BadInput as problem:
            raise BadInput(f"picture {index}: {problem}") from problem
    return np.stack(rows) if rows else np.empty((0, len(STATISTICS)))
