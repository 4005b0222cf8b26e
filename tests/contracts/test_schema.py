"""The OpenAPI file is complete, and the page made of it works offline."""

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from django.core.management import call_command
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from evaluation.engine.caution import Caution
from tests.contracts.test_permissions import NAMED

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def schema() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)


def _operations(schema: Any) -> Iterator[tuple[str, str, Any]]:
    for address, item in schema["paths"].items():
        for method in METHODS & set(item):
            yield address, method, item[method]


def test_it_generates_without_warnings_and_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("spectacular", "--fail-on-warn", "--validate")
    assert "Warning" not in capsys.readouterr().err


def test_it_describes_every_call_once(schema: Any) -> None:
    described = {(address, method) for address, method, _ in _operations(schema)}
    offered = {
        ("/" + _braces(address.route), method)
        for address in NAMED.values()
        if address.route.startswith("api/v1/")
        for method in METHODS
        if hasattr(address.view, method)
    }
    assert described == offered
    names = [operation["operationId"] for _, _, operation in _operations(schema)]
    assert len(names) == len(set(names))


def _braces(route: str) -> str:
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route)


def test_every_call_says_what_it_does(schema: Any) -> None:
    assert [operation["operationId"] for _, _, operation in _operations(schema) if not operation.get("description")] == []


def test_a_reports_entry_is_described_with_its_caution(schema: Any) -> None:
    answer = schema["paths"]["/api/v1/projects/{project}/runs/{number}/report/"]["get"]["responses"]["200"]
    assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ReportAnswer"}
    caution = schema["components"]["schemas"]["EntryAnswer"]["properties"]["caution"]
    assert "may be too narrow" in caution["description"]
    assert set(schema["components"]["schemas"]["CautionEnum"]["enum"]) == set(get_args(Caution))


@pytest.mark.django_db
def test_the_docs_show_every_call_as_curl_and_load_nothing_from_elsewhere(client: Client, schema: Any) -> None:
    page = client.get("/api/docs/")
    body = page.content.decode()
    for address, method, operation in _operations(schema):
        assert f'id="{operation["operationId"]}"' in body, (method, address)
    assert "script-src 'self'" in page["Content-Security-Policy"]
    assert 'src="http' not in body
    assert "<style" not in body


@pytest.mark.django_db
def test_the_file_is_served(client: Client) -> None:
    served = client.get("/api/schema/", headers={"Accept": "application/json"})
    assert served.status_code == 200
    assert "/api/v1/projects/" in json.loads(served.content)["paths"]
