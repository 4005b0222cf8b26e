"""Frozen versions of many members for the benchmarks of runs, made below the ORM: the rows of a version and its snapshot, which is what runs read.

Freezing a million cases through the product has its own benchmark (`versions.py`); here they are only data.
"""

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from hardcases.blobs.backends import relative_name
from hardcases.blobs.store import get_store
from hardcases.projects.models import Project
from hardcases.testsets import snapshots
from hardcases.testsets.models import Snapshot, TestSet, Version

VALUES = (50, 50, 50, 30)  # with the two classes, the five bins of age and "all" they make 188 strata
BINS = [0, 18, 40, 65, 80, 120]


def _attributes() -> list[dict[str, Any]]:
    categories = [{"name": f"a{index}", "type": "category", "values": None, "bins": None} for index in range(len(VALUES))]
    return [*categories, {"name": "age", "type": "number", "values": None, "bins": BINS}]


def a_version(project: Project, slug: str, content: NDArray[np.uint8], *, strata: bool) -> Version:
    """Version 1 of a test set whose members have these contents, (n, 32) SHA-256 digests; with attributes that make 180 + 5 strata, or none."""
    rng, cases = np.random.default_rng(7), len(content)
    schema = {
        "task": "classification",
        "classes": project.classes,
        "positive_class": project.positive_class,
        "cluster_attribute": None,
        "attributes": _attributes() if strata else [],
    }
    digests = pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), cases, [None, pa.py_buffer(content.tobytes())])
    uids = pa.py_buffer(rng.integers(0, 256, (cases, 16), dtype=np.uint8).tobytes())
    columns: dict[str, Any] = {
        "case_id": np.arange(1, cases + 1),
        "number": np.arange(1, cases + 1),
        "uid": pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), cases, [None, uids]),
        "content": digests,
        "received": digests,
        "kind": pa.repeat("image", cases),
        "label": pa.array(project.classes).take(pa.array(rng.integers(0, len(project.classes), cases))),
        "strata": pa.repeat("", cases),
        "cluster": pa.nulls(cases, pa.string()),
        snapshots.CHANCE: pa.repeat(1.0, cases),
    }
    for index, values in enumerate(VALUES if strata else ()):
        columns[f"attribute:a{index}"] = pa.array([f"v{value}" for value in range(values)]).take(pa.array(rng.integers(0, values, cases)))
    if strata:
        columns["attribute:age"] = rng.uniform(0, 120, cases)
    test_set = TestSet.objects.create(project=project, slug=slug, created_by=project.owner)
    version = Version.objects.create(
        test_set=test_set,
        number=1,
        digest=hashlib.sha256(slug.encode()).hexdigest(),
        root="0" * 64,
        header={"schema": schema, "strata": []},
        cases=cases,
        added=cases,
        removed=0,
        changed=0,
        reason="benchmark",
        frozen_by=project.owner,
        frozen_by_name="owner",
    )
    wanted = snapshots.arrow_schema(schema)
    table = pa.table({name: columns[name] for name in wanted.names}).cast(wanted)
    Snapshot.objects.create(version=version, sha256=get_store().put_bytes(snapshots.to_parquet(wanted, [table])))
    return version


def random_contents(cases: int) -> NDArray[np.uint8]:
    """Digests of bytes that nobody reads."""
    return np.random.default_rng(8).integers(0, 256, (cases, 32), dtype=np.uint8)


def small_pictures(cases: int, folder: Path) -> NDArray[np.uint8]:
    """`cases` different 8 × 8 grey PNGs, written where the local store keeps its blobs in `folder`, without its syncs; their digests (n, 32)."""
    pixels = np.random.default_rng(9).integers(0, 17, (cases, 8, 8), dtype=np.uint8)
    digests = np.empty((cases, 32), dtype=np.uint8)
    for index, picture in enumerate(pixels):
        out = io.BytesIO()
        Image.fromarray(picture).save(out, "PNG")
        digest = hashlib.sha256(out.getvalue())
        path = folder / relative_name(digest.hexdigest())
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(out.getvalue())
        digests[index] = np.frombuffer(digest.digest(), dtype=np.uint8)
    return digests
