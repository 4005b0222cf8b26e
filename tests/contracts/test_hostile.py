"""Every address × everything hostile: a refusal that says so, never a 5xx, never slow, and nothing stored that breaks a later page.

The attacker is a member with every role, so that nothing is stopped at the door. What is attacked comes from the URLconf, what is sent from `hostile`, what would be
right from `stage`. All faults of a test are listed at once: method, path, what was sent, what came back.
"""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from django.db import transaction
from django.test import Client
from django.urls import Resolver404, resolve

from hardcases.web import queries
from hardcases.work.models import Job
from hardcases.work.tasks import all_due
from tests.contracts import hostile, stage
from tests.contracts.hostile import CSV, FORM, JSON, NDJSON, YAML, Attack, Deck
from tests.contracts.stage import Stage
from tests.contracts.test_permissions import NAMED, OPEN, PROJECT, SIGNED_IN, TEAM, Address

pytestmark = pytest.mark.django_db

PATIENCE = 3.0  # seconds of processor time for one answer: not a promise, but beyond it somebody could keep a server busy
OF_A_KIND = 4  # pages looked at afterwards for one address
WRITES = ("POST", "PUT", "PATCH")
ALLAUTH = {"account_login", "account_reauthenticate", "sign_out"}
MARKS: dict[type, Any] = {int: 987_654_321, str: "mark-987", UUID: UUID(int=987)}  # take a hostile segment's place while a path is made
SAID = {"release-accept": "?check=Guard"}
ELSEWHERE = {  # what else an address may answer when nothing is wrong: it leads on, or there is nothing to lead to
    "home": (302,),
    "member-invite": (302,),
    "token-replace": (302,),
    "account_login": (302,),
    "account_inactive": (302,),
    "account_reauthenticate": (302,),
    "api-job": (404,),
    "api-import-report": (409,),  # an erasure takes files and reports with it
    "api-export-download": (409,),
    "api-export-digest": (409,),
    "last-received": (204,),
    "api-upload": (404,),
    "case-erase": (409,),
    "invite": (404,),
    "team-invite": (302,),
}
LAST = {"release-sign", "case-erase"}  # what they do cannot be undone
UNDECLARED = {
    "run-new": ("model", "test_set", "baseline"),
    "release-open": ("candidate", "version", "policy"),
    "release-accept": ("check",),
}
NO_BODY = {"api-run-predictions", "api-import-list", "api-upload-part"}  # take files, which have a test of their own


def _writing() -> Iterator[tuple[Address, str]]:
    for name, permissions in PROJECT.items():
        yield from ((NAMED[name], method) for method in WRITES if method in permissions)
    for name in sorted(OPEN | SIGNED_IN):
        view = NAMED[name].view
        if name in ALLAUTH or (view is not None and hasattr(view, "post")):
            yield NAMED[name], "POST"


def _reading() -> list[Address]:
    shut = {name for name, permissions in (PROJECT | TEAM).items() if "GET" not in permissions} | {"sign_out"}
    return [address for name, address in NAMED.items() if name not in shut]


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} in an answer")


@dataclass
class Siege:
    """Sends, judges every answer, and keeps the faults."""

    stage: Stage
    client: Client = field(init=False)
    faults: list[str] = field(default_factory=list)
    sent: int = 0
    answers: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.client = self.stage.client()

    def send(self, method: str, path: str, attack: Attack) -> int:
        """One request; its status."""
        self.sent += 1
        address = f"{path}?{attack.query}" if attack.query else path
        savepoint = transaction.savepoint()
        start = time.process_time()
        response = self.client.generic(method, address, attack.body, attack.content_type, headers=dict(attack.headers))
        content = b"".join(response.streaming_content) if response.streaming else response.content
        spent = time.process_time() - start
        if response.status_code >= 500:
            transaction.savepoint_rollback(savepoint)
        else:
            transaction.savepoint_commit(savepoint)
        self.answers[response.status_code] += 1
        for fault in self._judge(method, path, response, content, spent):
            self.faults.append(f"{method} {address[:150]} [{attack.what}]: {fault}")
        return int(response.status_code)

    def _judge(self, method: str, path: str, response: Any, content: bytes, spent: float) -> Iterator[str]:
        status, kind = response.status_code, response.headers.get("Content-Type", "")
        if status >= 500:
            yield f"{status} {content[:200]!r}"
            return
        if spent > PATIENCE:
            yield f"took {spent:.1f} s of processor time"
        if not path.startswith("/api/v1/") or method == "HEAD":
            return
        if status >= 400 and not kind.startswith("application/problem+json"):
            yield f"{status} as {kind or 'nothing'}, not as a problem: {content[:200]!r}"
        elif "json" in kind and "ndjson" not in kind and content:
            said = json.loads(content, parse_constant=_refuse_constant)
            if status >= 400 and not (said.get("status") == status and said.get("detail")):
                yield f"a problem without its status or sentence: {content[:200]!r}"

    def report(self) -> None:
        """Fail with everything that was found."""
        assert not self.faults, f"{len(self.faults)} of {self.sent} answers:\n" + "\n".join(self.faults[:40])


