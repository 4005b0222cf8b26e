"""What `hardcases upload` sends: files, folders of pictures, and the lines of a manifest, looked at one after another and never listed.

A folder of millions is walked twice, once to count and once to send; nothing is held but the open folders.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hardcases.client.batches import CaseItem
from hardcases.client.transport import Json, as_json

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".dcm", ".dicom"})
FILE_LIMIT = 64 * 1024 * 1024
_DICOM = b"DICM"  # after 128 bytes that are anybody's


class ManifestError(Exception):
    """A path or a line of the manifest cannot be sent; the message names it."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One case that may have to be sent. `size` is of its content in bytes; `label` is how a person knows it."""

    index: int
    item: CaseItem
    size: int
    label: str

    def trouble(self) -> str | None:
        """Why it cannot be sent, without asking the server; None where nothing is known against it."""
        path = self.item.file
        if not isinstance(path, Path):
            return None
        try:
            with path.open("rb") as file:
                head = file.read(1)
        except OSError as error:
            return f"{path} cannot be read ({error.strerror})."
        if not head:
            return f"{path} is empty."
        return f"{path} has {self.size:,} bytes; the limit is {FILE_LIMIT:,}." if self.size > FILE_LIMIT else None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What was asked for: paths and a manifest, and what is said about every case where it says nothing itself."""

    paths: Sequence[Path]
    manifest: Path | None = None
    reason: str | None = None
    attributes: Mapping[str, Any] | None = None

    def fields(self, own: Json) -> Json:
        """The fields of one case; what a line of the manifest says wins."""
        said = dict(own)
        if self.reason is not None:
            said.setdefault("reason", self.reason)
        if self.attributes:
            said["attributes"] = {**self.attributes, **(said.get("attributes") or {})}
        return said

    def __iter__(self) -> Iterator[Source]:
        """Files as given, what lies below folders, then the manifest's lines. Raises ManifestError."""
        index = 0
        for path in self.paths:
            for file, size in _files(path):
                yield Source(index=index, item=CaseItem(file=file, fields=self.fields({})), size=size, label=str(file))
                index += 1
        if self.manifest is not None:
            for item in _lines(self.manifest, self):
                yield Source(index=index, item=item, size=_size(item), label=_label(item, index))
                index += 1


def meta(pairs: Sequence[str]) -> dict[str, Any]:
    """`k=v` as attributes: true, false and numbers are what they look like, everything else is text (`"61"` in quotes too)."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise ValueError(f"{pair!r} is not an attribute. Write --meta name=value.")
        try:
            said = json.loads(value)
        except ValueError:
            said = value
        found[name] = said if isinstance(said, (bool, int, float, str)) else value
    return found


def _files(path: Path) -> Iterator[tuple[Path, int]]:
    try:
        if path.is_dir():
            yield from _below(path)
        elif path.is_file():
            yield path, path.stat().st_size
        else:
            raise ManifestError(f"{path} does not exist.")
    except OSError as error:
        raise ManifestError(f"{path} cannot be read ({error.strerror}).") from error


def _below(folder: Path) -> Iterator[tuple[Path, int]]:
    """Pictures below a folder; hidden names and links to folders are passed over."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _below(Path(entry.path))
            elif entry.is_file() and is_picture(Path(entry.path)):
                yield Path(entry.path), entry.stat().st_size


def is_picture(path: Path) -> bool:
    """By its suffix, or a DICOM file by the four letters that every one of them has."""
    if path.suffix.lower() in PICTURES:
        return True
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == _DICOM
    except OSError:
        return False


def _lines(manifest: Path, wanted: Wanted) -> Iterator[CaseItem]:
    try:
        with manifest.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _item(manifest, number, line, wanted)
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{manifest} could not be read: {error}.") from error


def _item(manifest: Path, number: int, line: str, wanted: Wanted) -> CaseItem:
    try:
        fields: dict[str, Any] = json.loads(line)
        name, text, record = fields.pop("file", None), fields.pop("text", None), fields.pop("record", None)
        file = manifest.parent / name if name is not None else None
        item = CaseItem(file=file, text=text, record=record, fields=wanted.fields(fields))
    except (ValueError, TypeError, AttributeError) as error:
        raise ManifestError(f"{manifest}, line {number}: not a case with one of file, text and record ({error}).") from error
    if file is not None and not file.is_file():
        raise ManifestError(f"{manifest}, line {number}: {file} does not exist.")
    return item


def _size(item: CaseItem) -> int:
    return item.file.stat().st_size if isinstance(item.file, Path) else len(as_json(item.document()))


def _label(item: CaseItem, index: int) -> str:
    return str(item.file) if item.file is not None else str(item.fields.get("external_id") or f"case {index + 1}")
