"""Two samples of vectors (embeddings, image statistics): can they be told apart, and how far apart are they?

Sources: Lopez-Paz & Oquab 2017 (classifier two-sample test), Gretton et al. 2012 (unbiased MMD² and median heuristic), Zaremba, Gretton &
Blaschko 2013 (block version).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from evaluation.engine.arrays import BadInput, Bools, Floats, Ints, ratio
from evaluation.engine.auc import auc_interval
from evaluation.engine.data import cluster_codes
from evaluation.engine.drift.distances import Distance
from evaluation.engine.intervals import normal_quantile, t_quantile
from evaluation.engine.plain_auc import plain_auc
from evaluation.engine.seeds import generator

FOLDS = 5
RIDGE = 0.1  # of the mean variance, added to every direction
EXACT = 2000  # rows in both samples together up to which every pair is compared
SAMPLE = 1000  # rows from which the bandwidth is taken
PERMUTATIONS = 500


@dataclass(frozen=True, kw_only=True)
class Told:
    """How well a classifier tells production from reference: `auc` .5 not at all, 1 always; `weights` name the features that tell."""

    auc: Distance
    weights: dict[str, float]


def classifier_test(
    reference: ArrayLike,
    production: ArrayLike,
    *,
    names: list[str] | None = None,
    clusters: ArrayLike | None = None,
    permutations: int = 200,
    level: float = 0.95,
    seed: bytes = b"drift",
) -> Told:
    """Cross-fitted linear discriminant on the features and their squares, reference (n, d) against production (m, d).

    Five folds by cluster; the AUC is the mean over the folds' held-out cases. Its variance is DeLong's summed over folds, or that of
    `permutations` of the samples' names if it is larger: DeLong alone does not know that the folds share their training cases (its 95 %
    interval covers .85 of equal samples). p is one-sided against .5, normal with the permutations' deviation. `clusters` (n + m,) name units
    that may not be split. `weights` are absolute, largest first, summing to 1 over features and squares. A change that is neither in means
    nor in variances of single features is not seen. Raises BadInput on shapes and non-finite rows.
    """
    ours, theirs = _rows(reference, "reference"), _rows(production, "production")
    if ours.shape[1] != theirs.shape[1] or min(len(ours), len(theirs)) < 2 * FOLDS:
        raise BadInput(
            f"samples have shapes {ours.shape} and {theirs.shape}; they need the same columns and at least {2 * FOLDS} rows each"
        )
    called = names or [str(column) for column in range(ours.shape[1])]
    if len(called) != ours.shape[1]:
        raise BadInput(f"there are {len(called)} names for {ours.shape[1]} columns")
    points, new = np.concatenate([ours, theirs]), np.repeat([False, True], [len(ours), len(theirs)])
    centred = (points - points.mean(axis=0)) / np.maximum(points.std(axis=0), 1e-12)
    features = np.concatenate([centred, centred**2], axis=1)
    units = cluster_codes(clusters, len(points))
    fold = deal_folds(new, units, seed)
    marks = _permuted(new, units, permutations, seed)
    scores = np.empty(marks.shape)
    for each in range(FOLDS):
        scores[:, fold == each] = directions(features[fold != each], marks[:, fold != each]) @ features[fold == each].T
    values, variances, _ = plain_auc(scores[0], new, units, fold)
    if np.isnan(values).any():
        raise BadInput("a fold holds rows of one sample only: there are too few clusters")
    delong, null = float(variances.sum()) / FOLDS**2, _null_variance(scores[1:], marks[1:], fold)
    auc = _judged(float(values.mean()), delong, null, (int((~new).sum()), int(new.sum())), level)
    weight = np.abs(directions(features, marks[:1])[0]).reshape(2, -1).sum(axis=0)
    shares = sorted(zip(called, (weight / max(weight.sum(), 1e-12)).tolist(), strict=True), key=lambda pair: -pair[1])
    return Told(auc=auc, weights=dict(shares))


def _judged(value: float, delong: float, null: float, sizes: tuple[int, int], level: float) -> Distance:
    low, high, exact = auc_interval(value, max(delong, null), min(sizes), level)
    return Distance(
        statistic="classifier_auc",
        value=value,
        low=float(low),
        high=float(high),
        p=float(special.ndtr((0.5 - value) / null**0.5)) if null > 0 else 1.0,
        n_reference=sizes[0],
        n_production=sizes[1],
        bins=None,
        method="clopper-pearson" if exact else "DeLong over folds" if delong >= null else "permutations",
    )


def _permuted(new: Bools, units: Ints | None, permutations: int, seed: bytes) -> Floats:
    """Marks (1 + permutations, N) of production rows: as they are, then with whole clusters' samples exchanged at random."""
    unit = np.arange(new.size) if units is None else np.unique(2 * units + new, return_inverse=True)[1]
    first = np.unique(unit, return_index=True)[1]
    draws = generator(seed + b"permuted").permuted(np.tile(new[first], (permutations, 1)), axis=1)
    return np.concatenate([new[None], draws[:, unit]]).astype(np.float64)


