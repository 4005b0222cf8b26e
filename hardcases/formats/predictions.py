"""Predictions as columns: what a run stores a part of, what decides a class from scores, and the bytes that a part is named by.

A part is Parquet with one row group, rows in the order of the test set, columns `row, label, score:<class> …, value, refused, message`,
zstd level 3, no pandas or Arrow schema, no times: equal content gives equal bytes under one pyarrow. `digest` covers the same content
without its container, so that it outlives an upgrade of the library.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from hardcases.errors import Invalid

SCORE = "score:"
_DIGEST_DOMAIN = b"hardcases/predictions/1\n"


class PartUnreadable(Invalid):
    """A stored part does not hold what its name promises."""

    code, title = "part_unreadable", "A stored part of the predictions could not be read"


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Answers to m cases of a test set, ascending by `row`.

    row: int64 (m,), positions in the test set's order, no two equal. label: int32 (m,), code of the given label in class order, -1 if
    none was given. scores: float64 (m, classes), NaN where none was given. value: float64 (m,), NaN likewise. refused: bool (m,).
    message: strings or None (m,).
    """

    row: npt.NDArray[np.int64]
    label: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float64]
    value: npt.NDArray[np.float64]
    refused: npt.NDArray[np.bool_]
    message: pa.StringArray

    def __len__(self) -> int:
        return len(self.row)

    @classmethod
    def of_scores(cls, row: npt.NDArray[np.int64], scores: npt.NDArray[np.float64]) -> "Predictions":
        """What a model in process answers: scores (m, classes) and nothing else."""
        n = len(row)
        return cls(
            row=np.asarray(row, dtype=np.int64),
            label=np.full(n, -1, dtype=np.int32),
            scores=np.asarray(scores, dtype=np.float64),
            value=np.full(n, np.nan),
            refused=np.zeros(n, dtype=np.bool_),
            message=pa.nulls(n, pa.string()),
        )

    def take(self, order: npt.NDArray[np.int64]) -> "Predictions":
        """The rows at these positions, in this order."""
        return Predictions(
            row=self.row[order],
            label=self.label[order],
            scores=self.scores[order],
            value=self.value[order],
            refused=self.refused[order],
            message=self.message.take(pa.array(order)),
        )


