"""The client: one method for each call of the public API that production services, training scripts and CI make."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from hardcases.client import provenance as captured
from hardcases.client.batches import CaseItem, batches
from hardcases.client.reporter import Redact, Reporter
from hardcases.client.settings import find
from hardcases.client.transport import Body, Json, Parts, Transport, as_json, parsed

MEDIA_TYPES = {
    ".csv": "text/csv",
    ".jsonl": "application/x-ndjson",
    ".ndjson": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".json": "application/json",
}


class Client:
    """Talks to one project of one server. Every method raises `ProblemError` for a refusal and `NoAnswerError` if the server cannot be
    reached.

    Settings not given come from `HARDCASES_URL`, `HARDCASES_TOKEN`, `HARDCASES_PROJECT`, else from `.hardcases.toml`.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        project: str | None = None,
        *,
        timeout: float = 60.0,
        redact: Redact | None = None,
        spool: Path | None = None,
        http_transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        settings = find(url, token, project)
        # Made at once, so that the first report does no more than the others; it starts no thread before that.
        self.reporter = Reporter(settings.url, settings.token, settings.project, redact=redact, spool=spool, http_transport=http_transport)
        self.url, self.project = settings.url.rstrip("/"), settings.project
        self.transport = Transport(settings.url, settings.token, timeout=timeout, http_transport=http_transport, sleep=sleep)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.transport.close()
        self.reporter.close()

    # From production

    def report(self, **case: Any) -> None:
        """Hand over one failure from a production service and go on at once; see `Reporter.report`. Never blocks and never raises.

        `client.reporter` has `statistics`, `flush` and `close`.
        """
        self.reporter.report(**case)

    # Cases and labels

    def whoami(self) -> Json:
        """Project, scopes and expiry of the token."""
        return self._object(self.transport.get("whoami/"))

    def send_case(
        self,
        *,
        file: Path | bytes | None = None,
        file_name: str | None = None,
        text: str | None = None,
        record: Json | None = None,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Json:
        """Sends one failure: a file, a text or a flat record, with the fields of a case (`external_id`, `reason`, `attributes`, …)."""
        item = CaseItem(file=file, file_name=file_name, text=text, record=record, fields=fields)
        if item.file is None:
            return self._post("cases", json=item.document(), idempotency_key=idempotency_key)
        parts: Parts = [
            ("case", (None, as_json(item.document()), "application/json")),
            ("file", (item.name(), item.content(), "application/octet-stream")),
        ]
        return self._post("cases", parts=parts, idempotency_key=idempotency_key)

    def send_batch(self, items: Iterable[CaseItem], *, repeatable: bool = False) -> list[Json]:
        """Sends any number of cases, ≤ 1,000 and ≤ 256 MB a request; one `{"index", "status", "key"|"problem"}` an item, in order.

        `repeatable`: sending equal items again within a month replays the first answer and adds no sightings (the key is the content's
        digest).
        """
        return list(self.stream_batch(items, repeatable=repeatable))

    def stream_batch(self, items: Iterable[CaseItem], *, repeatable: bool = False) -> Iterator[Json]:
        """Like `send_batch`, but lazily: a request is sent when its results are asked for."""
        for batch in batches(items):
            key = f"batch-{batch.digest}" if repeatable else None
            answer = self.transport.post(self.path_of("cases", "batch"), batch.body, idempotency_key=key)
            for result in sorted(answer["results"], key=lambda result: int(result["index"])):
                yield {**result, "index": batch.first + int(result["index"])}

    def cases(self, q: str | None = None) -> Iterator[Json]:
        """Every case that the query finds, page by page."""
        cursor: str | None = None
        while True:
            params = {name: value for name, value in (("q", q), ("cursor", cursor), ("limit", "200")) if value}
            page = self._object(self.transport.get(self.path_of("cases"), params))
            yield from page["results"]
            cursor = page.get("next")
            if not cursor:
                return

    def case(self, key: str) -> Json:
        return self._get("cases", key)

    def labels(self, items: Sequence[Json]) -> list[Json]:
        """Sets labels: `{"case", "label", "note"}` each, any number; one `{"index", "status", "case", "revision"|"problem"}` an item, in
        order.
        """
        results: list[Json] = []
        for start in range(0, len(items), 1000):
            answer = self._post("labels", json=list(items[start : start + 1000]))
            results += [{**result, "index": start + int(result["index"])} for result in answer["results"]]
        return results

    # Test sets and strata

    def create_test_set(self, slug: str, purpose: str = "") -> Json:
        return self._post("test-sets", json={"slug": slug, "purpose": purpose})

    def change_draft(self, test_set: str, *, add: Json | Sequence[str] = (), remove: Json | Sequence[str] = ()) -> Json:
        """`add` and `remove` are case keys or `{"q": query}`; answers `{"added", "removed", "errors"}`."""
        change = {name: value if isinstance(value, dict) else list(value) for name, value in (("add", add), ("remove", remove)) if value}
        return self._post("test-sets", test_set, "draft", json=change)

    def draft(self, test_set: str) -> Json:
        return self._get("test-sets", test_set, "draft")

    def freeze(self, test_set: str, reason: str) -> Json:
        return self._post("test-sets", test_set, "versions", json={"reason": reason})

    def test_set_version(self, test_set: str, number: int) -> Json:
        return self._get("test-sets", test_set, "versions", str(number))

    def manifest(self, test_set: str, number: int) -> bytes:
        """The canonical JSON lines that the version's digest covers."""
        return self.transport.get(self.path_of("test-sets", test_set, "versions", str(number), "manifest")).content

    def create_stratum(self, document: Json) -> Json:
        return self._post("strata", json=document)

    # Models

    def create_model(self, slug: str, name: str = "") -> Json:
        return self._post("models", json={"slug": slug, "name": name or slug})

    def register_model_version(
        self,
        model: str,
        version: str,
        *,
        artefact: Path | None = None,
        training_digests: Path | None = None,
        provenance: Json | None = None,
        **fields: Any,
    ) -> Json:
        """Registers one replicate; `fields` are those of the API (`replicate`, `seed`, `adapter`, `operating_threshold`, …).

        What `provenance` does not give is captured here: code, packages, platform, hardware. Parts: `version` (JSON), `model`,
        `training.txt`.
        """
        document = {"version": version, **fields, "provenance": {**captured.capture(), **(provenance or {})}}
        if artefact is None and training_digests is None:
            return self._post("models", model, "versions", json=document)
        parts: Parts = [("version", (None, as_json(document), "application/json"))]
        for name, file in (("model", artefact), ("training.txt", training_digests)):
            if file is not None:
                parts.append((name, (file.name, file.read_bytes(), "application/octet-stream")))
        return self._post("models", model, "versions", parts=parts)

    def mark_production(self, model: str, version: str) -> Json:
        return self._post("models", model, "versions", version, "production", json={})

    # Runs

    def start_run(
        self, model: str, test_set: str, *, replicates: Sequence[int] | None = None, baseline: str | None = None, plan: Json | None = None
    ) -> Json:
        """`model` and `baseline` as `slug@version`, `test_set` as `slug@number`; replicates default to all."""
        chosen = {"replicates": None if replicates is None else list(replicates), "baseline": baseline, "plan": plan}
        return self._post("runs", json={"model": model, "test_set": test_set, **{name: v for name, v in chosen.items() if v is not None}})

    def put_predictions(
        self, run: str, predictions: Path | bytes, *, replicate: int = 0, media_type: str | None = None, missing: str | None = None
    ) -> Json:
        """Uploads one replicate's file; the media type is known by the suffix. `missing="wrong"` counts absent cases as wrong."""
        kind = media_type or (MEDIA_TYPES.get(predictions.suffix.lower()) if isinstance(predictions, Path) else None)
        if kind is None:
            raise ValueError(f"The media type is not known. Give media_type, or a file that ends in {', '.join(MEDIA_TYPES)}.")
        params = {"replicate": str(replicate), **({"missing": missing} if missing else {})}
        body = Body(content=predictions, media_type=kind)
        return self._object(self.transport.send("PUT", self.path_of("runs", run, "predictions"), body, params=params))

    def run(self, run: str) -> Json:
        return self._get("runs", run)

    def run_report(self, run: str) -> Json:
        return self._get("runs", run, "report")

    def cancel_run(self, run: str) -> Json:
        return self._post("runs", run, "cancel", json={})

    # Policies and releases

    def create_policy(self, document: Json) -> Json:
        return self._post("policies", json=document)

    def open_release(self, candidate: str, baseline: str, test_set: str, policy: str, *, runs: Sequence[str] | None = None) -> Json:
        document: Json = {"candidate": candidate, "baseline": baseline, "test_set": test_set, "policy": policy}
        return self._post("releases", json=document if runs is None else {**document, "runs": list(runs)})

    def release(self, number: str) -> Json:
        return self._get("releases", number)

    def path_of(self, *parts: str) -> str:
        """The address of something in the project, below `/api/v1/`."""
        return "/".join(["projects", quote(self.project, safe=""), *(quote(part, safe="@") for part in parts)]) + "/"

    def _get(self, *parts: str) -> Json:
        return self._object(self.transport.get(self.path_of(*parts)))

    def _post(self, *parts: str, json: object = None, idempotency_key: str | None = None, **body: Any) -> Json:
        answer = self.transport.post(self.path_of(*parts), Body(json=json, **body), idempotency_key=idempotency_key)
        return answer if isinstance(answer, dict) else {}

    @staticmethod
    def _object(answer: httpx.Response) -> Json:
        content = parsed(answer)
        return content if isinstance(content, dict) else {}
