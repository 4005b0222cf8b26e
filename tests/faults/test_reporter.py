"""A service reports while the server is killed for an hour, loses answers and says it is busy: in the end every case is there, once."""

from pathlib import Path

import httpx
import pytest

from hardcases.client import Reporter
from tests.faults.sites import Site

pytestmark = [pytest.mark.services]


class Line(httpx.HTTPTransport):
    """The network between the two: every third answer is lost after the server has given it, every seventh is a busy server's."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = self.lost = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        if self.calls % 7 == 0:
            return httpx.Response((429, 503, 507)[self.calls // 7 % 3], json={"title": "busy"}, headers={"Retry-After": "5"})
        answer = super().handle_request(request)
        if self.calls % 3 == 0:
            answer.read()
            answer.close()
            self.lost += 1
            raise httpx.ReadError("The answer was lost.", request=request)
        return answer


def test_every_case_arrives_once(embedded: Site, tmp_path: Path) -> None:
    now, line = [0.0], Line()
    web = embedded.web()
    reporter = Reporter(
        embedded.base,
        embedded.facts["token"],
        embedded.facts["project"],
        spool=tmp_path / "spool",
        http_transport=line,
        clock=lambda: now[0],
        threads=False,
    )
    before = embedded.value("SELECT count(*) FROM hardcases_case")
    sightings = embedded.value("SELECT count(*) FROM hardcases_sighting")

    def minutes(count: int) -> None:
        for _ in range(count * 60):
            now[0] += 1
            reporter.send_due()

    for number in range(10):
        reporter.report(text=f"Reported by day {number}", reason="override")
    reporter.write_queue()
    minutes(1)
    web.kill()
    for number in range(20):
        reporter.report(text=f"Reported in the dark {number}", reason="override")
        reporter.write_queue()
        minutes(3)
    assert reporter.statistics["spooled"] >= 20
    embedded.web()
    minutes(30)
    found = reporter.statistics
    assert (found["sent"], found["spooled"], found["dropped"], found["refused"]) == (30, 0, 0, 0), found
    assert line.lost >= 5
    assert embedded.value("SELECT count(*) FROM hardcases_case") == before + 30
    assert embedded.value("SELECT count(*) FROM hardcases_sighting") == sightings + 30
    reporter.close()
    line.close()
