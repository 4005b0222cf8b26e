"""Runs of a million cases: uploaded predictions from PUT to report, what a run costs beside a bare loop, and whether a worker's memory stays flat.

    python -m benchmarks.runs [--cases 1000000] [--pictures 100000] [part …]

Parts: overhead, uploaded, memory; all of them without a name. Works on SQLite and a data directory of its own, for you to throw away. What a web process
or a worker does runs in a process of its own, so that the memory of whoever makes the data is not counted to whoever works with it. Prints wall seconds and
seconds of CPU (on a busy machine only the latter mean something), peak memory (VmHWM), and microseconds a case.
"""

# ruff: noqa: E402 - the environment has to be set before Django reads it
import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = "HARDCASES_DATA_DIR"
if __name__ == "__main__":
    if "--step" not in sys.argv:
        os.environ[FOLDER] = tempfile.mkdtemp(prefix="hardcases-bench-")
    os.environ |= {"DJANGO_SETTINGS_MODULE": "hardcases.config.settings", "HARDCASES_LEASE_SECONDS": "600"}
    for name in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(name, None)

import django

django.setup()

import numpy as np
from django.core.management import call_command

from benchmarks import members
from evaluation.registry.models import Replicate
from evaluation.runs import jobs, reports
from evaluation.runs.actions import put_predictions, start_run
from evaluation.runs.models import Run, Shard
from evaluation.runs.predictors import Input, predictor_for
from hardcases.blobs.store import get_store
from hardcases.imaging.pictures import pixels
from hardcases.projects.authentication import person
from tests.builders import people
from tests.builders import runs as build

PREDICTIONS = "predictions-{}.csv"
TENTHS = 10


def folder() -> Path:
    """Where this benchmark's data lie."""
    return Path(os.environ[FOLDER])


def memory(line: str) -> float:
    """Megabytes of this process now (VmRSS) or at its largest (VmHWM). Unlike ru_maxrss the latter does not begin with what the parent process had."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split(f"{line}:")[1].split()[0]) / 1024


class Spent:
    """Wall and processor seconds since it was made."""

    def __init__(self) -> None:
        self.wall, self.busy = time.perf_counter(), time.process_time()

    def __str__(self) -> str:
        return f"{time.perf_counter() - self.wall:.1f} s ({time.process_time() - self.busy:.1f} s of CPU)"


def say(line: str) -> None:
    """Print at once: whoever stops a long benchmark keeps what it said."""
    print(line, flush=True)


def make_uploaded(cases: int) -> None:
    """A version in 188 strata, an open run of a baseline and a file of predictions for each side."""
    project = people.a_project(cluster_attribute=None)
    members.a_version(project, "million", members.random_contents(cases), strata=True)
    model, rng = build.a_model(project, "net"), np.random.default_rng(7)
    for name in ("baseline", "candidate"):
        build.a_replicate(model, name)
        rows = zip((rng.permutation(cases) + 1).tolist(), rng.random(cases).tolist(), strict=True)
        with (folder() / PREDICTIONS.format(name)).open("w", encoding="ascii") as file:
            file.write("case,score:nodule\n")
            file.writelines(f"XR-{number},{score:.6f}\n" for number, score in rows)


def _replicate(name: str) -> Replicate:
    return Replicate.objects.select_related("model_version__model__project").get(model_version__version=name)


def put(name: str) -> None:
    """Start a run and hand in its predictions, as the web process does."""
    replicate = _replicate(name)
    project = replicate.model_version.model.project
    version = project.test_sets.get(slug="million").versions.get()
    baseline = None if name == "baseline" else _replicate("baseline").model_version
    who = person(project.owner)
    run = start_run(actor=who, project=project, model_version=replicate.model_version, version=version, baseline=baseline)
    before, spent = memory("VmRSS"), Spent()
    with (folder() / PREDICTIONS.format(name)).open("rb") as stream:
        accepted = put_predictions(actor=who, run=run, replicate=0, stream=stream, media_type="text/csv")
    say(f"  {name}: {accepted.rows:,} predictions accepted in {spent}; peak {memory('VmHWM'):,.0f} MB (idle {before:,.0f})")


def finalise(name: str) -> None:
    """Compute the report, as a worker does."""
    run = Run.objects.get(model_version__version=name)
    before, spent = memory("VmRSS"), Spent()
    jobs.finalise_run(run.pk)
    said = str(spent)
    run.refresh_from_db()
    assert run.state == "succeeded", run.failure
    strata = len({item["stratum"] for item in reports.report_of(run)["metrics"]})
    peak = memory("VmHWM")
    against = "alone" if run.baseline_version is None else "against the baseline"
    say(f"  {name}: report of {run.cases:,} cases in {strata} strata, {against}, in {said}; peak {peak:,.0f} MB (idle {before:,.0f})")


def make_pictures(cases: int) -> None:
    """A version of small pictures and an ONNX model of ten classes, with a run that waits for a worker."""
    project = build.postcode_project(plain=True)
    content = members.small_pictures(cases, folder() / "blobs")
    version = members.a_version(project, "pictures", content, strata=False)
    build.start(build.demo_replicate(build.a_model(project, "reader"), "v2").model_version, version)


def predict(slug: str) -> None:
    """Work off the shards of the test set's run in one process, as a worker does, and look at its memory at every tenth."""
    run = Run.objects.get(test_set_version__test_set__slug=slug)
    shards = list(Shard.objects.filter(run=run).order_by("index").values_list("pk", flat=True))
    spent, idle, seen = Spent(), memory("VmRSS"), []
    for done, pk in enumerate(shards, start=1):
        jobs.predict_shard(pk)
        if done * TENTHS // len(shards) > (done - 1) * TENTHS // len(shards):
            seen.append(memory("VmRSS"))
    failed = run.cases - sum(run.parts.values_list("predicted", flat=True))
    said, peak = str(spent), memory("VmHWM")
    say(f"  {run.cases:,} pictures in {len(shards)} shards in {said}, {failed} failed; resident MB at every tenth (idle {idle:.0f}):")
    say(f"  {', '.join(f'{size:.1f}' for size in seen)}; from the first tenth to the last {seen[-1] - seen[0]:+.1f} MB; peak {peak:.0f} MB")
    jobs.finalise_run(run.pk)
    run.refresh_from_db()
    assert run.state == "succeeded", run.failure
    say(f"  with its report: peak {memory('VmHWM'):.0f} MB")


