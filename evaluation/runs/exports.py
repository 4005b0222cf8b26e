"""Predictions as a file for people's own analyses."""

import io

import pyarrow as pa
import pyarrow.parquet as pq

from evaluation.runs.cohort import members_of, replicates_of
from evaluation.runs.material import answers_of
from evaluation.runs.models import Run
from hardcases.errors import Conflict, NotFound
from hardcases.formats.predictions import SCORE


def predictions_table(run: Run, replicate: int) -> bytes:
    """One replicate as Parquet, a row a case of the version: `case, sha256, reference, decided, label, score:<class> …, refused, message`."""
    if run.state != "succeeded":
        raise Conflict(f"Run {run.number} is {run.state}; its predictions can be read once it has succeeded.")
    row = next((item for item in replicates_of(run) if item.number == replicate), None)
    if row is None:
        raise NotFound(f"Run {run.number} has no replicate {replicate}. Its replicates are {run.replicates}.")
    cases = members_of(run.test_set_version_id)
    answers = answers_of(run, cases, row)
    names = pa.array([*cases.classes, None], pa.string())
    place = pa.array(answers.position, mask=~answers.present)
    columns = {
        "case": cases.keys(),
        "sha256": cases.sha256(),
        "reference": names.take(pa.array(cases.label_codes % len(names))),
        "decided": names.take(pa.array(answers.labels % len(names))),
        **{SCORE + name: pa.array(answers.scores[:, code], from_pandas=True) for code, name in enumerate(cases.classes)},
        "refused": pa.array(answers.refused),
        "message": answers.predictions.message.take(place),
    }
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    return sink.getvalue()