@pytest.fixture
def siege(settings: Any) -> Iterator[Siege]:
    """The attack; afterwards every page opens."""
    settings.ACCOUNT_RATE_LIMITS = False
    found = Siege(stage.a_stage())
    yield found
    found.client = found.stage.client()
    for address in _reading():
        path = found.stage.path(address) + SAID.get(str(address.name), "")
        if (status := found.send("GET", path, Attack("looking"))) not in {200, *ELSEWHERE.get(str(address.name), ())}:
            found.faults.append(f"{path} answers {status} afterwards")
    _walk(found)
    found.report()


def _walk(siege: Siege) -> None:
    """Follow the links of the pages, and the lists of the API to their ends."""
    slug = siege.stage.scene.project.slug
    waiting, seen, kinds = [f"/p/{slug}/", f"/p/{slug}/cases/", f"/p/{slug}/inbox/"], set(), dict[str, int]()
    while waiting:
        path = waiting.pop()
        kind = _kind(path)
        if path in seen or kind is None or kinds.get(kind, 0) >= OF_A_KIND:
            continue
        seen.add(path)
        kinds[kind] = kinds.get(kind, 0) + 1
        siege.sent += 1
        response = siege.client.get(path)
        content = b"".join(response.streaming_content) if response.streaming else response.content  # reading a stream ends it
        if response.status_code not in {200, 302}:
            siege.faults.append(f"a link leads to {path[:150]}, which answers {response.status_code}")
        elif response.headers.get("Content-Type", "").startswith("text/html"):
            links = re.findall(r'(?:href|hx-get|src)="([^"]+)"', content.decode())
            waiting += [link.replace("&amp;", "&").split("#")[0] for link in links if link.startswith(f"/p/{slug}/")]
    for name in (
        "api-case-list",
        "api-group-list",
        "api-test-set-list",
        "api-stratum-list",
        "api-model-list",
        "api-run-list",
        "api-policies",
        "api-releases",
        "api-import-list",
        "api-export-list",
    ):
        path, cursor = siege.stage.path(NAMED[name]), ""
        while cursor is not None:
            answer = siege.client.get(path, {"limit": "200", **({"cursor": cursor} if cursor else {})})
            if answer.status_code != 200:
                siege.faults.append(f"{path} answers {answer.status_code} afterwards")
                break
            cursor = answer.json()["next"]


def _kind(path: str) -> str | None:
    try:
        return resolve(path.split("?", maxsplit=1)[0]).url_name
    except Resolver404:
        return None


def _documents(siege: Siege) -> Iterator[tuple[str, Address, Any]]:
    right = stage.documents(siege.stage)
    for address, method in _writing():
        if address.is_api and address.name not in NO_BODY:
            assert address.name in right, f"{address.name} takes a body and has no row in stage.documents."
            yield method, address, right[address.name]


def test_documents(siege: Siege) -> None:
    """JSON that is wrong in one place. First all that is right, because what is taken of the wrong may change what is right elsewhere."""
    for method, address, right in _documents(siege):
        path = siege.stage.path(address)
        kind = NDJSON if address.name == "api-case-batch" else JSON
        untouched = transaction.savepoint()
        status = siege.send(method, path, Attack("what is right", json.dumps(right).encode(), kind))
        assert status < 300 or status == 409, f"{address.name} is not attacked in earnest: what should be right is answered {status}."
        transaction.savepoint_rollback(untouched)
    for method, address, right in _documents(siege):
        path = siege.stage.path(address)
        kind = NDJSON if address.name == "api-case-batch" else JSON
        for what, document in hostile.hurt(right):
            siege.send(method, path, Attack(what, json.dumps(document).encode(), kind))


