"""The client sends what the public API asks for, repeats what is worth repeating, and turns problems into exceptions."""

import email.parser
import json
import subprocess
import sys

import httpx
import pytest

from hardcases.client import CaseItem, Client, NoAnswerError, ProblemError, batches
from hardcases.client.settings import SettingsError, find

URL, TOKEN, PROJECT = "http://hardcases.example", "hc_secret", "chest-xray"


class Server:
    """Answers with the replies it was given, in order (the last for ever), and keeps the requests."""

    def __init__(self, *replies):
        self.replies, self.requests, self.waited = list(replies) or [httpx.Response(200, json={})], [], []

    def __call__(self, request):
        request.read()
        self.requests.append(request)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)

    def client(self):
        return Client(URL, TOKEN, PROJECT, http_transport=httpx.MockTransport(self), sleep=self.waited.append)

    @property
    def request(self):
        return self.requests[-1]

    @property
    def json(self):
        return json.loads(self.request.content)

    @property
    def call(self):
        return f"{self.request.method} {self.request.url.raw_path.decode()}"


def parts_of(request):
    """Name → (file name, type, bytes) of a multipart request."""
    head = b"Content-Type: " + request.headers["Content-Type"].encode() + b"\r\n\r\n"
    message = email.parser.BytesParser().parsebytes(head + request.content)
    return {
        part.get_param("name", header="Content-Disposition"): (part.get_filename(), part.get_content_type(), part.get_payload(decode=True))
        for part in message.get_payload()
    }


def problem(status, code="invalid", headers=None, **fields):
    return httpx.Response(status, json={"type": f"urn:hardcases:{code}", "title": "Refused", "status": status, **fields}, headers=headers)


class SettingsTests:
    @pytest.fixture(autouse=True)
    def place(self, monkeypatch, tmp_path):
        for name in ("URL", "TOKEN", "PROJECT"):
            monkeypatch.delenv(f"HARDCASES_{name}", raising=False)
        (tmp_path / ".hardcases.toml").write_text('url = "http://file"\ntoken = "hc_file"\nproject = "file"\n')
        self.folder = tmp_path / "deep" / "er"
        self.folder.mkdir(parents=True)

    def test_arguments_before_environment_before_file(self, monkeypatch):
        monkeypatch.setenv("HARDCASES_URL", "http://environment")
        monkeypatch.setenv("HARDCASES_PROJECT", "environment")
        found = find(project="argument", folder=self.folder)
        assert (found.url, found.token, found.project) == ("http://environment", "hc_file", "argument")
        assert "hc_file" not in repr(found)

    @pytest.mark.parametrize("given", [{}, {"token": "hc_mine"}])
    def test_a_file_does_not_say_where_a_token_goes_that_it_did_not_bring(self, monkeypatch, given):
        monkeypatch.setenv("HARDCASES_TOKEN", "hc_mine")
        with pytest.raises(SettingsError, match="who receives your token") as refused:
            find(**given, folder=self.folder)
        assert "hc_mine" not in str(refused.value)
        assert find(**given, url="http://mine", folder=self.folder).project == "file"

    def test_a_missing_setting_is_named_with_its_cure(self, tmp_path):
        (tmp_path / ".hardcases.toml").write_text('url = "http://file"\n')
        with pytest.raises(SettingsError, match="HARDCASES_TOKEN"):
            find(folder=self.folder)

    @pytest.mark.parametrize("content", ["url = ", "\x00", 'url = "ftp://x"\ntoken = "t"\nproject = "p"'])
    def test_a_bad_file_is_said(self, tmp_path, content):
        (tmp_path / ".hardcases.toml").write_text(content)
        with pytest.raises(SettingsError):
            find(folder=self.folder)


