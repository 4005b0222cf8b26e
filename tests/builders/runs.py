"""Frozen versions with pictures, models and runs, made in bulk for the tables and through the actions for everything else."""

import hashlib
import io
from collections.abc import Sequence
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import rfc8785
from PIL import Image

from evaluation.demo import story
from evaluation.registry import actions as registry
from evaluation.registry.documents import read_version
from evaluation.registry.models import Model, ModelVersion, Replicate
from evaluation.runs import actions
from evaluation.runs.models import Run
from evaluation.runs.tasks import due
from hardcases.audit.actors import Actor
from hardcases.blobs.store import get_store
from hardcases.cases.models import Case
from hardcases.labels.models import CurrentLabel, LabelRevision
from hardcases.projects.models import Project
from hardcases.projects.steps import next_numbers
from hardcases.testsets import actions as testsets
from hardcases.testsets.models import DraftChange, Stratum, Version
from tests.builders import people

_numbers = count(1)


@cache
def picture(seed: int) -> bytes:
    """An 8 × 8 grey PNG; another seed gives other pixels."""
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 17, (8, 8), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


def cases(
    project: Project,
    labels: Sequence[str],
    *,
    pictures: Sequence[bytes] | None = None,
    attributes: Sequence[dict[str, Any]] = (),
    chances: Sequence[float | None] = (),
) -> list[Case]:
    """Accepted, labelled picture cases with their blobs, in order. `chances`: those with which the door kept them, unknown where there are none."""
    first = next_numbers(project, "case", len(labels))
    contents = pictures or [picture(10_000 * next(_numbers) + index) for index in range(len(labels))]
    digests = [get_store().put_bytes(content) for content in contents]
    rows = Case.objects.bulk_create(
        [
            Case(
                project=project,
                number=first + index,
                kind="image",
                sha256=digest,
                stored_sha256=digest,
                size=len(contents[index]),
                media_type="image/png",
                width=8,
                height=8,
                state="accepted",
                attributes=attributes[index] if attributes else {},
                selection_probability=chances[index] if chances else None,
            )
            for index, digest in enumerate(digests)
        ]
    )
    values = [{"label": label} for label in labels]
    revisions = LabelRevision.objects.bulk_create(
        [
            LabelRevision(
                case=row,
                number=1,
                label=value,
                digest=hashlib.sha256(rfc8785.dumps(value)).hexdigest(),
                author=project.owner,
                author_name="owner",
            )
            for row, value in zip(rows, values, strict=True)
        ]
    )
    CurrentLabel.objects.bulk_create(
        [CurrentLabel(case=row, revision=revision, value=label) for row, revision, label in zip(rows, revisions, labels, strict=True)]
    )
    return rows


def freeze(project: Project, members: Sequence[Case], *, slug: str = "") -> Version:
    """Version 1 of a new test set of these cases."""
    actor = people.actor(project)
    test_set = testsets.create_test_set(actor=actor, project=project, slug=slug or f"hard-{next(_numbers)}", purpose="")
    DraftChange.objects.bulk_create([DraftChange(test_set=test_set, case=case, adds=True, by="tests") for case in members])
    return testsets.freeze(actor=actor, test_set=test_set, reason="first")


def a_version(project: Project, labels: Sequence[str] = ("normal", "nodule") * 10, **options: Any) -> Version:
    """A frozen version of new cases with these labels."""
    return freeze(project, cases(project, labels, **options))


def a_model(project: Project, slug: str = "", *, actor: Actor | None = None) -> Model:
    """A registered model."""
    name = slug or f"net-{next(_numbers)}"
    return registry.register_model(actor=actor or people.actor(project), project=project, slug=name, name=name)[0]


def a_replicate(
    model: Model, version: str = "1.0", *, artefact: Path | None = None, actor: Actor | None = None, **document: Any
) -> Replicate:
    """A registered replicate; with an artefact of kind onnx, else uploaded."""
    read = read_version({"version": version, **document})
    if artefact is None:
        files = registry.store_files(read)
    else:
        with artefact.open("rb") as file:
            files = registry.store_files(read, file)
    return registry.register_version(actor=actor or people.actor(model.project), model=model, document=read, files=files).replicate


def demo_replicate(model: Model, version: str, replicate: int = 0) -> Replicate:
    """One of the shipped postcode models (ten digits, 8 × 8 grey)."""
    found = next(item for item in story.model_versions() if (item.version, item.replicate) == (version, replicate))
    document = {key: value for key, value in found.document.items() if key != "version"}
    return a_replicate(model, version, artefact=found.artefact, **document)


def postcode_project(*, plain: bool = False) -> Project:
    """A ten-class project for the demo models; a plain one has no attributes, so that its reports are small."""
    if plain:
        return people.a_project(classes=list(story.CLASSES), positive_class=None, key_prefix="PC", cluster_attribute=None, attributes=[])
    attributes = [("writer", "category", None), ("fault", "category", None), ("split", "category", None), ("source", "text", None)]
    return people.a_project(
        classes=list(story.CLASSES), positive_class=None, key_prefix="PC", cluster_attribute="source", attributes=attributes
    )


def postcode_version(project: Project, *, every: int = 1, strata: bool = False) -> Version:
    """The demo's cases (every n-th of the 2,822) as a frozen version."""
    chosen = [case for index, case in enumerate(story.cases()) if index % every == 0]
    if strata:
        Stratum.objects.bulk_create([Stratum(project=project, **document) for document in story.strata_documents()])
    declared = set(project.attributes.values_list("name", flat=True))
    attributes = [{name: value for name, value in case.attributes.items() if name in declared} for case in chosen]
    rows = cases(project, [case.label for case in chosen], pictures=[case.png for case in chosen], attributes=attributes)
    return freeze(project, rows)


def start(model_version: ModelVersion, version: Version, **options: Any) -> Run:
    """Start a run as an engineer of the project."""
    project = model_version.model.project
    return actions.start_run(actor=people.actor(project), project=project, model_version=model_version, version=version, **options)


def work(rounds: int = 200) -> None:
    """Do what the sweeper finds until there is nothing left, as the embedded worker does."""
    for _ in range(rounds):
        tasks = due()
        if not tasks:
            return
        for item in tasks:
            item.task(**item.kwargs)
    raise AssertionError("The work never ended.")


def csv(keys: Sequence[str], scores: Sequence[float], *, score: str = "nodule") -> bytes:
    """A predictions file with the score of one class."""
    lines = [f"case,score:{score}", *(f"{key},{value}" for key, value in zip(keys, scores, strict=True))]
    return ("\n".join(lines) + "\n").encode()


def upload(run: Run, body: bytes, replicate: int = 0, **options: Any) -> Any:
    """Hand in a CSV of predictions."""
    return actions.put_predictions(
        actor=people.actor(run.project), run=run, replicate=replicate, stream=io.BytesIO(body), media_type="text/csv", **options
    )
