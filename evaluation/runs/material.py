"""The stored predictions of a run as arrays over the cases of its version: what reports, flips and checks are computed from, and nothing else.

Proves on the way that every case is there exactly once: answered, answered with a failure, or named as missing.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evaluation.engine import strata as engine_strata
from evaluation.engine.data import Arm, Comparison, Task, arm
from evaluation.engine.report import comparison_of
from evaluation.engine.seeds import seed_from
from evaluation.engine.strata import Strata, Stratum
from evaluation.registry.models import Replicate
from evaluation.runs.cohort import PLAIN, members_of, positive_class, replicates_of
from evaluation.runs.models import Part, Run
from hardcases.blobs.store import get_store
from hardcases.errors import Invalid
from hardcases.formats.predictions import Predictions, concatenate, decide, read_part
from hardcases.testsets.snapshots import Members

DEFAULT_THRESHOLD = 0.5
NON_FINITE = "non_finite"
FAILURES = {
    NON_FINITE: "The model answered a number that is not finite.",
    "blob_missing": "The case's bytes are missing from the store.",
    "blob_damaged": "The case's bytes are not what was received.",
    "unreadable": "The case's picture could not be read.",
    "wrong_kind": "The model takes pictures, and the case is none.",
    "model_error": "The model stopped with an error on this case.",
}


class PredictionsBroken(Invalid):
    """Stored parts do not hold every case exactly once. Nothing is computed from them."""

    code, title = "predictions_broken", "The stored predictions are not complete"


@dataclass(frozen=True, eq=False)
class Answers:
    """One replicate on the n cases of the version. `position` (n,): index into `predictions`, -1 where the replicate has no row for the case.

    `labels` (n,): the decided class, -1 where nothing decides (missing, refused, failed), which counts as wrong.
    """

    replicate: int
    predictions: Predictions
    position: NDArray[np.int64]
    labels: NDArray[np.int32]
    digest: str

    @property
    def present(self) -> NDArray[np.bool_]:
        return self.position >= 0

    @cached_property
    def refused(self) -> NDArray[np.bool_]:
        """The model said that this is no input of its kind: an answer, though not a class."""
        return self._of_cases(self.predictions.refused)

    @cached_property
    def answered(self) -> NDArray[np.bool_]:
        """A class or a refusal: what coverage counts."""
        return (self.labels >= 0) | self.refused

    @cached_property
    def invalid(self) -> NDArray[np.bool_]:
        """Answered with numbers that are not finite."""
        said = pc.equal(self.predictions.message, NON_FINITE).fill_null(False).to_numpy(zero_copy_only=False)
        return self._of_cases(said & ~self.predictions.refused) & (self.labels < 0)

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """Scores (n, classes), NaN where none were given."""
        if self.predictions.scores.shape[0] == self.position.size:
            return self.predictions.scores
        out = np.full((self.position.size, self.predictions.scores.shape[1]), np.nan)
        out[self.present] = self.predictions.scores[self.position[self.present]]
        return out

    def message(self, row: int) -> str:
        """What the model or the reader said about a case; empty for an ordinary answer."""
        position = int(self.position[row])
        return "" if position < 0 else self.predictions.message[position].as_py() or ""

    def _of_cases(self, column: NDArray[np.bool_]) -> NDArray[np.bool_]:
        out = np.zeros(self.position.size, dtype=np.bool_)
        out[self.present] = column[self.position[self.present]]
        return out


def task_of(run: Run, cases: Members) -> Task:
    """Classes in the order pinned by the version, and which of two is positive."""
    classes = tuple(cases.classes)
    positive = positive_class(run.test_set_version)
    return Task(classes, classes.index(positive) if len(classes) == 2 and positive in classes else None)


def answers_of(run: Run, cases: Members, replicate: Replicate) -> Answers:
    """The replicate's stored predictions. Raises PredictionsBroken unless every case is there exactly once or named as missing."""
    rows = list(Part.objects.filter(run=run, step=PLAIN, replicate=replicate.number).order_by("shard"))
    store, classes = get_store(), cases.classes
    read = [read_part(store.read(row.sha256), classes) for row in rows]
    predictions = concatenate_parts(read, len(classes))
    position = _positions(run, replicate.number, rows, predictions)
    threshold = DEFAULT_THRESHOLD if replicate.operating_threshold is None else replicate.operating_threshold
    decided = decide(predictions.label, predictions.scores, classes, positive_class(run.test_set_version), threshold)
    decided = np.where(predictions.refused, -1, decided).astype(np.int32)
    labels = np.full(run.cases, -1, dtype=np.int32)
    present = position >= 0
    labels[present] = decided[position[present]]
    pa.default_memory_pool().release_unused()  # the pool would keep what reading took, beside what the next replicate takes
    return Answers(replicate.number, predictions, position, labels, _digest(rows))