def concatenate(parts: Sequence[Predictions]) -> Predictions:
    """The parts of one run as one, ascending by row. Raises ValueError if a row appears twice."""
    whole = Predictions(
        row=np.concatenate([part.row for part in parts]),
        label=np.concatenate([part.label for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        value=np.concatenate([part.value for part in parts]),
        refused=np.concatenate([part.refused for part in parts]),
        message=pa.concat_arrays([part.message for part in parts]),
    )
    order = np.argsort(whole.row, kind="stable")
    if (np.diff(whole.row[order]) == 0).any():
        raise ValueError("two parts hold a prediction for the same case")
    return whole.take(order)


def decide(
    labels: npt.NDArray[np.int32],
    scores: npt.NDArray[np.float64],
    classes: Sequence[str],
    positive_class: str | None = None,
    threshold: float = 0.5,
) -> npt.NDArray[np.int32]:
    """The decided class of each row as its code in class order, int32 (n,); -1 where nothing decides.

    A given label decides. Else, with two classes of which one is positive: positive if its score is at least the threshold, and that
    score alone suffices. Else the highest score, ties in class order, and every class must have one. `labels` int32 (n,), -1 for none;
    `scores` float64 (n, classes), NaN for none.
    """
    if len(classes) == 2 and positive_class is not None:
        positive = list(classes).index(positive_class)
        score = scores[:, positive]
        decided = np.where(score >= threshold, positive, 1 - positive)
        known = np.logical_not(np.isnan(score))
    else:
        known = np.logical_not(np.isnan(scores).any(axis=1))
        decided = np.where(known[:, None], scores, 0.0).argmax(axis=1)
    return np.where(labels >= 0, labels, np.where(known, decided, -1)).astype(np.int32)


def to_parquet(predictions: Predictions, classes: Sequence[str]) -> bytes:
    """The canonical part: its SHA-256 is its name. Absent scores, values and labels are nulls."""
    if len(predictions) > 1 and not (np.diff(predictions.row) > 0).all():
        raise ValueError("a part's rows must ascend")
    columns: dict[str, pa.Array] = {"row": pa.array(predictions.row, pa.int64()), "label": _label_names(predictions.label, classes)}
    for code, name in enumerate(classes):
        columns[SCORE + name] = _floats(predictions.scores[:, code])
    columns["value"] = _floats(predictions.value)
    columns["refused"] = pa.array(predictions.refused, pa.bool_())
    columns["message"] = predictions.message
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.table(columns),
        sink,
        row_group_size=max(len(predictions), 1),
        version="2.6",
        data_page_version="1.0",
        compression="zstd",
        compression_level=3,
        use_dictionary=["label"],
        write_statistics=False,
        store_schema=False,
    )
    return bytes(sink.getvalue().to_pybytes())


def read_part(source: bytes | Path, classes: Sequence[str]) -> Predictions:
    """Reads what `to_parquet` wrote. Raises `PartUnreadable` if the bytes are damaged or were written for other classes."""
    try:
        table = pq.read_table(pa.BufferReader(source) if isinstance(source, bytes) else source).combine_chunks()
    except (pa.ArrowException, OSError) as error:
        raise PartUnreadable("A stored part of the predictions is damaged. Nothing was changed; verify the storage and retry.") from error
    wanted = ["row", "label", *(SCORE + name for name in classes), "value", "refused", "message"]
    if table.column_names != wanted:
        raise PartUnreadable("A stored part of the predictions was written for other classes. Nothing was changed; retry the run.")
    columns = {name: _one_chunk(table.column(name)) for name in wanted}
    codes = columns["label"].cast(pa.string()).dictionary_encode()
    names = {name: code for code, name in enumerate(classes)}
    lookup = np.array([*(names[name] for name in codes.dictionary.to_pylist()), -1], dtype=np.int32)
    scores = [columns[SCORE + name].to_numpy(zero_copy_only=False) for name in classes]
    return Predictions(
        row=columns["row"].to_numpy(),
        label=lookup[codes.indices.fill_null(-1).to_numpy(zero_copy_only=False)],
        scores=np.column_stack(scores).astype(np.float64) if scores else np.empty((len(table), 0)),
        value=columns["value"].to_numpy(zero_copy_only=False).astype(np.float64),
        refused=columns["refused"].to_numpy(zero_copy_only=False),
        message=columns["message"],
    )


def digest(predictions: Predictions, classes: Sequence[str]) -> str:
    """SHA-256 (hex) of the content: class names, then each column as little-endian bytes. Equal for equal content, whatever library
    stored it.
    """
    whole = hashlib.sha256(_DIGEST_DOMAIN)
    texts = [name.encode() for name in classes]
    messages = [b"" if text is None else b"\x01" + text.encode() for text in predictions.message.to_pylist()]
    for group in (texts, messages):
        whole.update(len(group).to_bytes(8, "little"))
        for text in group:
            whole.update(len(text).to_bytes(8, "little") + text)
    whole.update(np.ascontiguousarray(predictions.row, dtype="<i8").tobytes())
    whole.update(np.ascontiguousarray(predictions.label, dtype="<i4").tobytes())
    for numbers in (predictions.scores, predictions.value):
        whole.update(np.where(np.isnan(numbers), np.nan, numbers).astype("<f8").tobytes())  # one NaN, whatever its bits were
    whole.update(predictions.refused.astype("u1").tobytes())
    return whole.hexdigest()


def _label_names(label: npt.NDArray[np.int32], classes: Sequence[str]) -> pa.Array:
    codes = pa.array(label, pa.int32(), mask=label < 0)
    return pa.array(list(classes), pa.string()).take(codes)


def _floats(numbers: npt.NDArray[np.float64]) -> pa.Array:
    return pa.array(np.ascontiguousarray(numbers), pa.float64(), mask=np.isnan(numbers))


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
