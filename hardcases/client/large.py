"""One large file in parts, which goes on where it stopped: through the server, or directly into its bucket where it names an address."""

import base64
import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path

import httpx

from hardcases.client.batches import CaseItem
from hardcases.client.transport import Body, Json, ProblemError, Transport, parsed

Stopped = Callable[[], bool]


class StoppedError(Exception):
    """Somebody asked to stop; what was sent is kept."""


class LargeFile:
    """Sends one file. `path_of` makes addresses below the project; `remember` is told the id of the upload, None when it is over."""

    def __init__(
        self, transport: Transport, path_of: Callable[..., str], *, stopped: Stopped = lambda: False, bucket: httpx.Client | None = None
    ) -> None:
        self._transport, self._path = transport, path_of
        self._stopped = stopped
        # No token goes to the bucket: its address is signed, and it is somebody else's host.
        self._bucket = bucket or httpx.Client(timeout=httpx.Timeout(60.0, connect=5.0), follow_redirects=False)

    def send(
        self,
        item: CaseItem,
        sha256: str,
        *,
        known_as: str | None = None,
        remember: Callable[[str | None], None] = lambda _: None,
        sent: Callable[[int], None] = lambda _: None,
    ) -> Json:
        """The answer of the confirmation, with its `status`. Raises ProblemError, NoAnswerError, StoppedError, OSError."""
        assert isinstance(item.file, Path)
        state = self._state(known_as) or self._announce(item, sha256)
        remember(str(state["id"]))
        received = set(state["received"])
        sent(sum(part["size"] for part in state["parts"] if part["number"] in received))
        with item.file.open("rb") as file:
            for part in state["parts"]:
                if part["number"] in received:
                    continue
                if self._stopped():
                    raise StoppedError
                file.seek((part["number"] - 1) * state["part_size"])
                self._put(str(state["id"]), part, file.read(part["size"]))
                sent(part["size"])
        answer = self._transport.send("POST", self._path("uploads", str(state["id"]), "confirm"), Body(json={}))
        remember(None)
        found: Json = parsed(answer)
        return {"status": answer.status_code, **found}

    def _state(self, known_as: str | None) -> Json | None:
        if known_as is None:
            return None
        try:
            state: Json = parsed(self._transport.get(self._path("uploads", known_as)))
        except ProblemError as problem:
            if problem.status == 404:
                return None  # confirmed, cancelled or given up meanwhile
            raise
        return state

    def _announce(self, item: CaseItem, sha256: str) -> Json:
        assert isinstance(item.file, Path)
        body = {"sha256": sha256, "size": item.file.stat().st_size, "name": item.name(), "case": item.document()}
        state: Json = self._transport.post(self._path("uploads"), Body(json=body))
        return state

    def _put(self, upload: str, part: Json, data: bytes) -> None:
        if "url" in part and self._put_into_bucket(str(part["url"]), data):
            return
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        path = self._path("uploads", upload, "parts", str(part["number"]))
        body = Body(content=data, media_type="application/octet-stream")
        self._transport.send("PUT", path, body, headers={"Content-Digest": f"sha-256=:{digest}:"})

    def _put_into_bucket(self, address: str, data: bytes) -> bool:
        """Whether the bucket took it. One that cannot be reached from here is no trouble: the server takes parts too."""
        with contextlib.suppress(httpx.HTTPError):
            return self._bucket.put(address, content=data).is_success
        return False
