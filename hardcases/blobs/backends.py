"""Where blobs lie: a local folder (here) or an S3-compatible bucket (`bucket`), behind one small protocol.

A backend knows names and bytes; hashing, limits and verification are the store's. Both name a blob `ab/cd/<sha256>`.
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Protocol

from hardcases.errors import Refusal, StorageFull, Unavailable


class BlobMissing(Refusal):
    status, code, title = 410, "blob_missing", "The stored file is gone"

    def __init__(self, digest: str) -> None:
        super().__init__(
            f"The bytes of {digest[:12]}… are missing from the store. What is recorded about them is intact. "
            "Restore them from a backup, or send the same file again.",
            extra={"sha256": digest},
        )


@dataclass(frozen=True)
class StoredBlob:
    """One blob as the backend lists it. `modified` is the time of the last write, UTC."""

    digest: str
    size: int
    modified: datetime


class BlobBackend(Protocol):
    """What the store asks of a backend. Digests are 64 lower-case hex digits, checked by the store."""

    def put(self, path: Path, digest: str, *, durable: bool = True) -> None:
        """Move the complete file at `path` to its final name; the file is consumed. Doing it twice does no harm. Durable unless it need not be."""

    def open(self, digest: str) -> IO[bytes]:
        """Raises `BlobMissing`."""

    def size(self, digest: str) -> int:
        """Bytes. Raises `BlobMissing`."""

    def exists(self, digest: str) -> bool: ...

    def delete(self, digest: str) -> None:
        """An absent blob is no error."""

    def delete_untouched(self, digest: str, since: datetime) -> bool:
        """Delete unless it was written again since then, by somebody whose row is about to follow. Whether it was deleted."""

    def list(self) -> Iterator[StoredBlob]: ...

    def check_writable(self) -> None:
        """Raises a refusal when nothing can be written."""


def relative_name(digest: str) -> str:
    return f"{digest[:2]}/{digest[2:4]}/{digest}"


def is_digest(name: str) -> bool:
    return len(name) == 64 and set(name) <= set("0123456789abcdef")


@contextlib.contextmanager
def full_disk_as_refusal() -> Iterator[None]:
    """A full disk or quota becomes `StorageFull` (507); every other OSError stays what it is."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise no_room() from error
        raise


def no_room() -> StorageFull:
    return StorageFull("There is no room left in the file store. Nothing was stored. Free some space, then send it again.", retry_after=60)


def sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make a rename durable: the name lives in the folder, so the folder is what must reach the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class LocalBackend:
    """Blobs under a folder, two levels deep. `put` needs `path` on the same filesystem."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _path(self, digest: str) -> Path:
        return self.root / relative_name(digest)

    def put(self, path: Path, digest: str, *, durable: bool = True) -> None:
        # Renamed over an existing blob too: that heals a damaged one and renews the date that the sweep for orphans looks at.
        target = self._path(digest)
        with full_disk_as_refusal():
            self._make_folder(target.parent)
            if not durable:
                with contextlib.suppress(FileExistsError):
                    target.hardlink_to(path)
                    path.unlink()
                    return
                sync_file(path)  # the blob that is there may be somebody's original: only a synced file may take its place
            path.replace(target)
            sync_folder(target.parent)

    def _make_folder(self, folder: Path) -> None:
        for level in (self.root, folder.parent, folder):
            if not level.is_dir():
                level.mkdir(parents=True, exist_ok=True, mode=0o700)
                sync_folder(level.parent)

    def open(self, digest: str) -> IO[bytes]:
        try:
            return self._path(digest).open("rb")
        except FileNotFoundError as error:
            raise BlobMissing(digest) from error

    def size(self, digest: str) -> int:
        try:
            return self._path(digest).stat().st_size
        except FileNotFoundError as error:
            raise BlobMissing(digest) from error

    def exists(self, digest: str) -> bool:
        return self._path(digest).is_file()

    def delete(self, digest: str) -> None:
        self._path(digest).unlink(missing_ok=True)

    def delete_untouched(self, digest: str, since: datetime) -> bool:
        # Taken away first and looked at afterwards: a write before that shows in the date, a write after it makes a file of its own.
        path, taken = self._path(digest), self.root / f"sweeping-{digest}"
        with contextlib.suppress(FileNotFoundError):
            path.rename(taken)
            if taken.stat().st_mtime < since.timestamp():
                taken.unlink()
                return True
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(taken)
            taken.unlink()
        return False

    def list(self) -> Iterator[StoredBlob]:
        for path in sorted(self.root.glob("??/??/*")):
            if is_digest(path.name):
                facts = path.stat()
                yield StoredBlob(path.name, facts.st_size, datetime.fromtimestamp(facts.st_mtime, UTC))

    def check_writable(self) -> None:
        if not os.access(self.root, os.W_OK):
            raise Unavailable(
                f"The file store {self.root} cannot be written. Nothing was stored. An operator must correct its permissions."
            )


def free_and_total(folder: Path) -> tuple[int, int]:
    """Bytes free for us and in all on the filesystem of `folder`."""
    usage = shutil.disk_usage(folder)
    return usage.free, usage.total