def test_bodies(siege: Siege) -> None:
    """Bytes that are not JSON, content types and multipart frames that lie, headers, files that are not what they are called."""
    headers = Deck(hostile.HEADERS)
    for number, (method, address, right) in enumerate(_documents(siege)):
        path = siege.stage.path(address)
        kind = NDJSON if address.name == "api-case-batch" else JSON
        bodies = [Attack(what, body, kind) for what, body in hostile.raw_json(right)]
        attacks = [*bodies, *hostile.frames([*right] if isinstance(right, dict) else ["file"])]
        for attack in attacks if hostile.ALL else attacks[number % 3 :: 3]:
            siege.send(method, path, attack)
        for what, said in headers.deal(2):
            siege.send(method, path, Attack(what, json.dumps(right).encode(), headers=said))
    _send_parts(siege)
    path = siege.stage.path(NAMED["api-run-predictions"], number=siege.stage.names["waiting"])
    part = siege.stage.path(NAMED["api-upload-part"])
    for what, body in hostile.raw_json({"case": "x"}):
        siege.send("PUT", part, Attack(what, body, JSON))
    for said in ("sha-256=:x:", "sha-256=", ",,=", "sha-256=:" + "A" * 5_000 + ":", "é=:="):
        siege.send("PUT", part, Attack("a digest", stage.PICTURE, headers={"Content-Digest": said}))
    kinds = Deck((CSV, NDJSON, "application/vnd.apache.parquet", JSON, ""))
    for what, body in (*hostile.files(siege.stage.names["key"]), *hostile.raw_json({"case": "x"})):
        for kind in kinds.deal(2):
            siege.send("PUT", path, Attack(f"{what} as {kind}", body, kind))


def _send_parts(siege: Siege) -> None:
    """Multipart and YAML where they are taken."""
    right, path = stage.documents(siege.stage), siege.stage.path
    picture = hostile.part("file", stage.PICTURE, '; filename="x.png"')
    for what, document in hostile.hurt({"external_id": "x", "tags": ["a"]}):
        case = hostile.part("case", json.dumps(document).encode())
        siege.send("POST", path(NAMED["api-case-list"]), Attack(what, picture + case + hostile.END, hostile.MULTIPART))
    for what, document in hostile.hurt([{"file": "file", "tags": ["a"]}]):
        batch = hostile.part("cases", json.dumps(document).encode())
        siege.send("POST", path(NAMED["api-case-batch"]), Attack(what, picture + batch + hostile.END, hostile.MULTIPART))
    for what, document in hostile.hurt({"version": "3.1", "adapter": stage.ONNX}):
        parts = hostile.part("version", json.dumps(document).encode()) + hostile.part("model", b"\x00onnx", '; filename="m"')
        siege.send("POST", path(NAMED["api-model-version-list"]), Attack(what, parts + hostile.END, hostile.MULTIPART))
    for what, body in hostile.raw_json(right["api-model-version-list"]):
        parts = hostile.part("version", body) + hostile.part("model", b"\x00onnx", '; filename="m"') + hostile.part("training.txt", body)
        siege.send("POST", path(NAMED["api-model-version-list"]), Attack(what, parts + hostile.END, hostile.MULTIPART))
    _send_imports(siege)
    for what, yaml in hostile.yamls():
        siege.send("POST", path(NAMED["api-policies"]), Attack(what, yaml, YAML))


def _send_imports(siege: Siege) -> None:
    """Files to import, with mappings and formats that are none."""
    path = siege.stage.path(NAMED["api-import-list"])
    file = hostile.part("file", b'{"text": "x"}\n', '; filename="x.jsonl"')
    for what, document in hostile.hurt({"classes": {"cyst": "nodule"}, "columns": {"site_id": "attributes.site"}, "texts": ["a"]}):
        parts = file + hostile.part("mapping", json.dumps(document).encode()) + hostile.part("dry_run", b"true")
        siege.send("POST", path, Attack(what, parts + hostile.END, hostile.MULTIPART))
    for name in ("format", "dry_run"):
        for text in hostile.TEXTS:
            parts = file + hostile.part(name, text.encode("utf-8", "surrogatepass"))
            siege.send("POST", path, Attack(f"{name} = {text[:30]!r}", parts + hostile.END, hostile.MULTIPART))
    for what, body in (*hostile.raw_json({"text": "x"}), *hostile.files(siege.stage.names["key"])):
        for kind in ("jsonl", "csv", "parquet"):
            parts = hostile.part("file", body, f'; filename="x.{kind}"') + hostile.part("dry_run", b"true")
            siege.send("POST", path, Attack(f"{what} as {kind}", parts + hostile.END, hostile.MULTIPART))
    for attack in hostile.frames(["file", "mapping", "format", "dry_run"]):
        siege.send("POST", path, attack)
    for due in all_due():  # what was taken is read by a worker, which fails no test but would try again for ever
        due.task(**due.kwargs)
    assert not Job.objects.filter(kind__startswith="transfers", state__in=("queued", "running")).exists()


