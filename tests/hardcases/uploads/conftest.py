"""Parts in a folder and in a bucket: the same promises on both."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from hardcases.blobs import store
from hardcases.uploads import places

BUCKET = "cases"


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def _forget() -> None:
    store._store.cache_clear()
    places._place.cache_clear()


@pytest.fixture
def bucket(s3_endpoint: str, settings: Any, tmp_path: Path) -> Iterator[Any]:
    """An installation whose files lie in an empty bucket; the client that looks into it."""
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=s3_endpoint, **keys)
    client.create_bucket(Bucket=BUCKET)
    settings.DATA_DIR = tmp_path
    settings.S3_BUCKET = BUCKET
    settings.AWS_S3_ENDPOINT_URL = s3_endpoint
    settings.AWS_S3_ACCESS_KEY_ID, settings.AWS_S3_SECRET_ACCESS_KEY, settings.AWS_S3_REGION_NAME = "key", "secret", "us-east-1"
    _forget()
    yield client
    for found in client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []):
        client.abort_multipart_upload(Bucket=BUCKET, Key=found["Key"], UploadId=found["UploadId"])
    for found in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=found["Key"])
    client.delete_bucket(Bucket=BUCKET)
    _forget()


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """An installation whose files lie in a folder."""
    settings.DATA_DIR = tmp_path
    _forget()
    yield tmp_path
    _forget()


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest) -> str:
    """One after the other."""
    request.getfixturevalue(request.param)
    return str(request.param)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> int:
    """Parts of 5 MiB, the smallest that a bucket takes."""
    size = 5 * 1024 * 1024
    monkeypatch.setattr("hardcases.uploads.actions.PART_SIZE", size)
    return size
