"""The command line: exit codes and output that scripts rely on."""

import json
from xml.etree import ElementTree as ET

import httpx
import pytest
from typer.testing import CliRunner

from hardcases.client import cli
from hardcases.client.client import Client


@pytest.fixture
def serve(monkeypatch, tmp_path):
    """Makes the command line talk to a function of the request; collects the requests."""
    for name, value in (("URL", "http://hardcases.example"), ("TOKEN", "hc_t"), ("PROJECT", "p")):
        monkeypatch.setenv(f"HARDCASES_{name}", value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "POLL_SECONDS", 0.0)
    requests = []

    def start(answer):
        def handle(request):
            request.read()
            requests.append(request)
            return answer(request)

        monkeypatch.setattr(
            cli, "Client", lambda url, project: Client(url, None, project, http_transport=httpx.MockTransport(handle), sleep=lambda _: None)
        )
        return requests

    return start


def run(*arguments):
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def reply(status, **content):
    return lambda _: httpx.Response(status, json=content)


GATE = ("gate", "--candidate", "n@2", "--baseline", "n@1", "--set", "s@1", "--policy", "p")


class ExitTests:
    @pytest.mark.parametrize(
        ("status", "code"), [(200, 0), (401, 4), (403, 4), (400, 2), (404, 2), (409, 2), (422, 2), (429, 1), (500, 1), (503, 1), (302, 1)]
    )
    def test_what_the_server_answers_decides(self, serve, status, code):
        serve(reply(status, title="T", detail="why"))
        result = run("whoami")
        assert result.exit_code == code
        assert ("why" in result.stderr) == (code != 0)

    def test_no_server_is_no_answer(self, serve):
        def refuse(request):
            raise httpx.ConnectError("refused")

        serve(refuse)
        result = run("whoami")
        assert result.exit_code == 1
        assert "did not answer" in result.stderr
        assert result.stdout == ""

    def test_wrong_usage(self, serve, monkeypatch):
        serve(reply(200))
        assert run("whoami", "--token", "hc_x").exit_code == 2
        assert run("gate").exit_code == 2
        assert run("upload").exit_code == 2
        assert run("models", "register", "no-version").exit_code == 2
        monkeypatch.delenv("HARDCASES_TOKEN")
        result = run("whoami")
        assert result.exit_code == 2
        assert "HARDCASES_TOKEN" in result.stderr

    def test_an_interruption_can_be_resumed(self, serve):
        def interrupt(request):
            raise KeyboardInterrupt

        serve(interrupt)
        result = run("whoami")
        assert result.exit_code == 130
        assert "same command again" in result.stderr


class RunTests:
    @pytest.mark.parametrize(("state", "code"), [("succeeded", 0), ("failed", 1), ("cancelled", 1), ("running", 8)])
    def test_watch_says_how_it_ended(self, serve, state, code):
        serve(reply(200, state=state))
        assert run("runs", "watch", "R-1", "--wait", "0").exit_code == code

    def test_watch_looks_until_the_end(self, serve):
        states = iter(["queued", "running", "succeeded"])
        requests = serve(lambda _: httpx.Response(200, json={"state": next(states)}))
        assert run("runs", "watch", "R-1", "--wait", "1h").exit_code == 0
        assert len(requests) == 3

    def test_submit_lists_every_wrong_row(self, serve, tmp_path):
        serve(reply(422, title="Refused", detail="1 finding", errors=[{"pointer": "/rows/17", "detail": "[red]unknown[/red] case"}]))
        (tmp_path / "p.csv").write_text("case,label\n")
        result = run("runs", "submit", "R-1", "p.csv")
        assert result.exit_code == 2
        assert "/rows/17 [red]unknown[/red] case" in result.stderr

    def test_start_and_report_print_json(self, serve):
        requests = serve(reply(202, id="R-1"))
        assert json.loads(run("runs", "start", "n@2", "s@1", "--baseline", "n@1").stdout) == {"id": "R-1"}
        assert json.loads(requests[0].content) == {"model": "n@2", "test_set": "s@1", "baseline": "n@1"}
        assert json.loads(run("runs", "report", "R-1").stdout) == {"id": "R-1"}

    def test_register_sends_the_document_with_provenance(self, serve, tmp_path):
        requests = serve(reply(201))
        (tmp_path / "d.json").write_text('{"seed": 4}')
        assert run("models", "register", "n@2", "--document", "d.json", "--replicate", "1").exit_code == 0
        sent = json.loads(requests[0].content)
        assert (sent["version"], sent["seed"], sent["replicate"]) == ("2", 4, 1)
        assert sent["provenance"]["platform"]["python"]


class GateTests:
    CHECKS = [
        {"name": "A", "result": "pass", "sentence": "Fine | good.", "n": 200, "n_needed": None},
        {"name": "B", "result": "fail", "sentence": "Grey paper\x01 lost 10 points.", "n": 200, "n_needed": 390},
    ]

    @pytest.mark.parametrize(
        ("verdict", "code"),
        [("pass", 0), ("fail", 3), ("not_enough_evidence", 5), ("error", 1), ("not_run", 8), (None, 8), ("new word", 1)],
    )
    def test_the_verdict_is_the_exit_code(self, serve, verdict, code):
        serve(reply(200, number=7, verdict=verdict, checks=self.CHECKS))
        result = run(*GATE)
        assert result.exit_code == code
        assert "Grey paper" in result.stdout

    def test_it_opens_a_release_and_waits_for_its_verdict(self, serve):
        verdicts = iter(["not_run", "not_run", "pass"])
        requests = serve(
            lambda request: httpx.Response(200, json={"number": 7, "verdict": next(verdicts) if request.method == "GET" else None})
        )
        assert run(*GATE, "--wait", "45m").exit_code == 0
        assert [(request.method, request.url.path) for request in requests] == [
            ("POST", "/api/v1/projects/p/releases/"),
            *[("GET", "/api/v1/projects/p/releases/7/")] * 3,
        ]
        assert json.loads(requests[0].content) == {"candidate": "n@2", "baseline": "n@1", "test_set": "s@1", "policy": "p"}

    def test_not_allowed_is_4_and_a_bad_time_is_2(self, serve):
        serve(reply(403))
        assert run(*GATE).exit_code == 4
        serve(reply(200, number=7, verdict="pass"))
        assert run(*GATE, "--wait", "soon").exit_code == 2

    def test_files_for_ci(self, serve, tmp_path):
        serve(reply(200, number=7, verdict="fail", checks=self.CHECKS))
        result = run(*GATE, "--md", "gate.md", "--junit", "gate.xml", "--json")
        assert json.loads(result.stdout)["verdict"] == "fail"
        text = (tmp_path / "gate.md").read_text()
        assert "Failed" in text
        assert "Fine \\| good." in text
        suite = ET.fromstring((tmp_path / "gate.xml").read_bytes())
        assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")
        assert "lost 10 points" in suite.find("testcase/failure").get("message")
