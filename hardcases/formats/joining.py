"""Joins an uploaded table of predictions to the cases of a test set: by id, never by position, and all or nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hardcases.formats.findings import LISTED, Findings
from hardcases.formats.predictions import Predictions
from hardcases.formats.rows import shown
from hardcases.formats.tables import PredictionTable

Missing = Literal["refuse", "wrong"]
Texts: TypeAlias = Sequence[str] | pa.StringArray
Positions: TypeAlias = Sequence[int] | npt.NDArray[np.int64]
_Group: TypeAlias = tuple[pa.StringArray, npt.NDArray[np.int64]]  # names, and the position of each
_UNKNOWN = -1


class CaseIndex:
    """Every name by which a file may call a case of a test set; `keys` holds the key of each position in the test set's order."""

    def __init__(
        self,
        keys: Texts,
        *,
        sha256: Callable[[], Texts] = lambda: (),
        external_ids: Texts = (),
        external_positions: Positions = (),
    ) -> None:
        """`keys` and `sha256` (hex) in the order of the test set; `external_ids` any number a case, `external_positions` the position of
        each. The digests are asked for when a name is none of the others.

        Sequences of str, or Arrow string arrays, which cost nothing to take over. A name means the case with that key, else with that
        external id, else with that digest. As every case may be named once only, a file that is misread by this order is refused, not
        misjoined.
        """
        self.keys = _texts(keys)
        order = np.arange(len(self.keys), dtype=np.int64)
        others = _texts(external_ids), np.asarray(external_positions, dtype=np.int64)
        self._groups: tuple[Callable[[], _Group], ...] = (lambda: (self.keys, order), lambda: others, lambda: (_texts(sha256()), order))

    def __len__(self) -> int:
        return len(self.keys)

    def positions_of(self, names: pa.StringArray) -> npt.NDArray[np.int64]:
        """Position of each name in the test set, int64 (n,); -1 for null and unknown names."""
        positions = np.full(len(names), _UNKNOWN, dtype=np.int64)
        if pc.any(pc.starts_with(names, "sha256:")).as_py():
            names = pc.replace_substring_regex(names, "^sha256:([0-9a-f]{64})$", r"\1")
        for group in self._groups:
            open_rows = np.flatnonzero(positions == _UNKNOWN)
            if not len(open_rows):
                break
            known, position = group()
            if not len(known):
                continue
            asked = names if len(open_rows) == len(names) else names.take(pa.array(open_rows))
            found = pc.index_in(asked, value_set=known, skip_nulls=True)
            hit = np.asarray(pc.is_valid(found))
            positions[open_rows[hit]] = position[found.drop_null().to_numpy()]
        return positions


@dataclass(frozen=True, kw_only=True)
class Joined:
    """`predictions` ascend by position in the test set; `missing` holds the positions that the file does not answer (only with
    missing="wrong").
    """

    predictions: Predictions
    missing: npt.NDArray[np.int64]


def join(
    table: PredictionTable,
    ids: CaseIndex,
    *,
    classes: Sequence[str],
    positive_class: str | None = None,
    missing: Missing = "refuse",
) -> Joined:
    """The table's answers in the order of the test set.

    `classes` empty means a regression project: then `value` is the answer. Raises `TableRefused` with every finding of reading and
    joining: unknown, repeated or missing cases, labels that are no class, and rows that do not answer as the task asks.
    """
    findings = Findings()
    findings.extend(table.findings)
    positions = _resolve(table, ids, findings)
    absent = _absent(positions, ids)
    if missing == "refuse":
        _list_missing(absent, ids, findings)
    label = _label_codes(table, classes, findings)
    if classes:
        _check_classes(table, classes, positive_class, findings)
    else:
        _check_values(table, findings)
    findings.refuse_if_any(len(table))
    order = np.argsort(positions, kind="stable")
    whole = Predictions(row=positions, label=label, scores=table.scores, value=table.value, refused=table.refused, message=table.message)
    return Joined(predictions=whole.take(order), missing=absent)