def _null_variance(scores: Floats, marks: Floats, fold: Ints) -> float:
    """Variance around .5 of the mean AUC over folds (B,) when the samples' names are exchanged."""
    aucs = np.zeros(len(scores))
    for each in range(FOLDS):
        here = marks[:, fold == each]
        ranks = scores[:, fold == each].argsort(axis=1).argsort(axis=1) + 1
        ones = here.sum(axis=1)
        pairs = ones * (here.shape[1] - ones)
        aucs += np.where(pairs > 0, ratio((ranks * here).sum(axis=1) - ones * (ones + 1) / 2, pairs), 0.5) / FOLDS
    return float(((aucs - 0.5) ** 2).mean())


def _rows(values: ArrayLike, name: str) -> Floats:
    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim != 2:
        raise BadInput(f"{name}: vectors are rows of a table, not shape {rows.shape}")
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if bad.size:
        raise BadInput(f"{name}, row {bad[0]}: not finite")
    return rows


def deal_folds(new: Bools, units: Ints | None, seed: bytes) -> Ints:
    """A fold for each row; clusters are dealt as a whole, in random order within each sample."""
    unit = np.arange(new.size) if units is None else units
    first = np.unique(unit, return_index=True)[1]
    shuffled = generator(seed).permutation(first.size)
    dealt = shuffled[np.argsort(new[first][shuffled], kind="stable")]
    fold = np.empty(first.size, dtype=np.int64)
    fold[dealt] = np.arange(first.size) % FOLDS
    return fold[unit]


def directions(features: Floats, marks: Floats) -> Floats:
    """Fisher's direction (B, d) for each split of the rows, with a ridge; from the total scatter, which all splits share."""
    covariance = np.cov(features, rowvar=False, bias=True).reshape(features.shape[1], features.shape[1])
    covariance += RIDGE * max(float(np.trace(covariance)) / len(covariance), 1e-12) * np.eye(len(covariance))
    ones = marks.sum(axis=1, keepdims=True)
    sums = marks @ features
    gap = ratio(sums, ones) - ratio(features.sum(axis=0) - sums, marks.shape[1] - ones)
    return np.asarray(np.linalg.solve(covariance, np.nan_to_num(gap).T).T)


def mmd(
    reference: ArrayLike,
    production: ArrayLike,
    *,
    bandwidth: float | None = None,
    permutations: int = PERMUTATIONS,
    exact: int = EXACT,
    level: float = 0.95,
    seed: bytes = b"drift",
) -> Distance:
    """Unbiased squared maximum mean discrepancy with the kernel exp(-|x - y|² / (2 s²)); about 0 where nothing differs, below 0 by chance.

    s is the median distance between up to 1,000 rows of both samples unless given. Up to `exact` rows in all: every pair, p from
    permutations of the rows (+1 in numerator and denominator), normal interval with the variance of the projection. With more rows: the
    mean over random blocks, whose cost grows with the power 3/2, with Student's interval and p.
    """
    ours, theirs = _rows(reference, "reference"), _rows(production, "production")
    if ours.shape[1] != theirs.shape[1] or min(len(ours), len(theirs)) < 4:
        raise BadInput(f"samples have shapes {ours.shape} and {theirs.shape}; they need the same columns and at least 4 rows each")
    draw = generator(seed)
    width = bandwidth or _median_distance(np.concatenate([ours, theirs]), draw)
    if len(ours) + len(theirs) <= exact:
        value, low, high, p = _every_pair(ours, theirs, width, permutations, level, draw)
    else:
        value, low, high, p = _in_blocks(ours, theirs, width, level, draw)
    return Distance(
        statistic="mmd2",
        value=value,
        low=low,
        high=high,
        p=p,
        n_reference=len(ours),
        n_production=len(theirs),
        bins=None,
        method=("permutation" if len(ours) + len(theirs) <= exact else "blocks") + f", bandwidth {width:.6g}",
    )


