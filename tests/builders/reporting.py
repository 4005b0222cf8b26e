"""A server as the reporter sees it, for tests without one: it keeps what it was sent under its key, and answers as it is told."""

from collections.abc import Callable

import httpx

from hardcases.client import Reporter

URL, TOKEN, PROJECT = "http://hardcases.example", "hc_secret", "chest-xray"
Answer = httpx.Response | Exception


class Server(httpx.BaseTransport):
    """Keeps what it was sent under its key, as the real one does, and answers as it is told."""

    def __init__(self) -> None:
        self.answer: Callable[[httpx.Request], Answer] = lambda request: httpx.Response(201, json={"key": "XR-1"})
        self.requests: list[httpx.Request] = []
        self.cases: dict[str, bytes] = {}
        self.stored = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        content = request.read()
        self.requests.append(request)
        answer = self.answer(request)
        commits = isinstance(answer, httpx.ReadError) or (isinstance(answer, httpx.Response) and answer.is_success)
        if commits and request.headers["Idempotency-Key"] not in self.cases:
            self.cases[request.headers["Idempotency-Key"]] = content
            self.stored += 1
        if isinstance(answer, Exception):
            raise answer
        return answer


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def problem(status: int, headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.Response(status, json={"type": "urn:hardcases:x", "title": "Refused", "detail": "why", "status": status}, headers=headers)


def deliver(one: Reporter) -> float:
    one.write_queue()
    return one.send_due()
