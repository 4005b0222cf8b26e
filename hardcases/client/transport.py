"""One request that either answers or says why not: retries with backoff, idempotency keys, problems as exceptions."""

import contextlib
import json
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import httpx

Json = dict[str, Any]
Parts = list[tuple[str, tuple[str | None, bytes, str]]]
ATTEMPTS = 5
LONGEST_WAIT = 60.0
_WAIT = 0.5


class ProblemError(Exception):
    """The server's answer was a problem (RFC 9457): its fields are attributes, `errors` a list of `{"pointer", "detail"}`."""

    def __init__(self, status: int, fields: Mapping[str, Any]) -> None:
        self.status = status
        self.type = str(fields.get("type") or "about:blank")
        self.title = str(fields.get("title") or f"HTTP {status}")
        self.detail = str(fields.get("detail") or "")
        self.errors: list[Json] = list(fields.get("errors") or [])
        self.request_id = fields.get("request_id")
        self.fields = dict(fields)
        super().__init__(f"{self.title}: {self.detail}" if self.detail else self.title)

    @property
    def code(self) -> str:
        """The end of the problem type: `urn:hardcases:not_found` → `not_found`."""
        return self.type.rpartition(":")[2]


class NoAnswerError(Exception):
    """No answer after all attempts: the server could not be reached, or did not answer in time."""


@dataclass(frozen=True, kw_only=True)
class Body:
    """What a request carries: one of a JSON value, multipart parts, bytes, or a file that is opened again for every attempt."""

    json: object = None
    parts: Parts | None = None
    content: bytes | Path | None = None
    media_type: str | None = None


_EMPTY = Body()


class Transport:
    """Sends requests below `<url>/api/v1/` with the token. Redirects are not followed: a token goes to one host only."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout: float = 60.0,
        connect: float = 5.0,
        attempts: int = ATTEMPTS,
        http_transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        base = url.rstrip("/").removesuffix("/api/v1") + "/api/v1/"
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json", "User-Agent": "hardcases-client"}
        self._http = httpx.Client(base_url=base, headers=headers, timeout=httpx.Timeout(timeout, connect=connect), transport=http_transport)
        self._attempts = attempts
        self._sleep = sleep

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> httpx.Response:
        return self.send("GET", path, params=params)

    def post(self, path: str, body: Body = _EMPTY, *, idempotency_key: str | None = None) -> Any:
        """A POST is safe to repeat because it always carries an idempotency key. Returns the parsed answer."""
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        return parsed(self.send("POST", path, body, headers=headers))

    def send(
        self,
        method: str,
        path: str,
        body: Body = _EMPTY,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The answer, if it is 2xx. Raises `ProblemError` for any other, `NoAnswerError` if there is none after all attempts."""
        for attempt in range(self._attempts):
            last = attempt + 1 == self._attempts
            try:
                with _arguments(body) as (arguments, own):
                    answer = self._http.request(method, path, params=params, headers={**own, **(headers or {})}, **arguments)
            except httpx.TransportError as error:
                if last:
                    times = f"after {self._attempts} attempts" if self._attempts > 1 else "in time"
                    raise NoAnswerError(f"{self._http.base_url.host} did not answer {times} ({error}).") from error
                self._sleep(_backoff(attempt))
                continue
            if answer.is_success:
                return answer
            if last or not _worth_repeating(answer):
                raise problem_of(answer)
            self._sleep(_retry_after(answer) or _backoff(attempt))
        raise AssertionError("the last attempt returns or raises")


def parsed(answer: httpx.Response) -> Any:
    """The JSON of an answer, None for an empty one. Raises `ProblemError` if a 2xx answer is not JSON (something else answered)."""
    if not answer.content:
        return None
    try:
        return answer.json()
    except ValueError as error:
        raise ProblemError(
            answer.status_code, {"title": "The answer is not JSON", "detail": "Is the url that of a Hardcases server?"}
        ) from error


def problem_of(answer: httpx.Response) -> ProblemError:
    try:
        fields = answer.json()
    except ValueError:
        fields = {}
    said = fields if isinstance(fields, dict) else {}
    wait = _retry_after(answer)
    return ProblemError(answer.status_code, {**said, "retry_after": wait} if wait else said)


@contextlib.contextmanager
def _arguments(body: Body) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """httpx's arguments and headers of one attempt."""
    headers = {"Content-Type": body.media_type} if body.media_type else {}
    if body.parts is not None:
        yield {"files": body.parts}, headers
    elif isinstance(body.content, Path):
        with body.content.open("rb") as file:
            yield {"content": _chunks(file)}, {**headers, "Content-Length": str(body.content.stat().st_size)}
    elif body.content is not None:
        yield {"content": body.content}, headers
    elif body.json is not None:
        yield {"content": as_json(body.json)}, {"Content-Type": "application/json"}
    else:
        yield {}, headers


def as_json(value: object) -> bytes:
    """UTF-8 JSON. Raises ValueError for NaN and infinity, which are not JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(1 << 20):
        yield chunk


def _worth_repeating(answer: httpx.Response) -> bool:
    """Refusals that time may cure. A full store (507) is not cured by seconds; a 409 is while the first request still runs."""
    status = answer.status_code
    return status in {408, 425, 429} or (status >= 500 and status != 507) or (status == 409 and "Retry-After" in answer.headers)


def _retry_after(answer: httpx.Response) -> float:
    text = answer.headers.get("Retry-After", "")
    return min(float(text), LONGEST_WAIT) if text.isascii() and text.isdigit() else 0.0


def _backoff(attempt: int) -> float:
    """Half a second, doubled each time, of which a random part is waited, so that many clients do not come back at once."""
    return float(min(_WAIT * 2**attempt, LONGEST_WAIT)) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing
