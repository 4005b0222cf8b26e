"""Reports from production: the service never notices, and no case is lost or doubled whatever the server does."""

import json
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from hardcases.client import Client, Reporter, reporter, spool
from hardcases.client.batches import CaseItem
from tests.builders.reporting import PROJECT, TOKEN, URL, Clock, Server, deliver, problem


class SendingTests:
    def test_every_kind_of_case_arrives_with_what_was_said(self, make: Any, server: Server, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(b"\x89PNG file")
        one = make()
        one.report(file=b"\x89PNG bytes", file_name="b.png", reason="x")
        one.report(file=tmp_path / "a.png")
        one.report(file=bytearray(b"\x89PNG array"))
        one.report(text="häh", attributes={"site": "clinic-7"})
        one.report(record={"age": 61}, captured_at="2026-11-20T14:02:00Z")
        deliver(one)
        bodies = [request.content for request in server.requests]
        assert b'filename="b.png"' in bodies[0]
        assert b'"reason": "x"' in bodies[0]
        assert b"\x89PNG file" in bodies[1]
        assert b"\x89PNG array" in bodies[2]
        said = json.loads(bodies[3])
        assert (said["input"], said["attributes"]) == ({"text": "häh"}, {"site": "clinic-7"})
        assert said["captured_at"]
        assert json.loads(bodies[4])["captured_at"] == "2026-11-20T14:02:00Z"
        assert {request.headers["Authorization"] for request in server.requests} == {f"Bearer {TOKEN}"}
        assert one.statistics | {"last_reason": ""} == {
            "reported": 5, "sent": 5, "dropped": 0, "refused": 0, "waiting": 0, "spooled": 0, "last_reason": ""
        }  # fmt: skip

    def test_the_service_may_change_its_own_objects_afterwards(self, make: Any, server: Server) -> None:
        one, record = make(), {"age": 61}
        one.report(record=record)
        record["age"] = 0
        deliver(one)
        assert json.loads(server.requests[0].content)["input"] == {"record": {"age": 61}}

    def test_nothing_it_is_given_makes_it_raise(self, make: Any) -> None:
        one = make()
        one.report()
        one.report(text="a", record={})
        one.report(record={"x": float("nan")})
        one.report(record={"x": object()})
        one.report(file=Path("absent.png"))
        one.report(file=7)  # type: ignore[arg-type]
        one.close()
        one.report(text="after the end")
        assert one.statistics["dropped"] == 7
        assert one.statistics["last_reason"]

    def test_the_client_has_it_too(self, server: Server, tmp_path: Path) -> None:
        with Client(URL, TOKEN, PROJECT, http_transport=server, spool=tmp_path) as client:
            client.report(text="a")
            assert client.reporter.flush(30)
            assert client.reporter.statistics["sent"] == 1

    def test_a_missing_setting_is_said_at_once(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("HARDCASES_TOKEN", raising=False)
        with pytest.raises(Exception, match="HARDCASES_TOKEN"):
            Reporter(URL, None, PROJECT)


class OutageTests:
    def test_an_hour_without_a_server_loses_and_doubles_nothing(self, make: Any, server: Server, clock: Clock) -> None:
        one = make()
        answers = [
            httpx.ConnectError("refused"),
            problem(503),
            problem(507),
            problem(429, {"Retry-After": "30"}),
            httpx.ReadTimeout("slow"),
        ]
        server.answer = lambda request: answers[len(server.requests) % len(answers)]
        for minute in range(60):
            one.report(text=f"case {minute}")
            one.write_queue()
            while clock.now < 60 * (minute + 1):
                clock.now += max(one.send_due(), 0.1)
        assert one.statistics["spooled"] == 60
        assert 60 <= len(server.requests) <= 200  # it backs off, and does not give up
        server.answer = lambda request: httpx.Response(201, json={})
        clock.now += 60
        deliver(one)
        assert server.stored == 60
        assert one.statistics["sent"] == 60
        texts = [json.loads(content)["input"]["text"] for content in server.cases.values()]
        assert texts == [f"case {minute}" for minute in range(60)]

    def test_a_reply_that_is_lost_after_the_commit_is_asked_for_again_under_the_same_key(
        self, make: Any, server: Server, clock: Clock
    ) -> None:
        one = make()
        server.answer = lambda request: httpx.ReadError("lost") if len(server.requests) % 2 else httpx.Response(201, json={})
        for number in range(5):
            one.report(text=f"case {number}")
        one.write_queue()
        for _ in range(10):
            clock.now += 61
            one.send_due()
        assert (server.stored, one.statistics["sent"], len(server.requests)) == (5, 5, 10)

    def test_it_waits_as_long_as_it_is_told(self, make: Any, server: Server, clock: Clock) -> None:
        one = make()
        server.answer = lambda request: problem(429, {"Retry-After": "17"})
        one.report(text="a")
        assert deliver(one) == 17
        clock.now += 16
        assert one.send_due() == 1
        assert len(server.requests) == 1

    @pytest.mark.parametrize("status", [401, 403, 404, 500, 507])
    def test_what_is_not_about_the_case_keeps_it(self, make: Any, server: Server, status: int) -> None:
        one = make()
        server.answer = lambda request: problem(status)
        one.report(text="a")
        deliver(one)
        assert (one.statistics["spooled"], one.statistics["refused"]) == (1, 0)
        assert "why" in one.statistics["last_reason"]

    @pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
    def test_a_refused_case_is_counted_and_the_next_goes_on(self, make: Any, server: Server, status: int) -> None:
        one = make()
        server.answer = lambda request: problem(status) if b"bad" in request.content else httpx.Response(201, json={})
        one.report(text="bad")
        one.report(text="good")
        deliver(one)
        found = one.statistics
        assert (found["refused"], found["sent"], found["spooled"]) == (1, 1, 0)
        assert "why" in found["last_reason"]


class SpoolTests:
    def test_the_next_start_sends_what_the_last_one_left(self, make: Any, server: Server) -> None:
        first = make()
        first.report(file=b"\x89PNG", file_name="x.png", reason="r")
        first.close()
        assert server.requests == []
        make().send_due()
        assert server.stored == 1

    def test_beyond_the_limit_the_oldest_go_and_are_counted(
        self, make: Any, server: Server, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        one = make(spool_bytes=10_000)
        for number in range(20):
            one.report(text=f"{number:02}" + "x" * 900)
        one.write_queue()
        kept = one.statistics["spooled"]
        assert 8 <= kept <= 10
        assert one.statistics["dropped"] == 20 - kept
        assert caplog.text.count("were dropped") == 1
        clock.now += 61
        one.report(text="x" * 20_000)
        one.write_queue()
        assert caplog.text.count("were dropped") == 2
        one.send_due()
        assert json.loads(server.requests[0].content)["input"]["text"][:2] == f"{20 - kept:02}"

    def test_a_queue_that_nobody_writes_is_bounded(self, make: Any) -> None:
        one = make()
        for number in range(reporter.QUEUE_CASES + 10):
            one.report(text=str(number))
        assert (one.statistics["waiting"], one.statistics["dropped"]) == (reporter.QUEUE_CASES, 10)

    def test_several_share_a_spool_and_each_case_is_sent_by_one(self, make: Any, server: Server) -> None:
        writer = make()
        for number in range(50):
            writer.report(text=str(number))
        writer.write_queue()
        threads = [threading.Thread(target=make().send_due) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (server.stored, len(server.requests)) == (50, 50)

    def test_a_case_taken_by_a_process_that_died_is_taken_again(self, make: Any, server: Server, tmp_path: Path) -> None:
        one = make()
        one.report(text="a")
        one.write_queue()
        assert spool.Spool(tmp_path / "spool", limit=10**9).take()
        other = make()
        other.send_due()
        assert server.stored == 0
        (taken,) = (tmp_path / "spool").glob("*.taken")
        os.utime(taken, (1, 1))
        other.send_due()
        assert server.stored == 1

    def test_half_a_file_is_set_aside(self, make: Any, server: Server, tmp_path: Path) -> None:
        (tmp_path / "spool").mkdir()
        (tmp_path / "spool" / "0.case").write_bytes(b'{"fields"')
        one = make()
        one.report(text="a")
        deliver(one)
        assert server.stored == 1
        assert [path.suffix for path in (tmp_path / "spool").iterdir()] == [".unreadable"]

    def test_a_disk_that_takes_nothing_is_passed_by(self, make: Any, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(descriptor: int) -> None:
            raise OSError(28, "full")

        monkeypatch.setattr(os, "fsync", full)
        one = make()
        one.report(text="a")
        one.write_queue()
        assert (server.stored, one.statistics["sent"]) == (1, 1)
        server.answer = lambda request: problem(503)
        one.report(text="b")
        one.write_queue()
        assert one.statistics["dropped"] == 1

    def test_it_is_private(self, make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
        one = make(spool=None)
        one.report(text="a")
        one.write_queue()
        (written,) = tmp_path.rglob("*.case")
        assert written.stat().st_mode & 0o077 == 0
        assert written.parent.stat().st_mode & 0o077 == 0
        assert TOKEN.encode() not in written.read_bytes()


class RedactionTests:
    def test_the_hook_decides_what_is_written_and_sent(self, make: Any, server: Server, tmp_path: Path) -> None:
        def without_names(item: CaseItem) -> CaseItem | None:
            if item.text == "secret":
                return None
            return replace(item, text=(item.text or "").replace("Jane", "…"))

        one = make(redact=without_names)
        one.report(text="Jane coughs")
        one.report(text="secret")
        one.write_queue()
        assert b"Jane" not in b"".join(path.read_bytes() for path in (tmp_path / "spool").iterdir())
        one.send_due()
        assert json.loads(server.requests[0].content)["input"] == {"text": "… coughs"}
        assert one.statistics["dropped"] == 1

    def test_a_hook_that_fails_sends_nothing(self, make: Any, server: Server, tmp_path: Path) -> None:
        one = make(redact=lambda item: 1 / 0)
        one.report(text="Jane")
        deliver(one)
        assert (server.requests, one.statistics["dropped"]) == ([], 1)
        assert "ZeroDivisionError" in one.statistics["last_reason"]
        assert "Jane" not in one.statistics["last_reason"]

    def test_one_call_may_bring_its_own(self, make: Any, server: Server) -> None:
        one = make(redact=lambda item: None)
        one.report(text="a", redact=lambda item: replace(item, text="b"))
        deliver(one)
        assert json.loads(server.requests[0].content)["input"] == {"text": "b"}
