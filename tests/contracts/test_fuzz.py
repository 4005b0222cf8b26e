"""What the published schema allows, and what it does not, made up by schemathesis for every operation: an answer that says so, never a 5xx, and no page poisoned.

`FUZZ=20000` sends that many requests in all; without it, a few to each operation (`benchmarks/fuzz.py` runs it on both databases).
"""

import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from tests.contracts.hostile import Attack
from tests.contracts.test_hostile import Siege, siege
from tests.contracts.test_permissions import NAMED

__all__ = ["siege"]  # the fixture: the attack, and afterwards every page opens
pytestmark = pytest.mark.django_db

A_FEW = 4
BASE = "http://testserver"
PARTS = {"method", "url", "headers", "params", "data", "json", "files"}  # what requests needs of what schemathesis gives
LEFT_OUT = {"Content-Type", "Content-Length", "Cookie", "Authorization"}  # the attacker is signed in, and the body speaks for itself


def _operations() -> list[Any]:
    described = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(request=None, public=True))
    return [found.ok() for found in described.get_all_operations()]


def _places(found: Siege) -> dict[str, str]:
    """Path of something that is there, by the path in the schema."""
    routes = {"/" + address.route: address for address in NAMED.values() if address.route.startswith("api/v1/")}
    plain = {_without_types(route): address for route, address in routes.items()}
    return {route: found.stage.path(address) for route, address in plain.items()}


def _without_types(route: str) -> str:
    return "".join("{" + part.split(":")[-1].replace(">", "}") if index else part for index, part in enumerate(route.split("<")))


def _attack(case: Any) -> tuple[str, Attack]:
    """(path, request) of what schemathesis made up."""
    kwargs = case.as_transport_kwargs(base_url=BASE)
    sent = requests.Request(**{name: value for name, value in kwargs.items() if name in PARTS}).prepare()
    body = sent.body.encode() if isinstance(sent.body, str) else sent.body or b""
    path, _, query = (sent.path_url or "").partition("?")
    headers = {name: value for name, value in sent.headers.items() if name not in LEFT_OUT}
    return path, Attack("schemathesis", body, sent.headers.get("Content-Type", ""), query, headers)


def _each(count: int) -> Iterator[tuple[Any, GenerationMode, int]]:
    operations = _operations()
    for operation in operations:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            yield operation, mode, max(1, count // (2 * len(operations))) if count else A_FEW


def test_every_operation(siege: Siege, capfd: pytest.CaptureFixture[str]) -> None:
    """Requests as the schema allows them and as it does not; most go to things that are there, so that more than a 404 is tried."""
    places = _places(siege)
    for operation, mode, examples in _each(int(os.environ.get("FUZZ", "0"))):
        _attack_one(siege, operation, mode, examples, places[operation.full_path])
    with capfd.disabled():
        sys.stdout.write(f"\n{siege.sent:,} requests, answers {dict(sorted(siege.answers.items()))}\n")
    assert min(siege.answers[200] + siege.answers[201], siege.answers[400], siege.answers[422]) > 0, siege.answers


def _attack_one(siege: Siege, operation: Any, mode: GenerationMode, examples: int, place: str) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), elsewhere=st.integers(0, 5).map(lambda drawn: drawn == 0))
    def attack(case: Any, elsewhere: bool) -> None:
        path, request = _attack(case)
        siege.send(operation.method.upper(), path if elsewhere else place, request)

    try:
        attack()
    except schemathesis.errors.InvalidSchema as error:
        siege.faults.append(f"{operation.label}: {error}")
