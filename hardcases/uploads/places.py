"""Where parts wait until their file is whole: a folder (here), or the bucket that holds the blobs (`bucket`).

A part appears under its number whole or not at all, and durable: a killed web process, or one started anew, changes nothing about what is there.
"""

import contextlib
import io
import os
import shutil
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO, Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from hardcases.blobs.backends import full_disk_as_refusal, sync_all
from hardcases.errors import Conflict
from hardcases.uploads.models import Upload

BUCKET_PLACE = "hardcases.uploads.bucket.BucketPlace"


class Incomplete(Conflict):
    code, title = "incomplete", "Parts of this file are missing"

    def __init__(self, missing: list[int]) -> None:
        named = ", ".join(map(str, missing[:10])) + (" …" if len(missing) > 10 else "")
        super().__init__(f"Not all parts are there yet; missing: {named}. What is there is kept. Send the others, then confirm again.")


class Place(Protocol):
    """What is asked of a place."""

    def begin(self, upload: Upload) -> str:
        """Make room; the place's own name for the upload."""

    def abandon(self, upload: Upload, remote_id: str) -> None:
        """Give back what `begin` made when somebody else was quicker."""

    def addresses(self, upload: Upload) -> dict[int, str]:
        """Where parts may be sent directly, by number; empty where they go through this server."""

    def scratch(self, upload: Upload) -> Path:
        """A folder for a part that is being received."""

    def keep(self, upload: Upload, number: int, path: Path) -> None:
        """Move a complete part to its place; the file is consumed. Doing it twice does no harm."""

    def kept(self, upload: Upload) -> list[int]:
        """Numbers of the parts that are there with the right length, ascending."""

    def open(self, upload: Upload) -> IO[bytes]:
        """The whole file, which can be read again after `seek(0)`. Raises Incomplete."""

    def discard(self, upload: Upload) -> None:
        """Forget all parts; an absent upload is no error."""

    def known(self) -> Iterator[tuple[str, float]]:
        """(hex id, seconds since 1970 of the last change) of every upload that left something behind."""

    def discard_id(self, name: str) -> None:
        """Forget what `known` listed."""


def missing_parts(upload: Upload, kept: Iterable[int]) -> list[int]:
    """Numbers that are not among those kept."""
    there = set(kept)
    return [number for number in range(1, upload.parts + 1) if number not in there]


class FolderPlace:
    """One folder an upload, one file a part."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _folder(self, upload: Upload) -> Path:
        return self.root / upload.id.hex

    def _part(self, upload: Upload, number: int) -> Path:
        return self._folder(upload) / f"part-{number:05}"

    def begin(self, upload: Upload) -> str:
        return "here"

    def abandon(self, upload: Upload, remote_id: str) -> None:
        """Nothing was made."""

    def addresses(self, upload: Upload) -> dict[int, str]:
        return {}

    def scratch(self, upload: Upload) -> Path:
        folder = self._folder(upload)
        with full_disk_as_refusal():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    def keep(self, upload: Upload, number: int, path: Path) -> None:
        with full_disk_as_refusal():
            sync_all([path])
            path.replace(self._part(upload, number))
            sync_all([path.parent, self.root])

    def kept(self, upload: Upload) -> list[int]:
        return [number for number in range(1, upload.parts + 1) if self._size(upload, number) == upload.part_length(number)]

    def _size(self, upload: Upload, number: int) -> int | None:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return self._part(upload, number).stat().st_size
        return None

    def open(self, upload: Upload) -> IO[bytes]:
        if missing := missing_parts(upload, self.kept(upload)):
            raise Incomplete(missing)
        whole: IO[bytes] = io.BufferedReader(_Joined([self._part(upload, number) for number in range(1, upload.parts + 1)]), 1 << 20)
        return whole

    def discard(self, upload: Upload) -> None:
        self.discard_id(upload.id.hex)

    def known(self) -> Iterator[tuple[str, float]]:
        if self.root.is_dir():
            for folder in self.root.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    yield folder.name, folder.stat().st_mtime

    def discard_id(self, name: str) -> None:
        shutil.rmtree(self.root / name, ignore_errors=True)


class _Joined(io.RawIOBase):
    """Files read one after another, from the start as often as asked."""

    def __init__(self, paths: list[Path]) -> None:
        super().__init__()
        self._paths = paths
        self._next = 0
        self._file: IO[bytes] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if offset or whence != os.SEEK_SET:
            raise io.UnsupportedOperation("Only the start can be sought.")
        self._close_file()
        self._next = 0
        return 0

    def tell(self) -> int:
        return 0

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        while True:
            if self._file is None:
                if self._next == len(self._paths):
                    return 0
                self._file = self._paths[self._next].open("rb", buffering=0)
                self._next += 1
            count = self._file.readinto(buffer)  # type: ignore[attr-defined]
            if count:
                return int(count)
            self._close_file()

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def close(self) -> None:
        self._close_file()
        super().close()


def get_place() -> Place:
    """The place of the settings: where blobs are in a bucket, parts go there too."""
    return _place(Path(settings.DATA_DIR), settings.S3_BUCKET or "")


@lru_cache(maxsize=8)
def _place(data_dir: Path, bucket: str) -> Place:
    place: Place = import_string(BUCKET_PLACE)(data_dir) if bucket else FolderPlace(data_dir / "uploads")
    return place