def test_forms(siege: Siege) -> None:
    """Forms with one field wrong, repeated or missing, and what is no form."""
    right, texts, yamls = stage.forms(siege.stage), Deck(hostile.TEXTS), Deck(hostile.yamls())
    pages = [(address, method) for address, method in _writing() if not address.is_api]
    for number, (address, method) in enumerate(sorted(pages, key=lambda page: page[0].name in LAST)):
        siege.client = siege.stage.client()  # some of them sign out, or in as somebody else
        assert address.name in right, f"{address.name} takes a form and has no row in stage.forms."
        path, fields = siege.stage.path(address), right[str(address.name)]
        attacks: list[tuple[str, bytes]] = []
        for name in fields:
            attacks += [(f"{name} = {text[:30]!r}", _form(fields | {name: text})) for text in texts.deal(4)]
            attacks.append((f"no {name}", _form({key: value for key, value in fields.items() if key != name})))
        attacks.append(("all fields twice", _form([*fields.items(), *fields.items()])))
        attacks.append(("bytes", b"".join(name.encode() + b"=%ED%A0%80%00\xff&" for name in fields)))
        attacks.append(("1,100 fields", _form([(f"f{field}", "") for field in range(1_100)])))
        if address.name == "policy-propose":
            attacks += [(what, _form({"document": yaml})) for what, yaml in yamls.deal(6)]
        for what, body in attacks:
            siege.send(method, path, Attack(what, body, FORM))
        frames = list(hostile.frames([*fields]))
        for attack in frames if hostile.ALL else frames[number % 6 :: 6]:
            siege.send(method, path, attack)


def _form(fields: Any) -> bytes:
    return urlencode(fields, errors="surrogatepass").encode()


def test_queries(siege: Siege, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parameters that are unknown, repeated, of the wrong type, too long or no text."""
    declared: set[str] = set()
    checked, values, headers = queries._checked, Deck(hostile.QUERIES), Deck(hostile.HEADERS)
    monkeypatch.setattr(queries, "_checked", lambda query, shape: declared.update(shape().fields) or checked(query, shape))
    for address in _reading():
        path = siege.stage.path(address)
        declared.clear()
        siege.send("GET", path, Attack("an unknown parameter", query="colour=red&colour=%ff&%00=1"))
        for name in sorted({*declared, *UNDECLARED.get(str(address.name), ())}):
            for value in values.deal(5):
                siege.send("GET", path, Attack("a parameter", query=f"{name}={value}"))
            siege.send("GET", path, Attack("a parameter twice", query=f"{name}=1&{name}=2"))
        for what, said in headers.deal(1):
            siege.send("GET", path, Attack(what, headers=said))


def test_paths_and_methods(siege: Siege) -> None:
    """Segments that name nothing, in every place, and methods that nobody offers."""
    segments, strange = Deck(hostile.SEGMENTS), Deck(hostile.METHODS)
    for address in NAMED.values():
        path, arguments = siege.stage.path(address), siege.stage.arguments(address)
        methods = [*PROJECT.get(str(address.name), {"GET": None})]
        for name, value in arguments.items():
            marked = siege.stage.path(address, **{name: MARKS[type(value)]})
            for number, segment in enumerate(segments.deal(4 if name != "project" else 1)):
                attacked = marked.replace(str(MARKS[type(value)]), segment)
                siege.send(methods[number % len(methods)], attacked, Attack(f"{name} = {segment[:30]}", b"{}"))
        for method in strange.deal(2):
            if method not in methods and address.name != "sign_out":
                siege.send(method, path, Attack("a method that is not offered", b"{}"))