def _median_distance(points: Floats, draw: np.random.Generator) -> float:
    chosen = points[draw.permutation(len(points))[:SAMPLE]]
    squares = _squares(chosen, chosen)[np.triu_indices(len(chosen), 1)]
    return float(np.median(squares[squares > 0])) ** 0.5 if (squares > 0).any() else 1.0


def _squares(x: Floats, y: Floats) -> Floats:
    return np.asarray(np.maximum((x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2 * x @ y.T, 0.0))


def _unbiased(kernel: Floats, marks: Floats) -> Floats:
    """MMD² of each split: `marks` (B, N) is 1 for rows of the first sample, `kernel` (N, N) has a zero diagonal."""
    first = marks.sum(axis=1)
    second = len(kernel) - first
    product = marks @ kernel
    within, touching = (product * marks).sum(axis=1), product.sum(axis=1)
    across = touching - within
    rest = kernel.sum() - 2 * touching + within
    return np.asarray(within / (first * (first - 1)) + rest / (second * (second - 1)) - 2 * across / (first * second))


def _every_pair(
    ours: Floats, theirs: Floats, width: float, permutations: int, level: float, draw: np.random.Generator
) -> tuple[float, float, float, float]:
    n, m = len(ours), len(theirs)
    points = np.concatenate([ours, theirs])
    kernel = np.exp(-_squares(points, points) / (2 * width**2))
    np.fill_diagonal(kernel, 0.0)
    marks = np.repeat([1.0, 0.0], [n, m])
    value = float(_unbiased(kernel, marks[None])[0])
    null = _unbiased(kernel, draw.permuted(np.tile(marks, (permutations, 1)), axis=1))
    p = (1 + int((null >= value - 1e-15).sum())) / (1 + permutations)
    inside = np.concatenate([kernel[:n, :n].sum(axis=1) / (n - 1), kernel[n:, n:].sum(axis=1) / (m - 1)])
    projection = inside - np.concatenate([kernel[:n, n:].mean(axis=1), kernel[n:, :n].mean(axis=1)])
    variance = 4 * (projection[:n].var(ddof=1) / n + projection[n:].var(ddof=1) / m)
    half = normal_quantile(level) * float(variance) ** 0.5
    return value, value - half, value + half, p


def _in_blocks(ours: Floats, theirs: Floats, width: float, level: float, draw: np.random.Generator) -> tuple[float, float, float, float]:
    blocks = max(int(min(len(ours), len(theirs)) ** 0.5), 2)
    parts = [np.array_split(x[draw.permutation(len(x))], blocks) for x in (ours, theirs)]
    values = np.empty(blocks)
    for index, (x, y) in enumerate(zip(*parts, strict=True)):
        points = np.concatenate([x, y])
        kernel = np.exp(-_squares(points, points) / (2 * width**2))
        np.fill_diagonal(kernel, 0.0)
        values[index] = _unbiased(kernel, np.repeat([1.0, 0.0], [len(x), len(y)])[None])[0]
    value, error = float(values.mean()), float(values.std(ddof=1)) / blocks**0.5
    half = float(t_quantile(level, blocks - 1)) * error
    return value, value - half, value + half, float(special.stdtr(blocks - 1, -value / error)) if error else 1.0