class RequestTests:
    def test_every_request_carries_the_token_and_an_idempotency_key_if_it_creates(self):
        server = Server()
        server.client().whoami()
        assert server.call == "GET /api/v1/whoami/"
        assert server.request.headers["Authorization"] == f"Bearer {TOKEN}"
        server.client().start_run("nodule-net@3.2.0", "hard-cxr@12")
        server.client().start_run("nodule-net@3.2.0", "hard-cxr@12")
        keys = [request.headers.get("Idempotency-Key") for request in server.requests]
        assert keys[0] is None
        assert keys[1]
        assert keys[1] != keys[2]

    def test_a_file_goes_as_parts_case_and_file(self, tmp_path):
        (tmp_path / "a.png").write_bytes(b"\x89PNG")
        server = Server(httpx.Response(201, json={"key": "XR-1"}))
        answer = server.client().send_case(file=tmp_path / "a.png", external_id="req-1", attributes={"age": 61}, idempotency_key="mine")
        assert answer == {"key": "XR-1"}
        assert server.call == "POST /api/v1/projects/chest-xray/cases/"
        assert server.request.headers["Idempotency-Key"] == "mine"
        parts = parts_of(server.request)
        assert parts["file"] == ("a.png", "application/octet-stream", b"\x89PNG")
        assert parts["case"][:2] == (None, "application/json")
        assert json.loads(parts["case"][2]) == {"external_id": "req-1", "attributes": {"age": 61}}

    def test_texts_and_records_go_as_json(self):
        server = Server()
        server.client().send_case(text="häh", reason="nonsense")
        assert server.json == {"reason": "nonsense", "input": {"text": "häh"}}
        server.client().send_case(record={"a": 1})
        assert server.json == {"input": {"record": {"a": 1}}}

    def test_a_case_is_one_kind_of_input_and_json_has_no_nan(self):
        server = Server()
        with pytest.raises(ValueError, match="one of file, text and record"):
            server.client().send_case(text="a", record={})
        with pytest.raises(ValueError, match="JSON"):
            server.client().send_case(record={"a": float("nan")})
        assert not server.requests

    def test_run_calls(self, tmp_path):
        server = Server()
        client = server.client()
        client.start_run("n@2", "s@1", replicates=[0, 1], baseline="n@1", plan={"determinism": 3})
        assert server.json == {"model": "n@2", "test_set": "s@1", "replicates": [0, 1], "baseline": "n@1", "plan": {"determinism": 3}}
        (tmp_path / "p.csv").write_text("case,label\n")
        client.put_predictions("R-41", tmp_path / "p.csv", replicate=2, missing="wrong")
        assert server.call == "PUT /api/v1/projects/chest-xray/runs/R-41/predictions/?replicate=2&missing=wrong"
        assert server.request.headers["Content-Type"] == "text/csv"
        assert server.request.content == b"case,label\n"
        client.put_predictions("R-41", b"PAR1", media_type="application/vnd.apache.parquet")
        assert server.request.content == b"PAR1"
        with pytest.raises(ValueError, match="media_type"):
            client.put_predictions("R-41", b"")
        client.run_report("R-41")
        assert server.call == "GET /api/v1/projects/chest-xray/runs/R-41/report/"

    def test_test_set_calls(self):
        server = Server()
        client = server.client()
        client.change_draft("hard", add={"q": "state:accepted"}, remove=["XR-1"])
        assert (server.call, server.json) == (
            "POST /api/v1/projects/chest-xray/test-sets/hard/draft/",
            {"add": {"q": "state:accepted"}, "remove": ["XR-1"]},
        )
        client.freeze("hard", "first")
        assert (server.call, server.json) == ("POST /api/v1/projects/chest-xray/test-sets/hard/versions/", {"reason": "first"})

    def test_release_calls(self):
        server = Server()
        client = server.client()
        client.open_release("n@2", "n@1", "s@1", "p@1", runs=["R-1"])
        assert server.json == {"candidate": "n@2", "baseline": "n@1", "test_set": "s@1", "policy": "p@1", "runs": ["R-1"]}
        client.mark_production("n", "2/../../x")
        assert server.call == "POST /api/v1/projects/chest-xray/models/n/versions/2%2F..%2F..%2Fx/production/"

    def test_a_model_version_carries_its_artefact_and_captured_provenance(self, tmp_path):
        (tmp_path / "m.onnx").write_bytes(b"onnx")
        server = Server()
        server.client().register_model_version(
            "net", "3.2.0", artefact=tmp_path / "m.onnx", replicate=1, seed=1, provenance={"parameters": {"lr": 1}}
        )
        assert server.call == "POST /api/v1/projects/chest-xray/models/net/versions/"
        parts = parts_of(server.request)
        document = json.loads(parts["version"][2])
        assert (document["version"], document["replicate"], document["seed"]) == ("3.2.0", 1, 1)
        assert document["provenance"]["parameters"] == {"lr": 1}
        assert document["provenance"]["packages"]["httpx"]
        assert parts["model"] == ("m.onnx", "application/octet-stream", b"onnx")

    def test_lists_are_followed_to_their_end(self):
        server = Server(
            httpx.Response(200, json={"results": [{"key": "1"}], "next": "c"}),
            httpx.Response(200, json={"results": [{"key": "2"}], "next": None}),
        )
        assert [case["key"] for case in server.client().cases("state:inbox")] == ["1", "2"]
        assert server.request.url.params["cursor"] == "c"

    def test_labels_go_a_thousand_at_a_time(self):
        server = Server(httpx.Response(207, json={"results": [{"index": 0, "status": 201}]}))
        results = server.client().labels([{"case": f"XR-{n}", "label": {"label": "x"}} for n in range(1001)])
        assert [len(json.loads(request.content)) for request in server.requests] == [1000, 1]
        assert [result["index"] for result in results] == [0, 1000]


