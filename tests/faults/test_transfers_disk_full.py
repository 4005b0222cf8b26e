"""Imports and exports on a disk that is full: a sentence that is true, nothing half there, and once there is room the same as undisturbed."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from hardcases.blobs.store import get_store
from hardcases.cases.models import Case
from hardcases.errors import StorageFull
from hardcases.projects.models import Project
from hardcases.transfers import actions, queries
from hardcases.transfers.models import Export, Import
from tests.builders import people, transfers
from tests.builders.transfers import a_zip, jsonl
from tests.faults.disks import ROOM, fill
from tests.faults.test_imports_killed import state

pytestmark = pytest.mark.django_db(transaction=True)
PICTURES, FIRST = 260, 200  # the second transaction of contents finds no room
RESERVE = ROOM // 20  # below it nothing more is taken


@pytest.fixture
def disk(small_disk: Path, settings: Any) -> Iterator[Path]:
    """The store lies on the small disk; the database does not."""
    settings.DATA_DIR = small_disk / "data"
    settings.DATA_DIR.mkdir()
    return small_disk


def pictures() -> dict[str, bytes]:
    """Of 60 KB each, which no compression makes smaller."""
    noise = np.random.default_rng(5).integers(0, 256, (PICTURES, 140, 140, 3), dtype=np.uint8)
    return {f"p{n}__bmp": a_bmp(pixels) for n, pixels in enumerate(noise)}


def a_bmp(pixels: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "BMP")
    return out.getvalue()


def package(files: dict[str, bytes]) -> bytes:
    rows = [{"file": name.replace("__", "."), "external_id": name, "label": {"label": "nodule"}} for name in files]
    return a_zip(cases__jsonl=jsonl(*rows), **files)


def left_lying(disk: Path) -> set[Path]:
    """Files that are neither blobs nor the ballast."""
    blobs = get_store()
    whole = set(blobs.iter_digests())
    for digest in whole:
        blobs.verify(digest)
    return {path for path in disk.rglob("*") if path.is_file() and path.name not in whole | {"ballast"}}


def test_an_import_stops_with_what_it_did_and_goes_on(disk: Path) -> None:
    files = pictures()
    content = package(files)
    undisturbed, project = people.a_project(slug="undisturbed"), people.a_project(slug="disturbed")
    wanted = transfers.run(transfers.uploaded(undisturbed, content, name="x.zip", kind="jsonl"))
    for digest in Case.objects.values_list("stored_sha256", flat=True):
        get_store().delete(digest)  # the other project would find them there
    actor = people.actor(project, "curator")
    row = transfers.uploaded(project, content, name="x.zip", kind="jsonl", actor=actor)
    a_picture = len(next(iter(files.values())))
    ballast = fill(disk, len(content) + (FIRST + 25) * (a_picture + 4096) + RESERVE)
    job = transfers.done(actions.start_import(actor=actor, row=row))
    assert job.state == "failed"
    assert f"no room left in the file store, so the import stopped after {FIRST} entries" in job.failure
    assert (job.done, Case.objects.filter(project=project).count()) == (FIRST, FIRST)
    assert left_lying(disk) == set()
    again = transfers.done(actions.start_import(actor=actor, row=row))
    assert (again.state, again.failure) == ("failed", job.failure)
    ballast.unlink()
    job = transfers.done(actions.start_import(actor=actor, row=row))
    assert (job.state, job.result) == ("done", wanted.result)
    assert list(queries.rows_of(job)) == list(queries.rows_of(wanted))
    assert state(project) == state(undisturbed)
    held = Case.objects.filter(project=project).values_list("stored_sha256", flat=True)
    assert len({get_store().size(digest) for digest in held}) == 1


def test_a_check_without_room_changes_nothing(disk: Path) -> None:
    project = people.a_project()
    content = package(pictures())
    row = transfers.uploaded(project, content, name="x.zip", kind="jsonl")
    fill(disk, len(content) // 2).stat()
    job = transfers.check(row)
    assert job.state == "failed"
    assert "no room left in the file store, so the check stopped" in job.failure
    assert "Nothing was imported" in job.failure
    assert not Case.objects.exists()
    assert left_lying(disk) == set()
    (disk / "ballast").unlink()
    assert transfers.check(row).result == transfers.run(row).result


@pytest.mark.parametrize("leave", [RESERVE + 5_000_000, RESERVE // 2])
def test_a_file_for_which_there_is_no_room_is_refused(disk: Path, leave: int) -> None:
    content = package(pictures())
    project = people.a_project()
    fill(disk, leave)
    with pytest.raises(StorageFull, match="Nothing was stored"):
        transfers.uploaded(project, content, name="x.zip", kind="jsonl")
    assert not Import.objects.exists()
    assert left_lying(disk) == set()


@pytest.mark.parametrize("begun", [True, False])
def test_an_export_without_room_is_not_made(disk: Path, *, begun: bool) -> None:
    project = people.a_project()
    transfers.run(transfers.uploaded(project, package(pictures()), name="x.zip", kind="jsonl"))
    wanted = transfers.exported(project, kind="jsonl", media=True)
    get_store().delete(Export.objects.get().sha256 or "")
    ballast = fill(disk, len(wanted) // 2 if begun else RESERVE // 2)
    failed = asked(project)
    assert failed.job.state == "failed"
    assert failed.job.failure == (
        "There is no room left in the file store, so the export was not made, and nothing of it is kept. Free some space, then ask for another."
    )
    assert failed.sha256 is None
    assert left_lying(disk) == set()
    ballast.unlink()
    assert transfers.exported(project, kind="jsonl", media=True) == wanted


def asked(project: Project) -> Export:
    """An export with pictures, after the worker was there."""
    actor = people.actor(project, "curator")
    export = actions.start_export(actor=actor, project=project, version=None, q="", format_name="jsonl", media=True)
    transfers.done(export.job)
    return Export.objects.select_related("job").get(pk=export.pk)
