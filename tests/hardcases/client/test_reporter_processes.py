"""Reports from production, with real threads, forks and kills."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

from hardcases.client.batches import CaseItem
from tests.builders.reporting import Server, problem


class ThreadTests:
    def test_report_comes_back_while_everything_behind_it_stands_still(self, make: Any, server: Server) -> None:
        gate = threading.Event()

        def stuck(item: CaseItem) -> CaseItem:
            gate.wait(60)
            return item

        one = make(threads=True, redact=stuck, clock=time.monotonic)
        for number in range(200):
            one.report(file=b"\x89PNG" * 50_000, attributes={"number": number})
        assert one.statistics["waiting"] == 200  # nobody was waited for
        gate.set()
        assert one.flush(60)
        assert server.stored == 200

    def test_flush_says_whether_all_went(self, make: Any, server: Server) -> None:
        server.answer = lambda request: problem(503)
        one = make(threads=True, clock=time.monotonic)
        one.report(text="a")
        assert not one.flush(0.2)

    def test_after_a_fork_the_child_sends_its_own_and_nothing_of_its_parent(self, server: Server, tmp_path: Path) -> None:
        program = """
            import os, sys
            import httpx
            from pathlib import Path
            from hardcases.client import Reporter

            class Server(httpx.BaseTransport):
                def handle_request(self, request):
                    request.read()
                    with open(sys.argv[1] + "/log", "a") as out:
                        out.write(f"{os.getpid()} {request.headers['Idempotency-Key']}\\n")
                    return httpx.Response(201, json={})

            one = Reporter("http://x", "hc_t", "p", spool=Path(sys.argv[1], "spool"), http_transport=Server())
            one.report(text="of the parent")
            assert one.flush(60)
            children = []
            for number in range(2):
                child = os.fork()
                if not child:
                    one.report(text=f"of child {number}")
                    good = one.flush(60) and one.statistics["reported"] == 1
                    one.close()  # or it might die with a case of the other in hand, which then waits a minute
                    os._exit(0 if good else 1)
                children.append(child)
            assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]
        """
        command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
        subprocess.run(command, check=True, timeout=120)
        sent = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
        assert len({pid for pid, _ in sent}) >= 2  # the children share a spool: one may have sent the case of the other
        assert len({key for _, key in sent}) == len(sent) == 3

    def test_a_killed_process_leaves_what_it_had_written(self, make: Any, server: Server, tmp_path: Path) -> None:
        program = """
            import sys, time
            from pathlib import Path
            from hardcases.client import Reporter
            one = Reporter("http://127.0.0.1:9", "hc_t", "p", spool=Path(sys.argv[1]))
            for number in range(20):
                one.report(text=f"case {number}")
            while one.statistics["waiting"]:
                time.sleep(0.01)
            print("written", flush=True)
            time.sleep(60)
        """
        command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "spool")]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"written\n"
            process.send_signal(signal.SIGKILL)
        for taken in (tmp_path / "spool").glob("*.taken"):
            os.utime(taken, (1, 1))
        make().send_due()
        assert server.stored == 20

    def test_at_the_end_of_a_program_what_waits_is_written(self, tmp_path: Path) -> None:
        program = """
            import sys
            from pathlib import Path
            from hardcases.client import Reporter
            Reporter("http://127.0.0.1:9", "hc_t", "p", spool=Path(sys.argv[1])).report(text="the last")
        """
        subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(tmp_path)], check=True, timeout=60)
        assert len(list(tmp_path.iterdir())) == 1