def concatenate_parts(parts: Sequence[Predictions], classes: int) -> Predictions:
    """The parts as one, ascending by row; empty where there are none. Raises PredictionsBroken if a case appears twice."""
    if not parts:
        return Predictions.of_scores(np.empty(0, dtype=np.int64), np.empty((0, classes)))
    if len(parts) == 1:
        return parts[0]
    try:
        return concatenate(parts)
    except ValueError as error:
        raise PredictionsBroken(
            "A case was predicted twice by one replicate. Nothing was computed. Report this, and retry the run."
        ) from error


def _positions(run: Run, replicate: int, parts: Sequence[Part], predictions: Predictions) -> NDArray[np.int64]:
    rows = predictions.row
    if rows.size and (rows[0] < 0 or rows[-1] >= run.cases or (np.diff(rows) <= 0).any()):
        raise PredictionsBroken("The stored predictions name cases that the version does not have. Nothing was computed.")
    position = np.full(run.cases, -1, dtype=np.int64)
    position[rows] = np.arange(rows.size)
    excused = np.zeros(run.cases, dtype=np.bool_)
    for first, last in run.shards.filter(replicate=replicate, step=PLAIN, state="failed").values_list("first", "last"):
        excused[first:last] = True
    uploaded = any(part.received_sha256 is not None for part in parts)
    lost = int(((position < 0) & ~excused).sum())
    if lost and not uploaded:
        raise PredictionsBroken(
            f"{lost} cases of replicate {replicate} have no prediction although their shards are done. Nothing was computed."
        )
    return position


def _digest(parts: Sequence[Part]) -> str:
    """SHA-256 over the sorted digests of the replicate's parts, one a line."""
    return hashlib.sha256("".join(f"{part}\n" for part in sorted(part.sha256 for part in parts)).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Material:
    """A run's evidence: cases, the candidate's replicates and the baseline's, in the order of their numbers."""

    run: Run
    cases: Members
    task: Task
    candidate: list[Answers]
    baseline: list[Answers]

    @cached_property
    def comparison(self) -> Comparison:
        """What the engine and the checks take."""
        ours, theirs = ([self._arm(answers) for answers in side] for side in (self.candidate, self.baseline))
        return comparison_of(self.task, self.cases.label_codes, ours, theirs, self.cases.clusters)

    def _arm(self, answers: Answers) -> Arm:
        given = answers.labels >= 0
        scores = answers.scores
        if self.task.positive is not None:
            scores = scores[:, self.task.positive]
        known = np.asarray(np.isfinite(scores.reshape(self.run.cases, -1)).all(axis=1))
        usable = bool(given.any()) and bool(known[given].all())
        return arm(
            self.task, self.run.cases, answers.labels, scores if usable else None, answers.invalid if answers.invalid.any() else None
        )

    @property
    def strata(self) -> Strata:
        """Every stratum of the version: all, classes, attribute values, bins, named ones."""
        groupings = [engine_strata.Grouping(grouping.ids, grouping.codes) for grouping in self.cases.groupings]
        return [*groupings, *(Stratum(name, mask) for name, mask in self.cases.named)]

    @property
    def names(self) -> list[str]:
        """Ids of the strata in the order of the report."""
        return ["all", *(name for grouping in self.cases.groupings for name in grouping.ids), *(name for name, _ in self.cases.named)]

    def mask(self, stratum: str) -> NDArray[np.bool_] | None:
        """Members of a stratum by its id, None where the version has no such stratum."""
        if stratum == "all":
            return np.ones(self.run.cases, dtype=np.bool_)
        for grouping in self.cases.groupings:
            if stratum in grouping.ids:
                return np.asarray(grouping.codes == grouping.ids.index(stratum))
        return dict(self.cases.named).get(stratum)

    @property
    def seed(self) -> bytes:
        """Of every resampling: from the evidence alone."""
        return seed_from(self.run.manifest_digest, [answers.digest for answers in (*self.candidate, *self.baseline)])

    @property
    def predictions_digest(self) -> str:
        """Over the digests of the candidate's replicates, one a line with its number."""
        return hashlib.sha256("".join(f"{answers.replicate} {answers.digest}\n" for answers in self.candidate).encode()).hexdigest()

    @property
    def coverage(self) -> float:
        """Share of cases × replicates that were answered."""
        return float(np.mean([answers.answered.mean() for answers in self.candidate])) if self.run.cases else 1.0


def material_of(run: Run) -> Material:
    """Read everything that was stored for the run and for its baseline's run."""
    cases = members_of(run.test_set_version_id)
    ours = [answers_of(run, cases, replicate) for replicate in replicates_of(run)]
    theirs = []
    if run.baseline_run is not None:
        theirs = [answers_of(run.baseline_run, cases, replicate) for replicate in replicates_of(run.baseline_run)]
    return Material(run, cases, task_of(run, cases), ours, theirs)
