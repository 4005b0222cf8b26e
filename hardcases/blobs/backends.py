"""Where blobs lie: a local folder (here) or an S3-compatible bucket (`bucket`), behind one small protocol.

A backend knows names and bytes; hashing, limits and verification are the store's. Both name a blob `ab/cd/<sha256>`.
"""

import contextlib
import errno
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Protocol

from hardcases.errors import Refusal, StorageFull, Unavailable

WORTH_THREADS, SYNCS_AT_ONCE = 4, 8


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

    def put(self, files: Sequence[tuple[Path, str]], *, durable: bool = True) -> None:
        """Move complete files to the names of their digests; they are consumed. Doing it twice does no harm. Durable unless they need not be."""

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


def sync_all(paths: Sequence[Path]) -> None:
    """Make files durable, or names: a name lives in its folder, so the folder is what must reach the disk.

    Many are synced at once, because a disk writes what several threads wait for in one go.
    """
    if len(paths) < WORTH_THREADS:
        for path in paths:
            _sync(path)
    else:
        with ThreadPoolExecutor(SYNCS_AT_ONCE) as pool:
            list(pool.map(_sync, paths))


def _renewed(path: Path, digest: str) -> bool:
    """Whether the file is there and whole. Its date is renewed first, so that a sweep which looks at it afterwards leaves it. What cannot be read is not whole."""
    try:
        os.utime(path)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == digest
    except OSError:
        return False


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
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

    def put(self, files: Sequence[tuple[Path, str]], *, durable: bool = True) -> None:
        with full_disk_as_refusal():
            if not durable:
                # Where there is a damaged blob it may be somebody's original: only a synced file may take its place.
                files = [(path, digest) for path, digest in files if not self._put_unless_whole(path, digest)]
            sync_all([path for path, _ in files])
            changed = [folder for path, digest in files for folder in self._place(path, self._path(digest))]
            sync_all(list(dict.fromkeys(changed)))

    def _place(self, path: Path, target: Path) -> list[Path]:
        """Give a file its name; returns the folders to sync."""
        # Renamed over an existing blob too: that heals a damaged one and renews the date that the sweep for orphans looks at.
        try:
            path.replace(target)
        except FileNotFoundError:
            changed = self._make_folder(target.parent)
            path.replace(target)
            return [target.parent, *changed]
        return [target.parent]

    def _put_unless_whole(self, path: Path, digest: str) -> bool:
        """Give a file its name where nothing has it; what is there whole stays, with a new date. Whether the name now stands for these bytes."""
        target = self._path(digest)
        sync_all(self._make_folder(target.parent))
        try:
            target.hardlink_to(path)
        except FileExistsError:
            if not _renewed(target, digest):
                return False
        path.unlink()
        return True

    def _make_folder(self, folder: Path) -> list[Path]:
        """Make what is missing of the two levels; returns the folders that hold a new one and are to be synced."""
        changed = []
        for level in (self.root, folder.parent, folder):
            if not level.is_dir():
                level.mkdir(parents=True, exist_ok=True, mode=0o700)
                changed.append(level.parent)
        return changed

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