def _resolve(table: PredictionTable, ids: CaseIndex, findings: Findings) -> npt.NDArray[np.int64]:
    positions, case = ids.positions_of(table.case), table.case
    empty = np.asarray(pc.is_null(case))
    findings.rows(np.flatnonzero(empty & ~table.broken), lambda _: "This row names no case.")
    findings.rows(np.flatnonzero((positions == _UNKNOWN) & ~empty), lambda row: f"The test set holds no case {_quoted(case[row])}.")
    order = np.argsort(positions, kind="stable")
    same = np.flatnonzero((np.diff(positions[order]) == 0) & (positions[order][1:] >= 0)) + 1
    start = np.searchsorted(positions[order], positions[order][same])  # the first row of each repeated case
    first_row = dict(zip(order[same].tolist(), order[start].tolist(), strict=True))

    def repeated(row: int) -> str:
        other = first_row[row]
        if case[row] == case[other]:
            return f"The case {_quoted(case[row])} was already answered in row {other}."
        return f"{_quoted(case[row])} is the same case as {_quoted(case[other])}, which was already answered in row {other}."

    findings.rows(sorted(first_row), repeated)
    return positions


def _absent(positions: npt.NDArray[np.int64], ids: CaseIndex) -> npt.NDArray[np.int64]:
    seen = np.zeros(len(ids), dtype=np.bool_)
    seen[positions[positions >= 0]] = True
    return np.flatnonzero(~seen)


def _list_missing(absent: npt.NDArray[np.int64], ids: CaseIndex, findings: Findings) -> None:
    keys = ids.keys.take(pa.array(absent[:LISTED])).to_pylist()
    findings.cases(
        keys, len(absent), lambda key: f"The file has no row for the case {key}. Send missing=wrong to count such cases as wrong."
    )


def _label_codes(table: PredictionTable, classes: Sequence[str], findings: Findings) -> npt.NDArray[np.int32]:
    given = np.asarray(pc.is_valid(table.label))
    if not classes:
        findings.rows(np.flatnonzero(given), lambda _: "A regression project takes a value, not a label.")
        return np.full(len(table), -1, dtype=np.int32)
    known = pa.array(list(classes), pa.string())
    codes = pc.index_in(table.label, value_set=known, skip_nulls=True).fill_null(-1).to_numpy(zero_copy_only=False)
    findings.rows(np.flatnonzero(given & (codes < 0)), lambda row: f"{_quoted(table.label[row])} is not a class of this project.")
    return np.asarray(codes, dtype=np.int32)


def _check_classes(table: PredictionTable, classes: Sequence[str], positive_class: str | None, findings: Findings) -> None:
    absent = np.isnan(table.scores)
    scored, sound = ~absent.all(axis=1), ~table.broken
    findings.rows(np.flatnonzero(~np.isnan(table.value)), lambda _: "A classification project takes a label or scores, not a value.")
    silent = sound & ~scored & ~np.asarray(pc.is_valid(table.label)) & ~table.refused & np.isnan(table.value)
    findings.rows(np.flatnonzero(silent), lambda _: "This row has no answer: give a label, scores, or refused.")
    if len(classes) == 2 and positive_class is not None:
        unknown = sound & scored & absent[:, list(classes).index(positive_class)]
        findings.rows(np.flatnonzero(unknown), lambda _: f"The score of the positive class {shown(positive_class)} is missing.")
        return
    incomplete = np.flatnonzero(sound & scored & absent.any(axis=1))
    findings.rows(
        incomplete, lambda row: f"The score of class {shown(classes[int(absent[row].argmax())])} is missing; every class needs one."
    )


def _check_values(table: PredictionTable, findings: Findings) -> None:
    silent = ~table.broken & np.isnan(table.value) & ~table.refused & np.asarray(pc.is_null(table.label))
    findings.rows(np.flatnonzero(silent), lambda _: "This row has no answer: give a value, or refused.")


def _quoted(scalar: pa.Scalar) -> str:
    return shown(str(scalar.as_py()))


def _texts(texts: Texts) -> pa.StringArray:
    return texts if isinstance(texts, pa.Array) else pa.array(texts, pa.string())
