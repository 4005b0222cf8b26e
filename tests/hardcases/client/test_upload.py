"""`hardcases upload` against a server in this process: only what is lacking is sent, a kill changes nothing, and the sentence at the end is true."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from hardcases.cases.models import Case, Sighting
from hardcases.client import cli, large, sending, upload
from hardcases.client.client import Client
from hardcases.client.progress import REJECTED, STATE, Meter, spoken
from hardcases.uploads import actions as uploads
from hardcases.uploads.models import Upload
from tests.builders.cases import a_picture
from tests.builders.http import a_token
from tests.builders.people import a_project
from tests.builders.uploads import a_large_picture

pytestmark = pytest.mark.django_db(transaction=True)


class Door(httpx.HTTPTransport):
    """The network: counts what goes through, and may be told to fail."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, str]] = []
        self.before: Callable[[httpx.Request], httpx.Response | None] = lambda request: None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.split("/projects/", 1)[-1].split("/", 1)[-1]
        self.calls.append((request.method, path))
        return self.before(request) or super().handle_request(request)

    def sent(self, ending: str) -> int:
        return sum(path.endswith(ending) for _, path in self.calls)


@pytest.fixture
def project() -> Any:
    return a_project()


@pytest.fixture
def door(live_server: Any, project: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Door:
    """The command line talks to the server through it, from an empty folder."""
    settings = {"URL": live_server.url, "TOKEN": a_token(project, "report"), "PROJECT": project.slug}
    for name, value in settings.items():
        monkeypatch.setenv(f"HARDCASES_{name}", value)
    monkeypatch.chdir(tmp_path)
    made = Door()
    monkeypatch.setattr(cli, "Client", lambda url, project: Client(url, None, project, http_transport=made, sleep=lambda _: None))
    return made


def run(*arguments: object) -> Any:
    return CliRunner().invoke(cli.app, ["upload", *map(str, arguments)])


def lines(result: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def a_folder(count: int, name: str = "failures") -> Path:
    folder = Path(name)
    (folder / "deep").mkdir(parents=True)
    for number in range(count):
        (folder / ("deep" if number % 2 else ".") / f"{number}.png").write_bytes(a_picture(f"{name} {number}"))
    return folder


class SendingTests:
    def test_a_folder_is_sent_once_and_the_end_says_what_became_of_it(self, door: Door, project: Any) -> None:
        folder = a_folder(5)
        (folder / "notes.txt").write_text("no picture")
        (folder / ".hidden.png").write_bytes(a_picture("hidden"))
        (folder / "broken.png").write_bytes(b"\x89PNG broken")
        (folder / "empty.png").touch()
        result = run(folder, "--reason", "low_confidence", "--meta", "site=clinic-7", "--meta", "age=61")
        assert result.exit_code == 6, result.stderr
        assert "5 new, 0 already there, 2 rejected -> upload-rejected.jsonl" in result.stderr
        assert f"Inbox: {os.environ['HARDCASES_URL']}/p/{project.slug}/inbox/" in result.stderr
        assert sorted(line["status"] for line in lines(result)) == [0, 201, 201, 201, 201, 201, 415]
        rejected = [json.loads(line) for line in Path(REJECTED).read_text().splitlines()]
        assert {Path(entry["file"]).name for entry in rejected} == {"broken.png", "empty.png"}
        assert all(entry["problem"]["detail"] for entry in rejected)
        assert set(Case.objects.values_list("reason", flat=True)) == {"low_confidence"}
        assert Case.objects.first().attributes == {"site": "clinic-7", "age": 61}  # type: ignore[union-attr]
        assert not Path(STATE).exists()

    def test_again_sends_nothing(self, door: Door) -> None:
        folder = a_folder(3)
        run(folder)
        door.calls.clear()
        result = run(folder)
        assert (result.exit_code, door.sent("batch/")) == (0, 0)
        assert "0 new, 3 already there" in result.stderr
        assert {line["key"] for line in lines(result)} == {"XR-1", "XR-2", "XR-3"}
        assert Sighting.objects.count() == 3

    def test_equal_files_are_one_case(self, door: Door) -> None:
        Path("a").mkdir()
        for name in ("x.png", "y.png"):
            Path("a", name).write_bytes(a_picture())
        result = run("a")
        assert "1 new, 1 already there" in result.stderr
        assert Case.objects.count() == 1

    def test_a_manifest_brings_fields_texts_and_records(self, door: Door) -> None:
        Path("one.png").write_bytes(a_picture())
        said = [
            {"file": "one.png", "external_id": "7", "reason": "own"},
            {"text": "häh", "attributes": {"age": 4}},
            {"record": {"a": 1}},
        ]
        Path("m.jsonl").write_text("\n\n".join(map(json.dumps, said)) + "\n")
        result = run("--manifest", "m.jsonl", "--reason", "general", "--meta", "site=x")
        assert result.exit_code == 0, result.stderr
        found = {case.kind: case for case in Case.objects.all()}
        assert (found["image"].reason, found["text"].reason) == ("own", "general")
        assert found["text"].attributes == {"age": 4, "site": "x"}
        assert "0 new" in run("--manifest", "m.jsonl").stderr

    def test_dicom_is_known_by_its_suffix_or_its_letters(self, tmp_path: Path) -> None:
        for name, content in (("1.2.840.113", b"\0" * 128 + b"DICM.."), ("x.dcm", b""), ("y.bin", b"\0" * 200), ("z", b"")):
            (tmp_path / name).write_bytes(content)
        assert {path.name for path in tmp_path.iterdir() if upload.is_picture(path)} == {"1.2.840.113", "x.dcm"}

    def test_a_bad_batch_is_cut_until_the_culprit_stands_alone(self, door: Door) -> None:
        Path("m.jsonl").write_text("".join(json.dumps({"text": f"text {number}"}) + "\n" for number in range(4)))

        def refuse(request: httpx.Request) -> httpx.Response | None:
            if request.url.path.endswith("batch/") and b"text 2" in request.read():
                return httpx.Response(413, json={"title": "Too large", "detail": "no"})
            return None

        door.before = refuse
        result = run("--manifest", "m.jsonl")
        assert result.exit_code == 6
        assert "3 new, 0 already there, 1 rejected" in result.stderr

    def test_nothing_about_a_folder_is_held(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in range(40):
            (tmp_path / f"{number}.png").write_bytes(b"x")
        looked: list[str] = []
        measured = upload.is_picture
        monkeypatch.setattr(upload, "is_picture", lambda path: looked.append(path.name) or measured(path))  # type: ignore[func-returns-value]
        sources = iter(upload.Wanted(paths=[tmp_path]))
        next(sources)
        assert len(looked) == 1


class LargeTests:
    @pytest.fixture(autouse=True)
    def small_parts(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(uploads, "PART_SIZE", 1_000_000)
        monkeypatch.setattr(sending, "LARGE", 1_000_000)
        Path(tmp_path, "large.png").write_bytes(a_large_picture(5, side=1_200))  # five parts

    def test_a_large_file_goes_in_parts(self, door: Door) -> None:
        result = run("large.png", "--reason", "x")
        assert result.exit_code == 0, result.stderr
        assert (door.sent("confirm/"), sum("/parts/" in path for _, path in door.calls)) == (1, 5)
        assert Case.objects.get().reason == "x"
        assert [line["key"] for line in lines(result)] == ["XR-1"]

    def test_it_goes_on_where_the_line_broke(self, door: Door) -> None:
        def cut(request: httpx.Request) -> httpx.Response | None:
            if "/parts/4/" in request.url.path:
                raise httpx.ReadError("cut")
            return None

        door.before = cut
        result = run("large.png")
        assert result.exit_code == 1
        assert json.loads(Path(STATE).read_text())["uploads"]
        door.before = lambda request: None
        door.calls.clear()
        result = run("large.png", "--resume")
        assert result.exit_code == 0, result.stderr
        assert [path.split("/parts/")[1] for _, path in door.calls if "/parts/" in path] == ["4/", "5/"]
        assert (Case.objects.count(), Upload.objects.count()) == (1, 0)

    def test_a_lost_answer_of_the_confirmation_is_asked_for_again(self, door: Door) -> None:
        lost: list[bool] = []

        def lose(request: httpx.Request) -> httpx.Response | None:
            if request.url.path.endswith("confirm/") and not lost:
                lost.append(True)
                httpx.HTTPTransport.handle_request(door, request).read()
                raise httpx.ReadError("lost")
            return None

        door.before = lose
        assert run("large.png").exit_code == 0
        assert lost
        assert Sighting.objects.count() == 1

    def test_a_bucket_out_of_reach_is_no_trouble(self, door: Door, project: Any) -> None:
        client = cli.Client(None, None)
        state = {"id": "u", "part_size": 4, "parts": [{"number": 1, "size": 4, "url": "http://127.0.0.1:9/x"}], "received": []}
        put: list[str] = []

        def answer(request: httpx.Request) -> httpx.Response:
            put.append(f"{request.method} {request.url.path.rsplit('/u/', 1)[-1]}")
            return httpx.Response(201, json=state)

        door.before = answer
        item = next(iter(upload.Wanted(paths=[Path("large.png")]))).item
        large.LargeFile(client.transport, client.path_of).send(item, "0" * 64)
        assert [call for call in put if call.startswith("PUT")] == ["PUT parts/1/"]


class InterruptedTests:
    def test_a_server_that_stays_away_is_exit_1_and_the_next_start_goes_on(self, door: Door) -> None:
        folder = a_folder(4)

        def away(request: httpx.Request) -> httpx.Response | None:
            raise httpx.ConnectError("refused")

        door.before = away
        result = run(folder)
        assert result.exit_code == 1
        assert "did not answer" in result.stderr
        assert Path(STATE).exists()
        door.before = lambda request: None
        assert "4 new" in run(folder).stderr

    def test_an_interruption_is_130_and_can_be_resumed(self, door: Door) -> None:
        folder = a_folder(3)
        door.before = lambda request: (_ for _ in ()).throw(KeyboardInterrupt())
        result = run(folder)
        assert result.exit_code == 130
        assert "same command again" in result.stderr
        door.before = lambda request: None
        assert run(folder, "--resume").exit_code == 0

    def test_killed_at_any_moment_and_started_again_it_loses_and_doubles_nothing(self, door: Door) -> None:
        folder = a_folder(240)
        command = [sys.executable, "-c", "from hardcases.client.cli import app; app()", "upload", str(folder), "--jobs", "2"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 120
        while not Case.objects.exists() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        result = run(folder)
        assert result.exit_code == 0, result.stderr
        assert Case.objects.count() == 240
        assert not Path(STATE).exists()

    def test_resume_wants_something_to_resume_and_restart_forgets_it(self, door: Door) -> None:
        folder = a_folder(1)
        assert run(folder, "--resume").exit_code == 2
        Path(STATE).write_text("{")
        assert "--restart" in run(folder).stderr
        Path(STATE).write_text(json.dumps({"target": "http://elsewhere x", "uploads": {}, "rejected": []}))
        assert run(folder).exit_code == 2
        assert run(folder, "--restart").exit_code == 0
        assert run(folder, "--resume", "--restart").exit_code == 2

    def test_what_was_refused_before_is_not_sent_again_when_it_resumes(self, door: Door) -> None:
        Path("bad.png").write_bytes(b"\x89PNG broken")
        sha = __import__("hashlib").sha256(b"\x89PNG broken").hexdigest()
        target = f"{os.environ['HARDCASES_URL']} {os.environ['HARDCASES_PROJECT']}"
        Path(STATE).write_text(json.dumps({"target": target, "uploads": {}, "rejected": [sha]}))
        result = run("bad.png")
        assert (result.exit_code, door.sent("batch/")) == (6, 0)
        assert run("bad.png").exit_code == 6
        assert door.sent("batch/") == 1


class WordsTests:
    def test_a_token_that_may_not_send_is_exit_4(self, door: Door, project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HARDCASES_TOKEN", a_token(project, "read"))
        assert run(a_folder(1)).exit_code == 4

    def test_a_dry_run_opens_everything_and_sends_nothing(self, door: Door) -> None:
        folder = a_folder(2)
        (folder / "empty.png").touch()
        result = run(folder, "--dry-run")
        assert (result.exit_code, door.calls) == (6, [])
        assert "Nothing was sent. 2 of 3 cases" in result.stderr
        (folder / "empty.png").unlink()
        assert run(folder, "--dry-run").exit_code == 0
        assert not Path(STATE).exists()

    @pytest.mark.parametrize("line", ["{", "[]", "{}", '{"text": "a", "record": {}}', '{"file": "absent.png"}', "7"])
    def test_a_bad_manifest_line_is_named_before_anything_is_sent(self, door: Door, line: str) -> None:
        Path("m.jsonl").write_text('{"text": "ok"}\n' + line + "\n")
        result = run("--manifest", "m.jsonl")
        assert result.exit_code == 2
        assert "line 2" in result.stderr
        assert not door.calls

    def test_wrong_usage(self, door: Door) -> None:
        Path("nothing").mkdir()
        for arguments in (["absent.png"], [], ["nothing"], ["nothing", "--meta", "x"], ["nothing", "--jobs", "0"]):
            assert run(*arguments).exit_code == 2, arguments

    @pytest.mark.parametrize(("seconds", "said"), [(0.4, "0 s"), (31, "31 s"), (91, "1 min 31 s"), (7_500, "2 h 5 min")])
    def test_times_are_spoken(self, seconds: float, said: str) -> None:
        assert spoken(seconds) == said

    def test_without_a_terminal_a_line_comes_every_ten_seconds(self) -> None:
        now, said = [0.0], []

        class Console:
            is_terminal = False

            def print(self, text: str, **_: Any) -> None:
                said.append(text)

        meter = Meter(Console(), cases=10, size=2_000_000, clock=lambda: now[0])  # type: ignore[arg-type]
        for second in range(21):
            now[0] = second
            meter.moved(cases=1 if second % 2 else 0, size=50_000)
        assert said == [
            "5/10 cases, 550.0 kB of 2.0 MB, 55.0 kB/s, 26 s left",
            "10/10 cases, 1.1 MB of 2.0 MB, 52.5 kB/s, 18 s left",
        ]
