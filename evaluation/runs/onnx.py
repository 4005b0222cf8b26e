"""ONNX models in process: pictures in, scores out."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as state

from evaluation.runs.predictors import Batch, Floats, Input, ModelUnusable
from hardcases.blobs.store import BlobDamaged, BlobMissing, BlobStore, get_store
from hardcases.errors import Invalid, Refusal
from hardcases.imaging.pictures import pixels

BATCH_ELEMENTS = 1 << 17  # numbers in one input: small pictures go by the hundred, a 224² one alone, which is fastest on a CPU
LARGEST_BATCH = 256
NOWHERE = "/dev/null"  # no folder, so nothing lies below it
_MODEL_ERRORS = (
    state.EngineError,
    state.Fail,
    state.InvalidArgument,
    state.InvalidGraph,
    state.InvalidProtobuf,
    state.NoModel,
    state.NotImplemented,
    state.RuntimeException,
)


def onnx_predictor(sha256: str, adapter: dict[str, Any], classes: int, positive: int | None) -> "OnnxPredictor":
    """The predictor of an artefact. Raises ModelUnusable."""
    return OnnxPredictor(_session(sha256), adapter, classes, positive)


@lru_cache(maxsize=8)
def _session(sha256: str) -> onnxruntime.InferenceSession:
    """One session a process and artefact. One thread each: parallel work comes from several workers, and answers do not depend on the machine."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Weights in files beside the model are never read: a model from outside would otherwise answer with what lies in the working directory.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", NOWHERE)
    artefact = get_store().read(sha256)
    try:
        return onnxruntime.InferenceSession(artefact, sess_options=options, providers=["CPUExecutionProvider"])
    except _MODEL_ERRORS as error:
        raise ModelUnusable(
            f"The model file {sha256[:12]}… is no ONNX model that can be run here ({type(error).__name__}). Register another version."
        ) from error


class OnnxPredictor:
    """Pictures in, scores out, as the adapter describes both."""

    def __init__(self, session: onnxruntime.InferenceSession, adapter: dict[str, Any], classes: int, positive: int | None) -> None:
        self.session, self.classes, self.positive = session, classes, positive
        given = adapter.get("input") or {}
        self.mode: str = given.get("mode", "RGB")
        size = given.get("size")
        self.size: tuple[int, int] | None = None if size is None else (int(size[0]), int(size[1]))
        self.layout: str = given.get("layout", "NCHW")
        self.scale = np.float32(given.get("scale", 1))
        self.mean = np.asarray(given.get("mean", 0), dtype=np.float32)
        self.std = np.asarray(given.get("std", 1), dtype=np.float32)
        self.input = session.get_inputs()[0]
        outputs = [output.name for output in session.get_outputs()]
        self.output = adapter.get("output") or outputs[0]
        if self.output not in outputs:
            raise ModelUnusable(f"The model has no output {self.output!r}; it has {', '.join(outputs)}. Register it with one of these.")

    def predict(self, inputs: Sequence[Input]) -> Iterator[Batch]:
        """Answers in the order of the inputs; how many at once depends on the model's input alone, so the numbers never depend on the machine."""
        store, step = get_store(), self._batch_size()
        for first in range(0, len(inputs), step):
            yield self._batch(store, inputs[first : first + step])

    def _batch_size(self) -> int:
        fixed = self.input.shape[0] if self.input.shape else 1
        if isinstance(fixed, int):
            return 1
        if self.size is None:
            return 1  # pictures of different sizes do not share a batch
        elements = self.size[0] * self.size[1] * (1 if self.mode == "L" else 3)
        return max(1, min(LARGEST_BATCH, BATCH_ELEMENTS // elements))

    def _batch(self, store: BlobStore, inputs: Sequence[Input]) -> Batch:
        scores = np.full((len(inputs), self.classes), np.nan)
        failures: dict[int, str] = {}
        arrays, rows = [], []
        for index, item in enumerate(inputs):
            try:
                arrays.append(self._read(store, item))
                rows.append(index)
            except BlobMissing:
                failures[index] = "blob_missing"
            except BlobDamaged:
                failures[index] = "blob_damaged"
            except Refusal:
                failures[index] = "wrong_kind" if item.kind != "image" else "unreadable"
        if arrays:
            self._answer(np.stack(arrays), np.array(rows), scores, failures)
        return Batch(scores, failures)

    def _read(self, store: BlobStore, item: Input) -> NDArray[np.uint8]:
        if item.kind != "image":
            raise Invalid("The model takes pictures.")
        return pixels(store.read(item.sha256), mode=self.mode, size=self.size)

    def _answer(self, pictures: NDArray[np.uint8], rows: NDArray[np.int64], scores: Floats, failures: dict[int, str]) -> None:
        answers = self._run(pictures)
        if answers is None and len(rows) > 1:  # one bad case must not fail its neighbours
            for picture, row in zip(pictures, rows, strict=True):
                self._answer(picture[None], np.array([row]), scores, failures)
            return
        if answers is None:
            failures[int(rows[0])] = "model_error"
            return
        finite = np.isfinite(answers).all(axis=1)
        scores[rows[finite]] = answers[finite]
        failures.update(dict.fromkeys(rows[~finite].tolist(), "non_finite"))

    def _run(self, pictures: NDArray[np.uint8]) -> Floats | None:
        try:
            (raw,) = self.session.run([self.output], {self.input.name: self._prepared(pictures)})
        except _MODEL_ERRORS:
            return None
        return self._as_scores(np.asarray(raw), len(pictures))

    def _prepared(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, h, w, channels) uint8 → what the model takes: (pixel × scale − mean) / std in its layout."""
        values = (pictures.astype(np.float32) * self.scale - self.mean) / self.std
        if self.layout == "NCHW":
            values = values.transpose(0, 3, 1, 2)
        elif self.layout == "flat":
            values = values.reshape(len(values), -1)
        return np.ascontiguousarray(values, dtype=np.float32)

    def _as_scores(self, raw: NDArray[Any], count: int) -> Floats:
        """Scores (n, classes). A single column is the positive class of a binary project."""
        values = raw.astype(np.float64).reshape(count, -1)
        if values.shape[1] == self.classes:
            return values
        if values.shape[1] == 1 and self.positive is not None:
            out = np.empty((count, self.classes))
            out[:, self.positive], out[:, 1 - self.positive] = values[:, 0], 1 - values[:, 0]
            return out
        raise ModelUnusable(
            f"The output {self.output!r} has {values.shape[1]} numbers a case, but the project has {self.classes} classes. Register another output."
        )
