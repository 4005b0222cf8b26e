"""Opening an uploaded file as a package, and who reads which format."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hardcases.errors import Conflict, Invalid
from hardcases.formats import packages
from hardcases.formats.exchange import Options, Package, Reader
from hardcases.formats.guess import guess
from hardcases.formats.registry import READERS
from hardcases.projects.models import Attribute, Project
from hardcases.transfers.models import Import


class NoLongerKept(Conflict):
    code, title = "no_longer_kept", "The file is not kept any more"


def kept(row: Import) -> str:
    """The digest of the file. Raises NoLongerKept."""
    if row.sha256 is None:
        raise NoLongerKept("The uploaded file was kept for thirty days and is gone. Nothing was changed. Upload it again.")
    return row.sha256


@contextmanager
def opened(path: Path, name: str) -> Iterator[Package]:
    """The file as a package. Raises `UnsafeArchive`."""
    with packages.open_package(path, name=name) as package:
        yield package


def reader_of(name: str) -> Reader:
    """Who reads the format. Raises Invalid for an unknown one."""
    if name not in READERS:
        raise Invalid(f"There is no format “{name[:40]}”. Nothing was stored. Known: {', '.join(sorted(READERS))}.")
    return READERS[name]


def options_for(project: Project, mapping: Mapping[str, Any]) -> Options:
    """What a reader needs to know of the project."""
    declared = list(Attribute.objects.filter(project=project).order_by("position").values_list("name", "type"))
    return Options(
        task=project.task,
        classes=tuple(project.classes),
        attributes=tuple(name for name, _ in declared),
        categories=tuple(name for name, kind in declared if kind == "category"),
        mapping=mapping,
    )


def guessed(package: Package) -> str | None:
    """The format that the package seems to have; None where nothing speaks for any."""
    found = guess(package)
    return found if found in READERS else None
