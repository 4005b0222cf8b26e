"""Trains the demo's eleven models from scikit-learn's digits: `python -m evaluation.demo.train FOLDER`.

Needs two packages that the product itself does not: scikit-learn (in the development lock) and onnx (in no lock, because only this script
writes ONNX files; `pip install onnx` in an environment of your own). Takes about half a minute on two cores.

v1 is a logistic regression, v2 a small perceptron whose five replicates differ by the seed alone, v3 the same perceptron trained on
distorted copies as well. With the locked scikit-learn, v1 and v2 come out as they are shipped in `data/`, to float32 rounding. The
shipped v3 was trained with an earlier form of `distorted`; retraining it gives other weights and the same pattern: no stratum of the
demo's test set is proven worse than under v1.
"""

import argparse
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from sklearn.datasets import load_digits  # type: ignore[import-untyped]
from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.neural_network import MLPClassifier  # type: ignore[import-untyped]

try:
    import onnx  # type: ignore[import-not-found, unused-ignore]
except ImportError:
    onnx = None

WRITERS = 13
KNOWN_WRITERS = 7
COPIES = 20
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Layer:
    """One dense layer: weights (inputs, outputs) and biases (outputs)."""

    weights: Floats
    biases: Floats


def training_digits() -> tuple[Floats, npt.NDArray[np.int64]]:
    """Pictures (n, 8, 8) in 0..1 and digits (n,) of four fifths of the known writers; the held-out fifth is the test set's home stratum."""
    digits = load_digits()
    writer = np.arange(len(digits.target)) * WRITERS // len(digits.target)
    home = np.where(writer < KNOWN_WRITERS)[0]
    chosen = np.sort(np.random.default_rng(0).permutation(home)[len(home) // 5 :])
    pictures = (digits.images[chosen] / 16 * 255).round().astype(np.uint8)
    return pictures / 255, digits.target[chosen]


def distorted(pictures: Floats, rng: np.random.Generator) -> Floats:
    """Each picture (h, w) turned, shifted, faded, greyed and blurred by its own random amounts, with noise."""
    out = np.empty_like(pictures)
    for index, picture in enumerate(pictures):
        turned = ndimage.rotate(picture, rng.uniform(-15, 15), reshape=False, order=1)
        moved = ndimage.shift(turned, rng.uniform(-1, 1, 2), order=1)
        blurred = ndimage.gaussian_filter(moved, rng.uniform(0, 0.7))
        contrast, mean = rng.uniform(0.4, 1), blurred.mean()
        out[index] = ((blurred - mean) * contrast + mean) * rng.uniform(0.5, 1) + rng.uniform(0, 0.3)
    return np.clip(out + rng.normal(0, 0.15, out.shape), 0, 1)


def train_v1(_seed: int) -> list[Layer]:
    pictures, digits = training_digits()
    model = LogisticRegression(max_iter=2000).fit(pictures.reshape(len(pictures), -1), digits)
    return [Layer(model.coef_.T, model.intercept_)]


def train_v2(seed: int) -> list[Layer]:
    return _perceptron(*training_digits(), seed)


def train_v3(seed: int) -> list[Layer]:
    pictures, digits = training_digits()
    rng = np.random.default_rng(seed)
    copies = [pictures, *(distorted(pictures, rng) for _ in range(COPIES))]
    return _perceptron(np.concatenate(copies), np.tile(digits, len(copies)), seed)


RECIPES: dict[str, tuple[Callable[[int], list[Layer]], tuple[int, ...]]] = {
    "v1": (train_v1, (0,)),
    "v2": (train_v2, (0, 1, 2, 3, 4)),
    "v3": (train_v3, (0, 1, 2, 3, 4)),
}


def _perceptron(pictures: Floats, digits: npt.NDArray[np.int64], seed: int) -> list[Layer]:
    model = MLPClassifier((128,), max_iter=80, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # eighty epochs are the recipe, not a hope
        model.fit(pictures.reshape(len(pictures), -1), digits)
    return [Layer(weights, biases) for weights, biases in zip(model.coefs_, model.intercepts_, strict=True)]


def probabilities(layers: list[Layer], images: npt.NDArray[np.uint8]) -> Floats:
    """What the exported graph computes: images uint8 (n, 8, 8) → probabilities (n, 10)."""
    x = images.reshape(len(images), -1) / 255
    for layer in layers[:-1]:
        x = np.maximum(x @ layer.weights + layer.biases, 0)
    z = x @ layers[-1].weights + layers[-1].biases
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True), dtype=np.float64)


def to_onnx(layers: list[Layer]) -> bytes:
    """The graph: `input` float32 (N, 64) of raw 0..255 values, scaled inside, to `probabilities` float32 (N, 10)."""
    helper, numpy_helper, floats = onnx.helper, onnx.numpy_helper, onnx.TensorProto.FLOAT
    constants = [numpy_helper.from_array(np.array(1 / 255, dtype=np.float32), "scale")]
    nodes = [helper.make_node("Mul", ["input", "scale"], ["h0"])]
    last = "h0"
    for index, layer in enumerate(layers):
        constants.append(numpy_helper.from_array(layer.weights.astype(np.float32), f"W{index}"))
        constants.append(numpy_helper.from_array(layer.biases.astype(np.float32), f"b{index}"))
        nodes.append(helper.make_node("Gemm", [last, f"W{index}", f"b{index}"], [f"z{index}"]))
        last = f"z{index}"
        if index + 1 < len(layers):
            nodes.append(helper.make_node("Relu", [last], [f"r{index}"]))
            last = f"r{index}"
    nodes.append(helper.make_node("Softmax", [last], ["probabilities"], axis=1))
    graph = helper.make_graph(
        nodes,
        "postcode-reader",
        [helper.make_tensor_value_info("input", floats, ["N", 64])],
        [helper.make_tensor_value_info("probabilities", floats, ["N", 10])],
        constants,
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="evaluation.demo.train", description="Train the demo's eleven models and write them as ONNX files."
    )
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args(arguments).folder
    if onnx is None:
        sys.stderr.write("The package onnx is not installed, so nothing was trained. Install it (pip install onnx) and start again.\n")
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    for name, (train, seeds) in RECIPES.items():
        for seed in seeds:
            file = folder / ("demo_v1.onnx" if name == "v1" else f"demo_{name}_s{seed}.onnx")
            file.write_bytes(to_onnx(train(seed)))
            sys.stderr.write(f"{file.name} written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
