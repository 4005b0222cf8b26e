"""The content-addressed store: a blob's name is the SHA-256 of its bytes.

Order of every write: temp file in the store's own folder while hashing, fsync, rename, fsync of the folder; only then may a row refer to
it. If the row fails the blob is an orphan, which the sweeper removes a day later. A final name therefore never holds half a file.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import IO

from django.conf import settings
from django.utils.module_loading import import_string

from hardcases.blobs.backends import (
    BlobBackend,
    BlobMissing,
    LocalBackend,
    StoredBlob,
    free_and_total,
    full_disk_as_refusal,
    is_digest,
    no_room,
)
from hardcases.errors import Refusal, TooLarge

__all__ = ["BlobDamaged", "BlobMissing", "BlobStore", "Received", "StoredBlob", "get_store"]

CHUNK = 1 << 20
FREE_SHARE = 0.05
FREE_BYTES = 1_000_000_000
S3_BACKEND = "hardcases.blobs.bucket.S3Backend"


class BlobDamaged(Refusal):
    status, code, title = 410, "blob_damaged", "The stored file is damaged"

    def __init__(self, digest: str, found: str) -> None:
        super().__init__(
            f"The stored bytes of {digest[:12]}… are not what was received ({found}). They are not used. "
            "Restore them from a backup, or send the same file again.",
            extra={"sha256": digest},
        )


@dataclass(frozen=True)
class Received:
    """A complete upload in a temp file, not yet a blob: `commit` makes it one, `discard` forgets it."""

    path: Path
    sha256: str
    size: int


class BlobStore:
    """`scratch` holds temp files; for a local backend it lies on the same filesystem."""

    def __init__(self, backend: BlobBackend, scratch: Path) -> None:
        self.backend = backend
        self.scratch = scratch
        scratch.mkdir(parents=True, exist_ok=True, mode=0o700)

    def receive(self, source: Iterable[bytes] | IO[bytes], *, limit: int) -> Received:
        """Stream to a temp file while hashing. Raises `TooLarge` beyond `limit` bytes and `StorageFull`; then no temp file remains."""
        self.check_space()
        descriptor, name = tempfile.mkstemp(dir=self.scratch, prefix="receiving-")
        path = Path(name)
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(path.unlink, missing_ok=True)
            digest, size = hashlib.sha256(), 0
            with full_disk_as_refusal(), os.fdopen(descriptor, "wb") as file:
                for chunk in _chunks(source):
                    size += len(chunk)
                    if size > limit:
                        raise TooLarge(f"The file is larger than the limit of {limit:,} bytes. Nothing was stored. Send a smaller file.")
                    digest.update(chunk)
                    file.write(chunk)
            on_failure.pop_all()
        return Received(path, digest.hexdigest(), size)

    def commit(self, received: Received, *, durable: bool = True) -> str:
        """Make a received file a blob and return its digest. Durable when it returns, unless it need not be; the same content twice is one blob."""
        self.commit_all([received], durable=durable)
        return received.sha256

    def commit_all(self, received: Sequence[Received], *, durable: bool = True) -> None:
        """`commit` for several, which a disk syncs together."""
        try:
            self.backend.put([(item.path, item.sha256) for item in received], durable=durable)
        except BaseException:
            for item in received:
                self.discard(item)
            raise

    def discard(self, received: Received) -> None:
        received.path.unlink(missing_ok=True)

    def put_bytes(self, data: bytes) -> str:
        return self.commit(self.receive([data], limit=len(data)))

    def put_derived(self, data: bytes) -> str:
        """`put_bytes` for what can be made again: not synced, so a power cut may lose or damage it.

        Whoever shows such a blob reads it verified (`read`) and has it made again when it is not there or not whole. A sync costs a disk several times as
        long as making a small picture.
        """
        return self.commit(self.receive([data], limit=len(data)), durable=False)

    def open(self, digest: str, *, size: int | None = None) -> IO[bytes]:
        """A binary stream the caller closes. Raises `BlobMissing`, and `BlobDamaged` when `size` is given and differs."""
        if size is not None:
            self._check_size(digest, size)
        return self.backend.open(_checked(digest))

    def read(self, digest: str, *, verify: bool = True, size: int | None = None) -> bytes:
        """All bytes. With `verify` they are hashed first and `BlobDamaged` is raised when they are not the digest's."""
        with self.open(digest, size=size) as file:
            data = file.read()
        if verify:
            found = hashlib.sha256(data).hexdigest()
            if found != digest:
                raise BlobDamaged(digest, f"their SHA-256 is {found[:12]}…")
        return data

    def verify(self, digest: str, *, size: int | None = None) -> None:
        """Hash the stored bytes as a stream. Raises `BlobMissing` or `BlobDamaged`."""
        actual = hashlib.sha256()
        with self.open(digest, size=size) as file:
            for chunk in _chunks(file):
                actual.update(chunk)
        if actual.hexdigest() != digest:
            raise BlobDamaged(digest, f"their SHA-256 is {actual.hexdigest()[:12]}…")

    def size(self, digest: str) -> int:
        return self.backend.size(_checked(digest))

    def exists(self, digest: str) -> bool:
        return self.backend.exists(_checked(digest))

    def delete(self, digest: str) -> None:
        """Remove the bytes for good; an absent blob is no error."""
        self.backend.delete(_checked(digest))

    def delete_untouched(self, digest: str, *, since: datetime) -> bool:
        """Remove the bytes unless they were written again since then; whether they were removed. For the sweep for orphans."""
        return self.backend.delete_untouched(_checked(digest), since)

    @contextlib.contextmanager
    def local_copy(self, digest: str) -> Iterator[Path]:
        """The verified bytes as a file, for readers that want a path (Parquet, ONNX); gone afterwards."""
        with full_disk_as_refusal():
            descriptor, name = tempfile.mkstemp(dir=self.scratch, prefix="copy-")
        path = Path(name)
        try:
            with full_disk_as_refusal(), os.fdopen(descriptor, "wb") as copy, self.open(digest) as file:
                shutil.copyfileobj(file, copy, CHUNK)
            with path.open("rb") as copied:
                found = hashlib.file_digest(copied, "sha256").hexdigest()
            if found != digest:
                raise BlobDamaged(digest, f"their SHA-256 is {found[:12]}…")
            yield path
        finally:
            path.unlink(missing_ok=True)

    def iter_digests(self) -> Iterator[str]:
        return (blob.digest for blob in self.backend.list())

    def iter_stored(self) -> Iterator[StoredBlob]:
        return self.backend.list()

    def iter_untouched_since(self, moment: datetime) -> Iterator[StoredBlob]:
        """Blobs last written before `moment`: those of them that no row names are orphans."""
        return (blob for blob in self.backend.list() if blob.modified < moment)

    def sweep_temp(self, older_than: timedelta) -> int:
        """Delete temp files last written longer ago than `older_than`; returns how many."""
        horizon = time.time() - older_than.total_seconds()
        swept = 0
        for path in self.scratch.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < horizon:
                    path.unlink()
                    swept += 1
        return swept

    def check_space(self) -> None:
        """Raises `StorageFull` (507) when less is free than the smaller of 5 % and 1 GB."""
        free, total = free_and_total(self.scratch)
        if free < min(FREE_SHARE * total, FREE_BYTES):
            raise no_room()

    def check_writable(self) -> None:
        """For `/readyz`: raises a refusal when nothing can be stored."""
        self.check_space()
        self.backend.check_writable()

    def _check_size(self, digest: str, size: int) -> None:
        actual = self.size(digest)
        if actual != size:
            raise BlobDamaged(digest, f"{actual:,} bytes instead of {size:,}")


def _chunks(source: Iterable[bytes] | IO[bytes]) -> Iterator[bytes]:
    if hasattr(source, "read"):
        while chunk := source.read(CHUNK):
            yield chunk
    else:
        yield from source


def _checked(digest: str) -> str:
    """A digest becomes part of a path, so nothing else may pass; a name that is no digest names no blob."""
    if not is_digest(digest):
        raise BlobMissing(digest)
    return digest


def get_store() -> BlobStore:
    """The store of the settings `DATA_DIR` and, if set, `S3_BUCKET`."""
    return _store(Path(settings.DATA_DIR), settings.S3_BUCKET or "")


@lru_cache(maxsize=8)
def _store(data_dir: Path, bucket: str) -> BlobStore:
    root = data_dir / "blobs"
    scratch = root / "receiving"
    return BlobStore(import_string(S3_BACKEND)(bucket) if bucket else LocalBackend(root), scratch)
