"""What `hardcases upload` sends: files, folders of pictures, and the lines of a manifest."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hardcases.client.batches import CaseItem

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".dcm"})


class ManifestError(Exception):
    """A path or a line of the manifest cannot be sent; the message names it."""


def items_of(paths: Sequence[Path], manifest: Path | None) -> list[CaseItem]:
    """The cases to send, in order: files as given, pictures below folders by name, then the manifest's lines.

    A manifest line is a JSON object: the fields of a case, and `file` (relative to the manifest), or `text`, or `record`. Raises
    `ManifestError`.
    """
    items = [CaseItem(file=file) for path in paths for file in _files(path)]
    if manifest is not None:
        items += _lines(manifest)
    return items


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.suffix.lower() in PICTURES and file.is_file())
    elif path.is_file():
        yield path
    else:
        raise ManifestError(f"{path} does not exist.")


def _lines(manifest: Path) -> Iterator[CaseItem]:
    try:
        lines = manifest.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{manifest} could not be read: {error}.") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _item(manifest, number, line)


def _item(manifest: Path, number: int, line: str) -> CaseItem:
    try:
        fields: dict[str, Any] = json.loads(line)
        name, text, record = fields.pop("file", None), fields.pop("text", None), fields.pop("record", None)
        file = manifest.parent / name if name is not None else None
        item = CaseItem(file=file, text=text, record=record, fields=fields)
    except (ValueError, TypeError, AttributeError) as error:
        raise ManifestError(f"{manifest}, line {number}: not a case with one of file, text and record ({error}).") from error
    if file is not None and not file.is_file():
        raise ManifestError(f"{manifest}, line {number}: {file} does not exist.")
    return item
