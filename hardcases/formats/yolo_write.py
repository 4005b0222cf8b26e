"""Writing YOLO as its version 8 is laid out: `data.yaml`, `images/test`, `labels/test`, and beside them what the format has no place for."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import IO, Any

from hardcases.errors import Invalid
from hardcases.formats.assembling import carried
from hardcases.formats.coco_write import no_picture
from hardcases.formats.exchange import Item, Media, Options
from hardcases.formats.json_lines import line_of
from hardcases.formats.packing import Bundle, aside, bundled
from hardcases.formats.pictures import with_size
from hardcases.formats.rows import shown
from hardcases.formats.yolo_read import CASES

_IMAGES, _LABELS = "images/test/", "labels/test/"


def write_yolo(items: Iterable[Item], out: IO[bytes], options: Options, media: Media | None) -> None:
    """An archive; without `media` it holds no pictures. Raises `Invalid` for other tasks than detection, for texts, and for boxes in a picture of unknown size."""
    if options.task != "detection":
        raise Invalid("YOLO holds boxes only. Nothing was exported. Choose another format for this project.")
    numbers = {name: number for number, name in enumerate(options.classes)}
    with bundled(out) as bundle, aside() as cases:
        stems: set[str] = set()
        for item in items:
            if item.file is None:
                raise no_picture(item, "YOLO")
            packed = bundle.add_picture(_with_own_stem(with_size(item, media), stems), media, _IMAGES)
            if item.label is not None:
                _add_label(bundle, packed, numbers)
            cases.write(line_of({**carried(packed), "file": packed.file, "labelled": item.label is not None}))
        bundle.add_bytes("data.yaml", _data(numbers).encode())
        bundle.add_file(CASES, cases)


def _with_own_stem(item: Item, stems: set[str]) -> Item:
    """Two pictures may differ in their endings only, but their labels would be one file; the second gets another name."""
    path, _, ending = str(item.file).rpartition("/")[2].rpartition(".")
    stem, number = path or ending, 1
    while stem.lower() in stems:
        number += 1
        stem = f"{path or ending}-{number}"
    stems.add(stem.lower())
    return replace(item, file=f"{stem}.{ending}" if path else stem)


def _add_label(bundle: Bundle, item: Item, numbers: dict[str, int]) -> None:
    boxes = (item.label or {}).get("boxes", [])
    if boxes and not (item.width and item.height):
        which = shown(item.key or item.external_id or item.place)
        raise Invalid(
            f"YOLO wants boxes in fractions, and the size of the picture of {which} is not known. Nothing was exported. Export with media."
        )
    lines = [_line(box, item, numbers.setdefault(box["label"], len(numbers))) for box in boxes]
    stem = str(item.file).removeprefix(_IMAGES)
    name = stem.rpartition(".")[0] or stem
    bundle.add_bytes(f"{_LABELS}{name}.txt", "".join(lines).encode())


def _line(box: dict[str, Any], item: Item, number: int) -> str:
    width, height = item.width or 1, item.height or 1
    middle = (box["x"] + box["width"] / 2) / width, (box["y"] + box["height"] / 2) / height
    return f"{number} {middle[0]!r} {middle[1]!r} {box['width'] / width!r} {box['height'] / height!r}\n"


def _data(numbers: dict[str, int]) -> str:
    """YAML whose texts are JSON, which YAML includes."""
    names = "".join(f"  {number}: {json.dumps(name, ensure_ascii=True)}\n" for name, number in numbers.items())
    return (
        f"path: .\ntrain: images/test\nval: images/test\ntest: images/test\nnames:\n{names}"
        if names
        else "path: .\ntest: images/test\nnames: []\n"
    )
