"""Sending a folder: ask which contents the server lacks, send those, several at a time; large ones in parts, small ones in batches."""

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from hardcases.client.batches import batches
from hardcases.client.large import LargeFile, StoppedError
from hardcases.client.progress import Meter, State, Tally
from hardcases.client.transport import Body, Json, ProblemError, Transport
from hardcases.client.upload import Source, Wanted

ASKED_AT_ONCE = 500
LARGE = 8 * 1024 * 1024
BATCH_ITEMS, BATCH_BYTES = 50, 16_000_000
NOT_ABOUT_THE_CASE = frozenset({401, 403, 404, 408, 425, 429, 507})  # the same for all that follows: stop


@dataclass(frozen=True)
class Hashed:
    """A source whose content has been read once. `sha256` is None for a record, whose digest is the server's to make."""

    source: Source
    sha256: str | None


class Sender:
    """Sends what is wanted with `jobs` threads. What became of each case is handed to `settle(source, result)` in the thread that runs `run`."""

    def __init__(
        self, transport: Transport, path_of: Callable[..., str], *, state: State, tally: Tally, meter: Meter, jobs: int = 8
    ) -> None:
        self._transport, self._path = transport, path_of
        self._state, self._tally, self._meter = state, tally, meter
        self._jobs = jobs
        self._stop = threading.Event()
        self._large = LargeFile(transport, path_of, stopped=self._stop.is_set)
        self._lock = threading.Lock()

    def run(self, wanted: Wanted) -> Iterator[Json]:
        """One result a case, in the order in which they are settled: `{"index", "file", "status", "key"|"problem"}`.

        Raises ProblemError for what concerns every case (a token that may not), NoAnswerError when the server stays away.
        """
        pool = ThreadPoolExecutor(self._jobs, thread_name_prefix="hardcases-upload")
        under_way: list[Future[list[Json]]] = []
        try:
            for chunk in self._chunks(wanted, pool):
                ready, lacking = self._asked(chunk)
                yield from (self._settled(result) for result in ready)
                for work in self._cut(lacking):
                    while len(under_way) >= 2 * self._jobs:  # bounded: what waits holds no contents, but its names
                        yield from self._finished(under_way.pop(0))
                    under_way.append(pool.submit(work))
            while under_way:
                yield from self._finished(under_way.pop(0))
        finally:
            self._stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            with self._lock:
                self._state.save(now=True)

    def _finished(self, future: "Future[list[Json]]") -> Iterator[Json]:
        for result in future.result():
            yield self._settled(result)

    def _settled(self, result: Json) -> Json:
        status, size, sha256 = int(result["status"]), result.pop("size"), result.pop("sha256", None)
        if status == 201:
            self._tally.new += 1
        elif status == 200:
            self._tally.known += 1
        else:
            self._tally.reject(result)
            if sha256:
                with self._lock:
                    self._state.rejected.add(sha256)
        with self._lock:
            self._state.save()
        self._meter.moved(cases=1, size=size)
        return result

    # --- What the server lacks -------------------------------------------------------------------------------------------------------------------------
    @staticmethod
    def _chunks(wanted: Wanted, pool: ThreadPoolExecutor) -> Iterator[list[tuple[Source, Hashed | str]]]:
        sources = iter(wanted)
        while chunk := list(islice(sources, ASKED_AT_ONCE)):
            yield list(zip(chunk, pool.map(_hashed, chunk), strict=True))

    def _asked(self, chunk: Sequence[tuple[Source, "Hashed | str"]]) -> tuple[list[Json], list[Hashed]]:
        """(results that are known without sending, what has to be sent)."""
        digests = list({found.sha256 for _, found in chunk if isinstance(found, Hashed) and found.sha256})
        answer = self._transport.send("POST", self._path("cases", "digests"), Body(json={"sha256": digests})).json() if digests else {}
        known = answer.get("known", {})
        ready, lacking, sent = [], [], set()
        for source, found in chunk:
            if isinstance(found, str):
                ready.append(_result(source, 0, problem={"detail": found}))
            elif found.sha256 in known or found.sha256 in sent:
                ready.append(_result(source, 200, key=known.get(found.sha256), duplicate=True))
            elif found.sha256 in self._state.rejected:
                ready.append(_result(source, 0, problem={"detail": "The server refused this content before. --restart sends it again."}))
            else:
                if found.sha256:
                    sent.add(found.sha256)
                lacking.append(found)
        return ready, lacking

    # --- Sending -------------------------------------------------------------------------------------------------------------------------------------
    def _cut(self, lacking: list[Hashed]) -> Iterator[Callable[[], list[Json]]]:
        small: list[Hashed] = []
        room = 0
        for one in lacking:
            if isinstance(one.source.item.file, Path) and one.source.size > LARGE:
                yield lambda one=one: [self._send_large(one)]  # type: ignore[misc]
                continue
            if small and (len(small) == BATCH_ITEMS or room + one.source.size > BATCH_BYTES):
                yield lambda held=small: self._send_batch(held)  # type: ignore[misc]
                small, room = [], 0
            small.append(one)
            room += one.source.size
        if small:
            yield lambda held=small: self._send_batch(held)  # type: ignore[misc]

    def _send_batch(self, held: list[Hashed]) -> list[Json]:
        if self._stop.is_set():
            raise StoppedError
        results: list[Json] = []
        readable: list[Hashed] = []
        for one in held:
            trouble = one.source.trouble()  # it may have gone since it was looked at
            if trouble:
                results.append(_result(one.source, 0, problem={"detail": trouble}))
            else:
                readable.append(one)
        done = 0
        for batch in batches(one.source.item for one in readable):
            those = readable[done : done + batch.size]
            done += batch.size
            results += self._post(those, batch.body, batch.digest)
        return results

    def _post(self, those: list[Hashed], body: Body, digest: str) -> list[Json]:
        try:
            answer = self._transport.post(self._path("cases", "batch"), body, idempotency_key=f"batch-{digest}")
        except ProblemError as problem:
            if problem.status in NOT_ABOUT_THE_CASE or problem.status >= 500:
                raise
            if len(those) > 1:
                middle = len(those) // 2
                return self._send_batch(those[:middle]) + self._send_batch(those[middle:])
            return [_refused(those[0], problem)]
        by_index = {int(result["index"]): result for result in answer["results"]}
        return [self._of_batch(one, by_index[number]) for number, one in enumerate(those)]

    @staticmethod
    def _of_batch(one: Hashed, result: Json) -> Json:
        facts = {name: value for name, value in result.items() if name not in {"index", "status", "sha256", "size"}}
        return _result(one.source, int(result["status"]), sha256=one.sha256, **facts)

    def _send_large(self, one: Hashed) -> Json:
        if self._stop.is_set():
            raise StoppedError
        sha256 = str(one.sha256)
        try:
            answer = self._large.send(
                one.source.item, sha256, known_as=self._state.uploads.get(sha256), remember=lambda name: self._remember(sha256, name)
            )
        except ProblemError as problem:
            if problem.status in NOT_ABOUT_THE_CASE or problem.status >= 500:
                raise
            self._remember(sha256, None)
            return _refused(one, problem)
        except OSError as error:
            return _result(one.source, 0, problem={"detail": f"{one.source.label} cannot be read ({error.strerror})."})
        return _result(one.source, int(answer["status"]), **{name: answer[name] for name in ("key", "url", "duplicate") if name in answer})

    def _remember(self, sha256: str, name: str | None) -> None:
        with self._lock:
            if name is None:
                self._state.uploads.pop(sha256, None)
            else:
                self._state.uploads[sha256] = name
            self._state.save(now=True)


def _hashed(source: Source) -> "Hashed | str":
    """The source with its digest, or why it cannot be read."""
    item = source.item
    if trouble := source.trouble():
        return trouble
    if isinstance(item.file, Path):
        try:
            with item.file.open("rb") as file:
                return Hashed(source, hashlib.file_digest(file, "sha256").hexdigest())
        except OSError as error:
            return f"{source.label} cannot be read ({error.strerror})."
    if item.text is not None:
        return Hashed(source, hashlib.sha256(item.text.encode("utf-8", "surrogatepass")).hexdigest())
    return Hashed(source, None)


def _result(source: Source, status: int, **facts: object) -> Json:
    """`status` 0: it never reached the server."""
    return {"index": source.index, "file": source.label, "status": status, "size": source.size, **facts}


def _refused(one: Hashed, problem: ProblemError) -> Json:
    return _result(one.source, problem.status, sha256=one.sha256, problem=problem.fields)
