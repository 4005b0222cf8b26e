"""Exports with pictures: a zip archive that is the same to the byte for the same items, for nothing in it depends on the clock."""

import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import IO

from hardcases.formats.exchange import Item, Media, Options, Writer

FOLDER = "images/"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_UNUSUAL = re.compile(r"[^\w.()+-]+")
_SPOOLED = 16 * 2**20
_DENSE = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".parquet")
Table = Callable[[Iterable[Item], IO[bytes], Options], None]


class Names:
    """Names of pictures that no two have in common, made of the last parts of their own."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, item: Item, folder: str = FOLDER) -> str:
        """The last part of the picture's own name, or of its case's, with nothing unusual in it, in `folder`."""
        wanted = (item.file or "").rpartition("/")[2] or item.key or item.external_id or "picture"
        stem, dot, ending = _UNUSUAL.sub("_", wanted).lstrip(".").rpartition(".")
        stem, ending = (stem or "picture", dot + ending) if dot else (ending or "picture", "")
        number, name = 1, f"{folder}{stem}{ending}"
        while name.lower() in self._taken:
            number += 1
            name = f"{folder}{stem}-{number}{ending}"
        self._taken.add(name.lower())
        return name


class Bundle:
    """A zip archive that is being written. Members are streamed; a name is given once."""

    def __init__(self, out: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(out, "w")
        self._names = Names()

    def close(self) -> None:
        self._zip.close()

    @contextmanager
    def member(self, name: str) -> Iterator[IO[bytes]]:
        """A member to write to, until the block ends; no other may be written meanwhile."""
        info = zipfile.ZipInfo(name, date_time=_LONG_AGO)
        info.external_attr = 0o644 << 16
        info.compress_type = zipfile.ZIP_STORED if name.lower().endswith(_DENSE) else zipfile.ZIP_DEFLATED
        with self._zip.open(info, "w", force_zip64=True) as file:
            yield file

    def add_bytes(self, name: str, data: bytes) -> None:
        """A member of these bytes."""
        with self.member(name) as file:
            file.write(data)

    def add_file(self, name: str, file: IO[bytes]) -> None:
        """What was written aside, from its beginning."""
        file.seek(0)
        with self.member(name) as target:
            shutil.copyfileobj(file, target, 2**20)

    def add_picture(self, item: Item, media: Media | None, folder: str = FOLDER) -> Item:
        """The item with the name that its picture got; packed, if there is `media`."""
        if item.file is None:
            return item
        name = self._names.of(item, folder)
        if media is not None:
            with media(item) as source, self.member(name) as target:
                shutil.copyfileobj(source, target, 2**20)
        return replace(item, file=name)


@contextmanager
def bundled(out: IO[bytes]) -> Iterator[Bundle]:
    """A bundle that is finished when the block ends; where it ends with an error, what was written is of no use."""
    bundle = Bundle(out)
    try:
        yield bundle
    finally:
        bundle.close()


@contextmanager
def aside() -> Iterator[IO[bytes]]:
    """A file to write to while pictures are packed: in memory while it is small, then without a name on disk."""
    with tempfile.SpooledTemporaryFile(_SPOOLED) as file:
        yield file


def table_or_bundle(table: Table, name: str) -> Writer:
    """A writer of a table: alone without `Media`, else as the member `name` of an archive beside the folder of the pictures."""

    def write(items: Iterable[Item], out: IO[bytes], options: Options, media: Media | None) -> None:
        if media is None:
            table(items, out, options)
            return
        with bundled(out) as bundle, aside() as file:
            table((bundle.add_picture(item, media) for item in items), file, options)
            bundle.add_file(name, file)

    return write
