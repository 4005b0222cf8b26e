"""Bad input through the HTTP API: a clear problem, nothing stored, and the pages that follow still answer."""

import io
import json
import struct
import zlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models.functions import Now
from PIL import Image

from hardcases.blobs.store import get_store
from hardcases.cases.models import Case, Sighting
from hardcases.projects.models import ApiToken, Project
from tests.builders.cases import a_picture
from tests.builders.http import Api, a_token, problem
from tests.builders.people import a_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return a_project()


@pytest.fixture
def api(project: Project) -> Iterator[Api]:
    """After the test: nothing was stored, no file is left behind, and the list answers.

    What a worker that was killed in an earlier test left lies there until the sweeper's day.
    """
    api = Api(project)
    before, scratch = set(get_store().iter_digests()), Path(get_store().scratch)
    left = set(scratch.iterdir())
    yield api
    assert not Case.objects.exists()
    assert not Sighting.objects.exists()
    assert set(get_store().iter_digests()) == before
    assert set(scratch.iterdir()) == left
    assert api.get("cases/").json() == {"results": [], "next": None}


def a_huge_png(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that claims this size, and keeps the promise for its first rows."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100_000))) + chunk(b"IEND", b"")


def a_tall_jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("L", (1, 60_000)).save(out, "JPEG")
    data = bytearray(out.getvalue())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 2] = struct.pack(">H", 65_000)
    return bytes(data)


BAD_FILES: dict[str, tuple[bytes, int]] = {
    "truncated JPEG": (a_picture(size=(200, 200), kind="JPEG")[:-400], 422),
    "half a JPEG": (a_picture(size=(400, 400), kind="JPEG")[:1_500], 422),
    "1 x 100,000 px": (a_huge_png(1, 100_000), 422),
    "tall JPEG": (a_tall_jpeg(), 422),
    "169 Mpx": (a_huge_png(13_000, 13_000), 422),
    "cut PNG": (a_picture()[:50], 422),
    "renamed EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 415),
    "renamed SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', 415),
    "a web page": (b"<html><script>alert(1)</script>", 415),
    "a PDF": (b"%PDF-1.7\n", 415),
    "nothing": (b"", 415),
}


class FileTests:
    @pytest.mark.parametrize("name", BAD_FILES)
    def test_a_bad_file_is_refused(self, api: Api, name: str) -> None:
        data, status = BAD_FILES[name]
        problem(api.upload(data, {"external_id": "x"}, name="scan.png"), status)

    def test_a_file_that_is_too_large_is_refused_before_it_is_read(self, api: Api) -> None:
        answer = api.client.post(
            api.url("cases/"), b"x", content_type="multipart/form-data; boundary=b", headers=api.headers, CONTENT_LENGTH="70000000"
        )
        problem(answer, 413)

    @pytest.mark.parametrize("name", ["../../etc/passwd", "a\u202egnp.exe", "<script>.png", "x" * 400 + ".png"])
    def test_a_hostile_name_is_only_text(self, project: Project, name: str) -> None:
        api = Api(project)
        assert api.upload(a_picture(), name=name).status_code == 201
        shown = api.get("cases/XR-1/").json()["file_name"]
        assert "/" not in shown
        assert len(shown) <= 255
        answer = api.get("cases/XR-1/media/", **{"as": "original"})
        assert answer["Content-Disposition"].startswith("attachment")
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer["Content-Security-Policy"]
        answer.close()


DEEP = '{"attributes": ' + '{"a":' * 2_000 + "1" + "}" * 2_000 + "}"
BAD_JSON = {
    "NUL": r'{"source": "a\u0000b"}',
    "lone surrogate": r'{"source": "a\ud800b"}',
    "lone surrogate in a key": r'{"attributes": {"\udc00": 1}}',
    "depth 2,000": DEEP,
    "NaN": '{"attributes": {"age": NaN}}',
    "1e999": '{"attributes": {"age": 1e999}}',
    "a huge integer": '{"attributes": {"age": 9007199254740993}}',
    "duplicate keys": '{"source": "a", "source": "b"}',
    "no JSON": "{source}",
    "no UTF-8": b'{"source": "\xff"}',
}


