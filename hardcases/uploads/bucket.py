"""Parts in the bucket that holds the blobs: a multipart upload of S3, into which clients write directly by signed addresses.

Loaded by its dotted path only where a bucket is set, like the blobs' backend.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from botocore.exceptions import ClientError

from hardcases.blobs.bucket import S3Backend, bucket_trouble
from hardcases.blobs.store import get_store
from hardcases.uploads.models import Upload
from hardcases.uploads.places import Incomplete, missing_parts

PREFIX = "uploads/"
SIGNED_FOR = 3600  # seconds; asking for the state of an upload signs anew


class BucketPlace:
    """`uploads/<id>` in the bucket; what has no row is swept there too."""

    def __init__(self, data_dir: Path) -> None:
        backend = get_store().backend
        assert isinstance(backend, S3Backend)
        self.bucket = backend.storage.bucket_name
        self.client: Any = backend.storage.connection.meta.client
        self._scratch = data_dir / "uploads"

    def _where(self, upload: Upload) -> dict[str, Any]:
        return {"Bucket": self.bucket, "Key": PREFIX + upload.id.hex}

    def begin(self, upload: Upload) -> str:
        with bucket_trouble():
            return str(self.client.create_multipart_upload(**self._where(upload))["UploadId"])

    def abandon(self, upload: Upload, remote_id: str) -> None:
        with bucket_trouble():
            self.client.abort_multipart_upload(**self._where(upload), UploadId=remote_id)

    def addresses(self, upload: Upload) -> dict[int, str]:
        with bucket_trouble():
            return {number: self._signed(upload, number) for number in range(1, upload.parts + 1)}

    def _signed(self, upload: Upload, number: int) -> str:
        # The length is signed too, so that the address takes this part and nothing larger.
        asked = {
            **self._where(upload),
            "UploadId": upload.remote_id,
            "PartNumber": number,
            "ContentLength": upload.part_length(number),
        }
        return str(self.client.generate_presigned_url("upload_part", Params=asked, ExpiresIn=SIGNED_FOR, HttpMethod="PUT"))

    def scratch(self, upload: Upload) -> Path:
        self._scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self._scratch

    def keep(self, upload: Upload, number: int, path: Path) -> None:
        with path.open("rb") as file, bucket_trouble():
            self.client.upload_part(**self._where(upload), UploadId=upload.remote_id, PartNumber=number, Body=file)
        path.unlink()

    def _listed(self, upload: Upload) -> dict[int, str] | None:
        """ETags of the parts with the right length by number; None where the bucket no longer knows the upload."""
        found: dict[int, str] = {}
        marker = 0
        while True:
            try:
                with bucket_trouble(passing=("NoSuchUpload",)):
                    page = self.client.list_parts(**self._where(upload), UploadId=upload.remote_id, PartNumberMarker=marker)
            except ClientError:
                return None
            for part in page.get("Parts", []):
                number = int(part["PartNumber"])
                if number <= upload.parts and part["Size"] == upload.part_length(number):
                    found[number] = part["ETag"]
            if not page.get("IsTruncated"):
                return found
            marker = page["NextPartNumberMarker"]

    def kept(self, upload: Upload) -> list[int]:
        listed = self._listed(upload)
        if listed is None:
            return list(range(1, upload.parts + 1)) if self._is_whole(upload) else []
        return sorted(listed)

    def _is_whole(self, upload: Upload) -> bool:
        """Whether a confirmation was cut off after the bucket had put the parts together."""
        try:
            with bucket_trouble(passing=("404", "NoSuchKey")):
                return bool(self.client.head_object(**self._where(upload))["ContentLength"] == upload.size)
        except ClientError:
            return False

    def open(self, upload: Upload) -> IO[bytes]:
        listed = self._listed(upload)
        if listed is None:
            if not self._is_whole(upload):
                raise Incomplete(missing_parts(upload, []))
        elif missing := missing_parts(upload, listed):
            raise Incomplete(missing)
        else:
            parts = [{"PartNumber": number, "ETag": listed[number]} for number in sorted(listed)]
            self._join(upload, parts)
        whole: IO[bytes] = io.BufferedReader(_Object(self.client, self._where(upload)), 1 << 20)
        return whole

    def _join(self, upload: Upload, parts: list[dict[str, Any]]) -> None:
        joined = {"Parts": parts}
        try:
            with bucket_trouble(passing=("NoSuchUpload",)):
                self.client.complete_multipart_upload(**self._where(upload), UploadId=upload.remote_id, MultipartUpload=joined)
        except ClientError as error:  # somebody else was quicker: then it is whole, or gone already
            if not self._is_whole(upload):
                raise Incomplete(missing_parts(upload, [])) from error

    def discard(self, upload: Upload) -> None:
        self._abort(PREFIX + upload.id.hex, upload.remote_id)
        self.discard_id(upload.id.hex)

    def _abort(self, key: str, remote_id: str) -> None:
        if not remote_id:
            return
        try:
            with bucket_trouble(passing=("NoSuchUpload",)):
                self.client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=remote_id)
        except ClientError:
            return

    def known(self) -> Iterator[tuple[str, float]]:
        with bucket_trouble():
            for page in self.client.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=PREFIX):
                for found in page.get("Uploads", []):
                    yield found["Key"].removeprefix(PREFIX), found["Initiated"].timestamp()
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=PREFIX):
                for found in page.get("Contents", []):
                    yield found["Key"].removeprefix(PREFIX), found["LastModified"].timestamp()

    def discard_id(self, name: str) -> None:
        key = PREFIX + name
        with bucket_trouble():
            for page in self.client.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=key):
                for found in page.get("Uploads", []):
                    self._abort(found["Key"], found["UploadId"])
            self.client.delete_object(Bucket=self.bucket, Key=key)


class _Object(io.RawIOBase):
    """An object as a stream that starts again when the start is sought: nothing of it waits in memory or on disk."""

    def __init__(self, client: Any, where: dict[str, Any]) -> None:
        super().__init__()
        self._client, self._where = client, where
        self._body: Any = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        if offset or whence:
            raise io.UnsupportedOperation("Only the start can be sought.")
        self._close_body()
        return 0

    def tell(self) -> int:
        return 0

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        try:
            with bucket_trouble(passing=("NoSuchKey",)):
                if self._body is None:
                    self._body = self._client.get_object(**self._where)["Body"]
                chunk = self._body.read(len(buffer))
        except ClientError as error:
            raise FileNotFoundError(str(self._where["Key"])) from error
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def _close_body(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None

    def close(self) -> None:
        self._close_body()
        super().close()
