"""Blobs in an S3-compatible bucket. Loaded by its dotted path only where a bucket is set: its libraries cost every process a third of a second."""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.base import File
from storages.backends.s3 import S3Storage

from hardcases.blobs.backends import BlobMissing, StoredBlob, is_digest, relative_name
from hardcases.errors import Unavailable


@contextlib.contextmanager
def bucket_trouble(digest: str = "", *, passing: Sequence[str] = ()) -> Iterator[None]:
    """A bucket's refusals as ours: an absent blob is `BlobMissing`, everything else `Unavailable`; codes in `passing` are the caller's to judge."""
    try:
        yield
    except FileNotFoundError as error:
        raise BlobMissing(digest) from error
    except ClientError as error:
        if str(error.response.get("Error", {}).get("Code")) in passing:
            raise
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404 and digest:
            raise BlobMissing(digest) from error
        raise _unreachable() from error
    except BotoCoreError as error:
        raise _unreachable() from error


def _unreachable() -> Unavailable:
    return Unavailable("The object storage does not answer. Nothing was stored. Send it again in a minute.", retry_after=30)


class S3Backend:
    """Blobs in a bucket through django-storages; `AWS_*` settings say where and as whom. An S3 object appears whole or not at all."""

    def __init__(self, bucket: str, **options: Any) -> None:
        self.storage = S3Storage(bucket_name=bucket, file_overwrite=True, querystring_auth=True, default_acl=None, **options)
        # Version 4 signatures, also in addresses for others: many servers take nothing older.
        patience = Config(connect_timeout=3, read_timeout=30, retries={"total_max_attempts": 3}, signature_version="s3v4")
        self.storage.client_config = self.storage.client_config.merge(patience)

    def put(self, files: Sequence[tuple[Path, str]], *, durable: bool = True) -> None:
        # Written even if it exists: for the same two reasons as on a folder.
        for path, digest in files:
            with path.open("rb") as file, bucket_trouble():
                self.storage.save(relative_name(digest), File(file))
            path.unlink()

    def open(self, digest: str) -> IO[bytes]:
        with bucket_trouble(digest):
            file = self.storage.open(relative_name(digest), "rb")
            file.seek(0)  # django-storages asks the bucket only when the file is first used
            opened: IO[bytes] = file
            return opened

    def size(self, digest: str) -> int:
        with bucket_trouble(digest):
            return int(self.storage.size(relative_name(digest)))

    def exists(self, digest: str) -> bool:
        with bucket_trouble():
            return bool(self.storage.exists(relative_name(digest)))

    def delete(self, digest: str) -> None:
        with bucket_trouble():
            self.storage.delete(relative_name(digest))

    def delete_untouched(self, digest: str, since: datetime) -> bool:
        with bucket_trouble(digest):
            if self.storage.get_modified_time(relative_name(digest)) >= since:
                return False
            self.storage.delete(relative_name(digest))
            return True

    def list(self) -> Iterator[StoredBlob]:
        with bucket_trouble():
            for item in self.storage.bucket.objects.all():
                name = item.key.rsplit("/", 1)[-1]
                if is_digest(name):
                    yield StoredBlob(name, int(item.size), item.last_modified)

    def check_writable(self) -> None:
        with bucket_trouble():
            self.storage.connection.meta.client.head_bucket(Bucket=self.storage.bucket_name)
