"""A ledger kept outside the product: clients write down what they sent and what they were told, while web and worker processes are killed; then both sides are compared.

Each client sends pictures, texts, records and batches, repeats of its own, labels and decisions, one after the other, every request with an `Idempotency-Key`
and again until it is answered. So the ledger knows exactly how many sightings, labels and decisions there must be.
"""

import hashlib
import json
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.builders.pictures import a_picture
from tests.faults.harness import until
from tests.faults.sites import Child, Site

AGAIN = {408, 425, 429, 503}  # answers that ask the client to come again; 409 with Retry-After is a request that is still running
REASONS = ("doctor_disagreed", "low_confidence")


@dataclass
class Content:
    """One content that a client sent: its digest, how to send it, and what the product must know of it."""

    sha256: str
    sent: dict[str, Any]
    name: str
    key: str = ""
    sightings: int = 0
    label: str | None = None
    labels: int = 0
    state: str = "inbox"


@dataclass
class Ledger:
    """What all clients wrote down together."""

    operations: int = 0
    retried: int = 0
    replayed: int = 0
    contents: dict[str, Content] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    _lock: threading.Condition = field(default_factory=threading.Condition)

    def note(self, operations: int = 1, *, retried: int = 0, replayed: bool = False) -> None:
        with self._lock:
            self.operations += operations
            self.retried += retried
            self.replayed += replayed
            self._lock.notify_all()

    def wait_for(self, operations: int, ended: Callable[[], bool]) -> bool:
        """Until so many are answered; False where all clients ended before."""
        with self._lock:
            self._lock.wait_for(lambda: self.operations >= operations or ended(), timeout=120)
            return self.operations >= operations

    def wake(self) -> None:
        with self._lock:
            self._lock.notify_all()


class Sender:
    """One client with its own seeded stream of operations."""

    def __init__(self, site: Site, ledger: Ledger, number: int, seed: int) -> None:
        self.site, self.ledger, self.number = site, ledger, number
        self.draw = random.Random(f"{seed}/{number}")
        self.mine: list[Content] = []
        self.made = 0
        headers = {"Authorization": f"Bearer {site.facts['token']}"}
        self.http = httpx.Client(base_url=f"{site.base}/api/v1/projects/{site.facts['project']}/", headers=headers, timeout=30)

    def work(self, operations: int) -> None:
        """So many operations, to the end."""
        done = 0
        while done < operations:
            kind = self.draw.choices(
                (self.new, self.repeat, self.batch, self.label, self.decide, self.conflict), weights=(40, 15, 8, 17, 15, 5)
            )[0]
            done += kind() if self.mine or kind == self.new else 0
        self.http.close()

    def send(self, method: str, path: str, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        """Until it is answered: a dropped connection and a 503 are sent again under the same key."""
        key, retried = f"{self.number}-{self.draw.getrandbits(64):x}", 0
        while True:
            try:
                answer = self.http.request(method, path, headers={"Idempotency-Key": key, **(headers or {})}, **body)
            except httpx.TransportError:
                retried += 1
                until(self.site.answers, "The web process after a kill")
                continue
            if answer.status_code in AGAIN or (answer.status_code == 409 and "Retry-After" in answer.headers):
                retried += 1
                continue
            self.ledger.note(retried=retried, replayed=answer.headers.get("Idempotency-Replayed") == "true")
            return answer

    def expect(self, answer: httpx.Response, *statuses: int) -> bool:
        if answer.status_code in statuses:
            return True
        self.ledger.wrong.append(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:300]}")
        return False

    def fresh(self) -> Content:
        """A content that nobody sent before."""
        self.made += 1
        name = f"c{self.number}-{self.made}"
        fields = {"external_id": name, "reason": self.draw.choice(REASONS)}
        kind = self.draw.random()
        if kind < 0.6:
            data = a_picture(name)
            parts = {"file": (f"{name}.png", data), "case": (None, json.dumps(fields), "application/json")}
            return Content(hashlib.sha256(data).hexdigest(), {"files": parts}, name)
        if kind < 0.8:
            return self.text()
        record = {"a": name, "b": 1}
        digest = hashlib.sha256(json.dumps(record, separators=(",", ":"), sort_keys=True).encode()).hexdigest()
        return Content(digest, {"json": {**fields, "input": {"record": record}}}, name)

    def text(self) -> Content:
        """A fresh text."""
        self.made += 1
        name = f"t{self.number}-{self.made}"
        text = f"The answer to {name} was wrong."
        body = {"external_id": name, "reason": self.draw.choice(REASONS), "input": {"text": text}}
        return Content(hashlib.sha256(text.encode()).hexdigest(), {"json": body}, name)

    def told(self, content: Content, status: int, body: dict[str, Any]) -> None:
        """An answer about a content, held against what was said before."""
        content.sightings += 1
        if (
            body.get("sha256", content.sha256) != content.sha256
            or (content.key and body["key"] != content.key)
            or (status == 201) == bool(content.key)
        ):
            self.ledger.wrong.append(f"{content.name} ({content.key or 'new'}): {status} {body}")
        content.key = body["key"]
        self.ledger.contents[content.sha256] = content

    def new(self) -> int:
        content = self.fresh()
        answer = self.send("POST", "cases/", **content.sent)
        if self.expect(answer, 201):
            self.told(content, 201, answer.json())
            self.mine.append(content)
        return 1

    def repeat(self) -> int:
        content = self.draw.choice(self.mine)
        answer = self.send("POST", "cases/", **content.sent)
        if self.expect(answer, 200):
            self.told(content, 200, answer.json())
        return 1

    def batch(self) -> int:
        """Texts, with one known content and one item that nobody can take."""
        told = [self.text() for _ in range(8)]
        known = self.draw.choice([one for one in self.mine if "json" in one.sent] or told)
        lines = [one.sent["json"] for one in (*told, known)] + [{"external_id": "bad", "input": {"text": ""}}]
        body = "\n".join(map(json.dumps, lines))
        answer = self.send("POST", "cases/batch/", content=body, headers={"Content-Type": "application/x-ndjson"})
        if not self.expect(answer, 207):
            return 1
        *results, refused = answer.json()["results"]
        for one, result in zip((*told, known), results, strict=True):
            self.told(one, result["status"], result)
        self.mine += told
        if refused["status"] != 422:
            self.ledger.wrong.append(f"An empty text in a batch: {refused}")
        self.ledger.note(len(results))
        return 1 + len(results)

    def label(self) -> int:
        content = self.draw.choice(self.mine)
        label = self.draw.choice(self.site.facts["classes"])
        answer = self.send("POST", "labels/", json=[{"case": content.key, "label": {"label": label}}])
        if self.expect(answer, 207):
            if answer.json()["results"][0]["status"] >= 400:
                self.ledger.wrong.append(answer.text[:300])
            content.labels += label != content.label
            content.label = label
        return 1

    def decide(self) -> int:
        content = self.draw.choice(self.mine)
        state = self.draw.choice(("accepted", "declined"))
        body = {"state": state} | ({"decline_reason": "test_upload"} if state == "declined" else {})
        answer = self.send("PATCH", f"cases/{content.key}/", json=body)
        if self.expect(answer, 200):
            content.state = state
        return 1

    def conflict(self) -> int:
        """A name that is taken, with another content: refused, and nothing is stored."""
        content = self.draw.choice(self.mine)
        body = {"external_id": content.name, "input": {"text": f"not {content.name} {self.draw.random()}"}}
        self.expect(self.send("POST", "cases/", json=body), 409)
        return 1


