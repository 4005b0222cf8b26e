"""Models that this installation runs itself, and what all of them answer with.

A case whose bytes are missing, damaged or no picture is a failed case with a code; only a model file that cannot be used at all is an error of the run.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from django.utils.module_loading import import_string
from numpy.typing import NDArray

from evaluation.registry.models import Replicate
from hardcases.errors import Invalid

Floats = NDArray[np.float64]
# Loaded when first used: its runtime is an optional package, and the web process never needs it.
ONNX = "evaluation.runs.onnx.onnx_predictor"


class ModelUnusable(Invalid):
    """The model file cannot be run at all; the run fails with this sentence."""

    code, title = "model_unusable", "The model cannot be run"


@dataclass(frozen=True)
class Input:
    """One case as a predictor takes it: the digest of its stored bytes and what kind they are."""

    sha256: str
    kind: str


@dataclass(frozen=True)
class Batch:
    """Scores (m, classes) of m consecutive cases, NaN for those that failed, and the code of each failure by index."""

    scores: Floats
    failures: dict[int, str]


class Predictor(Protocol):
    """Answers cases batch by batch, in their order."""

    def predict(self, inputs: Sequence[Input]) -> Iterator[Batch]: ...


def predictor_for(replicate: Replicate, classes: Sequence[str], positive: str | None) -> Predictor:
    """The predictor of a replicate. Raises ModelUnusable."""
    if replicate.adapter["kind"] != "onnx" or replicate.artefact_sha256 is None:
        raise ModelUnusable(f"{replicate} is of kind {replicate.adapter['kind']}, which cannot be run here. Its run has failed.")
    make: Callable[..., Predictor] = import_string(ONNX)
    return make(replicate.artefact_sha256, replicate.adapter, len(classes), None if positive is None else list(classes).index(positive))