class BatchTests:
    def answer(self, request):
        request.read()
        self.requests.append(request)
        if request.headers["Content-Type"].startswith("multipart"):
            count = len(json.loads(parts_of(request)["cases"][2]))
        else:
            count = request.content.count(b"\n")
        return httpx.Response(207, json={"results": [{"index": n, "status": 201, "key": str(n)} for n in reversed(range(count))]})

    @pytest.fixture
    def client(self):
        self.requests = []
        return Client(URL, TOKEN, PROJECT, http_transport=httpx.MockTransport(self.answer))

    def test_files_are_named_by_their_part(self, client):
        results = client.send_batch([CaseItem(file=b"one", fields={"external_id": "1"}), CaseItem(file=b"two", file_name="b.png")])
        assert [(result["index"], result["status"]) for result in results] == [(0, 201), (1, 201)]
        (request,) = self.requests
        assert request.url.path == "/api/v1/projects/chest-xray/cases/batch/"
        parts = parts_of(request)
        documents = json.loads(parts["cases"][2])
        assert [parts[document["file"]][2] for document in documents] == [b"one", b"two"]
        assert documents[0]["external_id"] == "1"
        assert parts[documents[1]["file"]][0] == "b.png"

    def test_batches_are_cut_and_results_keep_their_index(self, client, monkeypatch):
        items = [CaseItem(text=str(n)) for n in range(1500)] + [CaseItem(file=b"x"), CaseItem(record={"a": 1})]
        assert [result["index"] for result in client.send_batch(items)] == list(range(1502))
        assert len(self.requests) == 4
        monkeypatch.setattr(batches, "MAX_BYTES", 10_000)
        client.send_batch([CaseItem(file=b"x" * 3000)] * 3)
        assert len(self.requests) == 7

    def test_a_repeatable_batch_has_the_key_of_its_content(self, client):
        for content in (b"a", b"a", b"b"):
            client.send_batch([CaseItem(file=content)], repeatable=True)
        keys = [request.headers["Idempotency-Key"] for request in self.requests]
        assert keys[0] == keys[1] != keys[2]


