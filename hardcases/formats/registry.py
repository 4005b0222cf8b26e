"""The formats by name."""

from collections.abc import Iterator

from hardcases.formats.coco import read_coco
from hardcases.formats.coco_write import write_coco
from hardcases.formats.croissant_write import write_croissant
from hardcases.formats.csv_tables import read_csv, write_csv
from hardcases.formats.exchange import Finding, Item, Options, Package, Reader, Writer
from hardcases.formats.fiftyone_read import read_fiftyone
from hardcases.formats.fiftyone_write import write_fiftyone
from hardcases.formats.guess import guess
from hardcases.formats.json_lines import read_jsonl, write_jsonl
from hardcases.formats.loose_files import read_dicom_zip, read_zip
from hardcases.formats.packages import problems
from hardcases.formats.packing import table_or_bundle
from hardcases.formats.parquet_tables import read_parquet, write_parquet
from hardcases.formats.studio_read import read_label_studio
from hardcases.formats.studio_write import write_label_studio
from hardcases.formats.yolo_read import read_yolo
from hardcases.formats.yolo_write import write_yolo

__all__ = ["LICENSED", "READERS", "WRITERS", "file_kind", "guess"]

_READING: dict[str, Reader] = {
    "coco": read_coco,
    "label_studio": read_label_studio,
    "csv": read_csv,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "fiftyone": read_fiftyone,
    "yolo": read_yolo,
    "dicom_zip": read_dicom_zip,
    "zip": read_zip,
}


def _with_problems(reader: Reader) -> Reader:
    def read(package: Package, options: Options) -> Iterator[Item | Finding]:
        yield from problems(package)
        yield from reader(package, options)

    return read


READERS: dict[str, Reader] = {name: _with_problems(reader) for name, reader in _READING.items()}
"""Name → reader. A reader is lazy: it raises a `Refusal` when it is asked for its first item, or for a later one where the rest cannot be read."""

WRITERS: dict[str, Writer] = {
    "coco": write_coco,
    "label_studio": write_label_studio,
    "fiftyone": write_fiftyone,
    "yolo": write_yolo,
    "croissant": write_croissant,
    "csv": table_or_bundle(write_csv, "cases.csv"),
    "jsonl": table_or_bundle(write_jsonl, "cases.jsonl"),
    "parquet": table_or_bundle(write_parquet, "cases.parquet"),
}
"""Name → writer. A writer raises `Invalid` for what its format cannot hold; then what it has written so far is to be thrown away."""

LICENSED = ("coco", "croissant")
"""The formats that have a place for a licence."""

_ALONE = {
    "coco": ("application/json", ".json"),
    "label_studio": ("application/json", ".json"),
    "csv": ("text/csv", ".csv"),
    "jsonl": ("application/x-ndjson", ".jsonl"),
    "parquet": ("application/vnd.apache.parquet", ".parquet"),
}


def file_kind(name: str, *, media: bool) -> tuple[str, str]:
    """Media type and ending of the file that the writer `name` makes, with or without pictures."""
    return ("application/zip", ".zip") if media else _ALONE.get(name, ("application/zip", ".zip"))
