"""Files in a bucket, end to end: upload over HTTP, thumbnail by the worker, media over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.builders.cases import a_picture
from tests.faults.harness import until
from tests.faults.sites import Site, a_site

pytestmark = [pytest.mark.services]
BUCKET = "hardcases-faults"
KEYS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture
def endpoint() -> Iterator[str]:
    """The address of an S3-compatible server with our bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    client = boto3.client("s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id="tests", aws_secret_access_key="tests")
    client.create_bucket(Bucket=BUCKET)
    yield address
    server.stop()


def test_a_picture_goes_through_the_bucket(endpoint: str, origin: Site, tmp_path: Path) -> None:
    settings = {"HARDCASES_S3_BUCKET": BUCKET, "AWS_ENDPOINT_URL": endpoint, **KEYS}
    with a_site(tmp_path / "site", origin=origin, **settings) as site:
        site.web()
        site.worker()
        picture = a_picture("in the bucket", size=(900, 700), kind="JPEG")
        answer = site.call("POST", "cases/", files={"file": ("x.jpg", picture)})
        assert answer.status_code == 201, answer.text
        key = answer.json()["key"]
        number = int(key.rsplit("-", 1)[1])
        until(lambda: site.value(f"SELECT media_state FROM hardcases_case WHERE number = {number}") == "ready", "The thumbnail")
        original = site.call("GET", f"cases/{key}/media/", params={"as": "original"})
        assert (original.status_code, original.content) == (200, picture)
        thumbnail = site.call("GET", f"cases/{key}/media/", params={"as": "thumbnail"})
        assert thumbnail.status_code == 200
        assert thumbnail.headers["Content-Type"].startswith("image/")
        digest = answer.json()["sha256"]
        assert not list((site.folder / "blobs").rglob(digest.removeprefix("sha256:")))
        folder = tmp_path / "backup"
        site.manage("backup", str(folder))
        assert list((folder / "blobs").rglob(digest.removeprefix("sha256:")))