class RefusalTests:
    def test_a_problem_gives_its_fields(self):
        server = Server(
            problem(422, "table_refused", detail="2 findings.", errors=[{"pointer": "/rows/17", "detail": "unknown"}], request_id="r-1")
        )
        with pytest.raises(ProblemError, match="2 findings") as caught:
            server.client().put_predictions("R-1", b"", media_type="text/csv")
        error = caught.value
        assert (error.status, error.code, error.request_id) == (422, "table_refused", "r-1")
        assert error.errors == [{"pointer": "/rows/17", "detail": "unknown"}]
        assert len(server.requests) == 1

    @pytest.mark.parametrize(
        "reply",
        [httpx.Response(404, text="<html>"), httpx.Response(404, json=[1]), httpx.Response(302, headers={"Location": "http://evil"})],
    )
    def test_an_answer_that_is_no_problem_document_is_one_all_the_same(self, reply):
        server = Server(reply)
        with pytest.raises(ProblemError) as caught:
            server.client().whoami()
        assert caught.value.status == reply.status_code
        assert [request.url.host for request in server.requests] == ["hardcases.example"]

    def test_a_page_instead_of_json_is_a_problem(self):
        with pytest.raises(ProblemError, match="not JSON"):
            Server(httpx.Response(200, text="<html>hello")).client().whoami()

    @pytest.mark.parametrize(
        "reply", [httpx.ConnectError("no"), httpx.ReadTimeout("slow"), problem(408), problem(425), problem(429), problem(500), problem(503)]
    )
    def test_what_time_may_cure_is_repeated_with_the_same_key(self, reply):
        server = Server(reply, reply, httpx.Response(201, json={"key": "XR-1"}))
        assert server.client().send_case(text="x")["key"] == "XR-1"
        assert len({request.headers["Idempotency-Key"] for request in server.requests}) == 1
        assert len(server.waited) == 2
        assert 0.25 <= server.waited[0] <= 0.5 <= server.waited[1] <= 1.0

    @pytest.mark.parametrize("reply", [problem(400), problem(401), problem(403), problem(404), problem(409), problem(413), problem(507)])
    def test_what_time_does_not_cure_is_not_repeated(self, reply):
        server = Server(reply)
        with pytest.raises(ProblemError):
            server.client().send_case(text="x")
        assert len(server.requests) == 1

    def test_the_server_says_how_long_to_wait_up_to_a_minute(self):
        server = Server(
            problem(429, headers={"Retry-After": "7"}),
            problem(409, headers={"Retry-After": "2"}),
            problem(503, headers={"Retry-After": "99999"}),
            httpx.Response(200, json={}),
        )
        server.client().send_case(text="x")
        assert server.waited == [7, 2, 60]

    def test_after_five_attempts_there_is_no_answer(self):
        server = Server(httpx.ConnectError("refused"))
        with pytest.raises(NoAnswerError, match="5 attempts"):
            server.client().whoami()
        assert len(server.requests) == 5
        last = Server(problem(503))
        with pytest.raises(ProblemError):
            last.client().whoami()
        assert len(last.requests) == 5

    def test_a_file_is_sent_whole_again_when_it_is_repeated(self, tmp_path):
        (tmp_path / "p.csv").write_bytes(b"case,label\nXR-1,a\n")
        server = Server(problem(503), httpx.Response(200, json={"rows": 1}))
        assert server.client().put_predictions("R-1", tmp_path / "p.csv") == {"rows": 1}
        assert [request.content for request in server.requests] == [b"case,label\nXR-1,a\n"] * 2
        assert server.request.headers["Content-Length"] == "18"


def test_importing_the_client_loads_no_server_and_no_numpy():
    heavy = "import hardcases.client, sys; print([m for m in ('django', 'numpy', 'pyarrow', 'typer', 'celery') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", heavy], capture_output=True, check=True, text=True).stdout.strip() == "[]"