@dataclass
class Killer:
    """Kills web and worker with -9 each time so many operations have been answered, and starts them again."""

    site: Site
    ledger: Ledger
    every: int
    kills: int = 0
    _web: Child | None = None
    _worker: Child | None = None

    def start(self) -> None:
        self._web, self._worker = self.site.web(), self.site.worker()

    def work(self, ended: Callable[[], bool]) -> None:
        """Until all clients have ended. Every third time it is the worker."""
        while self.ledger.wait_for((self.kills + 1) * self.every, ended):
            self.kills += 1
            victim = self._worker if self.kills % 3 == 0 else self._web
            assert victim is not None
            victim.kill()
            self.site.children.remove(victim)
            if victim is self._worker:
                self._worker = self.site.worker()
            else:
                self._web = self.site.web()


def run(site: Site, *, operations: int, clients: int, kill_every: int, seed: int = 1) -> tuple[Ledger, int]:
    """All clients to their end under kills; (the ledger, the number of kills). The worker is left to finish, and everything is compared by `faults_of`."""
    ledger = Ledger()
    senders = [Sender(site, ledger, number, seed) for number in range(clients)]
    killer = Killer(site, ledger, kill_every)
    killer.start()
    with ThreadPoolExecutor(clients + 1) as pool:
        working = [pool.submit(sender.work, operations // clients) for sender in senders]
        for one in working:
            one.add_done_callback(lambda _: ledger.wake())
        killing = pool.submit(killer.work, lambda: all(one.done() for one in working))
        for one in (*working, killing):
            one.result()
    until(lambda: not site.value("SELECT count(*) FROM hardcases_case WHERE media_state = 'pending'"), "All pictures' copies", 300)
    return ledger, killer.kills


def faults_of(site: Site, ledger: Ledger) -> Iterator[str]:
    """Everything in which the product and the ledger differ: what was lost, doubled or torn."""
    yield from ledger.wrong
    columns = "c.sha256, c.number, c.sightings_count, c.state, c.id"
    sql = f"SELECT {columns}, (SELECT count(*) FROM hardcases_sighting s WHERE s.case_id = c.id) FROM hardcases_case c"
    rows = {sha256: rest for sha256, *rest in site.rows(sql)}
    labels = dict(site.rows("SELECT case_id, count(*) FROM hardcases_labelrevision GROUP BY case_id"))
    for content in ledger.contents.values():
        if content.sha256 not in rows:
            yield f"lost: {content.name}, which was received as {content.key}"
            continue
        number, counted, state, pk, sightings = rows[content.sha256]
        found = (f"-{number}", counted, sightings, state, labels.get(pk, 0))
        wanted = (content.key[content.key.rindex("-") :], content.sightings, content.sightings, content.state, content.labels)
        if found != wanted:
            yield f"{content.key}: (number, count, sightings, state, labels) are {found}, the ledger says {wanted}"
    for command in (("verify",), ("audit", "verify")):
        done = site.manage(*command, check=False)
        if done.returncode:
            yield f"{' '.join(command)}: {done.stdout[-500:]} {done.stderr[-500:]}"


def created_since(site: Site, before: int) -> int:
    """How many cases there are beyond those that were there before."""
    return int(site.value("SELECT count(*) FROM hardcases_case")) - before
