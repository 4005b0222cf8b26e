"""Small packages and files of our own making for the tests of formats."""

import io
import json
import struct
import zipfile
import zlib
from contextlib import ExitStack
from functools import cache

from hardcases.formats.exchange import Finding, Item, Options
from hardcases.formats.packages import open_package
from hardcases.formats.registry import READERS, WRITERS

CHEST = Options(task="classification", classes=("normal", "nodule"), attributes=("site", "age"))
MANY = Options(task="multilabel", classes=("cat", "dog", "car"), attributes=("site",))
BOXES = Options(task="detection", classes=("cat", "dog"), attributes=("site",))
NUMBER = Options(task="regression", classes=(), attributes=("site",))
TASKS = (CHEST, MANY, BOXES, NUMBER)


def data(value):
    """Bytes of a text, of bytes, or of the JSON of anything else."""
    return value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else json.dumps(value).encode()


def zipped(members, **options):
    """An archive; `members` is name → content, or pairs where a name occurs twice."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in members.items() if isinstance(members, dict) else members:
            archive.writestr(name, data(content))
    return out.getvalue()


@cache
def png(width=8, height=4):
    """A grey picture of this size."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = (b"\x00" + b"\x80" * width) * height
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def read(kind, content, options=CHEST, *, name="upload", limits=None, **mapping):
    """Items and findings of a file or, where `content` is a dict, of an archive of it."""
    if mapping:
        options = Options(task=options.task, classes=options.classes, attributes=options.attributes, mapping=mapping)
    packed = zipped(content) if isinstance(content, dict) else data(content)
    with open_package(io.BytesIO(packed), name=name, limits=limits) as package:
        found = list(READERS[kind](package, options))
    return [one for one in found if isinstance(one, Item)], [one for one in found if isinstance(one, Finding)]


def written(kind, items, options=CHEST, media=None):
    """The bytes of an export."""
    out = io.BytesIO()
    WRITERS[kind](iter(items), out, options, media)
    return out.getvalue()


def members(content):
    """Name → bytes of an archive."""
    with ExitStack() as stack:
        archive = stack.enter_context(zipfile.ZipFile(io.BytesIO(content)))
        return {name: archive.read(name) for name in archive.namelist()}
