"""kill -9 of the web process while a large file comes in: what was confirmed is there, the rest is sent again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import httpx
import pytest

from tests.builders.uploads import a_large_picture, sha
from tests.faults.harness import until
from tests.faults.sites import Child, Site

pytestmark = [pytest.mark.services]
LARGE = a_large_picture(3, side=2_200)  # two parts


def test_a_killed_web_process_loses_at_most_the_part_that_was_being_received(embedded: Site, tmp_path: Path) -> None:
    flag = tmp_path / "paused"
    web = embedded.web(HARDCASES_PAUSE_AT=f"uploads.part.before_keep:{flag}")
    announced = embedded.call("POST", "uploads/", json={"sha256": sha(LARGE), "size": len(LARGE), "name": "scan.png"}).json()
    upload, size = announced["id"], announced["part_size"]
    assert [part["number"] for part in announced["parts"]] == [1, 2]
    flag.touch()  # the first to arrive passes
    assert _put(embedded, upload, 1, LARGE[:size]) == 204
    flag.unlink()
    with pytest.raises(httpx.HTTPError), _killed(web, flag):
        _put(embedded, upload, 2, LARGE[size:])
    flag.unlink(missing_ok=True)
    web = embedded.web(HARDCASES_PAUSE_AT=f"uploads.confirm.before_commit:{flag}")
    assert embedded.call("GET", f"uploads/{upload}/").json()["received"] == [1]
    assert _put(embedded, upload, 2, LARGE[size:]) == 204
    before = embedded.value("SELECT count(*) FROM hardcases_case")
    with pytest.raises(httpx.HTTPError), _killed(web, flag):
        embedded.call("POST", f"uploads/{upload}/confirm/", json={})
    assert embedded.value("SELECT count(*) FROM hardcases_case") == before
    embedded.web()
    answers = [embedded.call("POST", f"uploads/{upload}/confirm/", json={}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201], answers[0].text
    assert answers[0].json() == answers[1].json()
    assert embedded.value("SELECT count(*) FROM hardcases_case") == before + 1
    original = embedded.call("GET", f"cases/{answers[0].json()['key']}/media/", params={"as": "original"})
    assert original.content == LARGE
    assert list((embedded.folder / "uploads").iterdir()) == []


def _put(site: Site, upload: str, number: int, data: bytes) -> int:
    headers = {"Content-Type": "application/octet-stream"}
    return site.call("PUT", f"uploads/{upload}/parts/{number}/", content=data, headers=headers).status_code


@contextmanager
def _killed(web: Child, flag: Path) -> Iterator[None]:
    """The process is killed as soon as it stands at its pause point."""

    def kill() -> None:
        until(flag.exists, "Reaching the pause point")
        web.kill()

    killer = Thread(target=kill)
    killer.start()
    try:
        yield
    finally:
        killer.join()