def overhead(rounds: int) -> None:
    """A run's predictor beside a bare loop that reads, verifies, decodes and asks the same model."""
    project = build.postcode_project(plain=True)
    version = build.postcode_version(project)
    replicate = build.demo_replicate(build.a_model(project, "postcodes"), "v2")
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
    say(f"  bare loop {bare:.1f} µs a case, run {run:.1f} µs: {run - bare:+.1f} µs of its own (limit 20), ratio {run / bare:.3f}")


STEPS: dict[str, Callable[[str], None]] = {step.__name__: step for step in (put, finalise, predict)}


def apart(step: Callable[[str], None], argument: str) -> None:
    """Run a step in a process of its own, and stop here if it fails."""
    subprocess.run([sys.executable, "-m", "benchmarks.runs", "--step", step.__name__, argument], check=True)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help="overhead, uploaded, memory")
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--step", nargs=2, metavar=("NAME", "ARGUMENT"), help="one step, in this process; used by the others")
    asked = parser.parse_args()
    if asked.step:
        name, argument = asked.step
        STEPS[name](argument)
        return
    call_command("migrate", verbosity=0)
    parts = asked.parts or ["overhead", "uploaded", "memory"]
    if "overhead" in parts:
        say("what a run costs beside a bare loop:")
        overhead(7)
    if "uploaded" in parts:
        say(f"{asked.cases:,} uploaded predictions, from PUT to report:")
        make_uploaded(asked.cases)
        for name in ("baseline", "candidate"):
            apart(put, name)
            apart(finalise, name)
    if "memory" in parts:
        say(f"one worker over {asked.pictures:,} pictures:")
        make_pictures(asked.pictures)
        apart(predict, "pictures")
    say(f"data lay in {folder()}")


if __name__ == "__main__":
    main()