class JsonTests:
    @pytest.mark.parametrize("name", BAD_JSON)
    def test_in_the_part_beside_a_file(self, api: Api, name: str) -> None:
        problem(api.upload(a_picture(), BAD_JSON[name]), 400)

    @pytest.mark.parametrize("name", BAD_JSON)
    def test_as_the_whole_body(self, api: Api, name: str) -> None:
        body = BAD_JSON[name]
        said = body if isinstance(body, bytes) else body.encode()
        problem(api.post("cases/", said[:-1] + b', "input": {"text": "x"}}'), 400)

    @pytest.mark.parametrize("name", BAD_JSON)
    def test_as_an_item_of_a_batch(self, api: Api, name: str) -> None:
        body = BAD_JSON[name]
        said = body if isinstance(body, bytes) else body.encode()
        results = api.post("cases/batch/", said[:-1] + b', "input": {"text": "x"}}\n', kind="application/x-ndjson").json()["results"]
        assert [item["status"] for item in results] == [400]

    @pytest.mark.parametrize(
        "body",
        [
            {},
            [],
            {"input": {}},
            {"input": {"text": ""}},
            {"input": {"text": "  "}},
            {"input": {"text": 7}},
            {"input": {"text": "a", "record": {"b": 1}}},
            {"input": {"record": {}}},
            {"input": {"record": {"a": [1]}}},
            {"input": {"record": {str(number): 1 for number in range(2_001)}}},
            {"input": {"text": "a"}, "colour": "red"},
            {"input": {"text": "a"}, "state": "accepted"},
            {"input": {"text": "a"}, "source": "s" * 257},
            {"input": {"text": "a"}, "external_id": ""},
            {"input": {"text": "a"}, "external_id": "e" * 256},
            {"input": {"text": "a"}, "tags": ["t"] * 51},
            {"input": {"text": "a"}, "tags": [["t"]]},
            {"input": {"text": "a"}, "attributes": [1]},
        ],
    )
    def test_a_body_that_breaks_a_rule_is_refused(self, api: Api, body: Any) -> None:
        problem(api.post("cases/", body), 422)

    def test_a_body_beyond_the_limit_is_refused(self, api: Api) -> None:
        problem(api.post("cases/", {"input": {"text": "x" * 1_000_001}}), 413)

    def test_unknown_parts_and_missing_files_are_refused(self, api: Api) -> None:
        problem(api.client.post(api.url("cases/"), {"case": json.dumps({})}, headers=api.headers), 400)
        problem(api.client.post(api.url("cases/"), {"file": io.BytesIO(a_picture()), "other": "x"}, headers=api.headers), 400)

    def test_an_unknown_content_type_is_refused(self, api: Api) -> None:
        problem(api.post("cases/", "text=x", kind="application/x-www-form-urlencoded"), 415)


class DoorTests:
    @pytest.mark.parametrize("path", ["cases/", "cases/batch/", "labels/"])
    def test_unknown_query_parameters_are_refused(self, api: Api, path: str) -> None:
        problem(api.post(f"{path}?colour=red", {"input": {"text": "x"}}), 400)

    def test_a_foreign_project_is_not_found(self, api: Api) -> None:
        stranger = Api(api.project, token=a_token(a_project()))
        problem(stranger.upload(a_picture()), 404)
        problem(stranger.get("cases/"), 404)

    def test_an_expired_token_is_refused(self, api: Api) -> None:
        old = Api(api.project)
        ApiToken.objects.order_by("-expires_at").update(expires_at=Now() - timedelta(seconds=1))
        problem(old.upload(a_picture()), 401)
        ApiToken.objects.update(expires_at=Now() + timedelta(days=1))

    @pytest.mark.parametrize(("scope", "status"), [("read", 403), ("run", 403), ("report", 415)])
    def test_reporting_needs_its_scope(self, api: Api, scope: str, status: int) -> None:
        problem(Api(api.project, scope).upload(b""), status)

    def test_a_bad_idempotency_key_is_refused(self, api: Api) -> None:
        problem(api.upload(a_picture(), key="k" * 256), 400)


class AfterwardsTests:
    def test_hostile_words_that_are_allowed_do_not_break_lists(self, project: Project) -> None:
        api = Api(project)
        word = "<script>alert(1)</script>{{ 7|add:7 }}\u202e\ufeff\U0001f600 %s '\""
        said = {"source": word, "tags": [word], "attributes": {"site": word, word: {"deep": word}}, "prediction": {"label": word}}
        assert api.upload(a_picture(), said).status_code == 201
        assert api.get("cases/").json()["results"][0]["source"] == word
