"""A million uploaded predictions, from the bytes of the PUT to the stored report with 188 strata; and what a run costs beside a bare loop.

    python -m benchmarks.runs [cases]

Works on a database and a data directory of its own, thrown away afterwards. The version's members are written as its snapshot, which is what runs read;
freezing a million cases has its own benchmark. Prints seconds of CPU (so that what else the machine does hardly counts), peak memory, and microseconds a case.
"""

# ruff: noqa: E402 - the environment has to be set before Django reads it
import io
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["HARDCASES_DATA_DIR"] = tempfile.mkdtemp(prefix="hardcases-bench-")
os.environ["DJANGO_SETTINGS_MODULE"] = "hardcases.config.settings"
for name in ("DATABASE_URL", "REDIS_URL"):
    os.environ.pop(name, None)

import django

django.setup()

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from django.core.management import call_command

from evaluation.registry.models import Replicate
from evaluation.runs import jobs, reports
from evaluation.runs.actions import put_predictions
from evaluation.runs.predictors import Input, predictor_for
from hardcases.blobs.store import get_store
from hardcases.imaging.pictures import pixels
from hardcases.projects.models import Project
from hardcases.testsets.models import Snapshot, TestSet, Version
from hardcases.testsets.snapshots import _arrow_schema
from tests.builders import people
from tests.builders import runs as build

VALUES = (50, 50, 50, 30)
rng = np.random.default_rng(7)


def a_million(project: Project, cases: int) -> Version:
    """A version of `cases` members in 188 strata: all, 2 classes, 180 attribute values and 5 bins."""
    attributes = [{"name": f"a{index}", "type": "category", "values": None, "bins": None} for index in range(len(VALUES))]
    attributes.append({"name": "age", "type": "number", "values": None, "bins": [0, 18, 40, 65, 80, 120]})
    schema = {
        "task": "classification",
        "classes": project.classes,
        "positive_class": "nodule",
        "cluster_attribute": None,
        "attributes": attributes,
    }
    columns: dict[str, Any] = {
        "case_id": np.arange(1, cases + 1),
        "number": np.arange(1, cases + 1),
        "uid": pa.array([row.tobytes() for row in rng.integers(0, 256, (cases, 16), dtype=np.uint8)], pa.binary(16)),
        "content": pa.array([row.tobytes() for row in rng.integers(0, 256, (cases, 32), dtype=np.uint8)], pa.binary(32)),
        "kind": pa.array(["image"] * cases),
        "label": pa.array(np.array(project.classes)[(rng.random(cases) < 0.3).astype(int)]),
        "strata": pa.array([""] * cases),
        "cluster": pa.nulls(cases, pa.string()),
    }
    columns["received"] = columns["content"]
    for index, values in enumerate(VALUES):
        columns[f"attribute:a{index}"] = pa.array(np.char.add("v", rng.integers(0, values, cases).astype(str)))
    columns["attribute:age"] = rng.uniform(0, 120, cases)
    wanted = _arrow_schema(schema)
    sink = io.BytesIO()
    pq.write_table(pa.table({name: columns[name] for name in wanted.names}).cast(wanted), sink, compression="zstd", use_dictionary=False)
    test_set = TestSet.objects.create(project=project, slug="million", created_by=project.owner)
    header = {"schema": schema, "strata": []}
    version = Version.objects.create(
        test_set=test_set,
        number=1,
        digest="0" * 64,
        root="0" * 64,
        header=header,
        cases=cases,
        added=cases,
        removed=0,
        changed=0,
        reason="benchmark",
        frozen_by=project.owner,
        frozen_by_name="owner",
    )
    Snapshot.objects.create(version=version, sha256=get_store().put_bytes(sink.getvalue()))
    return version


def peak() -> float:
    """Megabytes of this process at its largest."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def uploaded(cases: int) -> None:
    """PUT to report."""
    project = people.a_project(cluster_attribute=None)
    version = a_million(project, cases)
    order = rng.permutation(cases)
    lines = [
        "case,score:nodule",
        *(f"XR-{row + 1},{score:.6f}" for row, score in zip(order.tolist(), rng.random(cases).tolist(), strict=True)),
    ]
    body = "\n".join(lines).encode()
    del lines, order
    model = build.a_model(project, "net")
    for name in ("1", "2"):
        baseline = None if name == "1" else Replicate.objects.get(model_version__version="1").model_version
        run = build.start(build.a_replicate(model, name).model_version, version, baseline=baseline)
        before, start = peak(), time.process_time()
        put_predictions(actor=people.actor(project), run=run, replicate=0, stream=io.BytesIO(body), media_type="text/csv")
        accepted = time.process_time() - start
        jobs.finalise_run(run.pk)
        run.refresh_from_db()
        assert run.state == "succeeded", run.failure
        strata = len({item["stratum"] for item in reports.report_of(run)["metrics"]})
        total = time.process_time() - start
        against = "no baseline" if baseline is None else "against a baseline"
        print(
            f"{cases:,} predictions, {strata} strata, {against}: accepted after {accepted:.1f} s of CPU, "
            f"report after {total:.1f} s; peak {peak():,.0f} MB (before {before:,.0f})"
        )


def overhead(rounds: int = 5) -> None:
    """A run's predictor beside a bare loop that reads, verifies, decodes and asks the same model."""
    project = build.postcode_project(plain=True)
    version = build.postcode_version(project)
    replicate = build.demo_replicate(build.a_model(project, "reader"), "v2")
    digests = list(version.test_set.entries.values_list("content_digest", flat=True))
    inputs = [Input(digest, "image") for digest in digests]
    predictor: Any = predictor_for(replicate, project.classes, None)
    store, spent = get_store(), {"bare": [], "run": []}
    for _ in range(rounds):
        start = time.process_time()
        for first in range(0, len(digests), 256):
            pictures = np.stack([pixels(store.read(digest), mode="L", size=(8, 8)) for digest in digests[first : first + 256]])
            predictor.session.run([predictor.output], {predictor.input.name: pictures.reshape(len(pictures), -1).astype(np.float32)})
        spent["bare"].append(time.process_time() - start)
        start = time.process_time()
        answers = jobs.Answering(len(inputs), len(project.classes))
        for batch in predictor.predict(inputs):
            answers.add(batch.scores, batch.failures)
        jobs.to_parquet(answers.predictions(np.arange(len(inputs))), project.classes)
        spent["run"].append(time.process_time() - start)
    bare, run = (min(spent[name]) / len(digests) * 1e6 for name in ("bare", "run"))
    print(f"bare loop {bare:.1f} µs a case, run {run:.1f} µs: {run - bare:+.1f} µs of its own, ratio {run / bare:.3f}")


if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    overhead()
    uploaded(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
    print(f"data lay in {Path(os.environ['HARDCASES_DATA_DIR'])}")
