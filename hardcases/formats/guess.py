"""Which format a package seems to be in, by names and first bytes. Only a proposal: the person who imports confirms it."""

import re
from collections.abc import Sequence

from hardcases.errors import Refusal
from hardcases.formats.exchange import Package
from hardcases.formats.pictures import bare_name, is_picture

_HEAD = 2**16
_TABLES = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
_YOLO = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml", "obj.data", "obj.names")


def guess(package: Package) -> str | None:
    """A name of `READERS`, or None where nothing speaks for one."""
    names = package.names()
    lasts = {name.rpartition("/")[2].lower() for name in names}
    if len(names) == 1:
        return _of_one(package, names[0])
    if "samples.json" in lasts:
        return "fiftyone"
    if lasts & set(_YOLO) or _has_texts_of_pictures(names):
        return "yolo"
    told = {_of_one(package, name) for name in names if name.lower().endswith((".json", *_TABLES))} - {None}
    if len(told) == 1:
        return told.pop()
    if told:
        return None
    return _of_files(package, names)


def _has_texts_of_pictures(names: Sequence[str]) -> bool:
    """Whether there is a text of boxes, or so it seems, for one of the pictures."""
    pictures = {bare_name(name) for name in names if is_picture(name)}
    return any(name.lower().endswith(".txt") and bare_name(name) in pictures for name in names)


def _of_one(package: Package, name: str) -> str | None:
    head = _head(package, name)
    if head.startswith(b"PAR1"):
        return "parquet"
    if head[128:132] == b"DICM":
        return "dicom_zip"
    if name.lower().endswith(".json"):
        head = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        return "jsonl" if _is_lines(head) else _of_json(head)
    return next((kind for ending, kind in _TABLES.items() if name.lower().endswith(ending)), "zip" if is_picture(name) else None)


def _is_lines(head: bytes) -> bool:
    """Whether these are objects one a line, whatever the file's name says."""
    first, _, rest = head.partition(b"\n")
    return head[:1] == b"{" and first.rstrip().endswith(b"}") and rest.lstrip()[:1] == b"{"


def _of_json(head: bytes) -> str | None:
    keys = set(re.findall(rb'"(\w+)"\s*:', head))
    if head[:1] == b"{":
        if keys & {b"images", b"annotations", b"categories"}:
            return "coco"
        return "fiftyone" if b"samples" in keys else None
    if head[:1] != b"[":
        return None
    if b"image_id" in keys:
        return "coco"
    if b"data" in keys and keys & {b"annotations", b"predictions", b"completions"}:
        return "label_studio"
    return "label_studio" if {b"annotation_id", b"lead_time"} <= keys else "jsonl"


def _of_files(package: Package, names: Sequence[str]) -> str | None:
    pictures = [name for name in names if is_picture(name)]
    others = [name for name in names if not is_picture(name)]
    for name in [*others[:3], *pictures[:3]]:
        if _head(package, name)[128:132] == b"DICM":
            return "dicom_zip"
    return "zip" if pictures else None


def _head(package: Package, name: str) -> bytes:
    try:
        with package.open(name) as file:
            return file.read(_HEAD)
    except Refusal:
        return b""
