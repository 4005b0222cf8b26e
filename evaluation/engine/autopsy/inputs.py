"""Hypotheses about what a model was shown: turned, flipped, scaled twice or not, colours in another order, another mean and deviation.

Each is a fault with its cure. `input_autopsy` sends cured inputs to the served model and looks whether the figures come back.
`fault_behind` shows faulty inputs to the registered model and looks whether it then gives the answers that were stored; it needs no truth.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.engine.arrays import BadInput, Floats, floats, integers
from evaluation.engine.autopsy.gain import ALPHA, Bench, Diagnosis, explained
from evaluation.engine.data import cluster_codes
from evaluation.engine.intervals import wilson
from evaluation.engine.seeds import generator

Images = NDArray[Any]
Predict = Callable[[Images], ArrayLike]
Normalisation = tuple[tuple[float, ...], tuple[float, ...]]
PEAK = 255.0
NORMALISATIONS: Mapping[str, Normalisation] = {
    "none": ((0.0,), (1.0,)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5,), (0.5,)),
}
SAME = 0.99  # share of equal labels from which on a fault is said to reproduce the stored answers


@dataclass(frozen=True)
class Hypothesis:
    """`fault` makes of a right input (n, ...) what the model was shown, `cure` undoes it."""

    name: str
    fault: Callable[[Images], Images]
    cure: Callable[[Images], Images]


def hypotheses(shape: tuple[int, ...], normalisations: Mapping[str, Normalisation] = NORMALISATIONS) -> Iterator[Hypothesis]:
    """What can have happened to inputs (n, H, W), (n, H, W, C) or (n, C, H, W), with one, three or four channels C.

    `normalisations` name (mean, deviation) per channel, of inputs in the units of the arrays.
    """
    if len(shape) not in {3, 4} or (len(shape) == 4 and not {shape[1], shape[3]} & {1, 3, 4}):
        raise BadInput(f"inputs have shape {shape}; images are (n, H, W), (n, H, W, C) or (n, C, H, W)")
    channel = None if len(shape) == 3 else 3 if shape[3] in {1, 3, 4} else 1
    rows, columns = (2, 3) if channel == 1 else (1, 2)
    if shape[rows] == shape[columns]:
        yield _involution("transposed", lambda x: np.swapaxes(x, rows, columns))
        yield Hypothesis("turned_90_left", lambda x: np.rot90(x, 1, (rows, columns)), lambda x: np.rot90(x, -1, (rows, columns)))
        yield Hypothesis("turned_90_right", lambda x: np.rot90(x, -1, (rows, columns)), lambda x: np.rot90(x, 1, (rows, columns)))
    yield _involution("mirrored_left_right", lambda x: np.flip(x, columns))
    yield _involution("turned_180", lambda x: np.flip(x, (rows, columns)))
    yield _involution("mirrored_top_bottom", lambda x: np.flip(x, rows))
    yield Hypothesis("scaled_twice", lambda x: floats(x) / PEAK, lambda x: floats(x) * PEAK)
    yield Hypothesis("not_scaled", lambda x: floats(x) * PEAK, lambda x: floats(x) / PEAK)
    yield _involution("negative", _negative)
    if channel is not None and shape[channel] == 3:
        yield _involution("bgr", lambda x: np.flip(x, channel))
    yield from _normalised(shape, channel, normalisations)


def _involution(name: str, change: Callable[[Images], Images]) -> Hypothesis:
    return Hypothesis(name, change, change)


def _negative(images: Images) -> Images:
    return (PEAK if images.max(initial=0) > 1 else 1.0) - floats(images)


def _normalised(shape: tuple[int, ...], channel: int | None, named: Mapping[str, Normalisation]) -> Iterator[Hypothesis]:
    """`used` instead of `meant`, for each ordered pair that differs and fits the number of channels."""
    fitting: dict[str, tuple[Floats, Floats]] = {}
    for name, given in named.items():
        if len(given[0]) in {1, 1 if channel is None else shape[channel]}:
            line = [1] * len(shape)
            line[channel or 0] = len(given[0])
            fitting[name] = (floats(given[0]).reshape(line), floats(given[1]).reshape(line))
    for used, ours in fitting.items():
        for meant, theirs in fitting.items():
            if used != meant:
                yield Hypothesis(f"normalised_{used}_not_{meant}", _affine(*ours, *theirs), _affine(*theirs, *ours))


def _affine(first_mean: Floats, first_deviation: Floats, then_mean: Floats, then_deviation: Floats) -> Callable[[Images], Images]:
    """Normalise the first way, then undo the second way."""
    return lambda x: (floats(x) - first_mean) / first_deviation * then_deviation + then_mean


def input_autopsy(
    predict: Predict,
    inputs: Images,
    truth: ArrayLike,
    *,
    classes: int,
    clusters: ArrayLike | None = None,
    sample: int = 500,
    normalisations: Mapping[str, Normalisation] = NORMALISATIONS,
    seed: bytes = b"autopsy",
) -> list[Diagnosis]:
    """Ask the served model again with each cure on at most `sample` of the cases; the cure that restores most comes first.

    `predict` takes inputs (m, ...) in the layout and units of `inputs` and returns scores (m, classes). `truth` (n,) codes. A cure is named
    as in `Bench.judge`; honest models raise one in at most 1 % of autopsies.
    """
    codes = integers(truth, "the truth")
    if codes.shape != (len(inputs),) or ((codes < 0) | (codes >= classes)).any():
        raise BadInput(f"there are {len(inputs)} inputs, and truth {codes.shape} must hold one of {classes} class codes for each")
    tried = list(hypotheses(inputs.shape, normalisations))
    chosen = _sample(len(inputs), sample, seed)
    shown = inputs[chosen]
    bench = Bench(codes[chosen], classes, cluster_codes(None if clusters is None else np.asarray(clusters)[chosen], chosen.size), ALPHA)
    given = _scores(predict, shown, classes)
    found = []
    for each in tried:
        answers = _scores(predict, each.cure(shown), classes)
        found += bench.judge(each.name, _labels(given), _labels(answers), {}, tried=len(tried))
    ranks = bench.macro_auc(np.nan_to_num(given)) if found else None
    found = [replace(each, numbers=each.numbers | {"macro_auc": ranks, "tried": len(tried)}) for each in found]
    return explained(found, tuple(each.name for each in tried))


def fault_behind(
    predict: Predict,
    inputs: Images,
    stored: ArrayLike,
    *,
    sample: int = 500,
    tolerance: float = 1e-4,
    normalisations: Mapping[str, Normalisation] = NORMALISATIONS,
    seed: bytes = b"autopsy",
) -> list[Diagnosis]:
    """Which fault, done to the inputs of the registered model, gives the answers that the system stored? `stored` (n, K) scores.

    Nothing if the model gives them without a fault. A fault is named if at least 99 % of the labels agree and the scores agree within
    `tolerance` on most cases; `value` and `restored` are shares of equal labels.
    """
    scores = floats(stored)
    if scores.ndim != 2 or len(scores) != len(inputs):
        raise BadInput(f"there are {len(inputs)} inputs, but stored answers have shape {scores.shape}; they are (n, classes)")
    tried = list(hypotheses(inputs.shape, normalisations))
    chosen = _sample(len(inputs), sample, seed)
    shown, scores = inputs[chosen], scores[chosen]
    plain = _scores(predict, shown, scores.shape[1])
    if _agree(plain, scores, tolerance):
        return []
    value, found = float((_labels(plain) == _labels(scores)).mean()), []
    for each in tried:
        answers = _scores(predict, each.fault(shown), scores.shape[1])
        if _agree(answers, scores, tolerance):
            same = int((_labels(answers) == _labels(scores)).sum())
            low, high = wilson(same, chosen.size)
            largest = float(np.abs(answers - scores).max())
            found.append(
                Diagnosis(
                    hypothesis=each.name,
                    metric="agreement",
                    value=value,
                    restored=same / chosen.size,
                    low=float(low),
                    high=float(high),
                    n=int(chosen.size),
                    numbers={"largest_difference": largest, "tried": len(tried)},
                )
            )
    return explained(found, tuple(each.name for each in tried))


def _agree(answers: Floats, stored: Floats, tolerance: float) -> bool:
    labels = (_labels(answers) == _labels(stored)).mean()
    return bool(labels >= SAME and np.median(np.abs(answers - stored).max(axis=1)) <= tolerance)


def _sample(n: int, size: int, seed: bytes) -> NDArray[np.int64]:
    return np.sort(generator(seed).permutation(n)[:size])


def _scores(predict: Predict, images: Images, classes: int) -> Floats:
    scores = floats(predict(images))
    if scores.shape != (len(images), classes):
        raise BadInput(f"the model answered {len(images)} inputs with an array of shape {scores.shape}; it has {classes} classes")
    return scores


def _labels(scores: Floats) -> NDArray[np.int64]:
    """The highest score's class; -1, which is never right, where a score is not finite."""
    return np.where(np.isfinite(scores).all(axis=1), scores.argmax(axis=1), -1)
